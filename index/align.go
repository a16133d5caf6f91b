package index

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/align"
	"github.com/aladin-go/aladin/internal/vector"
)

// rows are what hits are ranked and explained by: those of a file, or what an engine recalled.
type rows interface {
	// tokens returns an item's token block, and the weights of its tokens; nil is all 1.
	tokens(at location) (block []byte, weights []float32, err error)
	// load gets ready to tell of hits what the methods below do, and returns those that are still there.
	load(ctx context.Context, hits []Hit) ([]Hit, error)
	region(at location, i int) (Box, string, error)
	// words are those of a caption's tokens; nil if they are not known.
	words(at location) ([]Word, error)
	fields(at location) (*Fields, error)
	// guard runs f, and makes an error of what reading the rows may panic with.
	guard(f func() error) error
}

// aligner is a query prepared to be aligned with rows.
type aligner struct {
	from   rows
	layout *vector.Tokens
	q      *Encoding
	query  *align.Query

	device   Device // nil: the CPU
	byDevice int    // hits that it aligned
}

// newAligner prepares a query that has tokens; the rows have some too.
func newAligner(from rows, layout *vector.Tokens, q *Encoding) (*aligner, error) {
	if d := len(q.Tokens) / q.N(); d != layout.Dim() {
		return nil, fmt.Errorf("%w query: tokens of %d values, the index has %d", ErrInvalid, d, layout.Dim())
	}
	query, err := align.NewQuery(layout, q.Tokens, q.Weights)
	if err != nil {
		return nil, fmt.Errorf("%w query: %v", ErrInvalid, err)
	}
	return &aligner{from: from, layout: layout, q: q, query: query}, nil
}

// reversed says that an item's words look for the query's regions.
func (a *aligner) reversed(h *Hit) bool { return a.q.Kind == Image && h.Kind == Caption }

// alignPiece is how many candidates a worker takes at a time.
const alignPiece = 64

// rank sets the scores of hits and sorts them, best first.
func (a *aligner) rank(ctx context.Context, hits []Hit, ranking *Ranking, threads int) error {
	left, err := a.onDevice(ctx, hits)
	if err != nil {
		return err
	}
	a.byDevice = len(hits) - left
	pieces := (left + alignPiece - 1) / alignPiece
	err = parallel(ctx, a.from.guard, threads, pieces, func(next func() (int, bool)) error {
		var w alignWork
		for i, ok := next(); ok; i, ok = next() {
			if err := w.score(a, hits[i*alignPiece:min((i+1)*alignPiece, left)]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if ranking != nil && ranking.Labels != nil {
		if err := a.label(hits, ranking); err != nil {
			return err
		}
	}
	for i := range hits {
		hits[i].Score = ranking.Score(hits[i].Align, hits[i].Match, hits[i].Labelled)
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(b.Align, a.Align), cmp.Compare(b.Match, a.Match), strings.Compare(a.ID, b.ID))
	})
	return nil
}

// label sets what the labels of hits, which are loaded, add.
func (a *aligner) label(hits []Hit, ranking *Ranking) error {
	return a.from.guard(func() error {
		for i := range hits {
			labels, err := a.labels(&hits[i])
			if err != nil {
				return err
			}
			hits[i].Labelled = ranking.Labelled(a.q.Weights, labels)
		}
		return nil
	})
}

// labels are those of an image's regions; nil of a caption.
func (a *aligner) labels(h *Hit) (out []string, err error) {
	if h.Kind != Image {
		return nil, nil
	}
	block, _, err := a.from.tokens(h.at)
	if err != nil {
		return nil, err
	}
	out = make([]string, a.layout.Count(block))
	for i := range out {
		if _, out[i], err = a.from.region(h.at, i); err != nil {
			return nil, err
		}
	}
	return out, nil
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
		block, weights, err := a.from.tokens(h.at)
		if err != nil {
			return err
		}
		d := &w.forward
		if a.reversed(h) {
			d = &w.reverse
			w.weights = append(w.weights, weights)
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

// explain sets a hit's coverage, and its words if they are wanted.
func (a *aligner) explain(h *Hit, words bool) error {
	block, weights, err := a.from.tokens(h.at)
	if err != nil {
		return err
	}
	var r align.Result
	reversed := a.reversed(h)
	if reversed {
		r = a.query.ExplainReverse(block, weights)
	} else {
		r = a.query.Explain(block)
	}
	h.Coverage = r.Coverage()
	if !words {
		return nil
	}
	names := align.NewNames(a.q.Words, a.q.Labels, nil, nil)
	names.Region = func(i int) (Box, string, error) { return a.from.region(h.at, i) }
	if reversed {
		words, err := a.from.words(h.at)
		if err != nil {
			return err
		}
		names = align.NewNames(words, nil, a.q.Boxes, a.q.Labels)
	}
	matches, err := r.Words(names)
	if err != nil {
		return err
	}
	h.Words = nil
	for _, m := range matches {
		h.Words = append(h.Words, WordMatch{Word: m.Word, Start: m.Start, End: m.End, Token: m.Token, Region: m.Region, Box: m.Box, Label: m.Label,
			Similarity: m.Similarity, Weight: m.Weight})
	}
	if h.Labelled == 0 {
		return nil
	}
	return a.point(h)
}

// tokens implements rows, as do the methods below.
func (sn *snapshot) tokens(at location) (block []byte, weights []float32, err error) {
	s := sn.segments[at.seg]
	block, first, n, err := s.block(at.row)
	if err == nil && s.weights != nil {
		weights = s.weights[first : first+n]
	}
	return block, weights, err
}

func (sn *snapshot) load(_ context.Context, hits []Hit) ([]Hit, error) { return hits, nil }

func (sn *snapshot) region(at location, i int) (Box, string, error) {
	s := sn.segments[at.seg]
	_, first, _, err := s.block(at.row)
	if err != nil {
		return Box{}, "", err
	}
	label, err := s.label(first + i)
	return s.box(first + i), label, err
}

func (sn *snapshot) words(at location) ([]Word, error) {
	_, _, n, err := sn.segments[at.seg].block(at.row)
	if err != nil {
		return nil, err
	}
	rec, err := sn.record(at.seg, at.row)
	if len(rec.words) != n {
		return nil, err
	}
	return rec.words, err
}

func (sn *snapshot) guard(f func() error) error { return guard(sn.r.Name(), f) }

// point lets the words of a hit that a label means point at the region that bears it.
func (a *aligner) point(h *Hit) error {
	labels, err := a.labels(h)
	if err != nil {
		return err
	}
	for k := range h.Words {
		w := &h.Words[k]
		region, gain := a.q.Ranking.BestLabel(w.Token, labels)
		if gain <= 0 {
			continue
		}
		w.Gain, w.Region = gain, region
		if w.Box, w.Label, err = a.from.region(h.at, region); err != nil {
			return err
		}
	}
	return nil
}
