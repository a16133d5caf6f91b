package grad_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/onnxref"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/training/grad"
)

// An operand is a float input of a case: its shape, and where its values lie.
type operand struct {
	shape  onnx.Shape
	lo, hi float64
}

func x(dims ...any) operand        { return operand{onnx.Of(dims...), -2, 2} }
func positive(dims ...any) operand { return operand{onnx.Of(dims...), 0.3, 2} }

// away keeps values from 0 where a function has a kink there.
func away(v float64) float64 {
	if math.Abs(v) < 0.05 {
		return v + math.Copysign(0.1, v)
	}
	return v
}

// sizes of the symbols in the cases.
var sizes = map[string]int{"B": 3, "T": 4, "N": 2}

type opCase struct {
	name string
	in   []operand
	f    func(b *onnx.Builder, in []*onnx.Value) *onnx.Value
}

func unary(name string, f func(b *onnx.Builder, v *onnx.Value) *onnx.Value, in operand) opCase {
	return opCase{name, []operand{in}, func(b *onnx.Builder, v []*onnx.Value) *onnx.Value { return f(b, v[0]) }}
}

// cases are every op that has a rule, in the shapes that its rule tells apart.
func cases() []opCase {
	type B = onnx.Builder
	type V = onnx.Value
	var all []opCase
	add := func(name string, f func(b *B, v []*V) *V, in ...operand) { all = append(all, opCase{name, in, f}) }

	binaries := map[string]func(b *B, x, y *V) *V{"Add": (*B).Add, "Sub": (*B).Sub, "Mul": (*B).Mul, "Div": (*B).Div, "Max": (*B).Max, "Min": (*B).Min, "Pow": (*B).Pow}
	pairs := map[string][2]operand{
		"same":         {positive("B", 3), positive("B", 3)},
		"row":          {positive("B", 3), positive(3)},
		"column":       {positive("B", 3), positive("B", 1)},
		"outer":        {positive("B", 1), positive(1, "T")},
		"scalar":       {positive("B", 2), positive()},
		"scalar first": {positive(), positive("B", 2)},
		"rank":         {positive(2), positive("B", "T", 2)},
		"ones":         {positive(1), positive(1, 1)},
	}
	for op, f := range binaries {
		for p, in := range pairs {
			add(op+" "+p, func(b *B, v []*V) *V { return f(b, v[0], v[1]) }, in[0], in[1])
		}
		add(op+" itself", func(b *B, v []*V) *V { return f(b, v[0], b.AddS(v[0], 0.5)) }, positive("B", 3))
	}
	for name, f := range map[string]func(b *B, x *V) *V{"Neg": (*B).Neg, "Exp": (*B).Exp, "Erf": (*B).Erf, "Tanh": (*B).Tanh, "Sigmoid": (*B).Sigmoid,
		"Relu": (*B).Relu, "Abs": (*B).Abs, "Gelu": (*B).Gelu, "ErfGate": (*B).ErfGate} {
		all = append(all, unary(name, f, x("B", 5)))
	}
	for name, f := range map[string]func(b *B, x *V) *V{"Log": (*B).Log, "Sqrt": (*B).Sqrt, "Reciprocal": (*B).Reciprocal} {
		all = append(all, unary(name, f, positive("B", 5)))
	}
	all = append(all, unary("Pow of a constant", func(b *B, v *V) *V { return b.Pow(v, b.Scalar(3)) }, x(5)))
	for name, cond := range map[string]onnx.Shape{"same": onnx.Of("B", 3), "row": onnx.Of(3), "column": onnx.Of("B", 1)} {
		add("Where "+name, func(b *B, v []*V) *V {
			return b.Where(b.Greater(v[2], b.Scalar(0)), v[0], v[1])
		}, x("B", 3), x(3), operand{cond, -1, 1})
	}
	add("Cast", func(b *B, v []*V) *V {
		hits := b.Cast(b.Greater(v[0], b.Scalar(0)), onnx.Float) // no gradient passes
		return b.Add(b.Cast(v[0], onnx.Float), hits)
	}, x("B", 3))

	add("Reshape", func(b *B, v []*V) *V { return b.Reshape(v[0], onnx.Sym("T"), onnx.Sym("B"), onnx.D(2)) }, x("B", "T", 2))
	add("Reshape flat", func(b *B, v []*V) *V { return b.Reshape(v[0], v[0].Shape.Elements()) }, x("B", "T", 2))
	add("Unsqueeze", func(b *B, v []*V) *V { return b.Unsqueeze(v[0], 0, 2) }, x("B", 2))
	add("Squeeze", func(b *B, v []*V) *V { return b.Squeeze(v[0], 1) }, x("B", 1, 2))
	add("Transpose", func(b *B, v []*V) *V { return b.Transpose(v[0], 2, 0, 1) }, x("B", "T", 2))
	add("Expand", func(b *B, v []*V) *V { return b.Expand(v[0], onnx.Sym("B"), onnx.D(2), onnx.Sym("T")) }, x("B", 1, "T"))
	add("Expand rank", func(b *B, v []*V) *V { return b.Expand(v[0], onnx.D(5), onnx.D(3)) }, x(3))
	for axis := range 2 {
		add(fmt.Sprint("Concat ", axis), func(b *B, v []*V) *V { return b.Concat(axis, v[0], v[1], v[0]) }, x("B", "T"), x("B", "T"))
	}
	add("Concat differing", func(b *B, v []*V) *V { return b.Concat(1, v...) }, x(2, "B"), x(2, 3), x(2, "T"))
	for name, r := range map[string][2]int64{"front": {0, 2}, "middle": {1, 3}, "from the end": {-3, -1}, "open": {1, math.MaxInt64}, "beyond": {-99, 2}, "empty": {2, 2}, "empty, reversed": {3, 1}} {
		add("Slice "+name, func(b *B, v []*V) *V {
			cut := b.Slice(v[0], 1, r[0], r[1], onnx.Sym("cut"))
			return b.Concat(1, cut, v[0])
		}, x("B", "T", 2))
	}
	add("Slice whole", func(b *B, v []*V) *V { return b.Slice(v[0], 1, 0, math.MaxInt64, onnx.Sym("T")) }, x("B", "T"))
	add("Pad", func(b *B, v []*V) *V { return b.Pad(v[0], 1, b.Ints(1), b.DimVector(v[0], 0), onnx.Sym("padded")) }, x("B", "T", 2))

	ids := func(b *B, vs ...int64) *V { return b.Ints(vs...) }
	add("Gather", func(b *B, v []*V) *V { return b.Gather(v[0], b.Reshape(ids(b, 1, 1, 0, 2), onnx.D(2), onnx.D(2))) }, x(3, 2))
	add("Gather of a computed table", func(b *B, v []*V) *V { return b.Gather(b.Exp(v[0]), b.Int(1)) }, x(3, 2))
	add("GatherElements", func(b *B, v []*V) *V {
		return b.GatherElements(v[0], b.ArgMax(v[1], 1), 1)
	}, x("B", "T"), x("B", "T"))
	for _, sum := range []bool{false, true} {
		add(fmt.Sprint("ScatterElements, added ", sum), func(b *B, v []*V) *V {
			return b.ScatterElements(v[0], b.ArgMax(v[2], 1), v[1], 1, sum)
		}, x("B", "T"), x("B", 1), x("B", "T"))
	}
	add("ScatterRows", func(b *B, v []*V) *V { return b.ScatterRows(v[0], ids(b, 2, 0, 2), v[1]) }, x(3, 2), x(3, 2))

	places := func(b *B, x *V) *V { // of the positive values of a vector
		return b.NonZero(b.Cast(b.Greater(x, b.Scalar(0)), onnx.Int64), onnx.Sym("kept"))
	}
	add("TakeRows", func(b *B, v []*V) *V { return b.TakeRows(v[0], places(b, v[1])) }, x("T", 2), x("T"))
	add("PlaceRows", func(b *B, v []*V) *V {
		p := places(b, v[1])
		return b.PlaceRows(onnx.Sym("T"), p, b.Exp(b.TakeRows(v[0], p)))
	}, x("T", 2), x("T"))

	for name, in := range map[string][2]operand{
		"2d": {x("B", 3), x(3, "T")}, "batch": {x("N", "B", 3), x("N", 3, 2)}, "one matrix": {x("N", "B", 3), x(3, 2)},
		"broadcast": {x("N", 1, "B", 3), x("T", 3, 2)}, "matrix first": {x("B", 3), x("N", 3, 2)}, "ones": {x(1, "B", 3), x("N", 3, 2)},
	} {
		add("MatMul "+name, func(b *B, v []*V) *V { return b.MatMul(v[0], v[1]) }, in[0], in[1])
	}
	for i := range 4 {
		ta, tb := i&1 == 1, i&2 == 2
		a, c := x("B", 3), x(3, "T")
		if ta {
			a = x(3, "B")
		}
		if tb {
			c = x("T", 3)
		}
		add(fmt.Sprintf("Gemm %v %v", ta, tb), func(b *B, v []*V) *V { return b.Gemm(v[0], v[1], nil, ta, tb) }, a, c)
		for name, bias := range map[string]operand{"row": x("T"), "column": x("B", 1), "scalar": x(), "full": x("B", "T")} {
			add(fmt.Sprintf("Gemm %v %v bias %s", ta, tb, name), func(b *B, v []*V) *V { return b.Gemm(v[0], v[1], v[2], ta, tb) }, a, c, bias)
		}
	}
	for axis := range 3 {
		add(fmt.Sprint("Softmax ", axis), func(b *B, v []*V) *V { return b.Softmax(v[0], axis) }, x("B", "T", 2))
		add(fmt.Sprint("SumExp ", axis), func(b *B, v []*V) *V { return b.SumExp(v[0], axis) }, x("B", "T", 2))
		add(fmt.Sprint("LogSoftmax ", axis), func(b *B, v []*V) *V { return b.LogSoftmax(v[0], axis) }, x("B", "T", 2))
	}
	add("LayerNorm", func(b *B, v []*V) *V { return b.LayerNorm(v[0], v[1], v[2], 1e-3) }, x("B", "T", 5), x(5), x(5))
	add("LayerNorm tiny eps", func(b *B, v []*V) *V { return b.LayerNorm(v[0], v[1], v[2], 1e-12) }, x("B", 5), x(5), x(5))
	add("LayerNormParts", func(b *B, v []*V) *V { return b.LayerNormParts(v[0], v[1], v[2], 1e-3) }, x("B", 5), x(5), x(5))
	add("LayerNormParts tiny eps", func(b *B, v []*V) *V { return b.LayerNormParts(v[0], v[1], v[2], 1e-12) }, x("B", 5), x(5), x(5))
	add("L2Normalize", func(b *B, v []*V) *V { return b.L2Normalize(v[0], 1e-12) }, x("B", 5))

	for name, f := range map[string]func(b *B, x *V, keep bool, axes ...int) *V{"ReduceSum": (*B).ReduceSum, "ReduceMean": (*B).ReduceMean, "ReduceMax": (*B).ReduceMax, "ReduceMin": (*B).ReduceMin} {
		for _, keep := range []bool{false, true} {
			for axis := -1; axis < 3; axis++ {
				add(fmt.Sprintf("%s %d %v", name, axis, keep), func(b *B, v []*V) *V { return f(b, v[0], keep, axis) }, x("B", "T", 2))
			}
			if name == "ReduceSum" || name == "ReduceMean" {
				add(fmt.Sprintf("%s 0 2 %v", name, keep), func(b *B, v []*V) *V { return f(b, v[0], keep, 0, 2) }, x("B", "T", 2))
				add(fmt.Sprintf("%s all %v", name, keep), func(b *B, v []*V) *V { return f(b, v[0], keep, 0, 1, 2) }, x("B", "T", 2))
			}
		}
	}
	add("values used twice", func(b *B, v []*V) *V {
		y := b.Exp(v[0])
		return b.Add(b.Mul(y, b.Transpose(y, 1, 0)), b.Mul(b.Mul(v[0], b.StopGradient(y)), b.Scalar(0)))
	}, x("B", "B"))
	return all
}

// fill draws a case's inputs.
func fill(rng *rand.Rand, in []operand) map[string]*onnxref.Tensor {
	out := map[string]*onnxref.Tensor{}
	for i, o := range in {
		shape := make([]int, len(o.shape))
		n := 1
		for k, d := range o.shape {
			shape[k] = int(d.Size)
			if !d.Fixed() {
				shape[k] = sizes[d.Name]
			}
			n *= shape[k]
		}
		data := make([]float64, n)
		for k := range data {
			data[k] = away(float64(float32(o.lo + (o.hi-o.lo)*rng.Float64())))
		}
		out[fmt.Sprint("in", i)] = onnxref.Floats(data, shape...)
	}
	return out
}

// build puts a case into a graph: the op's result, a loss that weighs its elements unevenly, and the
// loss's gradients.
func build(t *testing.T, c opCase) (b *onnx.Builder, in []*onnx.Value, loss *onnx.Value, grads []*onnx.Value) {
	b = onnx.NewBuilder()
	for i, o := range c.in {
		in = append(in, b.Input(fmt.Sprint("in", i), onnx.Float, o.shape))
	}
	y := c.f(b, in)
	require.NoError(t, b.Err())
	flat := b.Reshape(y, y.Shape.Elements())
	count := b.DimVector(flat, 0)
	ramp := b.Node("Range", "", []*onnx.Value{b.Int(0), b.Squeeze(count, 0), b.Int(1)}, nil, onnx.Value{Type: onnx.Int64, Shape: flat.Shape})[0]
	weights := b.AddS(b.MulS(b.Cast(ramp, onnx.Float), 0.25), 0.5)
	loss = b.ReduceSum(b.Mul(b.Mul(flat, flat), weights), false, 0)
	gs, err := grad.Gradients(b, loss, in)
	require.NoError(t, err)
	for i, g := range gs {
		v := g.Dense
		if v == nil && len(g.Rows) == 0 { // the loss does not depend on it
			v = b.Zeros(in[i].Shape...)
		}
		for _, r := range g.Rows {
			if v == nil {
				v = b.Zeros(in[i].Shape...)
			}
			v = b.ScatterRows(v, r.Indices, r.Values)
		}
		grads = append(grads, v)
	}
	require.NoError(t, b.Err())
	return b, in, loss, grads
}

func TestOpGradients(t *testing.T) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			b, in, loss, grads := build(t, c)
			for seed := range uint64(3) {
				inputs := fill(rand.New(rand.NewPCG(seed, 7)), c.in)
				got, err := onnxref.Eval(b, inputs, grads...)
				require.NoError(t, err)
				for i, v := range in {
					all := make([]int, len(got[i].F))
					for k := range all {
						all[k] = k
					}
					want, err := onnxref.Differences(b, inputs, loss, v.Name, all, 1e-6)
					require.NoError(t, err)
					for k := range want {
						require.InDelta(t, want[k], got[i].F[k], 1e-5*max(1, math.Abs(want[k])), "seed %d, operand %d, element %d", seed, i, k)
					}
				}
			}
		})
	}
}

// TestAgainstRuntime holds the reference and the runtime against each other, forward and backward.
func TestAgainstRuntime(t *testing.T) {
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			b, _, loss, grads := build(t, c)
			inputs := fill(rand.New(rand.NewPCG(1, 7)), c.in)
			values := append([]*onnx.Value{loss}, grads...)
			want, err := onnxref.Eval(b, inputs, values...)
			require.NoError(t, err)
			for i, v := range values {
				b.Output(fmt.Sprint("out", i), v)
			}
			m, err := b.Model(c.name)
			require.NoError(t, err)
			s, err := ort.Load(m.Marshal(), &ort.Options{Threads: 1})
			require.NoError(t, err)
			defer s.Close()
			in := map[string]*ort.Tensor{}
			for _, info := range s.Inputs() {
				x := inputs[info.Name]
				data, shape := make([]float32, len(x.F)), make([]int64, len(x.Shape))
				for i, v := range x.F {
					data[i] = float32(v)
				}
				for i, d := range x.Shape {
					shape[i] = int64(d)
				}
				in[info.Name] = ort.Float32(shape, data)
			}
			out, err := s.Run(t.Context(), in)
			require.NoError(t, err)
			for i := range values {
				got := out[fmt.Sprint("out", i)].Float32()
				require.Len(t, got, len(want[i].F))
				scale := 1.0
				for _, v := range want[i].F {
					scale = max(scale, math.Abs(v))
				}
				for k, v := range want[i].F {
					require.InDelta(t, v, float64(got[k]), 1e-5*scale, "output %d, element %d", i, k)
				}
			}
		})
	}
}
