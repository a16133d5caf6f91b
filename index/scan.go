package index

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/aladin-go/aladin/internal/vector"
)

// scan is one pass over some pieces for some queries.
type scan struct {
	sn      *snapshot
	queries []*vector.Query
	batch   *vector.Batch
	pieces  []piece
	k       int

	mu   sync.Mutex
	best []collector // by query
}

// scan returns, for each query, at least the best k rows, in no particular order;
// for an index that rescores just those k, without scores, in the order of the file.
func (m *matcher) scan(ctx context.Context, queries []*vector.Query, pieces []piece, k int) ([][]found, error) {
	out := make([][]found, len(queries))
	if k == 0 {
		return out, nil
	}
	s := &scan{sn: m.sn, queries: queries, pieces: pieces, k: k, best: make([]collector, len(queries))}
	s.batch = vector.NewBatch(queries)
	work := s.bySegment
	if m.sn.store.rescores() {
		work = s.across
	}
	if err := m.sn.parallel(ctx, m.threads, len(pieces), work); err != nil {
		return nil, err
	}
	for i := range out {
		out[i] = s.best[i].found(s)
	}
	return out, nil
}

func (s *scan) newTops() []*vector.TopK {
	tops := make([]*vector.TopK, len(s.queries))
	for i := range tops {
		tops[i] = vector.NewTopK(s.k)
	}
	return tops
}

// bySegment empties its collectors after each segment. A TopK breaks ties by
// position, and within a segment the order of rows is that of ids.
func (s *scan) bySegment(next func() (int, bool)) error {
	tops := s.newTops()
	seg := -1
	drain := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, t := range tops {
			s.best[i].add(seg, t.Hits(), s.k)
			t.Reset()
		}
	}
	for i, ok := next(); ok; i, ok = next() {
		p := &s.pieces[i]
		if p.seg != seg {
			drain()
			seg = p.seg
		}
		s.batch.Scan(s.rows(p), p.filter, p.from, tops)
	}
	drain()
	return nil
}

// across is bySegment for coarse codes, of which many candidates are taken: one
// collector for all segments rejects more and sorts less. Ties go by position
// in the file.
func (s *scan) across(next func() (int, bool)) error {
	all := make([]*vector.Candidates, len(s.queries))
	for i := range all {
		all[i] = vector.NewCandidates(s.k)
	}
	base := s.sn.bases()
	for i, ok := next(); ok; i, ok = next() {
		p := &s.pieces[i]
		for j, q := range s.queries {
			all[j].Scan(s.rows(p), q, p.filter, base[p.seg]+p.from)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range all {
		if s.best[i].coarse == nil {
			s.best[i].coarse = c
		} else {
			s.best[i].coarse.Merge(c)
		}
	}
	return nil
}

// bases returns the position of each segment's first row when all rows are
// counted through.
func (sn *snapshot) bases() []int {
	base := make([]int, len(sn.segments)+1)
	for i, s := range sn.segments {
		base[i+1] = base[i] + s.n
	}
	return base
}

func (s *scan) rows(p *piece) *vector.Rows { return s.sn.segments[p.seg].rows.Slice(p.from, p.to) }

// collector gathers what workers found for one query. It keeps all that can be
// among the best k, ties included, so that the order in which workers come makes
// no difference.
type collector struct {
	best   []found
	coarse *vector.Candidates // instead of best, after across
}

func (c *collector) add(seg int, hits []vector.Hit, k int) {
	for _, h := range hits {
		c.best = append(c.best, found{seg, h.Pos, h.Score})
	}
	if len(c.best) < 4*k+64 {
		return
	}
	slices.SortFunc(c.best, func(a, b found) int { return cmp.Compare(b.score, a.score) })
	n := k
	for n < len(c.best) && c.best[n].score == c.best[k-1].score {
		n++
	}
	c.best = c.best[:n]
}

// found returns what was gathered, in no order, or in that of the file after across.
func (c *collector) found(s *scan) []found {
	if c.coarse == nil {
		return c.best
	}
	base := s.sn.bases()
	rows := c.coarse.Rows()
	out := make([]found, len(rows))
	seg := 0
	for i, row := range rows {
		for row >= base[seg+1] {
			seg++
		}
		out[i] = found{seg: seg, row: row - base[seg]}
	}
	return out
}
