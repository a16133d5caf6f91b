package onnx

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// pooled is a model that chooses a row of its states and projects it.
func pooled(t *testing.T) *Model {
	t.Helper()
	b := NewBuilder()
	x := b.Input("x", Float, Of("B", 3, 2))
	states := b.Tanh(x)
	first := b.Reshape(b.Slice(states, 1, 0, 1, D(1)), x.Shape[0], D(2))
	b.Output("y", b.MatMul(first, b.Weights("w", []float32{1, 2, 3, 4}, 2, 2)))
	m, err := b.Model("pooled")
	require.NoError(t, err)
	return m
}

func TestEdit(t *testing.T) {
	m := pooled(t)
	chosen := ""
	var states string
	for _, n := range m.Graph.Nodes {
		switch n.OpType {
		case "Tanh":
			states = n.Outputs[0]
		case "Reshape":
			chosen = n.Outputs[0]
		}
	}
	e := m.Edit()
	all, err := e.Replay(chosen, e.Reshape(states, -1, 2), "y")
	require.NoError(t, err)
	e.Output("all", e.Unit(all))
	require.True(t, e.Input("x", &ValueInfo{Name: "pixels", Type: Float, Shape: Of(1, 3, 2)}))
	require.False(t, e.Input("z", &ValueInfo{Name: "other", Type: Float}))
	_, err = e.Replay("w", states, "x")
	require.ErrorIs(t, err, ErrNoValue)
	m.Keep("all")
	require.Len(t, m.Graph.Outputs, 1)
	require.Equal(t, "pixels", m.Graph.Inputs[0].Name)

	again, err := Unmarshal(m.Marshal())
	require.NoError(t, err)
	names := map[string]bool{}
	made := map[string]bool{"pixels": true}
	for _, c := range again.Graph.Initializers {
		made[c.Name] = true
	}
	for _, n := range again.Graph.Nodes { // each after what it reads, under a name of its own
		require.False(t, names[n.Name], n.Name)
		names[n.Name] = true
		for _, in := range n.Inputs {
			require.True(t, made[in] || in == "", "%s reads %s", n.Name, in)
		}
		for _, out := range n.Outputs {
			made[out] = true
		}
	}
}

func TestRename(t *testing.T) {
	m := pooled(t)
	e := m.Edit()
	require.Equal(t, "inner", e.Rename("y", "inner"))
	m.Graph.Outputs = nil
	e.Output("y", e.Unit("inner"))
	last := m.Graph.Nodes[len(m.Graph.Nodes)-1]
	require.Equal(t, []string{"y"}, last.Outputs)
	require.NotEqual(t, "inner", last.Inputs[0])
}

// Values go to a file beside the model and come back.
func TestDataFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.onnx")
	m := pooled(t)
	want := bytes.Clone(m.Graph.Initializers[0].Raw)
	data := NewDataFile("model.onnx.data")
	m.MoveOut(data, 8)
	b := NewBuilder()
	late := b.Outside(data, "late", Float, func() ([]byte, error) { return make([]byte, 12), nil }, 3)
	b.Output("late twice", b.Add(late, late))
	other, err := b.Model("late")
	require.NoError(t, err)
	require.Len(t, other.Graph.Initializers, 1)
	require.Zero(t, (data.Size()-12)%dataAlign)
	require.NoError(t, os.WriteFile(path, m.Marshal(), 0o644))
	var values bytes.Buffer
	require.NoError(t, data.Write(&values))
	require.NoError(t, os.WriteFile(filepath.Join(dir, data.Location()), values.Bytes(), 0o644))
	f, err := Open(path)
	require.NoError(t, err)
	require.Equal(t, want, f.Model.Graph.Initializers[0].Raw)
	require.NoError(t, f.Close())

	for name, change := range map[string]func(*Tensor){
		"another folder": func(t *Tensor) { t.External[0].Value = "../model.onnx.data" },
		"no file":        func(t *Tensor) { t.External[0].Value = "none" },
		"no number":      func(t *Tensor) { t.External[1].Value = "x" },
		"negative":       func(t *Tensor) { t.External[1].Value = "-1" },
		"too far":        func(t *Tensor) { t.External[1].Value = "1000" },
		"too long":       func(t *Tensor) { t.External[2].Value = "9223372036854775807" },
	} {
		bad, err := Unmarshal(m.Marshal())
		require.NoError(t, err)
		change(bad.Graph.Initializers[0])
		require.NoError(t, os.WriteFile(path, bad.Marshal(), 0o644))
		_, err = Open(path)
		require.Error(t, err, name)
	}

	wrong := NewDataFile("x")
	b = NewBuilder()
	b.Outside(wrong, "v", Float, func() ([]byte, error) { return []byte{1}, nil }, 3)
	require.ErrorIs(t, wrong.Write(&values), ErrModel)
	b.Outside(wrong, "none", Float, nil, 0)
	require.ErrorIs(t, b.Err(), ErrGraph)
}

func TestQuantizeLookups(t *testing.T) {
	const rows, cols = 2048, 32
	table := make([]float32, rows*cols)
	for i := range table {
		table[i] = float32(i%97)/97 - 0.4
	}
	b := NewBuilder()
	b.Output("y", b.Gather(b.Weights("table", table, rows, cols), b.Input("ids", Int64, Of("N"))))
	m, err := b.Model("lookups")
	require.NoError(t, err)
	n, err := m.QuantizeLookups()
	require.NoError(t, err)
	require.Equal(t, 1, n)
	var size int
	for _, c := range m.Graph.Initializers {
		require.NotEqual(t, "table", c.Name)
		size += len(c.Raw)
	}
	require.Less(t, size, rows*cols*2)
	n, err = m.QuantizeLookups()
	require.NoError(t, err)
	require.Zero(t, n)
}
