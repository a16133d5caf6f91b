package grad

import (
	"math"

	"github.com/aladin-go/aladin/internal/onnx"
)

var rules map[string]rule

func init() {
	rules = map[string]rule{
		"Add": func(t *tape, op *onnx.Op, dy *onnx.Value) {
			t.add(op.In[0], func() *onnx.Value { return dy })
			t.add(op.In[1], func() *onnx.Value { return dy })
		},
		"Sub": func(t *tape, op *onnx.Op, dy *onnx.Value) {
			t.add(op.In[0], func() *onnx.Value { return dy })
			t.add(op.In[1], func() *onnx.Value { return t.Neg(dy) })
		},
		"Mul": func(t *tape, op *onnx.Op, dy *onnx.Value) {
			t.add(op.In[0], func() *onnx.Value { return t.Mul(dy, op.In[1]) })
			t.add(op.In[1], func() *onnx.Value { return t.Mul(dy, op.In[0]) })
		},
		"Div": func(t *tape, op *onnx.Op, dy *onnx.Value) {
			t.add(op.In[0], func() *onnx.Value { return t.Div(dy, op.In[1]) })
			t.add(op.In[1], func() *onnx.Value { return t.Neg(t.Div(t.Mul(dy, op.Out[0]), op.In[1])) })
		},
		"Max": extremum((*onnx.Builder).GreaterEqual),
		"Min": extremum(func(b *onnx.Builder, x, y *onnx.Value) *onnx.Value { return b.GreaterEqual(y, x) }),
		"Pow": func(t *tape, op *onnx.Op, dy *onnx.Value) {
			x, y := op.In[0], op.In[1]
			t.add(x, func() *onnx.Value { return t.Mul(dy, t.Mul(y, t.Pow(x, t.AddS(y, -1)))) })
			t.add(y, func() *onnx.Value { return t.Mul(dy, t.Mul(op.Out[0], t.Log(x))) })
		},
		"Where": where,
		"Neg":   one(func(t *tape, x, y, dy *onnx.Value) *onnx.Value { return t.Neg(dy) }),
		"Exp":   one(func(t *tape, x, y, dy *onnx.Value) *onnx.Value { return t.Mul(dy, y) }),
		"Log":   one(func(t *tape, x, y, dy *onnx.Value) *onnx.Value { return t.Div(dy, x) }),
		"Sqrt":  one(func(t *tape, x, y, dy *onnx.Value) *onnx.Value { return t.Div(t.MulS(dy, 0.5), y) }),
		"Erf": one(func(t *tape, x, y, dy *onnx.Value) *onnx.Value {
			return t.Mul(t.MulS(dy, float32(2/math.Sqrt(math.Pi))), t.Exp(t.Neg(t.Mul(x, x))))
		}),
		// d x·(1+erf x) = 1+erf x + x·2/√π·exp(−x²)
		"ErfGate": func(t *tape, op *onnx.Op, dy *onnx.Value) {
			x, gate := op.In[0], op.Out[1]
			t.add(x, func() *onnx.Value {
				bell := t.Exp(t.Sub(t.Scalar(float32(math.Log(2/math.Sqrt(math.Pi)))), t.Mul(x, x)))
				return t.Mul(t.Add(t.Mul(bell, x), gate), dy)
			})
		},
		"Tanh": one(func(t *tape, x, y, dy *onnx.Value) *onnx.Value {
			return t.Sub(dy, t.Mul(dy, t.Mul(y, y)))
		}),
		"Sigmoid": one(func(t *tape, x, y, dy *onnx.Value) *onnx.Value {
			return t.Mul(dy, t.Sub(y, t.Mul(y, y)))
		}),
		"Relu": one(func(t *tape, x, y, dy *onnx.Value) *onnx.Value {
			return t.Mul(dy, t.Cast(t.Greater(y, t.Scalar(0)), onnx.Float)) // Sign takes several times as long
		}),
		"Abs":        one(func(t *tape, x, y, dy *onnx.Value) *onnx.Value { return t.Mul(dy, t.Sign(x)) }),
		"Reciprocal": one(func(t *tape, x, y, dy *onnx.Value) *onnx.Value { return t.Neg(t.Mul(dy, t.Mul(y, y))) }),
		"Cast":       one(func(t *tape, x, y, dy *onnx.Value) *onnx.Value { return dy }),

		"Reshape":         reshaped,
		"Squeeze":         reshaped,
		"Unsqueeze":       reshaped,
		"Transpose":       transpose,
		"Expand":          one(func(t *tape, x, y, dy *onnx.Value) *onnx.Value { return dy }),
		"Concat":          concat,
		"Slice":           slice,
		"Pad":             pad,
		"Gather":          gather,
		"GatherElements":  gatherElements,
		"ScatterElements": scatterElements,
		"ScatterND":       scatterRows,
		"TakeRows":        takeRows,
		"PlaceRows":       placeRows,

		"MatMul":             matMul,
		"Gemm":               gemm,
		"SumExp":             sumExp,
		"Softmax":            softmax,
		"LogSoftmax":         logSoftmax,
		"LayerNormalization": layerNorm,
		"ReduceSum":          reduceSum,
		"ReduceMean":         reduceMean,
		"ReduceMax":          reduceExtremum((*onnx.Builder).ArgMax),
		"ReduceMin": reduceExtremum(func(b *onnx.Builder, x *onnx.Value, axis int) *onnx.Value {
			return b.ArgMax(b.Neg(x), axis)
		}),
	}
}

// one makes the rule of a function of one operand (the first; others, such as shapes, are constants).
func one(f func(t *tape, x, y, dy *onnx.Value) *onnx.Value) rule {
	return func(t *tape, op *onnx.Op, dy *onnx.Value) {
		t.add(op.In[0], func() *onnx.Value { return f(t, op.In[0], op.Out[0], dy) })
	}
}

// extremum: the whole gradient goes to the side that wins, to the first operand on a tie.
func extremum(firstWins func(b *onnx.Builder, x, y *onnx.Value) *onnx.Value) rule {
	return func(t *tape, op *onnx.Op, dy *onnx.Value) {
		x, y := op.In[0], op.In[1]
		wins := firstWins(t.Builder, x, y)
		t.add(x, func() *onnx.Value { return t.Mul(dy, t.Cast(wins, onnx.Float)) })
		t.add(y, func() *onnx.Value { return t.Mul(dy, t.Cast(t.Not(wins), onnx.Float)) })
	}
}

func where(t *tape, op *onnx.Op, dy *onnx.Value) {
	cond, zero := op.In[0], t.Scalar(0)
	t.add(op.In[1], func() *onnx.Value { return t.Where(cond, dy, zero) })
	t.add(op.In[2], func() *onnx.Value { return t.Where(cond, zero, dy) })
}
