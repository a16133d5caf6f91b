package train

// An accumulator adds up the gradients of several batches before a step.
type accumulator struct {
	n     int
	dense map[string][]float32
	order []Gradient
}

// add takes a batch's gradients. It returns their mean once every few batches, and nil in between; for
// single batches the gradients pass as they are.
func (a *accumulator) add(res *Result, every int, params *Params) *Result {
	if every <= 1 {
		return res
	}
	if a.dense == nil {
		a.dense = map[string][]float32{}
	}
	a.order = a.order[:0]
	for _, g := range res.Grads {
		sum := a.dense[g.Name]
		if sum == nil {
			sum = make([]float32, len(params.Lookup(g.Name).Data))
			a.dense[g.Name] = sum
		}
		if g.Index == nil {
			for i, x := range g.Grad {
				sum[i] += x / float32(every)
			}
		}
		for i, row := range g.Index {
			dst := sum[row*g.Width : (row+1)*g.Width]
			for k, x := range g.Grad[i*g.Width : (i+1)*g.Width] {
				dst[k] += x / float32(every)
			}
		}
		a.order = append(a.order, Gradient{Name: g.Name, Grad: sum, Width: g.Width})
	}
	if a.n++; a.n < every {
		return nil
	}
	out := *res
	out.Grads = append([]Gradient(nil), a.order...)
	a.n, a.dense = 0, nil
	return &out
}
