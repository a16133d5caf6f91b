package index

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/vector"
)

// cells are the centroids that large indexes group their rows by, so that a
// query looks at the nearest groups only.
type cells struct {
	n, dim    int
	centroids []float32 // may be a view of the file

	once sync.Once
	a    *vector.Assigner
}

// Sizes of cells.
const (
	// autoCellsFrom is the number of items from which Compact makes cells unless
	// told otherwise: below, an exact scan takes milliseconds.
	autoCellsFrom = 200_000
	maxCells      = 1 << 16
	// autoProbeShare of all cells, but at least autoProbeMin, are looked into
	// when a query does not say.
	autoProbeShare = 24
	autoProbeMin   = 16
	// A filter that lets less than 1/exactShare pass makes an exact scan cheap.
	exactShare = 8
)

func openCells(b []byte, dim int) (*cells, error) {
	n := 0
	if dim > 0 {
		n = len(b) / (4 * dim)
	}
	if n == 0 || n > maxCells || len(b) != 4*dim*n {
		return nil, fmt.Errorf("cells of %d bytes for %d dimensions: %w", len(b), dim, ErrCorrupt)
	}
	return &cells{n: n, dim: dim, centroids: elem.Load[float32](b)}, nil
}

// assigner is made when it is first needed, because opening a file must not read
// megabytes of centroids.
func (c *cells) assigner() *vector.Assigner {
	c.once.Do(func() { c.a = vector.NewAssigner(c.centroids, c.dim, true) })
	return c.a
}

// autoCells is the number of cells for n items: a probe then costs about as much
// as finding the cells to probe.
func autoCells(n int) int {
	if n < autoCellsFrom {
		return 0
	}
	c := int(2 * math.Sqrt(float64(n)))
	return min((c+15)/16*16, maxCells)
}

// int8Rows codes the given rows of r, or all when which is nil, as int8.
func int8Rows(r *vector.Rows, which []int) vector.Rows {
	n := len(which)
	if which == nil {
		n = r.N
	}
	size := vector.RowBytes(vector.Int8, r.Dim)
	out := vector.Rows{Codec: vector.Int8, Dim: r.Dim, N: n, Codes: make([]byte, n*size), Scales: make([]float32, n)}
	v := make([]float32, r.Dim)
	for i := range n {
		row := i
		if which != nil {
			row = which[i]
		}
		if r.Codec == vector.Int8 {
			copy(out.Codes[i*size:(i+1)*size], r.Codes[row*size:])
			out.Scales[i] = r.Scales[row]
			continue
		}
		r.Decode(v, row)
		out.Scales[i] = vector.EncodeRow(vector.Int8, out.Codes[i*size:], v, nil)
	}
	return out
}

// probes says how many cells a query should look into; 0 is an exact scan.
func (m *matcher) probes(allowed int) int {
	c := m.sn.store.cells
	if c == nil || m.opts.Exact || m.opts.Probe >= c.n || allowed < m.sn.items/exactShare {
		return 0
	}
	if m.opts.Probe > 0 {
		return m.opts.Probe
	}
	return min(max(c.n/autoProbeShare, autoProbeMin), c.n)
}

// probePieces keeps of the pieces what lies in the n cells nearest to a vector,
// and whole segments that have no cells.
func (m *matcher) probePieces(vector []float32, pieces []piece, n int) ([]piece, error) {
	nearest := m.sn.store.cells.assigner().Nearest(vector, n)
	slices.Sort(nearest)
	var out []piece
	last := -1
	for _, p := range pieces {
		s := m.sn.segments[p.seg]
		switch {
		case s.cellStart == nil:
			out = append(out, p)
			continue
		case p.seg == last: // its runs are cut below, when its first piece is met
			continue
		}
		last = p.seg
		run := piece{seg: p.seg, filter: p.all, all: p.all}
		rows := 0
		for _, c := range nearest {
			from, to := s.cellStart[c], s.cellStart[c+1]
			if from > to || int(to) > s.n {
				return nil, fmt.Errorf("%s: cell %d spans rows %d to %d of %d: %w", m.sn.r.Name(), c, from, to, s.n, ErrCorrupt)
			}
			if from == to {
				continue
			}
			run.runs = append(run.runs, [2]int{int(from), int(to)})
			if rows += int(to - from); rows >= pieceRows {
				out = append(out, run)
				run.runs, rows = nil, 0
			}
		}
		if len(run.runs) > 0 {
			out = append(out, run)
		}
	}
	return out, nil
}

// shiftRows returns the bits from…from+n-1 of a row set as one of their own.
func shiftRows(dst, set []uint64, from, n int) []uint64 {
	dst = dst[:0]
	shift := uint(from % 64)
	for i := from / 64; i*64 < from+n; i++ {
		w := set[i] >> shift
		if shift > 0 && i+1 < len(set) {
			w |= set[i+1] << (64 - shift)
		}
		dst = append(dst, w)
	}
	return dst
}
