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
	// missed is the share of the best K that a search expects to lie in cells that it leaves out. What is expected is
	// rather too much: some 0.99 of the best are found where it is hardest to tell.
	missed = 0.08
	// firstCells are looked into before the first guess of what the others hold.
	firstCells = 8
	// spreadShare is how many times the error of signs a member of a cell that is worth a look surpasses the mean.
	spreadShare = 5
	// sampleEvery is the distance of the rows that the guess is made from.
	sampleEvery = 8
	// minSpread keeps divisions by spreads sane.
	minSpread = 1e-6
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
// the cells that are left are unlikely to hold more than a small share of the K best: the scores of the rows that it has
// seen, beside those of their cells' means, tell how often a row surpasses its mean by how much.
type prober struct {
	sn     *snapshot
	rows   *allowedRows
	base   []int // position of each segment's first row
	fine   *vector.Query
	signs  *vector.SignQuery // nil if the file has none
	top    *vector.TopK
	bounds vector.SignBounds
	means  []float32 // scores of the cells' means
	mask   blockMask
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
	cells := p.ranking(v)
	next := firstCells
	for i := 0; ; i++ {
		cell, ok := cells.Next()
		if !ok {
			break
		}
		if err := p.cell(cell.Pos); err != nil {
			return nil, err
		}
		switch {
		case p.top.Len() < k:
		case probe > 0:
			if i+1 >= probe {
				return p.found(), nil
			}
		case i+1 >= next:
			if p.enough(cells.Rest(), k) {
				return p.found(), nil
			}
			next += next/4 + 1
		}
	}
	return p.found(), nil
}

// ranking ranks the cells by what their better members may score: the score of their mean, and a share of their spread.
func (p *prober) ranking(v []float32) *vector.Ranking {
	c := p.sn.store.cells
	p.means = make([]float32, c.n)
	c.assigner().Scores(v, p.means)
	var share float32
	if p.signs != nil {
		share = float32(spreadShare * p.signs.Noise())
	}
	hits := make([]vector.Hit, c.n)
	for i := range hits {
		if c.lengths != nil {
			p.means[i] *= c.lengths[i]
			hits[i] = vector.Hit{Pos: i, Score: p.means[i] + float32(share*c.spreads[i])}
		} else {
			hits[i] = vector.Hit{Pos: i, Score: p.means[i]}
		}
	}
	return vector.NewRanking(hits)
}

// cell looks one cell through, in all segments.
func (p *prober) cell(cell int) error {
	for seg, s := range p.sn.segments {
		if s.cellStart == nil || p.rows.n[seg] == 0 {
			continue
		}
		from, to := int(s.cellStart[cell]), int(s.cellStart[cell+1])
		if from > to || to > s.n {
			return fmt.Errorf("%s: cell %d spans rows %d to %d of %d: %w", p.sn.r.Name(), cell, from, to, s.n, ErrCorrupt)
		}
		for ; from < to; from += vector.MaxSignRows {
			n := min(vector.MaxSignRows, to-from)
			if !p.mask.set(p.rows.filters[seg], from, n) {
				continue
			}
			if s.signs != nil {
				p.bySigns(seg, cell, from, n)
			}
			p.which = p.mask.rows(p.which[:0], from)
			vector.Rescore(s.fine(), p.fine, p.which, p.base[seg], p.top)
		}
	}
	p.top.Tighten()
	return nil
}

// bySigns takes from the mask the rows that cannot be among the best.
func (p *prober) bySigns(seg, cell, from, n int) {
	s := p.sn.segments[seg]
	p.signs.Bounds(&p.bounds, s.signs, from, from+n, p.top.Threshold()-p.means[cell])
	perSpread := 1 / max(p.sn.store.cells.spreads[cell], minSpread)
	for i := 0; i < n; i += sampleEvery {
		if p.mask[i/64]>>(i%64)&1 == 1 {
			p.tail.add((p.bounds.Score[i] - p.signs.Slack(s.signs.Factors[from+i])) * perSpread)
		}
	}
	kept := 0
	for w := range p.mask {
		p.mask[w] &= p.bounds.Pass[w]
		kept += bits.OnesCount64(p.mask[w])
	}
	k := p.top.K()
	if kept <= k {
		return
	}
	// So many pass only while there are no good rows yet: those that promise most come first, and spare the others.
	p.which, p.order = p.mask.rows(p.which[:0], 0), p.order[:0]
	for _, i := range p.which {
		p.order = append(p.order, vector.Hit{Pos: i, Score: p.bounds.Score[i]})
	}
	best := vector.NewRanking(p.order)
	p.which = p.which[:0]
	for range k {
		h, _ := best.Next()
		p.which = append(p.which, from+h.Pos)
	}
	slices.Sort(p.which)
	vector.Rescore(s.fine(), p.fine, p.which, p.base[seg], p.top)
	p.top.Tighten()
	p.mask = blockMask{}
	for _, h := range best.Rest() {
		if h.Score >= p.top.Threshold()-p.means[cell] {
			p.mask[h.Pos/64] |= 1 << (h.Pos % 64)
		}
	}
}

// blockMask are the rows of a block that are still of interest.
type blockMask [vector.MaxSignRows / 64]uint64

// set takes the n rows from from on that a filter lets pass, and says whether there are any.
func (m *blockMask) set(filter []uint64, from, n int) bool {
	any := false
	for w := range m {
		left := n - 64*w
		if left <= 0 {
			m[w] = 0
			continue
		}
		x := ^uint64(0)
		if filter != nil {
			at, shift := from/64+w, uint(from%64)
			x = filter[at] >> shift
			if shift > 0 && at+1 < len(filter) {
				x |= filter[at+1] << (64 - shift)
			}
		}
		if left < 64 {
			x &= 1<<left - 1
		}
		m[w] = x
		any = any || x != 0
	}
	return any
}

// rows appends the rows of a block that begins at from.
func (m *blockMask) rows(to []int, from int) []int {
	for w, x := range m {
		for ; x != 0; x &= x - 1 {
			to = append(to, from+64*w+bits.TrailingZeros64(x))
		}
	}
	return to
}

// enough says that the cells that are left are not expected to hold more than a small share of the best k.
func (p *prober) enough(rest []vector.Hit, k int) bool {
	p.tail.fit()
	threshold := float64(p.top.Threshold())
	spreads := p.sn.store.cells.spreads
	step := max(len(rest)/256, 1)
	var share float64
	for i := 0; i < len(rest); i += step {
		share += p.tail.above((threshold - float64(p.means[rest[i].Pos])) / float64(max(spreads[rest[i].Pos], minSpread)))
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
