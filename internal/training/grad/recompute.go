package grad

import "github.com/aladin-go/aladin/internal/onnx"

// Parts of the graph made inside [onnx.Builder.Recompute] are there twice in the result: once for what follows
// from them, and once more behind the gradient that comes back to them, for their own gradients. So nothing of the
// first needs to be kept but what went into it.

// A copied value goes into a part: as is the first time, and behind a gradient the second.
type copied struct{ first, second *onnx.Value }

// partStart is where the run of nodes of one part begins that ends at end; a node of no part stands alone.
func partStart(ops []*onnx.Op, end int) int {
	start := end - 1
	for ops[start].Part != 0 && start > 0 && ops[start-1].Part == ops[start].Part {
		start--
	}
	return start
}

// again appends the nodes of a part once more, and returns them in their order with the gradients of their results
// in place. Nodes that depend on nothing but parameters and masks are not repeated.
func (t *tape) again(part []*onnx.Op) []*onnx.Op {
	inside := map[*onnx.Value]bool{}
	var dy *onnx.Value // of the part's last result that has a gradient
	for _, op := range part {
		for _, out := range op.Out {
			inside[out] = true
			if g := t.grad(out); g != nil && g.Dense != nil {
				dy = g.Dense
			}
		}
	}
	if dy == nil {
		return nil
	}
	second := map[*onnx.Value]*onnx.Value{}
	for _, op := range part {
		for _, in := range op.In {
			if in == nil || in.Op == nil || inside[in] || !t.needed[in] || second[in] != nil {
				continue
			}
			c := t.After(in, dy)
			second[in], t.needed[c] = c, true
			t.copies = append(t.copies, copied{in, c})
		}
	}
	out := make([]*onnx.Op, len(part))
	for i, op := range part {
		out[i] = t.repeat(op, second)
	}
	return out
}

// repeat appends op with second in place of its operands; op itself when none of them is replaced.
func (t *tape) repeat(op *onnx.Op, second map[*onnx.Value]*onnx.Value) *onnx.Op {
	in, changed := replaced(op.In, second)
	if !changed {
		return op
	}
	results := make([]onnx.Value, len(op.Out))
	for i, o := range op.Out {
		results[i] = onnx.Value{Type: o.Type, Shape: o.Shape}
	}
	values := t.Node(op.Kind, op.Domain, in, op.Attrs, results...)
	for i, o := range op.Out {
		second[o] = values[i]
		t.needed[values[i]] = t.needed[o]
		if g := t.grad(o); g != nil {
			t.grads[values[i]] = g
			delete(t.grads, o)
		}
	}
	c := values[0].Op
	if op.Whole != nil {
		whole := *op.Whole
		whole.In, _ = replaced(whole.In, second)
		whole.Out, _ = replaced(whole.Out, second)
		c.Whole = &whole
	}
	return c
}

// rejoin passes the gradients of what a part was computed again from on to what it was computed from first.
func (t *tape) rejoin() {
	for _, c := range t.copies {
		if g := t.grad(c.second); g != nil && g.Dense != nil {
			t.add(c.first, func() *onnx.Value { return g.Dense })
		}
	}
	t.copies = t.copies[:0]
}

func replaced(values []*onnx.Value, by map[*onnx.Value]*onnx.Value) (out []*onnx.Value, changed bool) {
	out = make([]*onnx.Value, len(values))
	for i, v := range values {
		out[i] = v
		if r := by[v]; v != nil && r != nil {
			out[i], changed = r, true
		}
	}
	return out, changed
}
