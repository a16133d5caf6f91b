package onnxref

import (
	"fmt"
	"slices"
	"sort"

	"github.com/aladin-go/aladin/internal/onnx"
)

// view is x with another shape.
func view(x *Tensor, shape []int) ([]*Tensor, error) {
	if size(shape) != x.Len() {
		return nil, fmt.Errorf("%w: %v as %v", ErrValue, x.Shape, shape)
	}
	return []*Tensor{{Shape: shape, F: x.F, I: x.I}}, nil
}

func reshape(_ *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	x := in[0]
	shape := make([]int, len(in[1].I))
	rest, left := -1, 1
	for i, d := range in[1].I {
		switch {
		case d == 0 && i < len(x.Shape):
			shape[i] = x.Shape[i]
		case d == -1 && rest < 0:
			rest = i
			continue
		case d <= 0:
			return nil, fmt.Errorf("%w: Reshape to %v", ErrValue, in[1].I)
		default:
			shape[i] = int(d)
		}
		left *= shape[i]
	}
	if rest >= 0 {
		if left == 0 {
			return nil, fmt.Errorf("%w: Reshape of %v to %v leaves a dimension open", ErrValue, x.Shape, in[1].I)
		}
		shape[rest] = x.Len() / left
	}
	return view(x, shape)
}

// reshapeTo is Squeeze and Unsqueeze: the axes are the second operand.
func reshapeTo(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	x := in[0]
	rank := len(x.Shape)
	if op.Kind == "Unsqueeze" {
		rank += len(in[1].I)
	}
	marked := make([]bool, rank)
	for _, a := range in[1].I {
		if a < 0 {
			a += int64(rank)
		}
		if a < 0 || a >= int64(rank) || marked[a] {
			return nil, fmt.Errorf("%w: axes %v of %v", ErrValue, in[1].I, x.Shape)
		}
		marked[a] = true
	}
	var shape []int
	next := 0
	for a := range rank {
		switch {
		case op.Kind == "Unsqueeze" && marked[a]:
			shape = append(shape, 1)
			continue
		case marked[a] && x.Shape[a] != 1:
			return nil, fmt.Errorf("%w: axis %d of %v is not 1", ErrValue, a, x.Shape)
		case !marked[a]:
			shape = append(shape, x.Shape[next])
		}
		next++
	}
	return view(x, shape)
}

func transpose(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	x, perm := in[0], op.Attr("perm").Ints
	shape := make([]int, len(perm))
	strides := make([]int, len(perm))
	for i, p := range perm {
		shape[i] = x.Shape[p]
		strides[i] = size(x.Shape[p+1:])
	}
	out := newTensor(op.Out[0].Type, shape)
	for i := range out.Len() {
		at, rest := 0, i
		for a := len(shape) - 1; a >= 0; a-- {
			at += rest % shape[a] * strides[a]
			rest /= shape[a]
		}
		out.set(i, x, at)
	}
	return []*Tensor{out}, nil
}

func expand(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	to := make([]int, len(in[1].I))
	for i, d := range in[1].I {
		to[i] = int(d)
	}
	shape, err := broadcast(in[0].Shape, to)
	if err != nil {
		return nil, err
	}
	out := newTensor(op.Out[0].Type, shape)
	for i, at := range places(in[0].Shape, shape) {
		out.set(i, in[0], at)
	}
	return []*Tensor{out}, nil
}

func concat(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	a, err := axisOf(op, len(in[0].Shape), 0)
	if err != nil {
		return nil, err
	}
	total := 0
	for _, x := range in {
		if !slices.Equal(sized(x.Shape, a, 0), sized(in[0].Shape, a, 0)) {
			return nil, fmt.Errorf("%w: %v and %v", ErrValue, in[0].Shape, x.Shape)
		}
		total += x.Shape[a]
	}
	out := newTensor(op.Out[0].Type, sized(in[0].Shape, a, total))
	before := 0
	for _, x := range in {
		outer, n, inner := split(x.Shape, a)
		for i := range outer * n * inner {
			o, k := i/(n*inner), i%(n*inner)
			out.set((o*total+before)*inner+k, x, i)
		}
		before += n
	}
	return []*Tensor{out}, nil
}

// slice with a step of 1; bounds are clamped as ONNX asks.
func slice(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	if len(in) != 4 {
		return nil, fmt.Errorf("%w: Slice with %d operands", ErrOp, len(in))
	}
	x := in[0]
	for k, a := range in[3].I {
		if a < 0 {
			a += int64(len(x.Shape))
		}
		_, n, inner := split(x.Shape, int(a))
		bound := func(i int64) int {
			if i < 0 {
				i += int64(n)
			}
			return int(min(max(i, 0), int64(n)))
		}
		from, to := bound(in[1].I[k]), bound(in[2].I[k])
		to = max(from, to)
		out := newTensor(op.Out[0].Type, sized(x.Shape, int(a), to-from))
		for i := range out.Len() {
			o, rest := i/((to-from)*inner), i%((to-from)*inner)
			out.set(i, x, (o*n+from)*inner+rest)
		}
		x = out
	}
	return []*Tensor{x}, nil
}

// pad with a constant along the axes of the fourth operand.
func pad(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	if len(in) != 4 || len(in[3].I) != 1 {
		return nil, fmt.Errorf("%w: Pad with %d operands", ErrOp, len(in))
	}
	x, a := in[0], int(in[3].I[0])
	outer, n, inner := split(x.Shape, a)
	before, after := int(in[1].I[0]), int(in[1].I[1])
	if before < 0 || after < 0 {
		return nil, fmt.Errorf("%w: Pad by %v", ErrValue, in[1].I)
	}
	out := newTensor(op.Out[0].Type, sized(x.Shape, a, before+n+after))
	for i := range out.Len() {
		out.set(i, in[2], 0)
	}
	for i := range outer * n * inner {
		o, rest := i/max(n*inner, 1), i%max(n*inner, 1)
		out.set((o*(before+n+after)+before)*inner+rest, x, i)
	}
	return []*Tensor{out}, nil
}

func shapeOp(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	from, to := attrInt(op, "start", 0), attrInt(op, "end", len(in[0].Shape))
	var dims []int64
	for _, d := range in[0].Shape[from:to] {
		dims = append(dims, int64(d))
	}
	return []*Tensor{Ints(dims, len(dims))}, nil
}

func constantOfShape(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	if op.Attr("value") != nil {
		return nil, fmt.Errorf("%w: of another value than 0", ErrOp)
	}
	shape := make([]int, len(in[0].I))
	for i, d := range in[0].I {
		shape[i] = int(d)
	}
	return []*Tensor{newTensor(onnx.Float, shape)}, nil
}

func rangeOp(_ *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	out := []int64{}
	for i := in[0].I[0]; i < in[1].I[0]; i += max(in[2].I[0], 1) {
		out = append(out, i)
	}
	return []*Tensor{Ints(out, len(out))}, nil
}

// index turns a negative index into a positive one.
func index(i int64, n int) (int, error) {
	if i < 0 {
		i += int64(n)
	}
	if i < 0 || i >= int64(n) {
		return 0, fmt.Errorf("%w: index %d of %d", ErrValue, i, n)
	}
	return int(i), nil
}

func gather(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	x, ids := in[0], in[1]
	if attrInt(op, "axis", 0) != 0 {
		return nil, fmt.Errorf("%w: Gather on another axis than 0", ErrOp)
	}
	_, n, inner := split(x.Shape, 0)
	out := newTensor(op.Out[0].Type, append(append([]int(nil), ids.Shape...), x.Shape[1:]...))
	for i, id := range ids.I {
		row, err := index(id, n)
		if err != nil {
			return nil, err
		}
		for k := range inner {
			out.set(i*inner+k, x, row*inner+k)
		}
	}
	return []*Tensor{out}, nil
}

// elements calls f with every place of the indices and the place of data that it names.
func elements(op *onnx.Op, data, indices *Tensor, f func(i, at int)) error {
	a, err := axisOf(op, len(data.Shape), 0)
	if err != nil {
		return err
	}
	strides := make([]int, len(data.Shape))
	for i := range strides {
		strides[i] = size(data.Shape[i+1:])
	}
	for i, id := range indices.I {
		place, rest := 0, i
		for k := len(indices.Shape) - 1; k >= 0; k-- {
			at := rest % indices.Shape[k]
			rest /= indices.Shape[k]
			if k == a {
				if at, err = index(id, data.Shape[a]); err != nil {
					return err
				}
			}
			place += at * strides[k]
		}
		f(i, place)
	}
	return nil
}

func gatherElements(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	out := newTensor(op.Out[0].Type, in[1].Shape)
	err := elements(op, in[0], in[1], func(i, at int) { out.set(i, in[0], at) })
	return []*Tensor{out}, err
}

// adds reads a Scatter's reduction.
func adds(op *onnx.Op) (bool, error) {
	r := op.Attr("reduction")
	if r == nil || string(r.S) == "none" {
		return false, nil
	}
	if string(r.S) != "add" {
		return false, fmt.Errorf("%w: reduction %s", ErrOp, r.S)
	}
	return true, nil
}

func (t *Tensor) clone() *Tensor {
	return &Tensor{Shape: t.Shape, F: slices.Clone(t.F), I: slices.Clone(t.I)}
}

// put writes or adds an element.
func (t *Tensor) put(at int, from *Tensor, i int, add bool) {
	switch {
	case !add:
		t.set(at, from, i)
	case t.F != nil:
		t.F[at] += from.F[i]
	default:
		t.I[at] += from.I[i]
	}
}

func scatterElements(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	add, err := adds(op)
	if err != nil {
		return nil, err
	}
	out := in[0].clone()
	err = elements(op, in[0], in[1], func(i, at int) { out.put(at, in[2], i, add) })
	return []*Tensor{out}, err
}

// scatterND with indices of whole rows.
func scatterND(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	add, err := adds(op)
	if err != nil {
		return nil, err
	}
	out, ids := in[0].clone(), in[1]
	if ids.Shape[len(ids.Shape)-1] != 1 {
		return nil, fmt.Errorf("%w: ScatterND by %v", ErrOp, ids.Shape)
	}
	_, n, inner := split(out.Shape, 0)
	for i, id := range ids.I {
		row, err := index(id, n)
		if err != nil {
			return nil, err
		}
		for k := range inner {
			out.put(row*inner+k, in[2], i*inner+k, add)
		}
	}
	return []*Tensor{out}, nil
}

// topK sorts along an axis; equal values come in the order of their places.
func topK(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	x, k := in[0], int(in[1].I[0])
	a, err := axisOf(op, len(x.Shape), -1)
	if err != nil {
		return nil, err
	}
	outer, n, inner := split(x.Shape, a)
	if k > n {
		return nil, fmt.Errorf("%w: top %d of %d", ErrValue, k, n)
	}
	largest := attrInt(op, "largest", 1) == 1
	values, ids := newTensor(onnx.Float, sized(x.Shape, a, k)), newTensor(onnx.Int64, sized(x.Shape, a, k))
	order := make([]int, n)
	for o := range outer {
		for i := range inner {
			at := func(j int) int { return (o*n+j)*inner + i }
			for j := range order {
				order[j] = j
			}
			sort.SliceStable(order, func(p, q int) bool {
				u, v := x.F[at(order[p])], x.F[at(order[q])]
				if largest {
					return u > v
				}
				return u < v
			})
			for j := range k {
				values.F[(o*k+j)*inner+i] = x.F[at(order[j])]
				ids.I[(o*k+j)*inner+i] = int64(order[j])
			}
		}
	}
	return []*Tensor{values, ids}, nil
}

// nonZero of a vector.
func nonZero(_ *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	x := in[0]
	if len(x.Shape) != 1 {
		return nil, fmt.Errorf("%w: NonZero of %v", ErrOp, x.Shape)
	}
	places := []int64{}
	for i := range x.Len() {
		if x.F != nil && x.F[i] != 0 || x.F == nil && x.I[i] != 0 {
			places = append(places, int64(i))
		}
	}
	return []*Tensor{Ints(places, 1, len(places))}, nil
}
