package onnx

// MatMul multiplies the last two axes; the axes before them broadcast.
func (b *Builder) MatMul(x, y *Value) *Value {
	nx, ny := len(x.Shape), len(y.Shape)
	if nx < 2 || ny < 2 || x.Shape[nx-1] != y.Shape[ny-2] {
		b.fail("MatMul: %v (%s) × %v (%s)", x.Shape, x.Name, y.Shape, y.Name)
		return x
	}
	batch, ok := Broadcast(x.Shape[:nx-2], y.Shape[:ny-2])
	if !ok {
		b.fail("MatMul: batches of %v (%s) and %v (%s) do not fit", x.Shape, x.Name, y.Shape, y.Name)
		return x
	}
	s := append(append(Shape(nil), batch...), x.Shape[nx-2], y.Shape[ny-1])
	return b.one("MatMul", x.Type, s, nil, x, y)
}

// Gemm is A·B + C with A or B transposed on the fly; all are matrices, C (may be nil) broadcasts.
func (b *Builder) Gemm(x, y, c *Value, transX, transY bool) *Value {
	if len(x.Shape) != 2 || len(y.Shape) != 2 {
		b.fail("Gemm: %v (%s) and %v (%s) must be matrices", x.Shape, x.Name, y.Shape, y.Name)
		return x
	}
	m, k := x.Shape[0], x.Shape[1]
	if transX {
		m, k = k, m
	}
	k2, n := y.Shape[0], y.Shape[1]
	if transY {
		k2, n = n, k2
	}
	s := Shape{m, n}
	if k != k2 {
		b.fail("Gemm: %v (%s) × %v (%s), transposed %v %v", x.Shape, x.Name, y.Shape, y.Name, transX, transY)
		return b.Zeros(s...)
	}
	attrs := []*Attr{}
	if transX {
		attrs = append(attrs, intAttr("transA", 1))
	}
	if transY {
		attrs = append(attrs, intAttr("transB", 1))
	}
	in := []*Value{x, y}
	if c != nil {
		if cs, ok := Broadcast(c.Shape, s); !ok || !cs.Equal(s) {
			b.fail("Gemm: bias %v (%s) does not broadcast to %v", c.Shape, c.Name, s)
		}
		in = append(in, c)
	}
	return b.one("Gemm", x.Type, s, attrs, in...)
}

// Softmax normalises an axis; LogSoftmax is its logarithm.
func (b *Builder) Softmax(x *Value, axis int) *Value    { return b.softmax("Softmax", x, axis) }
func (b *Builder) LogSoftmax(x *Value, axis int) *Value { return b.softmax("LogSoftmax", x, axis) }

func (b *Builder) softmax(kind string, x *Value, axis int) *Value {
	a, ok := x.Shape.axis(axis)
	if !ok {
		b.fail("%s: no axis %d in %v (%s)", kind, axis, x.Shape, x.Name)
		return x
	}
	return b.one(kind, x.Type, x.Shape, []*Attr{intAttr("axis", a)}, x)
}

// LayerNorm normalises the last axis, then scales and shifts (Ba et al., arXiv 1607.06450).
func (b *Builder) LayerNorm(x, gamma, beta *Value, eps float32) *Value {
	last := len(x.Shape) - 1
	if last < 0 || !gamma.Shape.Equal(Shape{x.Shape[last]}) || !beta.Shape.Equal(gamma.Shape) {
		b.fail("LayerNorm: scale %v and shift %v do not fit %v (%s)", gamma.Shape, beta.Shape, x.Shape, x.Name)
		return x
	}
	stat := append(append(Shape(nil), x.Shape[:last]...), D(1))
	return b.Node("LayerNormalization", "", []*Value{x, gamma, beta},
		[]*Attr{intAttr("axis", -1), floatAttr("epsilon", eps)},
		Value{Type: x.Type, Shape: x.Shape}, Value{Type: Float, Shape: stat}, Value{Type: Float, Shape: stat})[0]
}

// LayerNormParts is LayerNorm on a matrix, put together from passes that a processor's vector units do: for
// training on a CPU, where the op of ONNX Runtime takes twice as long, and the gradient needs the parts.
func (b *Builder) LayerNormParts(x, gamma, beta *Value, eps float32) *Value {
	if len(x.Shape) != 2 || !x.Shape[1].Fixed() || !gamma.Shape.Equal(x.Shape[1:]) || !beta.Shape.Equal(gamma.Shape) {
		b.fail("LayerNormParts: scale %v and shift %v do not fit %v (%s)", gamma.Shape, beta.Shape, x.Shape, x.Name)
		return x
	}
	n := x.Shape[1]
	share := b.Expand(b.Reshape(b.Scalar(1/float32(n.Size)), D(1), D(1)), n, D(1))
	mean := b.Gemm(x, share, nil, false, false)
	centred := b.Sub(x, mean)
	inv := b.Reciprocal(b.Sqrt(b.AddS(b.Gemm(b.Mul(centred, centred), share, nil, false, false), eps)))
	hat := b.Mul(centred, inv)
	y := b.Add(b.Mul(hat, gamma), beta)
	y.Op.Whole = &Op{Kind: "LayerNormalization", In: []*Value{x, gamma, beta}, Out: []*Value{y, mean, inv, hat}}
	return y
}

// SumExp is the sum of exp(x) along an axis, which stays as 1.
func (b *Builder) SumExp(x *Value, axis int) *Value {
	e := b.Exp(x)
	y := b.ReduceSum(e, true, axis)
	y.Op.Whole = &Op{Kind: "SumExp", In: []*Value{x}, Out: []*Value{y, e}}
	return y
}

// ReduceSum, ReduceMean, ReduceMax and ReduceMin run over the axes; with keep they stay, as 1.
func (b *Builder) ReduceSum(x *Value, keep bool, axes ...int) *Value {
	return b.reduce("ReduceSum", x, keep, axes)
}
func (b *Builder) ReduceMean(x *Value, keep bool, axes ...int) *Value {
	return b.reduce("ReduceMean", x, keep, axes)
}
func (b *Builder) ReduceMax(x *Value, keep bool, axes ...int) *Value {
	return b.reduce("ReduceMax", x, keep, axes)
}
func (b *Builder) ReduceMin(x *Value, keep bool, axes ...int) *Value {
	return b.reduce("ReduceMin", x, keep, axes)
}

func (b *Builder) reduce(kind string, x *Value, keep bool, axes []int) *Value {
	if len(axes) == 0 { // to ONNX an empty list means all axes
		b.fail("%s of %v (%s): no axes", kind, x.Shape, x.Name)
		return x
	}
	drop := map[int]bool{}
	idx := make([]int64, 0, len(axes))
	for _, a := range axes {
		p, ok := x.Shape.axis(a)
		if !ok || drop[p] {
			b.fail("%s: axes %v of %v (%s)", kind, axes, x.Shape, x.Name)
			return x
		}
		drop[p] = true
		idx = append(idx, int64(p))
	}
	s := Shape{}
	for i, d := range x.Shape {
		switch {
		case !drop[i]:
			s = append(s, d)
		case keep:
			s = append(s, D(1))
		}
	}
	k := 0
	if keep {
		k = 1
	}
	// The axes are an input since opset 18 (13 for the sum).
	return b.one(kind, x.Type, s, []*Attr{intAttr("keepdims", k)}, x, b.Ints(idx...))
}

// ArgMax is the index (int64) of the largest value along an axis, the first among equals, kept as 1.
func (b *Builder) ArgMax(x *Value, axis int) *Value {
	a, ok := x.Shape.axis(axis)
	if !ok {
		b.fail("ArgMax: no axis %d in %v (%s)", axis, x.Shape, x.Name)
		return x
	}
	s := append(Shape(nil), x.Shape...)
	s[a] = D(1)
	return b.one("ArgMax", Int64, s, []*Attr{intAttr("axis", a), intAttr("keepdims", 1)}, x)
}

// Gather picks slices of axis 0 by index: table [V …] and indices [I…] give [I… …].
func (b *Builder) Gather(table, indices *Value) *Value {
	if len(table.Shape) == 0 || indices.Type != Int64 && indices.Type != Int32 {
		b.fail("Gather: table %v (%s), indices %v", table.Shape, table.Name, indices.Type)
		return table
	}
	s := append(append(Shape(nil), indices.Shape...), table.Shape[1:]...)
	return b.one("Gather", table.Type, s, []*Attr{intAttr("axis", 0)}, table, indices)
}

// GatherElements picks single elements along an axis; the result has the indices' shape.
func (b *Builder) GatherElements(x, indices *Value, axis int) *Value {
	a, ok := x.Shape.axis(axis)
	if !ok || len(x.Shape) != len(indices.Shape) {
		b.fail("GatherElements: axis %d, %v (%s) by %v", axis, x.Shape, x.Name, indices.Shape)
		return x
	}
	return b.one("GatherElements", x.Type, indices.Shape, []*Attr{intAttr("axis", a)}, x, indices)
}

// ScatterElements is data with updates written (add: added) at the indices along an axis.
func (b *Builder) ScatterElements(data, indices, updates *Value, axis int, add bool) *Value {
	a, ok := data.Shape.axis(axis)
	if !ok || !indices.Shape.Equal(updates.Shape) || len(indices.Shape) != len(data.Shape) {
		b.fail("ScatterElements: %v (%s) by %v, %v", data.Shape, data.Name, indices.Shape, updates.Shape)
		return data
	}
	attrs := []*Attr{intAttr("axis", a)}
	if add {
		attrs = append(attrs, stringAttr("reduction", "add"))
	}
	return b.one("ScatterElements", data.Type, data.Shape, attrs, data, indices, updates)
}

// ScatterRows adds updates [I… …] to the rows of data [V …] that indices [I…] name.
func (b *Builder) ScatterRows(data, indices, updates *Value) *Value {
	if len(data.Shape) == 0 || !updates.Shape.Equal(append(append(Shape(nil), indices.Shape...), data.Shape[1:]...)) || updates.Type != data.Type || indices.Type != Int64 {
		b.fail("ScatterRows: %v %v (%s) by %v %v, %v %v", data.Type, data.Shape, data.Name, indices.Type, indices.Shape, updates.Type, updates.Shape)
		return data
	}
	return b.one("ScatterND", data.Type, data.Shape, []*Attr{stringAttr("reduction", "add")},
		data, b.Unsqueeze(indices, -1), updates)
}

// L2Normalize divides the last axis by its Euclidean norm. Vectors no longer than eps stay as they are: so
// a vector of zeros stays one, and its derivative is not that of a division by next to nothing.
func (b *Builder) L2Normalize(x *Value, eps float32) *Value {
	sq := b.ReduceSum(b.Mul(x, x), true, -1)
	sq = b.Where(b.Greater(sq, b.Scalar(eps*eps)), sq, b.Scalar(1))
	return b.Div(x, b.Sqrt(sq))
}
