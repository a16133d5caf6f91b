// Package scorer searches vectors exactly, on the CPU: it codes them as bytes, scans many codes for the k best
// inner products, and scores documents of several vectors by late interaction (MaxSim). It stores nothing and
// knows no model; package index is built of the same parts.
//
// # Codes
//
// [Rows] are vectors of one dimension as bytes of one [Codec]. Every row is padded to the next multiple of 64
// values; padding never changes a score.
//
//	Int8  one byte a value, value+128 ("offset binary", 1…255), and one float32
//	      scale a row: x ≈ scale·(code−128)
//	F16   IEEE half precision, little endian
//	F32   IEEE single precision, little endian
//	Bits  one sign bit a value, taken after subtracting a centre
//
// [Rows.Search] returns the best rows for each query. A coarse scan of Bits can be made exact by scoring its
// candidates again with rows of another codec.
//
// # MaxSim
//
// [Tokens] lays out the tokens of a document (the regions of an image, or the words of a caption) as one block
// of bytes, coded as Int8 or F16, or as FourBit or TwoBit: the nearest of some trained centroids plus 4 or 2
// bits a value for what is left. [MaxSim] is a prepared query. Forward, the query holds words w and a block
// holds regions r; in reverse, the query holds regions and a block holds words. Both give
//
//	score = Σ_w weight_w · max_r ⟨w, r⟩
//
// and, if asked, the region and the similarity behind every word; the lowest region wins a tie. Vectors of
// length 1 make a similarity a cosine; an all-zero vector has similarity 0 with everything.
//
// # The same result on every machine
//
// The kernels exist in pure Go and in assembly for AVX2, AVX-512 with VNNI, and arm64 NEON; [Kernel] names the
// set in use, and -tags noasm builds pure Go only. All of them return the same bits: integer sums are exact,
// and float sums are taken in one fixed order without fused multiply-add. Rankings agree on every CPU, and do
// not depend on the number of goroutines.
//
// # Concurrency and lifetimes
//
// Rows, Tokens and MaxSims are never written after they are made and may be shared between goroutines. Nothing
// keeps a reference to an argument; results are the caller's.
package scorer
