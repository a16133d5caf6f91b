// Package vector holds the arithmetic of search: vectors as codes, scans of
// many codes for the best k, and late interaction (MaxSim) between the words of
// a caption and the regions of an image.
//
// # Codes
//
// A [Codec] says how one vector of Dim float32 values becomes bytes. Every row
// of codes is padded to [Stride](Dim), the next multiple of 64 elements, so that
// no kernel has a tail to treat; padding never changes a score. Rows follow
// each other without gaps and may start at any address (64-byte alignment is
// faster).
//
//	Int8  one byte a value, value+128 ("offset binary", 1…255), and one float32
//	      scale a row: x ≈ scale·(code−128). Documents are unsigned because
//	      that is what VNNI multiplies with signed queries; the offset
//	      costs one constant a query and nothing a row.
//	F16   IEEE half precision, little endian.
//	F32   IEEE single precision, little endian.
//	Bits  one sign bit a value, taken after subtracting a centre.
//	Residual4, Residual2 (tokens only): the nearest centroid plus 4 or 2
//	      bits a value for what is left, times one scale a row.
//
// # Scans
//
// [Rows] is a view of encoded vectors (typically of a memory-mapped file), a
// [Query] is a prepared vector, a [TopK] collects. [Scan] and [Batch.Scan] run
// on the calling goroutine; [InPieces] shares work between several.
//
// # MaxSim
//
// A [Tokens] describes how the tokens of a document (the regions of an image, or
// the words of a caption) become one block of bytes. A [MaxSim] is a prepared
// query. Forward, the query holds words w and a block holds regions r; in
// reverse, the query holds regions and a block holds words. Both give
//
//	score = Σ_w weight_w · max_r ⟨w, r⟩
//
// with, if asked, the region and the similarity behind every word; the lowest
// region wins a tie. Word and region vectors are expected to have length 1, which
// makes a similarity a cosine, or somewhat less; an all-zero vector (a "null region") has
// similarity 0 with everything.
//
// # The same result on every machine
//
// Each kernel exists in pure Go, and in assembly for AVX2, AVX-512 with VNNI, and
// arm64 NEON; the best one is chosen once, when the program starts, and [Kernel]
// names it. Build with -tags noasm for pure Go only. All of them return the
// same bits: integer sums are exact, and float sums are taken in one fixed order
// without fused multiply-add. Scores, and so rankings, agree to the last bit on
// every CPU; the tolerance is zero. Against real arithmetic, float sums over
// n terms are off by at most about n/64+6 roundings (F32, F16 scans) and n roundings
// (F16 tokens).
//
// # Concurrency and lifetimes
//
// Prepared queries, Tokens and Rows are never written after they are made and may
// be shared between goroutines. A TopK belongs to one goroutine. Nothing keeps a
// reference to codes after a call returns; results are the caller's.
package vector
