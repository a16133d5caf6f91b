package onnxref_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/onnxref"
	"github.com/aladin-go/aladin/internal/ort"
)

// Ops through which no gradient flows, against the runtime. (Those with gradients are compared in the tests
// of package grad.)
func TestAgainstRuntime(t *testing.T) {
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	b := onnx.NewBuilder()
	x := b.Input("x", onnx.Float, onnx.Of("B", "T"))
	y := b.Input("y", onnx.Float, onnx.Of("T"))
	ids := b.Input("ids", onnx.Int64, onnx.Of("B"))
	less, more := b.Less(x, y), b.Greater(x, b.Scalar(0))
	values := []*onnx.Value{
		less, more, b.Equal(x, y), b.GreaterEqual(x, y), b.And(less, more), b.Or(less, more), b.Not(less),
		b.Equal(ids, b.Int(1)), b.Less(ids, b.Int(2)), b.Greater(ids, b.Int(0)), b.GreaterEqual(ids, b.Int(1)),
		b.ArgMax(x, 0), b.ArgMax(x, 1), b.Sign(x), b.Cast(x, onnx.Int64), b.Cast(ids, onnx.Float), b.Cast(x, onnx.Bool), b.Cast(less, onnx.Int64),
		b.Add(ids, b.Int(3)), b.Sub(ids, b.Int(3)), b.Mul(ids, ids), b.Div(b.Sub(b.Int(7), ids), b.Int(2)), b.Max(ids, b.Int(1)), b.Min(ids, b.Int(1)),
		b.Neg(ids), b.DimVector(x, 1), b.ShapeVector(x, x.Shape), b.Range(x.Shape[1]), b.Gather(ids, b.Ints(1, -1)), b.Where(b.Equal(ids, b.Int(2)), b.Int(9), ids),
		b.Expand(b.Unsqueeze(ids, 1), x.Shape...), b.Concat(0, ids, ids), b.Slice(ids, 0, 1, -1, onnx.Sym("inner")), b.Zeros(x.Shape...),
		b.Transpose(b.Cast(b.Unsqueeze(x, -1), onnx.Int64), 2, 1, 0), b.ReduceSum(b.Expand(b.Unsqueeze(ids, 1), x.Shape...), false, 1),
		b.Max(b.MulS(x, 0), b.ReduceMin(x, true, 0)), b.Slice(x, 1, 3, 2, onnx.Sym("none")),
	}
	for _, largest := range []int64{0, 1} {
		values = append(values, b.Node("TopK", "", []*onnx.Value{x, b.Ints(2)},
			[]*onnx.Attr{{Name: "axis", Kind: onnx.AttrInt, I: 0}, {Name: "largest", Kind: onnx.AttrInt, I: largest}},
			onnx.Value{Type: onnx.Float, Shape: onnx.Of(2, "T")}, onnx.Value{Type: onnx.Int64, Shape: onnx.Of(2, "T")})...)
	}
	require.NoError(t, b.Err())
	xs, ys, is := []float64{-2, 0.5, 3, 1.5, 0, 0.5, -1, 1.5, 2.25, -0.75, 3, 0}, []float64{-1, 0.5, 3, 0}, []int64{0, 2, 1}
	want, err := onnxref.Eval(b, map[string]*onnxref.Tensor{"x": onnxref.Floats(xs, 3, 4), "y": onnxref.Floats(ys, 4), "ids": onnxref.Ints(is, 3)}, values...)
	require.NoError(t, err)

	for i, v := range values {
		b.Output(fmt.Sprint("out", i), v)
	}
	m, err := b.Model("ops")
	require.NoError(t, err)
	s, err := ort.Load(m.Marshal(), &ort.Options{Threads: 1})
	require.NoError(t, err)
	defer s.Close()
	narrow := func(v []float64) []float32 {
		out := make([]float32, len(v))
		for i, f := range v {
			out[i] = float32(f)
		}
		return out
	}
	got, err := s.Run(t.Context(), map[string]*ort.Tensor{"x": ort.Float32([]int64{3, 4}, narrow(xs)), "y": ort.Float32([]int64{4}, narrow(ys)), "ids": ort.Int64([]int64{3}, is)})
	require.NoError(t, err)
	for i, v := range values {
		r := got[fmt.Sprint("out", i)]
		shape := []int{}
		for _, d := range r.Shape() {
			shape = append(shape, int(d))
		}
		name := fmt.Sprintf("%d: %s", i, v.Op.Kind)
		require.Equal(t, shape, append([]int{}, want[i].Shape...), name)
		switch v.Type {
		case onnx.Float:
			for k, f := range r.Float32() {
				require.InDelta(t, want[i].F[k], float64(f), 1e-5, name)
			}
		case onnx.Int64:
			require.Equal(t, append([]int64{}, r.Int64()...), append([]int64{}, want[i].I...), name)
		case onnx.Bool:
			for k, f := range r.Bool() {
				require.Equal(t, f, want[i].I[k] == 1, name)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	b := onnx.NewBuilder()
	x := b.Input("x", onnx.Float, onnx.Of("B", "B"))
	y := b.Neg(x)
	three := onnxref.Floats(make([]float64, 9), 3, 3)
	for name, c := range map[string]struct {
		in   *onnxref.Tensor
		v    *onnx.Value
		want error
	}{
		"no input":        {nil, y, onnxref.ErrValue},
		"two sizes":       {onnxref.Floats(make([]float64, 6), 2, 3), y, onnxref.ErrValue},
		"another rank":    {onnxref.Floats(make([]float64, 3), 3), y, onnxref.ErrValue},
		"too few values":  {onnxref.Floats(make([]float64, 8), 3, 3), y, onnxref.ErrValue},
		"integers":        {onnxref.Ints(make([]int64, 9), 3, 3), y, onnxref.ErrValue},
		"an unknown op":   {three, b.Node("Sin", "", []*onnx.Value{x}, nil, *x)[0], onnxref.ErrOp},
		"another domain":  {three, b.Node("Neg", "com.example", []*onnx.Value{x}, nil, *x)[0], onnxref.ErrOp},
		"a wrong shape":   {three, b.Node("Neg", "", []*onnx.Value{x}, nil, onnx.Value{Type: onnx.Float, Shape: onnx.Of(2, 2)})[0], onnxref.ErrValue},
		"no such row":     {three, b.Gather(x, b.Ints(3)), onnxref.ErrValue},
		"a shape to fill": {three, b.Node("Reshape", "", []*onnx.Value{x, b.Ints(2, 4)}, nil, onnx.Value{Type: onnx.Float, Shape: onnx.Of(2, 4)})[0], onnxref.ErrValue},
	} {
		in := map[string]*onnxref.Tensor{}
		if c.in != nil {
			in["x"] = c.in
		}
		_, err := onnxref.Eval(b, in, c.v)
		require.ErrorIs(t, err, c.want, name)
	}
	_, err := onnxref.Differences(b, map[string]*onnxref.Tensor{"x": three}, y, "x", []int{0}, 1e-6)
	require.ErrorIs(t, err, onnxref.ErrValue)
	b.Add(x, b.Int(1))
	_, err = onnxref.Eval(b, nil, y)
	require.ErrorIs(t, err, onnx.ErrGraph)
}

func TestDifferences(t *testing.T) {
	b := onnx.NewBuilder()
	x := b.Input("x", onnx.Float, onnx.Of(3))
	held := b.StopGradient(b.Exp(x))
	loss := b.ReduceSum(b.Mul(held, b.Mul(x, x)), false, 0)
	in := map[string]*onnxref.Tensor{"x": onnxref.Floats([]float64{0, 1, 2}, 3)}
	d, err := onnxref.Differences(b, in, loss, "x", []int{1, 2}, 1e-5)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float64{2 * math.E, 4 * math.Exp(2)}, d, 1e-8)
	along, err := onnxref.Along(b, in, loss, map[string][]float64{"x": {5, 1, 0.5}}, 1e-5)
	require.NoError(t, err)
	require.InDelta(t, 2*math.E+2*math.Exp(2), along, 1e-8)
}
