package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"unsafe"

	"github.com/aladin-go/aladin/internal/bench/crossmodal"
	"github.com/aladin-go/aladin/internal/vector"
)

// dim is the dimension of all measurements: that of ALADIN's common space.
const dim = 768

// unitVectors draws n L2-normalised vectors.
func unitVectors(r *rand.Rand, n int) []float32 { return crossmodal.UnitVectors(r, n, dim) }

// randomBytes fills b fast; good enough where only time is measured.
func randomBytes(r *rand.Rand, b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, r.Uint64())
	}
}

// int8Rows makes n rows of random codes, which stand for vectors of length near 1.
func int8Rows(r *rand.Rand, n int) *vector.Rows {
	rows := &vector.Rows{Codec: vector.Int8, Dim: dim, N: n, Codes: make([]byte, n*dim), Scales: make([]float32, n)}
	randomBytes(r, rows.Codes)
	for i := range rows.Scales {
		rows.Scales[i] = 5e-4
	}
	return rows
}

// readWords and readVectors read memory and do next to nothing else; the faster one is
// the floor of every scan.
func readWords(b []byte) uint64 {
	w := unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/8)
	var s0, s1, s2, s3, s4, s5, s6, s7 uint64
	for ; len(w) >= 8; w = w[8:] {
		s0, s1, s2, s3 = s0|w[0], s1|w[1], s2|w[2], s3|w[3]
		s4, s5, s6, s7 = s4|w[4], s5|w[5], s6|w[6], s7|w[7]
	}
	return s0 | s1 | s2 | s3 | s4 | s5 | s6 | s7
}

// readVectors is the standard library's loop over vector registers.
func readVectors(b []byte) uint64 { return uint64(bytes.Count(b, []byte{0})) }

func newQuery(codec vector.Codec, v, centre []float32) *vector.Query {
	q, err := vector.NewQuery(codec, v, centre)
	if err != nil {
		panic(err) // the codecs and dimensions are ours
	}
	return q
}

// bytesOf views floats as the F32 codec's bytes.
func bytesOf(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}
