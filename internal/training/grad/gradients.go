// Package grad differentiates graphs: given a graph under construction in an [onnx.Builder] and a
// scalar loss in it, Gradients appends the nodes that compute the loss's derivatives (symbolic
// reverse-mode differentiation). The result is an ordinary inference graph, so whatever runs ONNX can
// train with it, on any device.
//
// Every op has one rule, in the rules_*.go files; an op without a rule is an error as soon as a
// gradient would have to pass it. Derivatives are those of the functions as PyTorch defines them where
// they are not smooth: ReLU and |x| have derivative 0 at 0, and a maximum passes its gradient to the
// first of equal values.
package grad

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/aladin-go/aladin/internal/onnx"
)

// ErrNoGradient is returned when a gradient would have to pass an op that has no rule.
var ErrNoGradient = errors.New("grad: op has no gradient")

// A Grad is the derivative of the loss with respect to one value. Dense has the value's shape. A table
// whose rows were only looked up (Gather) has Rows in its place, which stay as small as the look-ups:
// the derivative is zero but for the rows listed, whose parts add up where an index repeats. Both are
// nil when the loss does not depend on the value.
type Grad struct {
	Dense *onnx.Value
	Rows  []Rows
}

// Rows is a part of a sparse derivative: Values[i…] belongs to row Indices[i…] of the table.
type Rows struct {
	Indices *onnx.Value // int64 [I…]
	Values  *onnx.Value // float32 [I… row]
}

// Gradients appends to b the derivatives of loss (one element) with respect to each of wrt, which must be
// inputs of the graph or values that it computes. It is linear in the number of nodes.
func Gradients(b *onnx.Builder, loss *onnx.Value, wrt []*onnx.Value) ([]Grad, error) {
	if loss.Shape.Elements() != onnx.D(1) {
		return nil, fmt.Errorf("grad: loss %s has shape %v, want one element", loss.Name, loss.Shape)
	}
	ops := b.Ops()
	needed := map[*onnx.Value]bool{}
	tables := map[*onnx.Value]bool{}
	for _, v := range wrt {
		needed[v] = true
		tables[v] = v.Op == nil
	}
	for _, op := range ops {
		if op.Kind == "Identity" { // StopGradient
			continue
		}
		for _, in := range op.In {
			if in != nil && needed[in] && !blocks(op) {
				for _, out := range op.Out {
					needed[out] = needed[out] || out.Type == onnx.Float
				}
			}
		}
	}
	if !needed[loss] {
		return make([]Grad, len(wrt)), nil
	}
	t := &tape{Builder: b, needed: needed, tables: tables, grads: map[*onnx.Value]*Grad{}, parts: map[*onnx.Value][]part{}}
	ones := make([]onnx.Dim, len(loss.Shape))
	for i := range ones {
		ones[i] = onnx.D(1)
	}
	t.grads[loss] = &Grad{Dense: b.Reshape(b.Scalar(1), ones...)}
	b.Scope("grad", func() {
		for end := len(ops); end > 0 && t.err == nil; {
			part := ops[partStart(ops, end):end]
			end -= len(part)
			if part[0].Part != 0 {
				part = t.again(part)
			}
			for _, op := range slices.Backward(part) {
				t.backward(op)
			}
			t.rejoin()
		}
	})
	if t.err == nil {
		t.err = b.Err()
	}
	if t.err != nil {
		return nil, t.err
	}
	out := make([]Grad, len(wrt))
	for i, v := range wrt {
		g := t.grad(v)
		if g == nil {
			continue
		}
		if g.Dense != nil && len(g.Rows) > 0 { // used both ways: a dense table of the look-ups, added
			for _, r := range g.Rows {
				g.Dense = b.ScatterRows(g.Dense, r.Indices, r.Values)
			}
			g.Rows = nil
		}
		out[i] = *g
	}
	return out, b.Err()
}

// A tape holds the state of one reverse pass.
type tape struct {
	*onnx.Builder
	needed map[*onnx.Value]bool
	tables map[*onnx.Value]bool // graph inputs: their look-ups may stay sparse
	grads  map[*onnx.Value]*Grad
	parts  map[*onnx.Value][]part // of gradients, not yet among grads
	copies []copied               // what the part at hand is computed again from
	err    error
}

// A part is the derivative of places start to end of an axis; it is zero elsewhere.
type part struct {
	axis       int
	start, end int64
	value      *onnx.Value
}

// A rule adds the derivatives of an op's operands, given that of its first output.
type rule func(t *tape, op *onnx.Op, dy *onnx.Value)

// blocks tells whether no gradient flows through the op by nature: comparisons, indices, shapes.
func blocks(op *onnx.Op) bool {
	switch op.Kind {
	case "Equal", "Less", "Greater", "GreaterOrEqual", "And", "Or", "Not", "ArgMax", "Shape", "Sign", "Range", "ConstantOfShape", "NonZero":
		return true
	}
	return false
}

func (t *tape) backward(op *onnx.Op) {
	if t.err != nil || blocks(op) || op.Kind == "Identity" {
		return
	}
	g := t.grad(op.Out[0])
	if g == nil || g.Dense == nil {
		return
	}
	if op.Whole != nil {
		op = op.Whole
	}
	wanted := false
	for _, in := range op.In {
		wanted = wanted || in != nil && t.needed[in]
	}
	if !wanted {
		return
	}
	r := rules[op.Kind]
	if r == nil {
		t.err = fmt.Errorf("%w: %s (%s)", ErrNoGradient, op.Kind, op.Out[0].Name)
		return
	}
	r(t, op, g.Dense)
}

// add accumulates a derivative of v, summing over the axes along which v was broadcast.
func (t *tape) add(v *onnx.Value, grad func() *onnx.Value) {
	if v == nil || !t.needed[v] || v.Type != onnx.Float {
		return
	}
	g := t.unbroadcast(grad(), v.Shape)
	cur := t.grads[v]
	switch {
	case cur == nil:
		t.grads[v] = &Grad{Dense: g}
	case cur.Dense == nil:
		cur.Dense = g
	default:
		cur.Dense = t.Add(cur.Dense, g)
	}
}

// grad is the derivative of v, once all that depends on v is done.
func (t *tape) grad(v *onnx.Value) *Grad {
	parts := t.parts[v]
	delete(t.parts, v)
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(a.start, b.start) })
	whole := make([]*onnx.Value, len(parts))
	end := int64(0)
	for i, p := range parts {
		if p.axis != parts[0].axis || p.start != end {
			whole = nil
			break
		}
		whole[i], end = p.value, p.end
	}
	switch {
	case len(parts) == 0:
	case whole != nil && end == v.Shape[parts[0].axis].Size: // side by side, as the parts of joined weights
		t.add(v, func() *onnx.Value { return t.Concat(parts[0].axis, whole...) })
	default:
		for _, p := range parts {
			n := v.Shape[p.axis]
			t.add(v, func() *onnx.Value { return t.Pad(p.value, p.axis, t.Ints(p.start), t.Ints(n.Size-p.end), n) })
		}
	}
	return t.grads[v]
}

// addRows accumulates a sparse derivative of a table.
func (t *tape) addRows(table, indices, values *onnx.Value) {
	if t.grads[table] == nil {
		t.grads[table] = &Grad{}
	}
	t.grads[table].Rows = append(t.grads[table].Rows, Rows{indices, values})
}

func (t *tape) unbroadcast(g *onnx.Value, to onnx.Shape) *onnx.Value {
	if g.Shape.Equal(to) {
		return g
	}
	lead := len(g.Shape) - len(to)
	if lead < 0 { // a scalar gradient of a tensor of ones
		return t.Reshape(g, to...)
	}
	var axes []int
	for i := range g.Shape {
		if i < lead || to[i-lead] == onnx.D(1) && g.Shape[i] != onnx.D(1) {
			axes = append(axes, i)
		}
	}
	if len(axes) > 0 {
		g = t.ReduceSum(g, true, axes...)
	}
	return t.Reshape(g, to...)
}
