package grad_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/onnxref"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/training/grad"
)

// layers is a chain of three parts on rows [B, 4] with one weight for all; the second part's middle is used
// outside, too. The inner values of the parts are listed.
func layers(again bool) (b *onnx.Builder, loss *onnx.Value, wrt, inner []*onnx.Value) {
	b = onnx.NewBuilder()
	x := b.Input("x", onnx.Float, onnx.Of("B", 4))
	w := b.Input("w", onnx.Float, onnx.Of(4, 4))
	mask := b.Input("mask", onnx.Float, onnx.Of("B", 4))
	ones := b.Input("ones", onnx.Float, onnx.Of(4))
	h := b.Tanh(x)
	var beside *onnx.Value
	for i := range 3 {
		part := func() {
			y := b.Gemm(h, b.MulS(w, 0.5), nil, false, true)
			y = b.Mul(b.ErfGate(y), mask)
			if i == 1 {
				beside = y
			}
			sum := b.Add(h, y)
			inner = append(inner, y, y.Op.In[0], sum)
			h = b.LayerNormParts(sum, ones, ones, 1e-5)
			inner = append(inner, h.Op.In[0])
		}
		if again {
			b.Recompute(part)
		} else {
			part()
		}
	}
	y := b.Add(b.Mul(h, mask), b.Mul(beside, beside))
	return b, b.ReduceSum(y, false, 0, 1), []*onnx.Value{x, w, ones}, inner
}

// Computed twice or kept, the gradients are the same to the last bit; and none of their nodes reads what lies
// inside the first computation.
func TestRecompute(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	draw := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	in := map[string]*ort.Tensor{"x": ort.Float32([]int64{5, 4}, draw(20)), "w": ort.Float32([]int64{4, 4}, draw(16)),
		"mask": ort.Float32([]int64{5, 4}, draw(20)), "ones": ort.Float32([]int64{4}, draw(4))}
	reference := map[string]*onnxref.Tensor{}
	for name, x := range in {
		var v []float64
		for _, f := range x.Float32() {
			v = append(v, float64(f))
		}
		var dims []int
		for _, d := range x.Shape() {
			dims = append(dims, int(d))
		}
		reference[name] = onnxref.Floats(v, dims...)
	}
	exact, rounded := [2][]*onnxref.Tensor{}, [2]map[string]*ort.Tensor{}
	for i, again := range []bool{false, true} {
		b, loss, wrt, inner := layers(again)
		gs, err := grad.Gradients(b, loss, wrt)
		require.NoError(t, err)
		dense := make([]*onnx.Value, len(gs))
		for k, g := range gs {
			dense[k] = g.Dense
			b.Output("grad:"+wrt[k].Name, g.Dense)
		}
		exact[i], err = onnxref.Eval(b, reference, dense...)
		require.NoError(t, err)
		if again {
			onlyForward(t, b, inner)
		}
		if !ort.Available() {
			continue
		}
		m, err := b.Model("layers")
		require.NoError(t, err)
		s, err := ort.Load(m.Marshal(), &ort.Options{Threads: 1})
		require.NoError(t, err)
		rounded[i], err = s.Run(t.Context(), in)
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
	require.Equal(t, exact[0], exact[1])
	require.Equal(t, rounded[0], rounded[1])
}

func onlyForward(t *testing.T, b *onnx.Builder, inner []*onnx.Value) {
	t.Helper()
	hidden := map[*onnx.Value]bool{}
	for _, v := range inner {
		hidden[v] = true
	}
	beside := 0
	for _, op := range b.Ops() {
		for _, v := range op.In {
			if !hidden[v] || !strings.HasPrefix(op.Out[0].Name, "grad/") {
				continue
			}
			require.Equal(t, "Mul", op.Kind, "%s keeps %s", op.Out[0].Name, v.Name)
			beside++
		}
	}
	require.Equal(t, 2, beside, "the square outside needs its operand, twice")
}

// A part whose results have no gradient, or whose input needs none, is not repeated.
func TestRecomputeNothing(t *testing.T) {
	b := onnx.NewBuilder()
	x, w := b.Input("x", onnx.Float, onnx.Of("B", 2)), b.Input("w", onnx.Float, onnx.Of("B", 2))
	var unused, y *onnx.Value
	b.Recompute(func() { unused = b.Exp(w) })
	b.Recompute(func() { y = b.Mul(b.Exp(x), w) })
	loss := b.ReduceSum(y, false, 0, 1)
	gs, err := grad.Gradients(b, loss, []*onnx.Value{w})
	require.NoError(t, err)
	require.NotNil(t, gs[0].Dense)
	exps := 0
	for _, op := range b.Ops() {
		if op.Kind == "Exp" {
			exps++
		}
	}
	require.Equal(t, 2, exps)
	require.NotNil(t, unused)
}
