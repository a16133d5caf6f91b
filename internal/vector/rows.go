package vector

import "fmt"

// Rows is a read-only view of N encoded vectors of Dim values.
type Rows struct {
	Codec  Codec     // F32, F16, Int8 or Bits
	Dim    int       // 1…MaxDim
	N      int       // number of rows
	Codes  []byte    // N × RowBytes(Codec, Dim)
	Scales []float32 // N for Int8, nil for the others
}

// NewRows encodes the row-major vectors (n × dim) into fresh memory. For Bits,
// centre (dim values, or nil) is subtracted before signs are taken.
func NewRows(codec Codec, dim int, vectors, centre []float32) (*Rows, error) {
	if dim < 1 || dim > MaxDim || len(vectors)%dim != 0 {
		return nil, fmt.Errorf("%w: %d values are no rows of %d", ErrShape, len(vectors), dim)
	}
	r := &Rows{Codec: codec, Dim: dim, N: len(vectors) / dim}
	if err := r.checkCodec(); err != nil {
		return nil, err
	}
	if centre != nil && len(centre) != dim {
		return nil, fmt.Errorf("%w: centre of %d values for rows of %d", ErrShape, len(centre), dim)
	}
	size := RowBytes(codec, dim)
	r.Codes = make([]byte, r.N*size)
	if HasScale(codec) {
		r.Scales = make([]float32, r.N)
	}
	for i := range r.N {
		s := EncodeRow(codec, r.Codes[i*size:], vectors[i*dim:(i+1)*dim], centre)
		if r.Scales != nil {
			r.Scales[i] = s
		}
	}
	return r, nil
}

// Validate checks lengths. Scans trust Rows that were validated once.
func (r *Rows) Validate() error {
	if err := r.checkCodec(); err != nil {
		return err
	}
	if r.Dim < 1 || r.Dim > MaxDim || r.N < 0 {
		return fmt.Errorf("%w: %d rows of %d values", ErrShape, r.N, r.Dim)
	}
	if size := RowBytes(r.Codec, r.Dim); len(r.Codes)/size != r.N || len(r.Codes)%size != 0 {
		return fmt.Errorf("%w: %d bytes of codes for %d rows of %d bytes", ErrShape, len(r.Codes), r.N, size)
	}
	want := 0
	if HasScale(r.Codec) {
		want = r.N
	}
	if len(r.Scales) != want {
		return fmt.Errorf("%w: %d scales, want %d", ErrShape, len(r.Scales), want)
	}
	return nil
}

func (r *Rows) checkCodec() error {
	switch r.Codec {
	case F32, F16, Int8, Bits:
		return nil
	}
	return fmt.Errorf("%w: rows cannot be %v", ErrCodec, r.Codec)
}

// Slice returns the rows i…j-1, sharing memory with r.
func (r *Rows) Slice(i, j int) *Rows {
	size := RowBytes(r.Codec, r.Dim)
	s := &Rows{Codec: r.Codec, Dim: r.Dim, N: j - i, Codes: r.Codes[i*size : j*size : j*size]}
	if r.Scales != nil {
		s.Scales = r.Scales[i:j:j]
	}
	return s
}

// Decode fills dst, which has Dim values, with what row i stands for.
func (r *Rows) Decode(dst []float32, i int) {
	size := RowBytes(r.Codec, r.Dim)
	scale := float32(1)
	if r.Scales != nil {
		scale = r.Scales[i]
	}
	DecodeRow(r.Codec, dst[:r.Dim], r.Codes[i*size:(i+1)*size], scale)
}
