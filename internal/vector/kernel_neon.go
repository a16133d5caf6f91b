//go:build arm64 && !noasm

package vector

// neon needs the dot product instructions of ARMv8.2, which Graviton 2 and later,
// Ampere, Grace and all Apple M chips have. Looking at scores (scale, signs)
// is left to pure Go: it is little beside the sums.
var neon = &kernels{
	name: "neon",
	dotU8: func(q []int8, _ int32, codes []byte, out []int32) {
		if len(out) > 0 {
			dotU8NEON(&q[0], &codes[0], len(q), len(out), &out[0])
		}
	},
	dotU8x16: func(pack []int8, _ *[lanes]int32, codes []byte, out []int32, ahead []byte) {
		n, stride := len(out)/lanes, len(pack)/lanes
		share := (len(ahead) + max(n, 1) - 1) / max(n, 1)
		for lo := 0; lo < n; {
			f, rows := dotU8x16n1NEON, 1
			if n-lo >= 4 {
				f, rows = dotU8x16n4NEON, 4
			}
			if next := min(lo*share, len(ahead)); next < len(ahead) {
				prefetchNEON(&ahead[next], min(rows*share, len(ahead)-next))
			}
			f(&pack[0], &codes[lo*stride], stride, &out[lo*lanes])
			lo += rows
		}
	},
	scale:   scaleGo,
	scale16: scale16Go,
	dotF32: func(q []float32, rows []byte, out []float32) {
		if len(out) > 0 {
			dotF32NEON(&q[0], &rows[0], len(q), len(out), &out[0])
		}
	},
	dotF16: func(q []float32, rows []byte, out []float32) {
		if len(out) > 0 {
			dotF16NEON(&q[0], &rows[0], len(q), len(out), &out[0])
		}
	},
	hamming: func(q []uint64, rows []byte, out []int32) {
		if len(out) > 0 {
			hammingNEON(&q[0], &rows[0], len(q), len(out), &out[0])
		}
	},
	signs: signsGo,
	max16: func(dots []int32, scales []float32, first int32, best *[lanes]float32, arg *[lanes]int32) {
		if len(scales) > 0 {
			max16NEON(&dots[0], &scales[0], int(first), &best[0], &arg[0], len(scales))
		}
	},
	maxResidual16: func(dots []int32, scales []float32, centroids []int32, table []float32, first int32, best *[lanes]float32, arg *[lanes]int32) {
		if len(scales) > 0 {
			maxResidual16NEON(&dots[0], &scales[0], &centroids[0], &table[0], int(first), &best[0], &arg[0], len(scales))
		}
	},
	maxFloat16: func(dots []float32, scales []float32, first int32, best *[lanes]float32, arg *[lanes]int32) {
		if len(scales) > 0 {
			maxFloat16NEON(&dots[0], &scales[0], int(first), &best[0], &arg[0], len(scales))
		}
	},
	across16: across16Go,
	expand2: func(codes []byte, levels *[16]byte, out []byte) {
		if len(out) > 0 {
			expand2NEON(&codes[0], &levels[0], &out[0], len(out))
		}
	},
	expand4: func(codes []byte, levels *[16]byte, out []byte) {
		if len(out) > 0 {
			expand4NEON(&codes[0], &levels[0], &out[0], len(out))
		}
	},
	expandF16: func(rows []byte, out []float32) {
		if len(out) > 0 {
			expandF16NEON(&rows[0], &out[0], len(out))
		}
	},
	dotF32x16: func(pack []float32, rows []float32, out []float32) {
		n, stride := len(out)/lanes, len(pack)/lanes
		for lo := 0; lo < n; {
			if n-lo >= 4 {
				dotF32x16n4NEON(&pack[0], &rows[lo*stride], stride, &out[lo*lanes])
				lo += 4
			} else {
				dotF32x16n1NEON(&pack[0], &rows[lo*stride], stride, &out[lo*lanes])
				lo++
			}
		}
	},
	prefetch: func(b []byte) {
		if len(b) > 0 {
			prefetchNEON(&b[0], len(b))
		}
	},
}
