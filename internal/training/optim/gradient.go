package optim

import (
	"math"
	"slices"
)

// A Gradient is of one parameter: dense, or rows of it (see Update).
type Gradient struct {
	Name  string
	Grad  []float32
	Index []int
	Width int
	// Decays says that weight decay applies to the parameter.
	Decays bool
}

// Norm is the global Euclidean norm of gradients.
func Norm(grads []Gradient) float64 {
	var sum float64
	for _, g := range grads {
		sum += NormSquared(g.Grad)
	}
	return math.Sqrt(sum)
}

// An Accumulator adds up the gradients of several batches before a step. Gradients that list rows stay so.
type Accumulator struct {
	N      int
	list   []*gradSum
	byName map[string]*gradSum
}

// A gradSum is the sum of one parameter's gradients.
type gradSum struct {
	name   string
	grad   []float32   // dense, or rows in the order of their places
	place  map[int]int // of each row; nil = dense
	width  int
	decays bool
}

// Add takes a batch's gradients, which may change afterwards.
func (a *Accumulator) Add(grads []Gradient) {
	if a.byName == nil {
		a.byName = map[string]*gradSum{}
	}
	for _, g := range grads {
		s := a.byName[g.Name]
		if s == nil {
			s = &gradSum{name: g.Name, width: g.Width, decays: g.Decays}
			if g.Index != nil {
				s.place = map[int]int{}
			} else {
				s.grad = make([]float32, len(g.Grad))
			}
			a.byName[g.Name] = s
			a.list = append(a.list, s)
		}
		s.add(g)
	}
	a.N++
}

func (s *gradSum) add(g Gradient) {
	if s.place == nil {
		for i, x := range g.Grad {
			s.grad[i] += x
		}
		return
	}
	for i, row := range g.Index {
		at, ok := s.place[row]
		if !ok {
			at = len(s.place)
			s.place[row] = at
			s.grad = append(s.grad, make([]float32, s.width)...)
		}
		dst := s.grad[at*s.width:][:s.width]
		for k, x := range g.Grad[i*s.width:][:s.width] {
			dst[k] += x
		}
	}
}

// Mean is the mean of the gradients added; it empties the accumulator.
func (a *Accumulator) Mean() []Gradient {
	var out []Gradient
	for _, s := range a.list {
		for i := range s.grad {
			s.grad[i] /= float32(a.N)
		}
		out = append(out, s.gradient())
	}
	*a = Accumulator{}
	return out
}

// gradient brings rows into ascending order.
func (s *gradSum) gradient() Gradient {
	g := Gradient{Name: s.name, Grad: s.grad, Width: s.width, Decays: s.decays}
	if s.place == nil {
		return g
	}
	for row := range s.place {
		g.Index = append(g.Index, row)
	}
	slices.Sort(g.Index)
	g.Grad = make([]float32, 0, len(s.grad))
	for _, row := range g.Index {
		g.Grad = append(g.Grad, s.grad[s.place[row]*s.width:][:s.width]...)
	}
	return g
}
