package onnx

// Reshape gives x another shape of as many elements. Dimensions may be symbolic as long as each can be
// found from x's own shape, from the graph's inputs, or is the only one left over.
func (b *Builder) Reshape(x *Value, dims ...Dim) *Value {
	to := Shape(dims)
	if to.Equal(x.Shape) {
		return x
	}
	if x.Shape.Elements() != to.Elements() {
		b.fail("Reshape: %v (%s) has not as many elements as %v", x.Shape, x.Name, to)
		return b.one("Reshape", x.Type, to, nil, x, b.Ints())
	}
	spec := make([]int64, len(to))
	unknown := []int{}
	for i, d := range to {
		switch {
		case d.Fixed():
			spec[i] = d.Size
		case i < len(x.Shape) && x.Shape[i] == d:
			spec[i] = 0 // ONNX: copy from the input
		default:
			unknown = append(unknown, i)
		}
	}
	if len(unknown) <= 1 {
		for _, i := range unknown {
			spec[i] = -1
		}
		return b.one("Reshape", x.Type, to, nil, x, b.Ints(spec...))
	}
	parts := make([]*Value, len(to))
	for i, d := range to {
		parts[i] = b.dimValue(x, d)
	}
	return b.one("Reshape", x.Type, to, nil, x, b.Concat(0, parts...))
}

// ReshapeLike gives x the shape of y.
func (b *Builder) ReshapeLike(x, y *Value) *Value { return b.Reshape(x, y.Shape...) }

// dimValue is a dimension as an int64 vector of one, computed at run time from x or the graph's inputs.
func (b *Builder) dimValue(x *Value, d Dim) *Value {
	if d.Fixed() {
		return b.Ints(d.Size)
	}
	if x != nil {
		for i, xd := range x.Shape {
			if xd == d {
				return b.shapeOf(x, i)
			}
		}
	}
	if src, ok := b.dims[d.Name]; ok {
		return b.shapeOf(src.v, src.axis)
	}
	fixed, syms := d.factors()
	if len(syms) > 1 || fixed != 1 {
		v := b.Ints(fixed)
		for _, s := range syms {
			v = b.Mul(v, b.dimValue(x, Sym(s)))
		}
		return v
	}
	b.fail("dimension %v is not that of any input", d)
	return b.Ints(1)
}

// After is x itself, but not before y is there: it keeps a runtime from computing what depends on it earlier,
// and from taking it for x. It copies nothing. Neither may be a scalar, nor the first dimension of y known beforehand.
func (b *Builder) After(x, y *Value) *Value {
	if len(x.Shape) == 0 || len(y.Shape) == 0 || y.Shape[0].Fixed() {
		b.fail("After: %v (%s) after %v (%s)", x.Shape, x.Name, y.Shape, y.Name)
		return x
	}
	same := b.Mul(b.shapeOf(y, 0), b.Ints(0)) // to Reshape, 0 is the dimension that is there
	dims := make([]*Value, len(x.Shape))
	for i := range dims {
		dims[i] = same
	}
	return b.one("Reshape", x.Type, x.Shape, nil, x, b.Concat(0, dims...))
}

// ShapeVector is a shape as an int64 vector computed at run time.
func (b *Builder) ShapeVector(like *Value, shape Shape) *Value {
	parts := make([]*Value, len(shape))
	for i, d := range shape {
		parts[i] = b.dimValue(like, d)
	}
	return b.Concat(0, parts...)
}

func (b *Builder) shapeOf(x *Value, axis int) *Value {
	return b.one("Shape", Int64, Of(1), []*Attr{intAttr("start", axis), intAttr("end", axis+1)}, x)
}

// Transpose permutes the axes: output axis i is input axis perm[i].
func (b *Builder) Transpose(x *Value, perm ...int) *Value {
	s := make(Shape, len(perm))
	seen := map[int]bool{}
	for i, p := range perm {
		if len(perm) != len(x.Shape) || p < 0 || p >= len(perm) || seen[p] {
			b.fail("Transpose: %v does not permute %v (%s)", perm, x.Shape, x.Name)
			return x
		}
		seen[p] = true
		s[i] = x.Shape[p]
	}
	return b.one("Transpose", x.Type, s, []*Attr{intsAttr("perm", perm)}, x)
}

// Concat joins values along an axis; the other dimensions must agree.
func (b *Builder) Concat(axis int, xs ...*Value) *Value {
	if len(xs) == 0 {
		b.fail("Concat of nothing")
		return b.Scalar(0)
	}
	if len(xs) == 1 {
		return xs[0]
	}
	a, ok := xs[0].Shape.axis(axis)
	s := append(Shape(nil), xs[0].Shape...)
	for _, x := range xs[1:] {
		ok = ok && len(x.Shape) == len(s) && x.Type == xs[0].Type
		for i := range s {
			if !ok || i != a && x.Shape[i] != s[i] {
				b.fail("Concat on axis %d: %v and %v do not fit", axis, xs[0].Shape, x.Shape)
				return xs[0]
			}
		}
		s[a] = s[a].plus(x.Shape[a])
	}
	out := b.one("Concat", xs[0].Type, s, []*Attr{intAttr("axis", a)}, xs...)
	b.DefineDim(s[a], out, a)
	return out
}

func (d Dim) plus(e Dim) Dim {
	switch {
	case d.Fixed() && e.Fixed():
		return Dim{Size: d.Size + e.Size}
	case d == D(0):
		return e
	case e == D(0):
		return d
	}
	return Dim{Name: "(" + d.String() + "+" + e.String() + ")"}
}

// Slice takes [start, end) of an axis; end is exclusive and fixed. A negative start or end counts from
// the axis's end. dim is the dimension that results, needed when the axis is symbolic.
func (b *Builder) Slice(x *Value, axis int, start, end int64, dim Dim) *Value {
	return b.SliceV(x, axis, b.Ints(start), b.Ints(end), dim)
}

// SliceV is Slice with bounds computed at run time (int64 vectors of one).
func (b *Builder) SliceV(x *Value, axis int, start, end *Value, dim Dim) *Value {
	a, ok := x.Shape.axis(axis)
	if !ok {
		b.fail("Slice: no axis %d in %v (%s)", axis, x.Shape, x.Name)
		return x
	}
	s := append(Shape(nil), x.Shape...)
	s[a] = dim
	out := b.one("Slice", x.Type, s, nil, x, start, end, b.Ints(int64(a)))
	b.DefineDim(dim, out, a)
	return out
}

// DimVector is dimension axis of x as an int64 vector of one.
func (b *Builder) DimVector(x *Value, axis int) *Value {
	a, ok := x.Shape.axis(axis)
	if !ok {
		b.fail("DimVector: no axis %d in %v (%s)", axis, x.Shape, x.Name)
		return b.Ints(1)
	}
	return b.dimValue(x, x.Shape[a])
}

// Expand repeats x by broadcasting to a shape.
func (b *Builder) Expand(x *Value, dims ...Dim) *Value {
	if s, ok := Broadcast(x.Shape, dims); !ok || !s.Equal(dims) {
		b.fail("Expand: %v (%s) does not broadcast to %v", x.Shape, x.Name, Shape(dims))
		return x
	}
	return b.one("Expand", x.Type, dims, nil, x, b.ShapeVector(x, dims))
}

// Zeros is a float32 tensor of zeros.
func (b *Builder) Zeros(dims ...Dim) *Value {
	return b.one("ConstantOfShape", Float, dims, nil, b.ShapeVector(nil, dims))
}

// NonZero lists the places of a vector whose values are not 0, in ascending order; dim names their number.
func (b *Builder) NonZero(x *Value, dim Dim) *Value {
	if len(x.Shape) != 1 || dim.Fixed() {
		b.fail("NonZero of %v (%s), as many as %v", x.Shape, x.Name, dim)
		return b.Ints(0)
	}
	out := b.one("NonZero", Int64, Shape{D(1), dim}, nil, x)
	b.DefineDim(dim, out, 1)
	return b.Squeeze(out, 0)
}

// TakeRows picks rows [N …] of a table [M …], each at most once. PlaceRows is its inverse: a table of m rows,
// zeros but for rows written at such places. They are each other's gradient.
func (b *Builder) TakeRows(table, places *Value) *Value {
	if len(places.Shape) != 1 || places.Type != Int64 {
		b.fail("TakeRows: %v %v (%s)", places.Type, places.Shape, places.Name)
		return table
	}
	y := b.Gather(table, places)
	y.Op.Whole = &Op{Kind: "TakeRows", In: []*Value{table, places}, Out: []*Value{y}}
	return y
}

// PlaceRows is described at TakeRows.
func (b *Builder) PlaceRows(m Dim, places, rows *Value) *Value {
	if len(rows.Shape) == 0 || !places.Shape.Equal(rows.Shape[:1]) || places.Type != Int64 {
		b.fail("PlaceRows: %v (%s) at %v %v", rows.Shape, rows.Name, places.Type, places.Shape)
		return rows
	}
	zeros := b.Zeros(append(Shape{m}, rows.Shape[1:]...)...)
	y := b.one("ScatterND", rows.Type, zeros.Shape, nil, zeros, b.Unsqueeze(places, -1), rows)
	y.Op.Whole = &Op{Kind: "PlaceRows", In: []*Value{rows, places}, Out: []*Value{y}}
	return y
}

// Unsqueeze inserts dimensions of 1 at the given axes of the result; Squeeze removes them.
func (b *Builder) Unsqueeze(x *Value, axes ...int) *Value {
	s := append(Shape(nil), x.Shape...)
	idx := make([]int64, len(axes))
	for i, a := range axes {
		if a < 0 {
			a += len(x.Shape) + len(axes)
		}
		if a < 0 || a > len(s) {
			b.fail("Unsqueeze: axis %d of %v (%s)", a, x.Shape, x.Name)
			return x
		}
		s = append(s[:a], append(Shape{D(1)}, s[a:]...)...)
		idx[i] = int64(a)
	}
	return b.one("Unsqueeze", x.Type, s, nil, x, b.Ints(idx...))
}

// Squeeze removes one axis of size 1.
func (b *Builder) Squeeze(x *Value, axis int) *Value {
	a, ok := x.Shape.axis(axis)
	if !ok || x.Shape[a] != D(1) {
		b.fail("Squeeze: axis %d of %v (%s) is not 1", axis, x.Shape, x.Name)
		return x
	}
	s := append(append(Shape(nil), x.Shape[:a]...), x.Shape[a+1:]...)
	return b.one("Squeeze", x.Type, s, nil, x, b.Ints(int64(a)))
}

// Pad adds before and after zeros (counts computed at run time, int64 vectors of one) to an axis.
func (b *Builder) Pad(x *Value, axis int, before, after *Value, dim Dim) *Value {
	a, ok := x.Shape.axis(axis)
	if !ok {
		b.fail("Pad: no axis %d in %v (%s)", axis, x.Shape, x.Name)
		return x
	}
	s := append(Shape(nil), x.Shape...)
	s[a] = dim
	out := b.one("Pad", x.Type, s, nil, x, b.Concat(0, before, after), b.Scalar(0), b.Ints(int64(a)))
	b.DefineDim(dim, out, a)
	return out
}

// Range is 0, 1, … n−1 as int64, where n is a dimension.
func (b *Builder) Range(n Dim) *Value {
	limit := b.dimValue(nil, n)
	return b.one("Range", Int64, Shape{n}, nil, b.Int(0), b.Squeeze(limit, 0), b.Int(1))
}

// DefineDim makes a symbolic dimension known that an op gave a new name (a slice's length, say), so that
// later shapes may use it: it is that of an axis of v.
func (b *Builder) DefineDim(d Dim, v *Value, axis int) {
	if _, ok := b.dims[d.Name]; !ok && !d.Fixed() {
		b.dims[d.Name] = dimSource{v, axis}
	}
}
