package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/vector"
)

// Align scores the hits by late interaction: the sum over words of weight times
// the similarity of the region that fits best. It returns a new slice, best first,
// ties by Match, then by id, with Align and Coverage set. Items that were deleted
// since they were found are left out.
//
// Words belong to the caption when exactly one side is a caption, else to the
// query; the other side's tokens are the regions.
func (ix *Index) Align(ctx context.Context, q *Encoding, hits []Hit) ([]Hit, error) {
	var out []Hit
	err := ix.view(func(sn *snapshot) error {
		a, err := sn.aligner(q)
		if err != nil {
			return err
		}
		out, err = a.run(ctx, hits, ix.opts.Threads)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Align, a.Align), cmp.Compare(b.Match, a.Match), strings.Compare(a.ID, b.ID))
	})
	return out, nil
}

// Explain returns the hits in the same order with Words set, and Align and
// Coverage too. It costs more than Align: call it for the hits that are shown.
func (ix *Index) Explain(ctx context.Context, q *Encoding, hits []Hit) ([]Hit, error) {
	out := slices.Clone(hits)
	err := ix.view(func(sn *snapshot) error {
		a, err := sn.aligner(q)
		if err != nil {
			return err
		}
		for i := range out {
			if err := ctx.Err(); err != nil {
				return err
			}
			at, err := sn.locate(&out[i])
			if err != nil {
				return err
			}
			if err := a.explain(&out[i], at); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// locate returns where a hit is in this snapshot.
func (sn *snapshot) locate(h *Hit) (location, error) {
	if h.at.snap == sn.serial {
		return h.at, nil
	}
	return sn.find(h.ID)
}

// aligner is a query prepared for alignment. Words of negative weight, which
// Combine makes, are scored on their own and subtracted.
type aligner struct {
	sn       *snapshot
	q        *Encoding
	pos, neg *vector.MaxSim // neg is nil when no weight is negative
	regions  *vector.MaxSim // q as regions for captions; nil for a caption
	sum      float32        // of positive weights
}

func (sn *snapshot) aligner(q *Encoding) (*aligner, error) {
	if err := sn.accepts(q); err != nil {
		return nil, err
	}
	a := &aligner{sn: sn, q: q}
	if len(sn.segments) == 0 {
		return a, nil
	}
	t := sn.store.tokens
	if t == nil {
		return nil, fmt.Errorf("%s was built without regions: %w", sn.r.Name(), ErrNoTokens)
	}
	n := q.N()
	if n == 0 {
		return nil, fmt.Errorf("query: %w", ErrNoTokens)
	}
	if d := len(q.Tokens) / n; d != sn.store.tokenDim {
		return nil, fmt.Errorf("%w query: tokens of %d values, the index has %d", ErrInvalid, d, sn.store.tokenDim)
	}
	pos, neg := make([]float32, n), make([]float32, n)
	negative := false
	for i := range n {
		w := q.weight(i)
		pos[i], neg[i] = max(w, 0), max(-w, 0)
		a.sum += pos[i]
		negative = negative || w < 0
	}
	var err error
	if a.pos, err = vector.NewMaxSim(t, q.Tokens, pos); err != nil {
		return nil, fmt.Errorf("%w query: %v", ErrInvalid, err)
	}
	a.regions = a.pos
	if q.Kind == Caption {
		a.regions = nil
	}
	if negative {
		a.neg, err = vector.NewMaxSim(t, q.Tokens, neg)
	}
	return a, err
}

// alignPiece is how many candidates a worker takes at a time.
const alignPiece = 64

func (a *aligner) run(ctx context.Context, hits []Hit, threads int) ([]Hit, error) {
	out := make([]Hit, 0, len(hits))
	for _, h := range hits {
		at, err := a.sn.locate(&h)
		switch {
		case errors.Is(err, ErrNotFound):
			continue
		case err != nil:
			return nil, err
		}
		h.at, h.Words = at, nil
		out = append(out, h)
	}
	pieces := (len(out) + alignPiece - 1) / alignPiece
	err := a.sn.parallel(ctx, threads, pieces, func(next func() (int, bool)) error {
		var w alignWork
		for i, ok := next(); ok; i, ok = next() {
			if err := w.score(a, out[i*alignPiece:min((i+1)*alignPiece, len(out))]); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// alignWork is the memory of one worker.
type alignWork struct {
	blocks  [2][][]byte // forward, reverse
	weights [][]float32
	hits    [2][]*Hit
	scores  [alignPiece]float32
}

func (w *alignWork) score(a *aligner, hits []Hit) error {
	w.weights = w.weights[:0]
	for d := range w.blocks {
		w.blocks[d], w.hits[d] = w.blocks[d][:0], w.hits[d][:0]
	}
	for i := range hits {
		h := &hits[i]
		s := a.sn.segments[h.at.seg]
		block, first, n, err := s.block(h.at.row)
		if err != nil {
			return err
		}
		d := 0
		if a.regions != nil && s.kind(h.at.row) == Caption {
			d = 1
			w.weights = append(w.weights, s.weightsOf(first, n))
		}
		w.blocks[d] = append(w.blocks[d], block)
		w.hits[d] = append(w.hits[d], h)
	}
	if n := len(w.blocks[0]); n > 0 {
		scores := w.scores[:n]
		a.pos.Score(w.blocks[0], scores)
		for i, h := range w.hits[0] {
			h.Align, h.Coverage = scores[i], coverage(scores[i], a.sum)
		}
		if a.neg != nil {
			a.neg.Score(w.blocks[0], scores)
			for i, h := range w.hits[0] {
				h.Align -= scores[i]
			}
		}
	}
	if n := len(w.blocks[1]); n > 0 {
		scores := w.scores[:n]
		a.regions.ScoreReverse(w.blocks[1], w.weights, scores)
		for i, h := range w.hits[1] {
			h.Align, h.Coverage = scores[i], coverage(scores[i], sumWeights(w.weights[i], len(w.blocks[1][i])/a.sn.store.tokens.TokenBytes()))
		}
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

func sumWeights(w []float32, n int) float32 {
	if w == nil {
		return float32(n)
	}
	var sum float32
	for _, x := range w {
		sum += x
	}
	return sum
}

func coverage(score, sum float32) float32 {
	if !(sum > 0) {
		return 0
	}
	return min(max(score/sum, 0), 1)
}

// explain sets a hit's scores and words.
func (a *aligner) explain(h *Hit, at location) error {
	s := a.sn.segments[at.seg]
	block, first, n, err := s.block(at.row)
	if err != nil {
		return err
	}
	h.at = at
	if a.regions != nil && s.kind(at.row) == Caption {
		return a.explainReverse(h, block, first, n)
	}
	best, score := a.pos.Explain(block)
	h.Align, h.Coverage = score, coverage(score, a.sum)
	if a.neg != nil {
		less, sub := a.neg.Explain(block)
		h.Align -= sub
		for i := range less {
			if a.q.weight(i) < 0 {
				best[i] = less[i]
			}
		}
	}
	h.Words = nil
	for i, b := range best {
		w := a.q.weight(i)
		if w == 0 {
			continue
		}
		m := WordMatch{Token: i, Region: b.Region, Similarity: b.Similarity, Weight: w}
		if a.q.Words != nil {
			if a.q.Words[i].Text == "" {
				continue // the caption as a whole
			}
			m.Word, m.Start, m.End = a.q.Words[i].Text, a.q.Words[i].Start, a.q.Words[i].End
		} else if a.q.Labels != nil {
			m.Word = a.q.Labels[i]
		}
		if b.Region >= 0 {
			m.Box = s.box(first + b.Region)
			if m.Label, err = s.label(first + b.Region); err != nil {
				return err
			}
		}
		h.Words = appendWord(h.Words, m, a.q.Words != nil)
	}
	return nil
}

func (a *aligner) explainReverse(h *Hit, block []byte, first, n int) error {
	s := a.sn.segments[h.at.seg]
	weights := s.weightsOf(first, n)
	best, score := a.regions.ExplainReverse(block, weights)
	h.Align, h.Coverage = score, coverage(score, sumWeights(weights, n))
	rec, err := a.sn.record(h.at.seg, h.at.row)
	if err != nil {
		return err
	}
	h.Words = nil
	for i, b := range best {
		m := WordMatch{Token: i, Region: b.Region, Similarity: b.Similarity, Weight: 1}
		if weights != nil {
			m.Weight = weights[i]
		}
		if m.Weight == 0 {
			continue
		}
		named := len(rec.words) == n
		if named {
			if rec.words[i].Text == "" {
				continue // the caption as a whole
			}
			m.Word, m.Start, m.End = rec.words[i].Text, rec.words[i].Start, rec.words[i].End
		}
		if b.Region >= 0 {
			if a.q.Boxes != nil {
				m.Box = a.q.Boxes[b.Region]
			}
			if a.q.Labels != nil {
				m.Label = a.q.Labels[b.Region]
			}
		}
		h.Words = appendWord(h.Words, m, named)
	}
	return nil
}

// appendWord adds the match of a token; the pieces of one word become one match.
func appendWord(ws []WordMatch, m WordMatch, named bool) []WordMatch {
	if !named || len(ws) == 0 {
		return append(ws, m)
	}
	last := &ws[len(ws)-1]
	if last.Start != m.Start || last.End != m.End || last.Word != m.Word || last.Weight+m.Weight == 0 {
		return append(ws, m)
	}
	gain, before := m.Weight*m.Similarity, last.Weight*last.Similarity
	sum := last.Weight + m.Weight
	if m.Region >= 0 && (last.Region < 0 || gain > before) {
		last.Region, last.Box, last.Label = m.Region, m.Box, m.Label
	}
	last.Similarity, last.Weight = (gain+before)/sum, sum
	return ws
}
