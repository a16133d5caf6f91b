package ort

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/shareddata"
)

// addModel computes sum = a+b and twice = sum+sum over float32 [batch, 3].
func addModel() []byte {
	dims := []any{"batch", 3}
	return buildModel(
		[]node{{op: "Add", in: []string{"a", "b"}, out: []string{"sum"}}, {op: "Add", in: []string{"sum", "sum"}, out: []string{"twice"}}},
		[]value{{"a", elemFloat32, dims}, {"b", elemFloat32, dims}},
		[]value{{"sum", elemFloat32, dims}, {"twice", elemFloat32, dims}})
}

func TestScan(t *testing.T) {
	big := strings.Repeat("w", 1<<20) // a weight larger than the window, between what is looked at
	model := buildModel([]node{{op: "Identity", in: []string{"x"}, out: []string{"y"}}},
		[]value{{"x", elemFloat32, []any{"n", -5, ""}}, {"w", elemFloat32, []any{262144}}},
		[]value{{"y", elemFloat32, nil}, {"s", elemString, []any{}}},
		weight("w", "", []byte(big), 262144))
	in, out, err := scanModel(bytes.NewReader(model), int64(len(model)), false)
	require.NoError(t, err)
	assert.Equal(t, []Info{{Name: "x", Type: TypeFloat32, Shape: []int64{-1, -1, -1}, Dims: []string{"n", "", ""}}}, in,
		"a weight is no input")
	assert.Equal(t, []Info{{Name: "y", Type: TypeFloat32}, {Name: "s", Shape: []int64{}, Dims: []string{}}}, out)
	assert.Equal(t, "x float32[n,?,?]", in[0].String())
	assert.Equal(t, "y float32[…]", out[0].String())
}

func TestScanPublicModel(t *testing.T) {
	path := shareddata.Dir(t, "models", "yolox_nano.onnx")
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	in, out, err := scanModel(f, info.Size(), false)
	require.NoError(t, err)
	require.Len(t, in, 1)
	require.Len(t, out, 1)
	assert.Equal(t, "images float32[1,3,416,416]", in[0].String())
	assert.Equal(t, "output float32[1,3549,85]", out[0].String())
}

func FuzzScan(f *testing.F) {
	model := addModel()
	f.Add(model)
	f.Add(model[:len(model)-3])
	f.Add(buildModel(nil, []value{{"x", elemInt8, nil}}, []value{{"y", 99, []any{1, "n"}}}, weight("w", "f", nil, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		in, out, err := scanModel(bytes.NewReader(b), int64(len(b)), false)
		if err != nil {
			assert.ErrorIs(t, err, ErrModel)
			return
		}
		assert.NotEmpty(t, out)
		for _, i := range append(in, out...) {
			assert.Len(t, i.Dims, len(i.Shape))
		}
	})
}
