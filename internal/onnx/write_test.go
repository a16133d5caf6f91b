package onnx

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func sample() *Model {
	b := NewBuilder()
	x := b.Input("x", Float, Of("B", 64))
	w := make([]float32, 64*64) // over inlineRaw
	for i := range w {
		w[i] = float32(i)
	}
	b.Output("y", b.Gemm(x, b.Weights("w", w, 64, 64), b.Weights("b", make([]float32, 64), 64), false, true))
	m, err := b.Model("sample")
	if err != nil {
		panic(err)
	}
	return m
}

func TestWriteTo(t *testing.T) {
	m := sample()
	var buf bytes.Buffer
	n, err := m.WriteTo(&buf)
	require.NoError(t, err)
	require.EqualValues(t, buf.Len(), n)
	require.Equal(t, m.Marshal(), buf.Bytes())

	back, err := Unmarshal(buf.Bytes())
	require.NoError(t, err)
	require.Equal(t, m.Marshal(), back.Marshal())
	w, err := back.Graph.Initializers[0].Float32s()
	require.NoError(t, err)
	require.Equal(t, float32(64*64-1), w[len(w)-1])
}

// A brokenWriter takes some bytes and no more.
type brokenWriter struct{ room int }

var errFull = errors.New("full")

func (w *brokenWriter) Write(b []byte) (int, error) {
	n := min(len(b), w.room)
	w.room -= n
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

func TestWriteToFails(t *testing.T) {
	m := sample()
	size := len(m.Marshal())
	for _, room := range []int{0, 10, size / 2, size - 1} {
		n, err := m.WriteTo(&brokenWriter{room: room})
		require.ErrorIs(t, err, errFull)
		require.EqualValues(t, room, n)
	}
}
