package vector

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// A Segment is a part of what is searched.
type Segment struct {
	Rows   *Rows
	Filter []uint64 // bit i%64 of word i/64 lets row i pass; nil: all pass
	Base   int      // added to row numbers to make positions
}

// searchPiece is how many rows a worker takes at a time: some 12 MB of
// 768-dimensional int8, half a millisecond of work.
const searchPiece = 1 << 14

// Search returns the best k rows of all segments for each query, best first, ties
// by the lowest position. All queries share one pass over memory. workers ≤ 0
// is GOMAXPROCS; it does not change the result. Queries that do not fit the rows are
// an error; ctx ends the search early.
func Search(ctx context.Context, segments []Segment, queries []*Query, k, workers int) ([][]Hit, error) {
	type piece struct {
		rows   *Rows
		filter []uint64
		base   int
	}
	var pieces []piece
	for _, s := range segments {
		if err := s.Rows.Validate(); err != nil {
			return nil, err
		}
		for _, q := range queries {
			if q.codec != s.Rows.Codec || q.dim != s.Rows.Dim {
				return nil, fmt.Errorf("%w: a query for %v rows of %d values, %v rows of %d", ErrShape, q.codec, q.dim, s.Rows.Codec, s.Rows.Dim)
			}
		}
		for lo := 0; lo < s.Rows.N; lo += searchPiece {
			p := piece{rows: s.Rows.Slice(lo, min(lo+searchPiece, s.Rows.N)), base: s.Base + lo}
			if s.Filter != nil {
				p.filter = s.Filter[min(lo/64, len(s.Filter)):min((lo+searchPiece)/64, len(s.Filter))]
			}
			pieces = append(pieces, p)
		}
	}
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	workers = max(min(workers, len(pieces)), 1)
	batch := NewBatch(queries)
	found := make([][]*TopK, workers)
	var taken atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for w := range workers {
		g.Go(func() error {
			tops := make([]*TopK, len(queries))
			for i := range tops {
				tops[i] = NewTopK(k)
			}
			found[w] = tops
			for {
				i := int(taken.Add(1)) - 1
				if i >= len(pieces) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				p := pieces[i]
				batch.Scan(p.rows, p.filter, p.base, tops)
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	hits := make([][]Hit, len(queries))
	for i := range hits {
		for w := 1; w < workers; w++ {
			found[0][i].Merge(found[w][i])
		}
		hits[i] = found[0][i].Hits()
	}
	return hits, nil
}

// scorePiece is how many blocks a worker aligns between looks at the context.
const scorePiece = 64

// ScoreAll is Score on several goroutines: it fills scores, one a block. workers
// ≤ 0 is GOMAXPROCS.
func (m *MaxSim) ScoreAll(ctx context.Context, blocks [][]byte, scores []float32, workers int) error {
	if len(scores) != len(blocks) {
		return fmt.Errorf("%w: %d scores for %d blocks", ErrShape, len(scores), len(blocks))
	}
	return InPieces(ctx, len(blocks), scorePiece, workers, func(lo, hi int) {
		m.Score(blocks[lo:hi], scores[lo:hi])
	})
}

// ScoreAllReverse is ScoreReverse on several goroutines.
func (m *MaxSim) ScoreAllReverse(ctx context.Context, blocks [][]byte, weights [][]float32, scores []float32, workers int) error {
	if len(scores) != len(blocks) || weights != nil && len(weights) != len(blocks) {
		return fmt.Errorf("%w: %d scores and %d weights for %d blocks", ErrShape, len(scores), len(weights), len(blocks))
	}
	return InPieces(ctx, len(blocks), scorePiece, workers, func(lo, hi int) {
		var w [][]float32
		if weights != nil {
			w = weights[lo:hi]
		}
		m.ScoreReverse(blocks[lo:hi], w, scores[lo:hi])
	})
}
