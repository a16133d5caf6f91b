package index

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/vector"
)

// cells are the centroids that large indexes group their rows by, so that a
// query looks at the nearest groups only.
type cells struct {
	n, dim    int
	centroids []float32 // may be a view of the file

	// What is known of the members of each cell: their mean is the centroid times length, and spread is how far they are
	// from it. Both are nil in files of before there were signs.
	lengths, spreads []float32

	once sync.Once
	a    *vector.Assigner
}

// shapeVersion is the first number of KindCellShape. A reader that does not know it does without signs.
//
//	1  version uint32, 0 uint32, C × (length float32, spread float32)
const shapeVersion = 1

// Sizes of cells.
const (
	// autoCellsFrom is the number of items from which Compact makes cells unless
	// told otherwise: below, an exact scan takes milliseconds.
	autoCellsFrom = 200_000
	maxCells      = 1 << 16
	maxShape      = 16 // of a length or a spread; those of unit vectors are 1 at most
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

// openShape reads what KindCellShape says of the cells.
func (c *cells) openShape(b []byte) error {
	if len(b) < 8 {
		return fmt.Errorf("shapes of cells of %d bytes: %w", len(b), ErrCorrupt)
	}
	if binary.LittleEndian.Uint32(b) != shapeVersion {
		return nil
	}
	if len(b) != 8+8*c.n {
		return fmt.Errorf("shapes of %d cells of %d bytes: %w", c.n, len(b), ErrCorrupt)
	}
	c.lengths, c.spreads = make([]float32, c.n), make([]float32, c.n)
	for i, x := range elem.Load[float32](b[8:]) {
		if !(x >= 0 && x <= maxShape) {
			return fmt.Errorf("cell %d has the shape %v: %w", i/2, x, ErrCorrupt)
		}
		if i%2 == 0 {
			c.lengths[i/2] = x
		} else {
			c.spreads[i/2] = x
		}
	}
	return nil
}

func (c *cells) shape() []byte {
	b := binary.LittleEndian.AppendUint32(nil, shapeVersion)
	b = binary.LittleEndian.AppendUint32(b, 0)
	for i := range c.n {
		b = append(b, elem.Bytes([]float32{c.lengths[i], c.spreads[i]})...)
	}
	return b
}

// learnShape takes the shape of cells from a sample of Int8 rows. A cell that none of them is in has that of all.
func (c *cells) learnShape(ctx context.Context, sample *vector.Rows) error {
	nearest := make([]uint32, sample.N)
	if err := c.assigner().Assign(ctx, sample, nearest, 0); err != nil {
		return err
	}
	type sums struct{ n, along, square float64 }
	in := make([]sums, c.n+1) // the last is that of all
	v := make([]float32, c.dim)
	for i, cell := range nearest {
		sample.Decode(v, i)
		var along, square float64
		for d, x := range v {
			along += float64(float64(x) * float64(c.centroids[int(cell)*c.dim+d]))
			square += float64(float64(x) * float64(x))
		}
		for _, s := range []*sums{&in[cell], &in[c.n]} {
			s.n, s.along, s.square = s.n+1, s.along+along, s.square+square
		}
	}
	c.lengths, c.spreads = make([]float32, c.n), make([]float32, c.n)
	for i := range c.n {
		s := in[i]
		if s.n < 2 {
			s = in[c.n]
		}
		length := min(max(s.along/s.n, 0), maxShape)
		c.lengths[i] = float32(length)
		c.spreads[i] = float32(math.Sqrt(min(max(s.square/s.n-float64(length*length), 0), maxShape)))
	}
	return nil
}

// signs are the codes by which members of a cell are told apart: the signs of what they differ by from its mean.
func (c *cells) signs(ctx context.Context, rows *vector.Rows, cell func(row int) int) (*vector.Signs, error) {
	size := vector.RowBytes(vector.Bits, c.dim)
	s := &vector.Signs{Dim: c.dim, N: rows.N, Codes: make([]byte, rows.N*size), Factors: make([]float32, rows.N)}
	return s, vector.InPieces(ctx, rows.N, 256, 0, func(lo, hi int) {
		v, rotator := make([]float32, c.dim), vector.NewRotator(c.dim)
		for row := lo; row < hi; row++ {
			rows.Decode(v, row)
			i := cell(row)
			for d, x := range c.centroids[i*c.dim : (i+1)*c.dim] {
				v[d] -= float32(x * c.lengths[i])
			}
			s.Factors[row] = vector.EncodeSigns(s.Codes[row*size:], rotator.Rotate(v))
		}
	})
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
