//go:build arm64 && !noasm

package vector

// neon needs the dot product instructions of ARMv8.2, which Graviton 2 and later,
// Ampere, Grace and all Apple M chips have. Looking at scores (scale, signs)
// is left to pure Go: it is little beside the sums.
var neon = &kernels{"neon", routines{
	dotU8: func(q *int8, _ int32, codes *byte, stride, n int, out *int32) { dotU8NEON(q, codes, stride, n, out) },
	dotU8x16: func(pack []int8, _ *[lanes]int32, codes []byte, out []int32, ahead []byte) {
		n, stride := len(out)/lanes, len(pack)/lanes
		share := (len(ahead) + n - 1) / n
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
	dotF32: dotF32NEON, dotF16: dotF16NEON, hamming: hammingNEON,
	max16: func(dots *int32, scales *float32, first int32, best *float32, arg *int32, n int) {
		max16NEON(dots, scales, int(first), best, arg, n)
	},
	maxResidual16: func(dots *int32, scales *float32, centroids *int32, table *float32, first int32, best *float32, arg *int32, n int) {
		maxResidual16NEON(dots, scales, centroids, table, int(first), best, arg, n)
	},
	maxFloat16: func(dots, scales *float32, first int32, best *float32, arg *int32, n int) {
		maxFloat16NEON(dots, scales, int(first), best, arg, n)
	},
	expand2: expand2NEON, expand4: expand4NEON, expandF16: expandF16NEON,
	dotF32x16: []dotF32x16Rows{{4, dotF32x16n4NEON}, {1, dotF32x16n1NEON}},
	prefetch:  prefetchNEON,
}}
