package onnx_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/shareddata"
)

// A graph for batches of any size: every dimension is checked as the nodes are added.
func ExampleBuilder() {
	b := onnx.NewBuilder()
	x := b.Input("x", onnx.Float, onnx.Of("B", "T", 3))
	w := b.Weights("w", []float32{1, 0, 0, 1, 1, 1}, 3, 2)
	y := b.MatMul(x, w)
	mean := b.ReduceMean(y, false, 1)
	fmt.Println(y.Shape, mean.Shape)

	b.Output("mean", b.L2Normalize(mean, 1e-12))
	m, err := b.Model("mean of projected states")
	fmt.Println(len(m.Marshal()) > 0, err)

	b.Add(y, x)
	fmt.Println(b.Err())
	// Output:
	// [B T 2] [B 2]
	// true <nil>
	// onnx: invalid graph: Add: float32 [B T 2] (MatMul_1) and float32 [B T 3] (x) do not fit (onnx/runtime_test.go:28)
}

func load(t *testing.T, model []byte) *ort.Session {
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	s, err := ort.Load(model, &ort.Options{Threads: 1})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// Symbolic reshapes hold for every size that the graph is run with.
func TestRuntimeReshape(t *testing.T) {
	b := onnx.NewBuilder()
	x := b.Input("x", onnx.Float, onnx.Of("B", "T", 6))
	bt := onnx.Sym("B").Mul(onnx.Sym("T"))
	heads := b.Reshape(b.Reshape(x, bt, onnx.D(6)), onnx.Sym("B"), onnx.Sym("T"), onnx.D(2), onnx.D(3))
	y := b.Reshape(b.Transpose(heads, 0, 2, 1, 3), onnx.Sym("T"), onnx.D(6), onnx.Sym("B"))
	b.Output("y", y)
	joined := b.Concat(1, x, b.Zeros(onnx.Sym("B"), onnx.D(2), onnx.D(6)))
	b.Output("flat", b.Reshape(joined, joined.Shape.Elements()))
	m, err := b.Model("reshape")
	require.NoError(t, err)
	s := load(t, m.Marshal())
	for _, size := range [][2]int64{{1, 1}, {2, 5}, {4, 3}} {
		data := make([]float32, size[0]*size[1]*6)
		out, err := s.Run(t.Context(), map[string]*ort.Tensor{"x": ort.Float32([]int64{size[0], size[1], 6}, data)})
		require.NoError(t, err)
		require.Equal(t, []int64{size[1], 6, size[0]}, out["y"].Shape())
		require.Equal(t, []int64{size[0] * (size[1] + 2) * 6}, out["flat"].Shape())
	}
}

// A published classifier still runs after a round trip, and shows an inner value that was exposed.
func TestRuntimeExpose(t *testing.T) {
	data, err := os.ReadFile(shareddata.Dir(t, "models", "mobilenetv2.onnx"))
	require.NoError(t, err)
	m, err := onnx.Unmarshal(data)
	require.NoError(t, err)
	require.NoError(t, m.Expose("Relu6__90:0"))
	s := load(t, m.Marshal())
	in := s.Inputs()[0]
	shape := make([]int64, len(in.Shape))
	n := int64(1)
	for i, d := range in.Shape {
		shape[i] = max(d, 1)
		n *= shape[i]
	}
	out, err := s.Run(t.Context(), map[string]*ort.Tensor{in.Name: ort.Float32(shape, make([]float32, n))}, "Relu6__90:0")
	require.NoError(t, err)
	got := out["Relu6__90:0"].Shape()
	require.Len(t, got, 4)
	require.Contains(t, got, int64(1280))
}
