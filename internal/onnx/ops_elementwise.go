package onnx

// Elementwise ops broadcast as ONNX does (NumPy's rule).

// Add, Sub, Mul, Div, Max, Min and Pow keep the operands' type.
func (b *Builder) Add(x, y *Value) *Value { return b.binary("Add", x, y) }
func (b *Builder) Sub(x, y *Value) *Value { return b.binary("Sub", x, y) }
func (b *Builder) Mul(x, y *Value) *Value { return b.binary("Mul", x, y) }
func (b *Builder) Div(x, y *Value) *Value { return b.binary("Div", x, y) }
func (b *Builder) Max(x, y *Value) *Value { return b.binary("Max", x, y) }
func (b *Builder) Min(x, y *Value) *Value { return b.binary("Min", x, y) }
func (b *Builder) Pow(x, y *Value) *Value { return b.binary("Pow", x, y) }

// AddS, MulS and MaxS take a constant for the second operand.
func (b *Builder) AddS(x *Value, c float32) *Value { return b.Add(x, b.Scalar(c)) }
func (b *Builder) MulS(x *Value, c float32) *Value { return b.Mul(x, b.Scalar(c)) }
func (b *Builder) MaxS(x *Value, c float32) *Value { return b.Max(x, b.Scalar(c)) }

// Equal, Less, Greater and GreaterEqual give bool; And, Or and Not take it.
func (b *Builder) Equal(x, y *Value) *Value        { return b.compare("Equal", x, y) }
func (b *Builder) Less(x, y *Value) *Value         { return b.compare("Less", x, y) }
func (b *Builder) Greater(x, y *Value) *Value      { return b.compare("Greater", x, y) }
func (b *Builder) GreaterEqual(x, y *Value) *Value { return b.compare("GreaterOrEqual", x, y) }
func (b *Builder) And(x, y *Value) *Value          { return b.compare("And", x, y) }
func (b *Builder) Or(x, y *Value) *Value           { return b.compare("Or", x, y) }

// Not inverts bools.
func (b *Builder) Not(x *Value) *Value { return b.one("Not", Bool, x.Shape, nil, x) }

// One-operand functions.
func (b *Builder) Neg(x *Value) *Value        { return b.unary("Neg", x) }
func (b *Builder) Exp(x *Value) *Value        { return b.unary("Exp", x) }
func (b *Builder) Log(x *Value) *Value        { return b.unary("Log", x) }
func (b *Builder) Sqrt(x *Value) *Value       { return b.unary("Sqrt", x) }
func (b *Builder) Erf(x *Value) *Value        { return b.unary("Erf", x) }
func (b *Builder) Tanh(x *Value) *Value       { return b.unary("Tanh", x) }
func (b *Builder) Sigmoid(x *Value) *Value    { return b.unary("Sigmoid", x) }
func (b *Builder) Relu(x *Value) *Value       { return b.unary("Relu", x) }
func (b *Builder) Abs(x *Value) *Value        { return b.unary("Abs", x) }
func (b *Builder) Sign(x *Value) *Value       { return b.unary("Sign", x) }
func (b *Builder) Reciprocal(x *Value) *Value { return b.unary("Reciprocal", x) }

// StopGradient is the identity through which no gradient flows (the teacher's side of a distillation).
func (b *Builder) StopGradient(x *Value) *Value {
	return b.one("Identity", x.Type, x.Shape, nil, x)
}

// Cast converts the element type; comparisons become 0 and 1.
func (b *Builder) Cast(x *Value, t Type) *Value {
	if x.Type == t {
		return x
	}
	return b.one("Cast", t, x.Shape, []*Attr{intAttr("to", int(t))}, x)
}

// Where picks x where cond holds and y elsewhere.
func (b *Builder) Where(cond, x, y *Value) *Value {
	s, ok := Broadcast(x.Shape, y.Shape)
	if ok {
		s, ok = Broadcast(s, cond.Shape)
	}
	if !ok || cond.Type != Bool || x.Type != y.Type {
		b.fail("Where: %v %v, %v %v, %v %v do not fit", cond.Type, cond.Shape, x.Type, x.Shape, y.Type, y.Shape)
		s = x.Shape
	}
	return b.one("Where", x.Type, s, nil, cond, x, y)
}

// Gelu is x·½(1+erf(x/√2)) (Hendrycks and Gimpel, arXiv 1606.08415), written out so that every runtime
// and the gradient know its parts.
func (b *Builder) Gelu(x *Value) *Value {
	erf := b.Erf(b.MulS(x, 0.70710678118654752440))
	return b.Mul(b.MulS(x, 0.5), b.AddS(erf, 1))
}

// ErfGate is x·(1+erf(x)), from which Gelu(x) is made as ErfGate(x/√2)/√2: three passes over x where the
// factors can be put into the layers around it.
func (b *Builder) ErfGate(x *Value) *Value {
	gate := b.AddS(b.Erf(x), 1)
	y := b.Mul(x, gate)
	y.Op.Whole = &Op{Kind: "ErfGate", In: []*Value{x}, Out: []*Value{y, gate}}
	return y
}

func (b *Builder) unary(kind string, x *Value) *Value {
	return b.one(kind, x.Type, x.Shape, nil, x)
}

func (b *Builder) binary(kind string, x, y *Value) *Value {
	s, ok := Broadcast(x.Shape, y.Shape)
	if !ok || x.Type != y.Type {
		b.fail("%s: %v %v (%s) and %v %v (%s) do not fit", kind, x.Type, x.Shape, x.Name, y.Type, y.Shape, y.Name)
		s = x.Shape
	}
	return b.one(kind, x.Type, s, nil, x, y)
}

func (b *Builder) compare(kind string, x, y *Value) *Value {
	v := b.binary(kind, x, y)
	v.Type = Bool
	return v
}
