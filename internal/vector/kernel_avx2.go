//go:build amd64 && !noasm

package vector

// avx2 needs AVX2, F16C and POPCNT: Intel since Haswell, AMD since Excavator.
var avx2 = &kernels{
	name: "avx2",
	dotU8: func(q []int8, bias int32, codes []byte, out []int32) {
		if len(out) > 0 {
			dotU8AVX2(&q[0], bias, &codes[0], len(q), len(out), &out[0])
		}
	},
	dotU8x16: func(pack []int8, bias *[lanes]int32, codes []byte, out []int32, ahead []byte) {
		n, stride := len(out)/lanes, len(pack)/lanes
		share := (len(ahead) + max(n, 1) - 1) / max(n, 1)
		for lo := 0; lo < n; lo += 2 {
			if next := min(lo*share, len(ahead)); next < len(ahead) {
				prefetchAMD64(&ahead[next], min(2*share, len(ahead)-next))
			}
			if lo+1 < n {
				dotU8x16n2AVX2(&pack[0], &bias[0], &codes[lo*stride], stride, &out[lo*lanes])
			} else {
				dotU8x16n1AVX2(&pack[0], &bias[0], &codes[lo*stride], stride, &out[lo*lanes])
			}
		}
	},
	scale: func(dots []int32, scales []float32, qscale, threshold float32, scores []float32, pass []uint64) {
		clear(pass)
		n := len(dots) &^ 7
		if n > 0 {
			scaleAVX2(&dots[0], &scales[0], qscale, threshold, &scores[0], &pass[0], n)
		}
		for i := n; i < len(dots); i++ {
			s := float32(float32(dots[i])*scales[i]) * qscale
			scores[i] = s
			if s >= threshold {
				pass[i/64] |= 1 << (i % 64)
			}
		}
	},
	scale16: func(dots []int32, scales []float32, qscale, threshold *[lanes]float32, scores []float32, pass []uint16) {
		if len(pass) > 0 {
			scale16AVX2(&dots[0], &scales[0], &qscale[0], &threshold[0], &scores[0], &pass[0], len(pass))
		}
	},
	dotF32: func(q []float32, rows []byte, out []float32) {
		if len(out) > 0 {
			dotF32AVX2(&q[0], &rows[0], len(q), len(out), &out[0])
		}
	},
	dotF16: func(q []float32, rows []byte, out []float32) {
		if len(out) > 0 {
			dotF16AVX2(&q[0], &rows[0], len(q), len(out), &out[0])
		}
	},
	hamming: func(q []uint64, rows []byte, out []int32) {
		if len(out) > 0 {
			hammingPOPCNT(&q[0], &rows[0], len(q), len(out), &out[0])
		}
	},
	signs: func(diff []int32, dim int32, threshold float32, scores []float32, pass []uint64) {
		clear(pass)
		n := len(diff) &^ 7
		if n > 0 {
			signsAVX2(&diff[0], dim, threshold, &scores[0], &pass[0], n)
		}
		for i := n; i < len(diff); i++ {
			s := float32(dim - 2*diff[i])
			scores[i] = s
			if s >= threshold {
				pass[i/64] |= 1 << (i % 64)
			}
		}
	},
	max16: func(dots []int32, scales []float32, first int32, best *[lanes]float32, arg *[lanes]int32) {
		if len(scales) > 0 {
			max16AVX2(&dots[0], &scales[0], first, &best[0], &arg[0], len(scales))
		}
	},
	maxResidual16: func(dots []int32, scales []float32, centroids []int32, table []float32, first int32, best *[lanes]float32, arg *[lanes]int32) {
		if len(scales) > 0 {
			maxResidual16AVX2(&dots[0], &scales[0], &centroids[0], &table[0], first, &best[0], &arg[0], len(scales))
		}
	},
	maxFloat16: func(dots []float32, scales []float32, first int32, best *[lanes]float32, arg *[lanes]int32) {
		if len(scales) > 0 {
			maxFloat16AVX2(&dots[0], &scales[0], first, &best[0], &arg[0], len(scales))
		}
	},
	across16: across16Go,
	expand2: func(codes []byte, levels *[16]byte, out []byte) {
		if len(out) > 0 {
			expand2AVX2(&codes[0], &levels[0], &out[0], len(out))
		}
	},
	expand4: func(codes []byte, levels *[16]byte, out []byte) {
		if len(out) > 0 {
			expand4AVX2(&codes[0], &levels[0], &out[0], len(out))
		}
	},
	expandF16: func(rows []byte, out []float32) {
		if len(out) > 0 {
			expandF16AVX2(&rows[0], &out[0], len(out))
		}
	},
	dotF32x16: func(pack []float32, rows []float32, out []float32) {
		n, stride := len(out)/lanes, len(pack)/lanes
		for lo := 0; lo < n; {
			if n-lo >= 4 {
				dotF32x16n4AVX2(&pack[0], &rows[lo*stride], stride, &out[lo*lanes])
				lo += 4
			} else {
				dotF32x16n1AVX2(&pack[0], &rows[lo*stride], stride, &out[lo*lanes])
				lo++
			}
		}
	},
	prefetch: avx512.prefetch,
}
