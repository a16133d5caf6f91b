package optim

import (
	"math"

	"github.com/aladin-go/aladin/internal/parallel"
)

// Adam is the optimiser of Kingma and Ba (ICLR 2015), with the decoupled weight decay of Loshchilov and
// Hutter (ICLR 2019) when Decoupled, else with decay added to the gradient as PyTorch's Adam does. It
// works in place on float32 slices, splits them over the cores, and gives the same result whatever
// their number.
type Adam struct {
	Beta1, Beta2, Eps float64
	WeightDecay       float64
	Decoupled         bool
	Step              int64       // steps done
	M, V              [][]float32 // first and second moments, one pair a parameter

	Moved [][]bool // of a parameter whose gradients come as rows: which rows ever had one
}

// NewAdam makes an optimiser for parameters of the given sizes.
func NewAdam(sizes []int) *Adam {
	a := &Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}
	for _, n := range sizes {
		a.M = append(a.M, make([]float32, n))
		a.V = append(a.V, make([]float32, n))
	}
	a.Moved = make([][]bool, len(sizes))
	return a
}

// noteRows keeps account of the rows that have had a gradient. The first time it finds them by their moments.
func (a *Adam) noteRows(p int, u Update) {
	if a.Moved[p] == nil {
		a.Moved[p] = make([]bool, len(u.Param)/u.Width)
		for i := range a.M[p] {
			if a.M[p][i] != 0 || a.V[p][i] != 0 {
				a.Moved[p][i/u.Width] = true
			}
		}
	}
	for _, row := range u.Index {
		a.Moved[p][row] = true
	}
}

// An Update is one parameter's part of a step. A gradient is dense, or lists rows of the parameter: Rows
// holds, for each entry of Index in ascending order, one row of Grad; the others' gradient is zero.
type Update struct {
	Param []float32
	Grad  []float32
	Index []int // nil = dense
	Width int   // of a row
	LR    float64
	Decay bool // whether weight decay applies
	// Average, when set, moves towards the new values by the share Follow of the way.
	Average []float32
	Follow  float32
}

// Apply makes one step. scale multiplies the gradients (clipping). Updates without a gradient (Grad nil)
// leave the parameter and its moments alone, and move its average only.
func (a *Adam) Apply(updates []Update, scale float64) {
	a.Step++
	c1 := 1 - math.Pow(a.Beta1, float64(a.Step))
	c2 := 1 - math.Pow(a.Beta2, float64(a.Step))
	type job struct{ p, from, to int }
	var jobs []job
	const chunk = 1 << 16
	for p, u := range updates {
		if u.Grad == nil && u.Average == nil {
			continue
		}
		if u.Index != nil {
			a.noteRows(p, u)
		}
		for from := 0; from < len(u.Param); from += chunk {
			jobs = append(jobs, job{p, from, min(from+chunk, len(u.Param))})
		}
	}
	parallel.For(len(jobs), func(j int) {
		job := jobs[j]
		u := updates[job.p]
		b1, b2 := float32(a.Beta1), float32(a.Beta2)
		s := &step{
			b1: b1, rest1: 1 - b1, b2: b2, rest2: 1 - b2,
			scale: float32(scale), keep: 1, lr: float32(u.LR / c1), root: float32(1 / math.Sqrt(c2)), eps: float32(a.Eps),
		}
		if u.Decay {
			if a.Decoupled {
				s.keep = float32(1 - u.LR*a.WeightDecay)
			} else {
				s.decay = float32(a.WeightDecay)
			}
		}
		m, v := a.M[job.p], a.V[job.p]
		switch {
		case u.Grad == nil:
		case u.Index == nil:
			s.dense(u.Param[job.from:job.to], u.Grad[job.from:job.to], m[job.from:job.to], v[job.from:job.to])
		default:
			s.rows(u, m, v, a.Moved[job.p], job.from, job.to)
		}
		if u.Average != nil {
			avg := u.Average[job.from:job.to]
			for i, x := range u.Param[job.from:job.to] {
				avg[i] += u.Follow * (x - avg[i])
			}
		}
	})
}

// dense makes the step on slices of any length.
func (s *step) dense(p, g, m, v []float32) {
	n := len(p) &^ (lanes - 1)
	if n > 0 {
		kernel.adam(p[:n], g[:n], m[:n], v[:n], s)
	}
	generic.adam(p[n:], g[n:], m[n:], v[n:], s)
}

// rows updates elements from…to of a parameter of whose rows few have a gradient: the others' moments
// decay and move them all the same, as in the dense step, but for those that never had a gradient.
func (s *step) rows(u Update, m, v []float32, moved []bool, from, to int) {
	zero := make([]float32, u.Width)
	next := 0
	for next < len(u.Index) && (u.Index[next]+1)*u.Width <= from {
		next++
	}
	for i := from; i < to; {
		row := i / u.Width
		end := min((row+1)*u.Width, to)
		g := zero
		if next < len(u.Index) && u.Index[next] == row {
			g = u.Grad[next*u.Width : (next+1)*u.Width]
			if end == (row+1)*u.Width {
				next++
			}
		}
		if !moved[row] && s.decay == 0 { // no moments
			if s.keep != 1 {
				for k := range u.Param[i:end] {
					u.Param[i+k] *= s.keep
				}
			}
			i = end
			continue
		}
		o := i - row*u.Width
		s.dense(u.Param[i:end], g[o:o+end-i], m[i:end], v[i:end])
		i = end
	}
}

// NormSquared is the sum of squares of a gradient, in float64 and in a fixed order.
func NormSquared(g []float32) float64 {
	const chunk = 1 << 16
	sums := make([]float64, (len(g)+chunk-1)/chunk)
	parallel.For(len(sums), func(i int) {
		part := g[i*chunk : min((i+1)*chunk, len(g))]
		n := len(part) &^ (lanes - 1)
		var side [lanes]float64
		if n > 0 {
			kernel.squares(part[:n], &side)
		}
		generic.squares(part[n:], &side)
		for _, s := range side {
			sums[i] += s
		}
	})
	var total float64
	for _, s := range sums {
		total += s
	}
	return total
}
