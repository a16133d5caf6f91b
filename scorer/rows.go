package scorer

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/vector"
)

var (
	// ErrShape is returned when lengths do not fit each other: codes against a
	// number of rows, a vector against a dimension.
	ErrShape = vector.ErrShape
	// ErrCodec is returned when a codec cannot do what is asked, such as tokens as Bits.
	ErrCodec = vector.ErrCodec
	// ErrCorrupt is returned when bytes that were read back cannot be what this package wrote.
	ErrCorrupt = vector.ErrCorrupt
)

// A Codec says how a vector becomes bytes. Its String and UnmarshalText use the names f32, f16, int8, bits,
// 4bit and 2bit.
type Codec = format.Codec

// F32, F16, Int8 and Bits are for rows; Int8, F16, FourBit and TwoBit for tokens.
const (
	F32     = format.CodecF32
	F16     = format.CodecF16
	Int8    = format.CodecInt8
	Bits    = format.CodecBits
	FourBit = format.Codec4Bit
	TwoBit  = format.Codec2Bit
)

// Kernel names the set of kernels in use: go, avx2, avx512 or neon.
func Kernel() string { return vector.Kernel() }

// Rows are N vectors of Dim values as codes. NewRows makes them; a program that keeps codes in a file of its
// own, mapped into memory, fills in the fields.
type Rows struct {
	Codec  Codec     // F32, F16, Int8 or Bits
	Dim    int       // 1…32768
	N      int       // number of rows
	Codes  []byte    // N rows of equal length, each padded to a multiple of 64 values
	Scales []float32 // N for Int8, nil for the others
}

// NewRows codes the row-major vectors (n × dim). For Bits, centre (dim values, or nil) is subtracted before
// signs are taken; the mean of the vectors is a good one. Not a number becomes 0, and infinities the largest
// value that the codec has.
func NewRows(codec Codec, dim int, vectors, centre []float32) (*Rows, error) {
	r, err := vector.NewRows(codec, dim, vectors, centre)
	return (*Rows)(r), err
}

// A Hit is a row and its score: the inner product for F32, F16 and Int8, and Dim − 2·(number of different
// signs) for Bits. Higher is better.
type Hit struct {
	Row   int
	Score float32
}

// SearchOptions are the choices in a search. The zero value is a good one.
type SearchOptions struct {
	// Filter has a bit for each row: bit i%64 of Filter[i/64] lets row i pass. Nil lets all pass; rows beyond
	// a short filter do not.
	Filter []uint64
	// Centre is subtracted from the queries of Bits rows: the mean of queries, where rows had the mean of rows.
	Centre []float32
	// Rescore, if set, holds the same vectors in a finer codec. The best Candidates (0: 20 k, at least 1000)
	// of the scan are scored again with it.
	Rescore    *Rows
	Candidates int
	// Workers is the number of goroutines; 0 is GOMAXPROCS. It does not change the result.
	Workers int
}

// searchPiece is how many rows a worker scans between looks at the context.
const searchPiece = 1 << 14

// Search returns the best k rows for each of the row-major queries (n × Dim), best first, ties by the lowest
// row. All queries share one pass over memory.
func (r *Rows) Search(ctx context.Context, queries []float32, k int, opts *SearchOptions) ([][]Hit, error) {
	o := SearchOptions{}
	if opts != nil {
		o = *opts
	}
	rows, fine := (*vector.Rows)(r), (*vector.Rows)(o.Rescore)
	if err := rows.Validate(); err != nil {
		return nil, err
	}
	first := k
	if fine != nil {
		if err := fine.Validate(); err != nil {
			return nil, err
		}
		if fine.N != r.N || fine.Dim != r.Dim {
			return nil, fmt.Errorf("%w: %d rows of %d values, to be scored again with %d of %d", ErrShape, r.N, r.Dim, fine.N, fine.Dim)
		}
		if first = max(o.Candidates, k); o.Candidates == 0 {
			first = max(20*k, 1000)
		}
	}
	prepared, err := prepare(r.Codec, r.Dim, queries, o.Centre)
	if err != nil {
		return nil, err
	}
	tops, err := scan(ctx, rows, prepared, &o, first)
	if err != nil {
		return nil, err
	}
	if fine != nil {
		if prepared, err = prepare(fine.Codec, r.Dim, queries, nil); err != nil {
			return nil, err
		}
		for i, t := range tops {
			var candidates []int
			for _, h := range t.Hits() {
				candidates = append(candidates, h.Pos)
			}
			slices.Sort(candidates) // memory is read fastest in order
			tops[i] = vector.NewTopK(k)
			vector.Rescore(fine, prepared[i], candidates, 0, tops[i])
		}
	}
	hits := make([][]Hit, len(tops))
	for i, t := range tops {
		for _, h := range t.Hits() {
			hits[i] = append(hits[i], Hit{Row: h.Pos, Score: h.Score})
		}
	}
	return hits, nil
}

func prepare(codec Codec, dim int, queries, centre []float32) ([]*vector.Query, error) {
	if len(queries)%dim != 0 {
		return nil, fmt.Errorf("%w: %d values are no queries of %d", ErrShape, len(queries), dim)
	}
	var out []*vector.Query
	for at := 0; at < len(queries); at += dim {
		q, err := vector.NewQuery(codec, queries[at:at+dim], centre)
		if err != nil {
			return nil, err
		}
		out = append(out, q)
	}
	return out, nil
}

// scan returns a collector of the best k rows for each query.
func scan(ctx context.Context, rows *vector.Rows, queries []*vector.Query, o *SearchOptions, k int) ([]*vector.TopK, error) {
	collectors := func() []*vector.TopK {
		tops := make([]*vector.TopK, len(queries))
		for i := range tops {
			tops[i] = vector.NewTopK(min(k, rows.N))
		}
		return tops
	}
	best := collectors()
	var (
		mu   sync.Mutex
		free [][]*vector.TopK
	)
	batch := vector.NewBatch(queries)
	err := vector.InPieces(ctx, rows.N, searchPiece, o.Workers, func(lo, hi int) {
		mu.Lock()
		var tops []*vector.TopK
		if n := len(free); n > 0 {
			tops, free = free[n-1], free[:n-1]
		} else {
			tops = collectors()
		}
		mu.Unlock()
		filter := o.Filter
		if filter != nil {
			filter = filter[min(lo/64, len(filter)):]
		}
		batch.Scan(rows.Slice(lo, hi), filter, lo, tops)
		mu.Lock()
		free = append(free, tops)
		mu.Unlock()
	})
	for _, tops := range free {
		for i, t := range tops {
			best[i].Merge(t)
		}
	}
	return best, err
}
