package index

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/aladin-go/aladin/internal/vector"
)

// How a search looks into cells unless it is told a number of them.
const (
	// signDeviations is how far, in standard deviations, the bound of a row's score is above its estimate.
	signDeviations = 2.2
	// missed is the share of the best K that a search expects to lie in cells that it leaves out.
	missed = 0.005
	// firstCells are looked into before the first guess of what the others hold.
	firstCells = 8
	// sampleEvery is the distance of the rows that the guess is made from.
	sampleEvery = 4
	// Files of before there were signs: this share of all cells, but at least so many.
	oldProbeShare = 24
	oldProbeMin   = 16
	// A filter that lets less than 1/exactShare pass makes an exact scan cheap.
	exactShare = 8
)

// probes says whether a query looks into cells.
func (m *matcher) probes(allowed int) bool {
	c := m.sn.store.cells
	return c != nil && !m.opts.Exact && m.opts.Probe < c.n && allowed >= m.sn.items/exactShare
}

// prober looks the cells through for one query, nearest first, on one goroutine. Of the members of a cell it bounds the scores
// by their signs, and only rows whose bound is above the K-th best score so far are scored by their codes. It ends when
// what is left is unlikely to hold more than a hundredth of the K best: the scores of the rows that it has seen, beside
// those of their cells' means, tell how often a row surpasses its mean by how much.
type prober struct {
	sn     *snapshot
	rows   *allowedRows
	base   []int // position of each segment's first row
	fine   *vector.Query
	signs  *vector.SignQuery // nil if the file has none
	top    *vector.TopK
	bounds vector.SignBounds
	which  []int
	order  []vector.Hit

	tail tail // of how far scores are above the means, in spreads
}

// newProber prepares a query.
func newProber(sn *snapshot, q *Encoding, rows *allowedRows, k int) (*prober, error) {
	p := &prober{sn: sn, rows: rows, base: sn.bases(), top: vector.NewTopK(k)}
	var err error
	if p.fine, err = vector.NewQuery(sn.segments[0].fine().Codec, q.Matching, nil); err != nil {
		return nil, fmt.Errorf("%w query: %v", ErrInvalid, err)
	}
	if sn.store.cells.lengths != nil {
		if p.signs, err = vector.NewSignQuery(q.Matching, signDeviations); err != nil {
			return nil, fmt.Errorf("%w query: %v", ErrInvalid, err)
		}
		p.tail.perUnit = 2 / p.signs.Noise()
	}
	return p, nil
}

// run returns the best rows it finds: k of them whenever so many are allowed. Probe is the number of cells to look
// into; 0 looks into as many as it takes.
func (p *prober) run(v []float32, probe, k int) ([]found, error) {
	c := p.sn.store.cells
	for seg, s := range p.sn.segments {
		if s.cellStart == nil && p.rows.n[seg] > 0 {
			vector.Scan(s.fine(), p.fine, p.rows.filters[seg], p.base[seg], p.top)
		}
	}
	if probe == 0 && p.signs == nil {
		probe = max(c.n/oldProbeShare, oldProbeMin)
	}
	means := c.ranking(v)
	next := firstCells
	for i := 0; ; i++ {
		cell, ok := means.Next()
		if !ok {
			break
		}
		if err := p.cell(cell); err != nil {
			return nil, err
		}
		switch {
		case p.top.Len() < k:
		case probe > 0:
			if i+1 >= probe {
				return p.found(), nil
			}
		case i+1 >= next:
			if p.enough(means.Rest(), k) {
				return p.found(), nil
			}
			next += next/4 + 1
		}
	}
	return p.found(), nil
}

// ranking ranks the cells by the scores of their means.
func (c *cells) ranking(v []float32) *vector.Ranking {
	scores := make([]float32, c.n)
	c.assigner().Scores(v, scores)
	hits := make([]vector.Hit, c.n)
	for i, s := range scores {
		if c.lengths != nil {
			s *= c.lengths[i]
		}
		hits[i] = vector.Hit{Pos: i, Score: s}
	}
	return vector.NewRanking(hits)
}

// cell looks one cell through, in all segments.
func (p *prober) cell(cell vector.Hit) error {
	for seg, s := range p.sn.segments {
		if s.cellStart == nil || p.rows.n[seg] == 0 {
			continue
		}
		from, to := int(s.cellStart[cell.Pos]), int(s.cellStart[cell.Pos+1])
		if from > to || to > s.n {
			return fmt.Errorf("%s: cell %d spans rows %d to %d of %d: %w", p.sn.r.Name(), cell.Pos, from, to, s.n, ErrCorrupt)
		}
		for ; from < to; from += vector.MaxSignRows {
			n := min(vector.MaxSignRows, to-from)
			p.which = allowedOf(p.which[:0], p.rows.filters[seg], from, from+n)
			if len(p.which) == 0 {
				continue
			}
			if s.signs != nil {
				p.bySigns(seg, cell, from, from+n)
			}
			vector.Rescore(s.fine(), p.fine, p.which, p.base[seg], p.top)
		}
	}
	p.top.Tighten()
	return nil
}

// bySigns takes from p.which the rows that cannot be among the best.
func (p *prober) bySigns(seg int, cell vector.Hit, from, to int) {
	s := p.sn.segments[seg]
	least := p.top.Threshold() - cell.Score
	p.signs.Bounds(&p.bounds, s.signs, from, to, least)
	spread := max(p.sn.store.cells.spreads[cell.Pos], 1e-6)
	for _, row := range p.which {
		if row%sampleEvery == 0 {
			p.tail.add((p.bounds.Score[row-from] - p.signs.Slack(s.signs.Factors[row])) / spread)
		}
	}
	kept := p.which[:0]
	for _, row := range p.which {
		if i := row - from; p.bounds.Pass[i/64]>>(i%64)&1 == 1 {
			kept = append(kept, row)
		}
	}
	p.which = kept
	if k := p.top.K(); len(kept) <= k {
		return
	}
	// So many pass only while there are no good rows yet: those that promise most come first, and spare the others.
	p.order = p.order[:0]
	for _, row := range kept {
		p.order = append(p.order, vector.Hit{Pos: row, Score: p.bounds.Score[row-from]})
	}
	best := vector.NewRanking(p.order)
	first := make([]int, p.top.K())
	for i := range first {
		h, _ := best.Next()
		first[i] = h.Pos
	}
	slices.Sort(first)
	vector.Rescore(s.fine(), p.fine, first, p.base[seg], p.top)
	p.top.Tighten()
	p.which = p.which[:0]
	for _, h := range best.Rest() {
		if h.Score >= p.top.Threshold()-cell.Score {
			p.which = append(p.which, h.Pos)
		}
	}
	slices.Sort(p.which)
}

// enough says that the cells that are left are not expected to hold more than a small share of the best k.
func (p *prober) enough(rest []vector.Hit, k int) bool {
	p.tail.fit()
	threshold := float64(p.top.Threshold())
	spreads := p.sn.store.cells.spreads
	step := max(len(rest)/256, 1)
	var share float64
	for i := 0; i < len(rest); i += step {
		share += p.tail.above((threshold - float64(rest[i].Score)) / max(float64(spreads[rest[i].Pos]), 1e-6))
	}
	perCell := float64(p.rows.total) / float64(len(spreads))
	return share*float64(step)*perCell <= missed*float64(k)
}

// found returns what is in the collector.
func (p *prober) found() []found {
	hits := p.top.Hits()
	out := make([]found, len(hits))
	for i, h := range hits {
		seg, _ := slices.BinarySearch(p.base, h.Pos+1)
		out[i] = found{seg - 1, h.Pos - p.base[seg-1], h.Score}
	}
	return out
}

// allowedOf appends the rows from…to-1 that a filter lets pass.
func allowedOf(rows []int, filter []uint64, from, to int) []int {
	if filter == nil {
		for row := from; row < to; row++ {
			rows = append(rows, row)
		}
		return rows
	}
	for w := from / 64; w*64 < to; w++ {
		m := filter[w]
		if w == from/64 {
			m &= ^uint64(0) << (from % 64)
		}
		if left := to - w*64; left < 64 {
			m &= 1<<left - 1
		}
		for ; m != 0; m &= m - 1 {
			rows = append(rows, w*64+bits.TrailingZeros64(m))
		}
	}
	return rows
}
