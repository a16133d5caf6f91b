package vector

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// KMeansOptions are the choices in clustering. The zero value is a good one.
type KMeansOptions struct {
	Seed       uint64
	Iterations int  // 0: 10
	Sample     int  // rows to learn from, chosen evenly; 0: at most 64 a centroid
	Workers    int  // goroutines; 0: GOMAXPROCS. Does not change the result
	Spherical  bool // centroids are L2-normalised, nearest is by inner product

	// Progress, if set, is called with iterations done and in all.
	Progress func(done, total int)
}

// KMeans learns k centroids (k × Dim, row-major; fewer if there are fewer rows)
// from Int8 rows. Assignments are integer sums, and means are taken in one order, so the result
// depends on the arguments alone: not on the machine or the number of workers.
func KMeans(ctx context.Context, rows *Rows, k int, opts *KMeansOptions) ([]float32, error) {
	if err := rows.Validate(); err != nil {
		return nil, err
	}
	if rows.Codec != Int8 {
		return nil, fmt.Errorf("%w: k-means of %v rows, want int8", ErrCodec, rows.Codec)
	}
	if k < 1 || rows.N < 1 {
		return nil, fmt.Errorf("%w: %d centroids of %d rows", ErrShape, k, rows.N)
	}
	o := KMeansOptions{}
	if opts != nil {
		o = *opts
	}
	if o.Iterations == 0 {
		o.Iterations = 10
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	k = min(k, rows.N)
	if o.Sample == 0 {
		o.Sample = 64 * k
	}
	sample := thin(rows, max(o.Sample, k))
	c := firstCentroids(sample, k, &o)
	nearest := make([]uint32, sample.N)
	for i := range o.Iterations {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if o.Progress != nil {
			o.Progress(i, o.Iterations)
		}
		a := NewAssigner(c, rows.Dim, o.Spherical)
		if err := a.Assign(ctx, sample, nearest, o.Workers); err != nil {
			return nil, err
		}
		if err := means(ctx, sample, nearest, c, &o); err != nil {
			return nil, err
		}
	}
	if o.Progress != nil {
		o.Progress(o.Iterations, o.Iterations)
	}
	return c, nil
}

// thin copies n rows at even distances.
func thin(r *Rows, n int) *Rows {
	if n >= r.N {
		return r
	}
	size := RowBytes(r.Codec, r.Dim)
	t := &Rows{Codec: r.Codec, Dim: r.Dim, N: n, Codes: make([]byte, 0, n*size), Scales: make([]float32, n)}
	for i := range n {
		j := int(int64(i) * int64(r.N) / int64(n))
		t.Codes = append(t.Codes, r.Codes[j*size:(j+1)*size]...)
		t.Scales[i] = r.Scales[j]
	}
	return t
}

// firstCentroids picks k different rows by chance.
func firstCentroids(r *Rows, k int, o *KMeansOptions) []float32 {
	order := rand.New(rand.NewPCG(o.Seed, 0x6b6d65616e73)).Perm(r.N)[:k]
	slices.Sort(order)
	c := make([]float32, k*r.Dim)
	for i, j := range order {
		v := c[i*r.Dim : (i+1)*r.Dim]
		r.Decode(v, j)
		if o.Spherical {
			normalise(v)
		}
	}
	return c
}

// means moves each centroid to the mean of its rows. One without rows is put
// beside the centroid with the most, a hair away from it, so that the two
// share its rows.
func means(ctx context.Context, r *Rows, nearest []uint32, c []float32, o *KMeansOptions) error {
	k := len(c) / r.Dim
	start := make([]int, k+1)
	for _, n := range nearest {
		start[n+1]++
	}
	largest := 0
	for i := range k {
		if start[i+1] > start[largest+1] {
			largest = i
		}
	}
	sizes := slices.Clone(start[1:])
	for i := range k {
		start[i+1] += start[i]
	}
	members, fill := make([]uint32, r.N), slices.Clone(start)
	for i, n := range nearest {
		members[fill[n]] = uint32(i)
		fill[n]++
	}
	err := InPieces(ctx, k, 16, o.Workers, func(lo, hi int) {
		sum := make([]float64, r.Dim)
		for i := lo; i < hi; i++ {
			if sizes[i] == 0 {
				continue
			}
			clear(sum)
			for _, j := range members[start[i]:start[i+1]] {
				scale := float64(r.Scales[j])
				row := r.Codes[int(j)*Stride(r.Dim):][:r.Dim]
				for d, x := range row {
					sum[d] += float64(float64(int(x)-128) * scale)
				}
			}
			v := c[i*r.Dim : (i+1)*r.Dim]
			for d, s := range sum {
				v[d] = float32(s / float64(sizes[i]))
			}
			if o.Spherical {
				normalise(v)
			}
		}
	})
	if err != nil {
		return err
	}
	for i, n := range sizes {
		if n != 0 {
			continue
		}
		from, to := c[largest*r.Dim:(largest+1)*r.Dim], c[i*r.Dim:(i+1)*r.Dim]
		for d, x := range from {
			e := float32(1.0 / 1024)
			if (d+i)%2 == 0 {
				e = -e
			}
			to[d] = float32(x * (1 + e))
		}
	}
	return nil
}

func normalise(v []float32) {
	var s float64
	for _, x := range v {
		s += float64(float64(x) * float64(x))
	}
	if s == 0 {
		return
	}
	inv := 1 / math.Sqrt(s)
	for i, x := range v {
		v[i] = float32(float64(x) * inv)
	}
}

// An Assigner finds the nearest of a set of centroids.
type Assigner struct {
	dim    int
	packs  []*pack // plus is −½·|centroid|² for Euclidean distance
	length int
}

// NewAssigner prepares centroids (k × dim, row-major). Nearest is by inner
// product if spherical, by Euclidean distance if not.
func NewAssigner(centroids []float32, dim int, spherical bool) *Assigner {
	a := &Assigner{dim: dim, length: len(centroids) / dim}
	code := make([]int8, Stride(dim))
	for i := range a.length {
		l := i % lanes
		if l == 0 {
			a.packs = append(a.packs, newPack(len(code)))
		}
		v := centroids[i*dim : (i+1)*dim]
		g := i / lanes
		a.packs[g].set(l, code, QuantizeInt8(code, v))
		var s float64
		if !spherical {
			for _, x := range v {
				s += float64(float64(x) * float64(x))
			}
		}
		a.packs[g].plus[l] = 0 - float32(s/2) // 0, not −0, for spherical
	}
	return a
}

// Len returns the number of centroids.
func (a *Assigner) Len() int { return a.length }

// Assign writes the number of the nearest centroid of each Int8 row to nearest;
// the lowest number wins a tie. workers ≤ 0 is GOMAXPROCS.
func (a *Assigner) Assign(ctx context.Context, rows *Rows, nearest []uint32, workers int) error {
	if rows.Codec != Int8 || rows.Dim != a.dim || len(nearest) != rows.N {
		return fmt.Errorf("%w: %d %v rows of %d values for centroids of %d values and %d results",
			ErrShape, rows.N, rows.Codec, rows.Dim, a.dim, len(nearest))
	}
	if err := rows.Validate(); err != nil {
		return err
	}
	const step = 256
	return InPieces(ctx, rows.N, step, workers, func(lo, hi int) {
		var (
			n    = hi - lo
			dots = make([]int32, n*lanes)
			best = make([]float32, n)
			arg  = make([]int32, n) // 0 if a scale is not a number
		)
		for i := range best {
			best[i] = float32(math.Inf(-1))
		}
		codes, scales := rows.Codes[lo*Stride(rows.Dim):hi*Stride(rows.Dim)], rows.Scales[lo:hi]
		for g, p := range a.packs {
			kernel.dotU8x16(p.code, &p.bias, codes, dots, nil)
			kernel.across16(dots, &p.scale, scales, &p.plus, int32(g*lanes), best, arg)
		}
		for i, c := range arg {
			nearest[lo+i] = uint32(c)
		}
	})
}

// Scores fills scores with the inner products of v with all centroids, less ½·|centroid|² if not spherical. What is
// greater is nearer.
func (a *Assigner) Scores(v, scores []float32) {
	code := make([]byte, Stride(a.dim))
	s := encodeOffset(code, v[:a.dim])
	dots := make([]int32, lanes)
	for g, p := range a.packs {
		kernel.dotU8x16(p.code, &p.bias, code, dots, nil)
		for l := range min(lanes, a.length-g*lanes) {
			scores[g*lanes+l] = float32(float32(float32(dots[l])*p.scale[l])*s) + p.plus[l]
		}
	}
}

// InPieces calls f for pieces of 0…n-1 that begin at multiples of step, on several
// goroutines, until ctx ends.
func InPieces(ctx context.Context, n, step, workers int, f func(lo, hi int)) error {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	g, ctx := errgroup.WithContext(ctx)
	pieces := (n + step - 1) / step
	workers = min(workers, pieces)
	for w := range workers {
		g.Go(func() error {
			for p := w; p < pieces; p += workers {
				if err := ctx.Err(); err != nil {
					return err
				}
				f(p*step, min((p+1)*step, n))
			}
			return nil
		})
	}
	return g.Wait()
}
