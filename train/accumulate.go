package train

import "slices"

// An accumulator adds up the gradients of several batches before a step. Gradients that list rows stay so.
type accumulator struct {
	n      int
	list   []*gradSum
	byName map[string]*gradSum
	last   *Result
}

// A gradSum is the sum of one parameter's gradients.
type gradSum struct {
	name  string
	grad  []float32   // dense, or rows in the order of their places
	place map[int]int // of each row; nil = dense
	width int
}

// add takes a batch's gradients, which may change afterwards.
func (a *accumulator) add(res *Result) {
	if a.byName == nil {
		a.byName = map[string]*gradSum{}
	}
	for _, g := range res.Grads {
		s := a.byName[g.Name]
		if s == nil {
			s = &gradSum{name: g.Name, width: g.Width}
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
	a.n++
	a.last = res
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

// mean is the result of the last batch with the mean of the gradients added, and empties the accumulator.
func (a *accumulator) mean() *Result {
	out := *a.last
	out.Grads = nil
	for _, s := range a.list {
		for i := range s.grad {
			s.grad[i] /= float32(a.n)
		}
		out.Grads = append(out.Grads, s.gradient())
	}
	*a = accumulator{}
	return &out
}

// gradient brings rows into ascending order.
func (s *gradSum) gradient() Gradient {
	g := Gradient{Name: s.name, Grad: s.grad, Width: s.width}
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
