package devicetest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
)

// A run for which the device has no memory is an error, and the next one that fits works.
func TestOutOfMemory(t *testing.T) {
	need(t)
	if device() == ort.CPU {
		t.Skip("a machine's memory is not what this is about")
	}
	b := onnx.NewBuilder()
	x, y := b.Input("x", onnx.Float, onnx.Shape{onnx.Sym("N"), onnx.D(1)}), b.Input("y", onnx.Float, onnx.Shape{onnx.D(1), onnx.Sym("M")})
	b.Output("z", b.ReduceMax(b.MatMul(x, y), false, 0, 1))
	m, err := b.Model("large")
	require.NoError(t, err)
	s, err := ort.Load(m.Marshal(), &ort.Options{Device: device()})
	require.NoError(t, err)
	defer s.Close()
	run := func(n int64) (float32, error) {
		ones := make([]float32, n)
		for i := range ones {
			ones[i] = 1
		}
		out, err := s.Run(t.Context(), map[string]*ort.Tensor{"x": ort.Float32([]int64{n, 1}, ones), "y": ort.Float32([]int64{1, n}, ones)})
		if err != nil {
			return 0, err
		}
		return out["z"].Float32()[0], nil
	}
	_, err = run(1 << 20) // 4 TB
	require.ErrorIs(t, err, ort.ErrDevice)
	t.Log(err)
	z, err := run(8)
	require.NoError(t, err)
	assert.Equal(t, float32(1), z)
}
