//go:build amd64 && !noasm

package vector

// avx512 needs AVX-512 F, BW, VL, DQ and VNNI, and VPOPCNTDQ for hamming: Intel's
// servers since Ice Lake, AMD since Zen 4.
var avx512 = &kernels{
	name: "avx512",
	dotU8: func(q []int8, bias int32, codes []byte, out []int32) {
		if len(out) > 0 {
			dotU8AVX512(&q[0], bias, &codes[0], len(q), len(out), &out[0])
		}
	},
	dotU8x16: func(pack []int8, bias *[lanes]int32, codes []byte, out []int32, ahead []byte) {
		n, stride := len(out)/lanes, len(pack)/lanes
		if n == 0 {
			return
		}
		// Equal blocks: 34 rows are 17 and 17, not 20 and 14.
		blocks := (n + len(dotU8x16AVX512) - 1) / len(dotU8x16AVX512)
		next, step := &codes[0], 0
		if len(ahead) > 0 {
			// One line is fetched every four values of a block.
			next = &ahead[0]
			step = (len(ahead)-1)/(blocks*(stride/4)) + 1
		}
		for b := range blocks {
			lo, hi := n*b/blocks, n*(b+1)/blocks
			dotU8x16AVX512[hi-lo-1](&pack[0], &bias[0], &codes[lo*stride], stride, &out[lo*lanes], next, step)
			if at := (b + 1) * (stride / 4) * step; at < len(ahead) {
				next = &ahead[at]
			}
		}
	},
	scale: func(dots []int32, scales []float32, qscale, threshold float32, scores []float32, pass []uint64) {
		clear(pass)
		if len(dots) > 0 {
			scaleAVX512(&dots[0], &scales[0], qscale, threshold, &scores[0], &pass[0], len(dots))
		}
	},
	scale16: func(dots []int32, scales []float32, qscale, threshold *[lanes]float32, scores []float32, pass []uint16) {
		if len(pass) > 0 {
			scale16AVX512(&dots[0], &scales[0], &qscale[0], &threshold[0], &scores[0], &pass[0], len(pass))
		}
	},
	dotF32: func(q []float32, rows []byte, out []float32) {
		if len(out) > 0 {
			dotF32AVX512(&q[0], &rows[0], len(q), len(out), &out[0])
		}
	},
	dotF16: func(q []float32, rows []byte, out []float32) {
		if len(out) > 0 {
			dotF16AVX512(&q[0], &rows[0], len(q), len(out), &out[0])
		}
	},
	hamming: func(q []uint64, rows []byte, out []int32) {
		if len(out) > 0 {
			hammingAVX512(&q[0], &rows[0], len(q), len(out), &out[0])
		}
	},
	signs: func(diff []int32, dim int32, threshold float32, scores []float32, pass []uint64) {
		clear(pass)
		if len(diff) > 0 {
			signsAVX512(&diff[0], dim, threshold, &scores[0], &pass[0], len(diff))
		}
	},
	max16: func(dots []int32, scales []float32, first int32, best *[lanes]float32, arg *[lanes]int32) {
		if len(scales) > 0 {
			max16AVX512(&dots[0], &scales[0], first, &best[0], &arg[0], len(scales))
		}
	},
	maxResidual16: func(dots []int32, scales []float32, centroids []int32, table []float32, first int32, best *[lanes]float32, arg *[lanes]int32) {
		if len(scales) > 0 {
			maxResidual16AVX512(&dots[0], &scales[0], &centroids[0], &table[0], first, &best[0], &arg[0], len(scales))
		}
	},
	maxFloat16: func(dots []float32, scales []float32, first int32, best *[lanes]float32, arg *[lanes]int32) {
		if len(scales) > 0 {
			maxFloat16AVX512(&dots[0], &scales[0], first, &best[0], &arg[0], len(scales))
		}
	},
	across16: func(dots []int32, lane *[lanes]float32, rows []float32, plus *[lanes]float32, first int32, best []float32, arg []int32) {
		if len(rows) > 0 {
			across16AVX512(&dots[0], &lane[0], &rows[0], &plus[0], first, &best[0], &arg[0], len(rows))
		}
	},
	expand2: func(codes []byte, levels *[16]byte, out []byte) {
		if len(out) > 0 {
			expand2AVX512(&codes[0], &levels[0], &out[0], len(out))
		}
	},
	expand4: func(codes []byte, levels *[16]byte, out []byte) {
		if len(out) > 0 {
			expand4AVX512(&codes[0], &levels[0], &out[0], len(out))
		}
	},
	expandF16: func(rows []byte, out []float32) {
		if len(out) > 0 {
			expandF16AVX512(&rows[0], &out[0], len(out))
		}
	},
	dotF32x16: func(pack []float32, rows []float32, out []float32) {
		n, stride := len(out)/lanes, len(pack)/lanes
		for lo := 0; lo < n; {
			rowsAt, outAt, left := &rows[lo*stride], &out[lo*lanes], n-lo
			switch {
			case left >= 16:
				dotF32x16n16AVX512(&pack[0], rowsAt, stride, outAt)
				lo += 16
			case left >= 8:
				dotF32x16n8AVX512(&pack[0], rowsAt, stride, outAt)
				lo += 8
			case left >= 4:
				dotF32x16n4AVX512(&pack[0], rowsAt, stride, outAt)
				lo += 4
			case left >= 2:
				dotF32x16n2AVX512(&pack[0], rowsAt, stride, outAt)
				lo += 2
			default:
				dotF32x16n1AVX512(&pack[0], rowsAt, stride, outAt)
				lo++
			}
		}
	},
	prefetch: func(b []byte) {
		if len(b) > 0 {
			prefetchAMD64(&b[0], len(b))
		}
	},
}

// dotU8x16AVX512[n-1] takes n rows at once.
var dotU8x16AVX512 = [...]func(pack *int8, bias *int32, codes *byte, stride int, out *int32, ahead *byte, step int){
	dotU8x16n1AVX512, dotU8x16n2AVX512, dotU8x16n3AVX512, dotU8x16n4AVX512, dotU8x16n5AVX512,
	dotU8x16n6AVX512, dotU8x16n7AVX512, dotU8x16n8AVX512, dotU8x16n9AVX512, dotU8x16n10AVX512,
	dotU8x16n11AVX512, dotU8x16n12AVX512, dotU8x16n13AVX512, dotU8x16n14AVX512, dotU8x16n15AVX512,
	dotU8x16n16AVX512, dotU8x16n17AVX512, dotU8x16n18AVX512, dotU8x16n19AVX512, dotU8x16n20AVX512,
}
