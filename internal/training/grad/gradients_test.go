package grad_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/onnxref"
	"github.com/aladin-go/aladin/internal/training/grad"
)

// gradient of the sum of f(x) at a vector x.
func gradient(t *testing.T, at []float64, f func(b *onnx.Builder, x *onnx.Value) *onnx.Value) []float64 {
	b := onnx.NewBuilder()
	in := b.Input("x", onnx.Float, onnx.Of(len(at)))
	y := f(b, in)
	loss := b.ReduceSum(b.Reshape(y, y.Shape.Elements()), false, 0)
	gs, err := grad.Gradients(b, loss, []*onnx.Value{in})
	require.NoError(t, err)
	out, err := onnxref.Eval(b, map[string]*onnxref.Tensor{"x": onnxref.Floats(at, len(at))}, gs[0].Dense)
	require.NoError(t, err)
	return out[0].F
}

// Where a function has a kink, the derivative is PyTorch's.
func TestKinks(t *testing.T) {
	type B = onnx.Builder
	type V = onnx.Value
	zero := func(b *B) *V { return b.Scalar(0) }
	for name, c := range map[string]struct {
		at, want []float64
		f        func(b *B, x *V) *V
	}{
		"relu at 0":                  {[]float64{0, 1, -1}, []float64{0, 1, 0}, (*B).Relu},
		"abs at 0":                   {[]float64{0, 1, -1}, []float64{0, 1, -1}, (*B).Abs},
		"max of equals, first":       {[]float64{0}, []float64{1}, func(b *B, x *V) *V { return b.Max(x, zero(b)) }},
		"max of equals, second":      {[]float64{0}, []float64{0}, func(b *B, x *V) *V { return b.Max(zero(b), x) }},
		"min of equals, first":       {[]float64{0}, []float64{1}, func(b *B, x *V) *V { return b.Min(x, zero(b)) }},
		"largest of equals, first":   {[]float64{1, 2, 2}, []float64{0, 1, 0}, func(b *B, x *V) *V { return b.ReduceMax(x, true, 0) }},
		"smallest of equals, first":  {[]float64{1, 1, 2}, []float64{1, 0, 0}, func(b *B, x *V) *V { return b.ReduceMin(x, true, 0) }},
		"repeated gather adds up":    {[]float64{1, 2}, []float64{3, 0}, func(b *B, x *V) *V { return b.Gather(b.Neg(b.Neg(x)), b.Ints(0, 0, 0)) }},
		"a stopped gradient is zero": {[]float64{2, 3}, []float64{2, 3}, func(b *B, x *V) *V { return b.Mul(b.StopGradient(x), x) }},
	} {
		require.Equal(t, c.want, gradient(t, c.at, c.f), name)
	}
}

// The derivative of a looked-up input stays sparse, and adds up with a dense one.
func TestRows(t *testing.T) {
	b := onnx.NewBuilder()
	table := b.Input("table", onnx.Float, onnx.Of("V", 2))
	both := b.Input("both", onnx.Float, onnx.Of("V", 2))
	unused := b.Input("unused", onnx.Float, onnx.Of(3))
	ids := b.Input("ids", onnx.Int64, onnx.Of("B", "T"))
	more := b.Input("more", onnx.Int64, onnx.Of("B"))
	sum := func(v *onnx.Value) *onnx.Value {
		return b.ReduceSum(b.Reshape(b.Mul(v, v), v.Shape.Elements()), false, 0)
	}
	loss := b.Add(b.Add(sum(b.Gather(table, ids)), sum(b.Gather(table, more))), b.Add(sum(b.Gather(both, more)), sum(both)))
	gs, err := grad.Gradients(b, loss, []*onnx.Value{table, both, unused})
	require.NoError(t, err)

	require.Nil(t, gs[0].Dense)
	require.Len(t, gs[0].Rows, 2)
	require.NotNil(t, gs[1].Dense)
	require.Empty(t, gs[1].Rows)
	require.Equal(t, grad.Grad{}, gs[2])

	in := map[string]*onnxref.Tensor{
		"table": onnxref.Floats([]float64{1, 2, 3, 4, 5, 6}, 3, 2), "both": onnxref.Floats([]float64{1, 2, 3, 4, 5, 6}, 3, 2),
		"ids": onnxref.Ints([]int64{2, 0, 0, 2}, 2, 2), "more": onnxref.Ints([]int64{1, 2}, 2),
	}
	out, err := onnxref.Eval(b, in, gs[1].Dense)
	require.NoError(t, err)
	require.Equal(t, []float64{2, 4, 12, 16, 20, 24}, out[0].F)
	dense := make([]float64, 6)
	for _, r := range gs[0].Rows {
		out, err := onnxref.Eval(b, in, r.Indices, r.Values)
		require.NoError(t, err)
		for i, id := range out[0].I {
			for k := range 2 {
				dense[int(id)*2+k] += out[1].F[i*2+k]
			}
		}
	}
	require.Equal(t, []float64{4, 8, 6, 8, 30, 36}, dense)
}

func TestErrors(t *testing.T) {
	b := onnx.NewBuilder()
	v := b.Input("x", onnx.Float, onnx.Of("B", 3))
	_, err := grad.Gradients(b, v, []*onnx.Value{v})
	require.ErrorContains(t, err, "[B 3], want one element")

	all := func(v *onnx.Value) *onnx.Value { return b.ReduceSum(v, false, 0, 1) }
	odd := b.Node("Sin", "", []*onnx.Value{v}, nil, onnx.Value{Type: onnx.Float, Shape: v.Shape})[0]
	_, err = grad.Gradients(b, all(odd), []*onnx.Value{v})
	require.ErrorIs(t, err, grad.ErrNoGradient)
	require.ErrorContains(t, err, "Sin")

	// The same op does no harm where no gradient passes it.
	_, err = grad.Gradients(b, b.Add(all(b.StopGradient(odd)), all(v)), []*onnx.Value{v})
	require.NoError(t, err)

	_, err = grad.Gradients(b, b.ReduceMax(v, false, 0, 1), []*onnx.Value{v})
	require.ErrorIs(t, err, grad.ErrNoGradient)

	gs, err := grad.Gradients(b, all(b.Exp(b.Input("other", onnx.Float, onnx.Of(2, 2)))), []*onnx.Value{v})
	require.NoError(t, err)
	require.Equal(t, []grad.Grad{{}}, gs)

	bad := onnx.NewBuilder()
	y := bad.Input("y", onnx.Float, onnx.Of(1))
	bad.Add(y, bad.Input("z", onnx.Int64, onnx.Of(1)))
	_, err = grad.Gradients(bad, y, []*onnx.Value{y})
	require.ErrorIs(t, err, onnx.ErrGraph)
}

// Derivatives of derivatives come from the same rules.
func TestTwice(t *testing.T) {
	b := onnx.NewBuilder()
	v := b.Input("x", onnx.Float, onnx.Of(1))
	first, err := grad.Gradients(b, b.Mul(b.Mul(v, v), b.Exp(v)), []*onnx.Value{v})
	require.NoError(t, err)
	second, err := grad.Gradients(b, first[0].Dense, []*onnx.Value{v})
	require.NoError(t, err)
	in := map[string]*onnxref.Tensor{"x": onnxref.Floats([]float64{0.5}, 1)}
	out, err := onnxref.Eval(b, in, first[0].Dense, second[0].Dense)
	require.NoError(t, err)
	e := 1.6487212707001282
	require.InDelta(t, (0.25+1)*e, out[0].F[0], 1e-12)
	require.InDelta(t, (0.25+2+2)*e, out[1].F[0], 1e-12)
}
