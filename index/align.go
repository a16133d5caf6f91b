package index

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/align"
)

// aligner is a query prepared to be aligned with the items of a snapshot.
type aligner struct {
	sn    *snapshot
	q     *Encoding
	query *align.Query
}

// aligner prepares a query that has tokens; the file has some too.
func (sn *snapshot) aligner(q *Encoding) (*aligner, error) {
	if d := len(q.Tokens) / q.N(); d != sn.store.tokenDim {
		return nil, fmt.Errorf("%w query: tokens of %d values, the index has %d", ErrInvalid, d, sn.store.tokenDim)
	}
	query, err := align.NewQuery(sn.store.tokens, q.Tokens, q.Weights)
	if err != nil {
		return nil, fmt.Errorf("%w query: %v", ErrInvalid, err)
	}
	return &aligner{sn: sn, q: q, query: query}, nil
}

// reversed says that an item's words look for the query's regions.
func (a *aligner) reversed(at location) bool {
	return a.q.Kind == Image && a.sn.segments[at.seg].kind(at.row) == Caption
}

// alignPiece is how many candidates a worker takes at a time.
const alignPiece = 64

// rank sets the scores of hits and sorts them, best first; those of a query whose tokens nobody trained stay in the
// order of their vectors.
func (a *aligner) rank(ctx context.Context, hits []Hit, threads int) error {
	pieces := (len(hits) + alignPiece - 1) / alignPiece
	err := a.sn.parallel(ctx, threads, pieces, func(next func() (int, bool)) error {
		var w alignWork
		for i, ok := next(); ok; i, ok = next() {
			if err := w.score(a, hits[i*alignPiece:min((i+1)*alignPiece, len(hits))]); err != nil {
				return err
			}
		}
		return nil
	})
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Align, a.Align), cmp.Compare(b.Match, a.Match), strings.Compare(a.ID, b.ID))
	})
	return err
}

// alignWork is the memory of one worker.
type alignWork struct {
	forward, reverse aligned
	weights          [][]float32 // of the words of reverse
	scores           [alignPiece]float32
}

// aligned are blocks to be scored, and the hits they belong to.
type aligned struct {
	blocks [][]byte
	hits   []*Hit
}

func (w *alignWork) score(a *aligner, hits []Hit) error {
	w.weights = w.weights[:0]
	for _, d := range []*aligned{&w.forward, &w.reverse} {
		d.blocks, d.hits = d.blocks[:0], d.hits[:0]
	}
	for i := range hits {
		h := &hits[i]
		s := a.sn.segments[h.at.seg]
		block, first, n, err := s.block(h.at.row)
		if err != nil {
			return err
		}
		d := &w.forward
		if a.reversed(h.at) {
			d = &w.reverse
			w.weights = append(w.weights, s.weightsOf(first, n))
		}
		d.blocks, d.hits = append(d.blocks, block), append(d.hits, h)
	}
	a.query.Score(w.forward.blocks, w.scores[:len(w.forward.hits)])
	for i, h := range w.forward.hits {
		h.Align = w.scores[i]
	}
	a.query.ScoreReverse(w.reverse.blocks, w.weights, w.scores[:len(w.reverse.hits)])
	for i, h := range w.reverse.hits {
		h.Align = w.scores[i]
	}
	return nil
}

// weightsOf returns the weights of n tokens; nil is all 1.
func (s *segment) weightsOf(first, n int) []float32 {
	if s.weights == nil {
		return nil
	}
	return s.weights[first : first+n]
}

// explain sets a hit's coverage, and its words if they are wanted.
func (a *aligner) explain(h *Hit, words bool) error {
	s := a.sn.segments[h.at.seg]
	block, first, n, err := s.block(h.at.row)
	if err != nil {
		return err
	}
	var r align.Result
	reversed := a.reversed(h.at)
	if reversed {
		r = a.query.ExplainReverse(block, s.weightsOf(first, n))
	} else {
		r = a.query.Explain(block)
	}
	h.Coverage = r.Coverage()
	if !words {
		return nil
	}
	names := align.NewNames(a.q.Words, a.q.Labels, nil, nil)
	names.Region = func(i int) (Box, string, error) {
		label, err := s.label(first + i)
		return s.box(first + i), label, err
	}
	if reversed {
		rec, err := a.sn.record(h.at.seg, h.at.row)
		if err != nil {
			return err
		}
		if len(rec.words) != n {
			rec.words = nil
		}
		names = align.NewNames(rec.words, nil, a.q.Boxes, a.q.Labels)
	}
	matches, err := r.Words(names)
	h.Words = nil
	for _, m := range matches {
		h.Words = append(h.Words, WordMatch(m))
	}
	return err
}
