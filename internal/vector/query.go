package vector

import (
	"encoding/binary"
	"fmt"
)

// A Query is a vector prepared for scans of rows of one codec and dimension.
type Query struct {
	codec Codec
	dim   int
	float []float32 // F32, F16: Stride(dim) values
	code  []int8    // Int8: Stride(dim) values
	scale float32   // Int8
	bias  int32     // Int8: −128·Σcode, undoes the offset of the documents
	bits  []uint64  // Bits: Stride(dim)/64 words
}

// NewQuery prepares v for rows of the given codec. For Bits, centre (len(v)
// values, or nil) is subtracted before signs are taken: documents use the mean of
// documents, queries the mean of queries, which removes the gap between the two
// modalities. v is not kept.
func NewQuery(codec Codec, v, centre []float32) (*Query, error) {
	if len(v) < 1 || len(v) > MaxDim {
		return nil, fmt.Errorf("%w: query of %d values", ErrShape, len(v))
	}
	if centre != nil && len(centre) != len(v) {
		return nil, fmt.Errorf("%w: centre of %d values for a query of %d", ErrShape, len(centre), len(v))
	}
	q := &Query{codec: codec, dim: len(v)}
	n := Stride(len(v))
	switch codec {
	case F32, F16:
		q.float = make([]float32, n)
		copy(q.float, v)
	case Int8:
		q.code = make([]int8, n)
		q.scale = QuantizeInt8(q.code, v)
		q.bias = offsetBias(q.code)
	case Bits:
		b := make([]byte, n/8)
		encodeBits(b, v, centre)
		q.bits = make([]uint64, n/64)
		for i := range q.bits {
			q.bits[i] = binary.LittleEndian.Uint64(b[8*i:])
		}
	default:
		return nil, fmt.Errorf("%w: rows cannot be %v", ErrCodec, codec)
	}
	return q, nil
}

// offsetBias is what an integer sum over offset codes has too much, negated.
func offsetBias(code []int8) int32 {
	var s int32
	for _, c := range code {
		s += int32(c)
	}
	return -128 * s
}

// Codec returns the codec of the rows that q can be compared with.
func (q *Query) Codec() Codec { return q.codec }

// Dim returns the dimension of the rows that q can be compared with.
func (q *Query) Dim() int { return q.dim }

// fits panics early, and with words, where a kernel would read out of bounds.
func (q *Query) fits(r *Rows) {
	if q.codec != r.Codec || q.dim != r.Dim {
		panic(fmt.Sprintf("vector: query for %v rows of %d values meets %v rows of %d", q.codec, q.dim, r.Codec, r.Dim))
	}
	if len(r.Codes) < r.N*RowBytes(r.Codec, r.Dim) || HasScale(r.Codec) && len(r.Scales) < r.N {
		panic("vector: rows were not validated: codes or scales are short")
	}
}
