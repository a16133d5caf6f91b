package index

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/aladin-go/aladin/internal/vector"
)

// DuplicatesOptions say what counts as near-duplicates. Nil and zero mean defaults.
type DuplicatesOptions struct {
	// Min is the least cosine of two matching vectors that makes their items
	// near-duplicates; 0 is 0.98.
	Min float32

	// Exact compares every item with every other, even when the index has cells.
	// That takes time with the square of the number of items.
	Exact bool

	// Progress is called with items done and in all.
	Progress func(done, total int)
}

const (
	duplicateMin = 0.98
	// duplicateNeighbours of each item are looked at. An item with more
	// duplicates is tied to the rest of its group through those.
	duplicateNeighbours = 32
	duplicateBatch      = 64
	// Near-duplicates lie in one cell or, near a border, in neighbouring ones.
	duplicateProbe = 4
)

// Duplicates lists groups of near-duplicates: items that are linked, directly or
// through others, by a similarity of at least Min. Groups and the ids in them are
// in ascending order.
func (ix *Index) Duplicates(ctx context.Context, opts *DuplicatesOptions) ([][]string, error) {
	var o DuplicatesOptions
	if opts != nil {
		o = *opts
	}
	if o.Min == 0 {
		o.Min = duplicateMin
	}
	if !(o.Min > -1) || o.Min > 1 {
		return nil, fmt.Errorf("%w option: similarity %v is not between -1 and 1", ErrInvalid, o.Min)
	}
	var groups [][]string
	err := ix.view(func(sn *snapshot) error {
		d := &duplicates{sn: sn, opts: o, threads: ix.opts.Threads}
		var err error
		groups, err = d.run(ctx)
		return err
	})
	return groups, err
}

// duplicates joins rows into groups: a union-find over the rows of all segments.
type duplicates struct {
	sn      *snapshot
	opts    DuplicatesOptions
	threads int
	base    []int    // number of the first row of each segment
	parent  []uint32 // by number
	done    int
}

func (d *duplicates) run(ctx context.Context) ([][]string, error) {
	n := 0
	for _, s := range d.sn.segments {
		d.base = append(d.base, n)
		n += s.n
	}
	d.parent = make([]uint32, n)
	for i := range d.parent {
		d.parent[i] = uint32(i)
	}
	m := &matcher{sn: d.sn, threads: d.threads,
		opts: &SearchOptions{K: duplicateNeighbours, Exact: d.opts.Exact, Probe: duplicateProbe}}
	batch := make([]*Encoding, 0, duplicateBatch)
	from := make([]uint32, 0, duplicateBatch)
	flush := func() error {
		out, err := m.run(ctx, batch)
		if err != nil {
			return err
		}
		row := make([]float32, d.sn.store.dim)
		for i, fs := range out {
			for _, f := range fs {
				if d.cosine(f, row) >= d.opts.Min {
					d.join(from[i], uint32(d.base[f.seg]+f.row))
				}
			}
		}
		d.done += len(batch)
		if d.opts.Progress != nil {
			d.opts.Progress(d.done, d.sn.items)
		}
		batch, from = batch[:0], from[:0]
		return nil
	}
	for i, s := range d.sn.segments {
		for row := range s.n {
			if !s.isLive(uint32(row)) {
				continue
			}
			e := &Encoding{Kind: s.kind(row), Matching: make([]float32, d.sn.store.dim)}
			s.matching(e.Matching, row)
			normalise(e.Matching)
			batch, from = append(batch, e), append(from, uint32(d.base[i]+row))
			if len(batch) == duplicateBatch {
				if err := flush(); err != nil {
					return nil, err
				}
			}
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	return d.groups()
}

// cosine is that of a row found and the query: the inner product, where the row's vector may be shorter than 1.
func (d *duplicates) cosine(f found, row []float32) float32 {
	s := d.sn.segments[f.seg]
	if s.rescore == nil && s.rows.Codec == vector.Bits {
		return f.score // of signs, which have no length
	}
	s.matching(row, f.row)
	if l := length(row); l > 0 {
		return min(f.score/l, 1)
	}
	return 0
}

func length(v []float32) float32 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return float32(math.Sqrt(sum))
}

func normalise(v []float32) {
	l := length(v)
	for i := range v {
		if l > 0 {
			v[i] /= l
		}
	}
}

func (d *duplicates) root(i uint32) uint32 {
	for d.parent[i] != i {
		d.parent[i] = d.parent[d.parent[i]]
		i = d.parent[i]
	}
	return i
}

func (d *duplicates) join(a, b uint32) {
	a, b = d.root(a), d.root(b)
	d.parent[max(a, b)] = min(a, b)
}

func (d *duplicates) groups() ([][]string, error) {
	byRoot := make(map[uint32][]string)
	size := make(map[uint32]int)
	for i := range d.parent {
		if r := d.root(uint32(i)); r != uint32(i) {
			size[r]++
		}
	}
	for seg, s := range d.sn.segments {
		for row := range s.n {
			r := d.root(uint32(d.base[seg] + row))
			if size[r] == 0 {
				continue
			}
			id, err := s.id(row)
			if err != nil {
				return nil, err
			}
			byRoot[r] = append(byRoot[r], string(id))
		}
	}
	groups := make([][]string, 0, len(byRoot))
	for _, g := range byRoot {
		slices.Sort(g)
		groups = append(groups, g)
	}
	slices.SortFunc(groups, slices.Compare[[]string])
	return groups, nil
}
