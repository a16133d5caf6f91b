//go:build amd64 && !noasm

package vector

// avx2 needs AVX2, F16C and POPCNT: Intel since Haswell, AMD since Excavator.
var avx2 = &kernels{"avx2", routines{
	dotU8: dotU8AVX2,
	dotU8x16: func(pack []int8, bias *[lanes]int32, codes []byte, out []int32, ahead []byte) {
		n, stride := len(out)/lanes, len(pack)/lanes
		share := (len(ahead) + n - 1) / n
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
	group: 8, scale: scaleAVX2, signs: signsAVX2, scale16: scale16AVX2,
	dotF32: dotF32AVX2, dotF16: dotF16AVX2, hamming: hammingPOPCNT, planes: planesPOPCNT,
	max16: max16AVX2, maxResidual16: maxResidual16AVX2, maxFloat16: maxFloat16AVX2,
	expand2: expand2AVX2, expand4: expand4AVX2, expandF16: expandF16AVX2,
	dotF32x16: []dotF32x16Rows{{4, dotF32x16n4AVX2}, {1, dotF32x16n1AVX2}},
	prefetch:  prefetchAMD64,
}}
