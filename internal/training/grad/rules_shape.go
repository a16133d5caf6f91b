package grad

import "github.com/aladin-go/aladin/internal/onnx"

func reshaped(t *tape, op *onnx.Op, dy *onnx.Value) {
	t.add(op.In[0], func() *onnx.Value { return t.ReshapeLike(dy, op.In[0]) })
}

func transpose(t *tape, op *onnx.Op, dy *onnx.Value) {
	perm := op.Attr("perm").Ints
	inverse := make([]int, len(perm))
	for i, p := range perm {
		inverse[p] = i
	}
	t.add(op.In[0], func() *onnx.Value { return t.Transpose(dy, inverse...) })
}

func concat(t *tape, op *onnx.Op, dy *onnx.Value) {
	axis := int(op.Attr("axis").I)
	start := t.Ints(0)
	for _, in := range op.In {
		in, from := in, start
		end := t.Add(from, t.DimVector(in, axis))
		t.add(in, func() *onnx.Value { return t.SliceV(dy, axis, from, end, in.Shape[axis]) })
		start = end
	}
}

// slice pads the gradient with zeros to where the slice was taken from.
func slice(t *tape, op *onnx.Op, dy *onnx.Value) {
	x := op.In[0]
	axis := -1
	for i := range x.Shape {
		if x.Shape[i] != op.Out[0].Shape[i] {
			axis = i
		}
	}
	if axis < 0 { // the whole axis
		t.add(x, func() *onnx.Value { return dy })
		return
	}
	start, end := t.ConstInts(op.In[1]), t.ConstInts(op.In[2])
	if size := x.Shape[axis]; size.Fixed() && len(start) == 1 && len(end) == 1 && 0 <= start[0] && start[0] < end[0] && end[0] <= size.Size {
		if t.needed[x] {
			t.parts[x] = append(t.parts[x], part{axis, start[0], end[0], dy})
		}
		return
	}
	t.add(x, func() *onnx.Value {
		n, zero := t.DimVector(x, axis), t.Ints(0)
		absolute := func(i *onnx.Value) *onnx.Value { // as Slice reads its bounds: negative from the end, clamped
			i = t.Where(t.Less(i, zero), t.Add(i, n), i)
			i = t.Where(t.Less(i, zero), zero, i)
			return t.Where(t.Less(n, i), n, i)
		}
		start, end := absolute(op.In[1]), absolute(op.In[2])
		end = t.Where(t.Less(end, start), start, end) // nothing was taken
		return t.Pad(dy, axis, start, t.Sub(n, end), x.Shape[axis])
	})
}

// pad passes on what lies between the padding.
func pad(t *tape, op *onnx.Op, dy *onnx.Value) {
	x, axis := op.In[0], int(t.ConstInts(op.In[3])[0])
	t.add(x, func() *onnx.Value {
		before := t.Slice(op.In[1], 0, 0, 1, onnx.D(1))
		return t.SliceV(dy, axis, before, t.Add(before, t.DimVector(x, axis)), x.Shape[axis])
	})
}

// gather keeps the derivative of a table sparse where both the table and the indices are graph inputs.
func gather(t *tape, op *onnx.Op, dy *onnx.Value) {
	table, indices := op.In[0], op.In[1]
	if !t.needed[table] {
		return
	}
	if t.tables[table] && indices.Op == nil && !indices.Const {
		t.addRows(table, indices, dy)
		return
	}
	t.add(table, func() *onnx.Value { return t.ScatterRows(t.Zeros(table.Shape...), indices, dy) })
}

func gatherElements(t *tape, op *onnx.Op, dy *onnx.Value) {
	x := op.In[0]
	t.add(x, func() *onnx.Value {
		return t.ScatterElements(t.Zeros(x.Shape...), op.In[1], dy, int(op.Attr("axis").I), true)
	})
}

// scatterElements (without reduction): what was overwritten gets no gradient.
func scatterElements(t *tape, op *onnx.Op, dy *onnx.Value) {
	data, indices, updates := op.In[0], op.In[1], op.In[2]
	axis := int(op.Attr("axis").I)
	add := op.Attr("reduction") != nil
	t.add(data, func() *onnx.Value {
		if add {
			return dy
		}
		return t.ScatterElements(dy, indices, t.Zeros(updates.Shape...), axis, false)
	})
	t.add(updates, func() *onnx.Value { return t.GatherElements(dy, indices, axis) })
}

// scatterRows adds rows to a table: both pass the gradient on.
func scatterRows(t *tape, op *onnx.Op, dy *onnx.Value) {
	t.add(op.In[0], func() *onnx.Value { return dy })
	t.add(op.In[2], func() *onnx.Value { return t.Gather(dy, t.Squeeze(op.In[1], -1)) })
}

func takeRows(t *tape, op *onnx.Op, dy *onnx.Value) {
	t.add(op.In[0], func() *onnx.Value { return t.PlaceRows(op.In[0].Shape[0], op.In[1], dy) })
}

func placeRows(t *tape, op *onnx.Op, dy *onnx.Value) {
	t.add(op.In[0], func() *onnx.Value { return t.TakeRows(dy, op.In[1]) })
}
