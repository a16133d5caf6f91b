package vector

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRowBytes(t *testing.T) {
	for _, c := range []struct {
		codec Codec
		dim   int
		want  int
	}{{F32, 1, 256}, {F16, 64, 128}, {Int8, 65, 128}, {Bits, 768, 96}, {Residual4, 768, 384}, {Residual2, 768, 192}, {Codec(0), 768, 0}} {
		assert.Equal(t, c.want, RowBytes(c.codec, c.dim), "%v of %d", c.codec, c.dim)
	}
}

func TestQuantizeInt8(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name  string
		in    []float32
		want  []int8
		scale float32
	}{
		{"zero", []float32{0, 0}, []int8{0, 0}, 0},
		{"symmetric", []float32{1, -1, 0.5}, []int8{127, -127, 64}, 1.0 / 127},
		{"halves to even", []float32{127, 0.5, 1.5, 2.5, -0.5, -1.5}, []int8{127, 0, 2, 2, 0, -2}, 1},
		{"not a number", []float32{nan, 1}, []int8{0, 127}, 1.0 / 127},
		{"infinite", []float32{inf, -inf, 1}, []int8{127, -127, 127}, 1.0 / 127},
		{"only infinite", []float32{inf}, []int8{0}, 0},
		{"empty", nil, []int8{}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := make([]int8, len(c.in))
			assert.Equal(t, c.scale, QuantizeInt8(got, c.in))
			assert.Equal(t, c.want, got)
		})
	}
}

func TestRowsRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, dim := range []int{1, 63, 64, 65, 100, 768} {
		v := unit(r, 5, dim)
		for codec, tolerance := range map[Codec]float64{F32: 0, F16: 1.0 / 2048, Int8: 0.5 / 127} {
			rows, err := NewRows(codec, dim, v, nil)
			require.NoError(t, err)
			require.NoError(t, rows.Validate())
			got := make([]float32, dim)
			for i := range 5 {
				rows.Slice(i, 5).Decode(got, 0)
				for d, x := range v[i*dim : (i+1)*dim] {
					require.InDelta(t, x, got[d], tolerance+1e-7, "%v value %d", codec, d)
				}
			}
		}
		centre := unit(r, 1, dim)
		rows, err := NewRows(Bits, dim, v, centre)
		require.NoError(t, err)
		got := make([]float32, dim)
		rows.Decode(got, 3)
		for d, x := range v[3*dim : 4*dim] {
			require.Equal(t, x-centre[d] >= 0, got[d] > 0)
		}
	}
}

func TestRowsValidate(t *testing.T) {
	good := func() *Rows {
		return &Rows{Codec: Int8, Dim: 64, N: 2, Codes: make([]byte, 128), Scales: make([]float32, 2)}
	}
	require.NoError(t, good().Validate())
	for name, spoil := range map[string]func(*Rows){
		"short codes":    func(r *Rows) { r.Codes = r.Codes[1:] },
		"long codes":     func(r *Rows) { r.Codes = make([]byte, 129) },
		"no scales":      func(r *Rows) { r.Scales = nil },
		"negative":       func(r *Rows) { r.N = -1 },
		"dim":            func(r *Rows) { r.Dim = 0 },
		"large dim":      func(r *Rows) { r.Dim = MaxDim + 1 },
		"codec":          func(r *Rows) { r.Codec = Residual2 },
		"scales for f32": func(r *Rows) { r.Codec, r.N = F32, 0; r.Codes = nil },
	} {
		r := good()
		spoil(r)
		assert.Error(t, r.Validate(), name)
	}
	_, err := NewRows(Int8, 3, make([]float32, 4), nil)
	assert.ErrorIs(t, err, ErrShape)
	_, err = NewQuery(Int8, nil, nil)
	assert.ErrorIs(t, err, ErrShape)
	_, err = NewQuery(Residual2, make([]float32, 4), nil)
	assert.ErrorIs(t, err, ErrCodec)
	_, err = NewQuery(Bits, make([]float32, 4), make([]float32, 3))
	assert.ErrorIs(t, err, ErrShape)
}
