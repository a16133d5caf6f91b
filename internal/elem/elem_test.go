package elem

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFloatsAndInts(t *testing.T) {
	for _, c := range []struct {
		t     Type
		bytes []byte
		want  []float64
	}{
		{Bool, []byte{0, 1, 2}, []float64{0, 1, 1}},
		{Uint8, []byte{0, 255}, []float64{0, 255}},
		{Int8, []byte{128, 255}, []float64{-128, -1}},
		{Uint16, []byte{255, 255}, []float64{65535}},
		{Int16, []byte{254, 255}, []float64{-2}},
		{Uint32, []byte{1, 0, 0, 128}, []float64{1<<31 + 1}},
		{Int32, []byte{255, 255, 255, 255}, []float64{-1}},
		{Uint64, Bytes([]uint64{7, 1 << 40}), []float64{7, 1 << 40}},
		{Int64, Bytes([]int64{-7, 1 << 40}), []float64{-7, 1 << 40}},
		{Float16, []byte{0, 0x3c, 0, 0xc0}, []float64{1, -2}},
		{BFloat16, []byte{0x80, 0x3f, 0, 0xc0}, []float64{1, -2}},
		{Float32, Bytes([]float32{1.5, -2}), []float64{1.5, -2}},
		{Float64, Bytes([]float64{1.5, -2}), []float64{1.5, -2}},
	} {
		got := make([]float64, len(c.want))
		n, err := Floats(got, c.bytes, c.t)
		require.NoError(t, err)
		require.Equal(t, len(c.want), n)
		require.Equal(t, c.want, got, c.t.String())

		ints := make([]int64, len(c.want))
		_, err = Ints(ints, c.bytes, c.t)
		if c.t >= Float16 {
			require.ErrorIs(t, err, ErrType)
			continue
		}
		require.NoError(t, err)
		for i, v := range ints {
			require.Equal(t, c.want[i], float64(v), c.t.String())
		}
		back, ok := Parse(c.t.String())
		require.True(t, ok)
		require.Equal(t, c.t, back)
	}
	_, err := Ints(make([]int64, 1), Bytes([]uint64{1 << 63}), Uint64)
	require.ErrorIs(t, err, ErrType)
	_, err = Floats(make([]float32, 1), make([]byte, 8), Float32)
	require.ErrorIs(t, err, ErrType, "more elements than room")
	_, err = Floats(make([]float32, 9), make([]byte, 5), Float32)
	require.ErrorIs(t, err, ErrType, "half an element")
	_, err = Floats(make([]float32, 9), make([]byte, 8), Complex64)
	require.ErrorIs(t, err, ErrType)
	_, err = Floats(make([]float32, 9), make([]byte, 8), Type(77))
	require.ErrorIs(t, err, ErrType)
}

func TestView(t *testing.T) {
	b := Bytes([]float32{1, 2, 3})
	v, ok := View[float32](b)
	require.True(t, ok)
	require.Equal(t, []float32{1, 2, 3}, v)
	_, ok = View[float32](b[1:5])
	require.False(t, ok, "misaligned")
	_, ok = View[float32](b[:5])
	require.False(t, ok, "half an element")
	require.Equal(t, []float32{2}, Load[float32](append([]byte{9}, b...)[5:9]), "misaligned is copied")
	require.Equal(t, []float32{1}, Load[float32](b[:7]), "half an element is left out")
	v, ok = View[float32](nil)
	require.True(t, ok)
	require.Empty(t, v)
}

func TestProduct(t *testing.T) {
	for _, c := range []struct {
		shape []int
		want  int
		ok    bool
	}{
		{nil, 1, true},
		{[]int{2, 3}, 6, true},
		{[]int{0, 5}, 0, true},
		{[]int{-1}, 0, false},
		{[]int{26, 1}, 0, false},
		{[]int{math.MaxInt, math.MaxInt}, 0, false},
		{[]int{math.MaxInt, math.MaxInt, 0}, 0, false},
		{[]int{25}, 25, true},
	} {
		n, ok := Product(c.shape, 4, 100)
		require.Equal(t, c.ok, ok, "%v", c.shape)
		if ok {
			require.Equal(t, c.want, n, "%v", c.shape)
		}
	}
}

func TestSwap(t *testing.T) {
	b := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	Swap(b, 4)
	require.Equal(t, []byte{4, 3, 2, 1, 8, 7, 6, 5}, b)
	Swap(b, 1)
	require.Equal(t, []byte{4, 3, 2, 1, 8, 7, 6, 5}, b)
}
