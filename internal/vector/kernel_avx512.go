//go:build amd64 && !noasm

package vector

// avx512 needs AVX-512 F, BW, VL, DQ and VNNI, and VPOPCNTDQ and BITALG for bits: Intel's
// servers since Ice Lake, AMD since Zen 4.
var avx512 = &kernels{"avx512", routines{
	dotU8: dotU8AVX512,
	dotU8x16: func(pack []int8, bias *[lanes]int32, codes []byte, out []int32, ahead []byte) {
		n, stride := len(out)/lanes, len(pack)/lanes
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
	group: 1, scale: scaleAVX512, signs: signsAVX512, scale16: scale16AVX512,
	dotF32: dotF32AVX512, dotF16: dotF16AVX512, hamming: hammingAVX512, planes: planesAVX512,
	max16: max16AVX512, maxResidual16: maxResidual16AVX512, maxFloat16: maxFloat16AVX512, across16: across16AVX512,
	expand2: expand2AVX512, expand4: expand4AVX512, expandF16: expandF16AVX512,
	dotF32x16: []dotF32x16Rows{
		{16, dotF32x16n16AVX512}, {8, dotF32x16n8AVX512}, {4, dotF32x16n4AVX512}, {2, dotF32x16n2AVX512}, {1, dotF32x16n1AVX512},
	},
	prefetch: prefetchAMD64,
}}

// dotU8x16AVX512[n-1] takes n rows at once.
var dotU8x16AVX512 = [...]func(pack *int8, bias *int32, codes *byte, stride int, out *int32, ahead *byte, step int){
	dotU8x16n1AVX512, dotU8x16n2AVX512, dotU8x16n3AVX512, dotU8x16n4AVX512, dotU8x16n5AVX512,
	dotU8x16n6AVX512, dotU8x16n7AVX512, dotU8x16n8AVX512, dotU8x16n9AVX512, dotU8x16n10AVX512,
	dotU8x16n11AVX512, dotU8x16n12AVX512, dotU8x16n13AVX512, dotU8x16n14AVX512, dotU8x16n15AVX512,
	dotU8x16n16AVX512, dotU8x16n17AVX512, dotU8x16n18AVX512, dotU8x16n19AVX512, dotU8x16n20AVX512,
}
