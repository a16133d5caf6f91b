package vector

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestResidualErrors(t *testing.T) {
	const dim = 256
	r := rand.New(rand.NewPCG(21, 1))
	v := clustered(r, 3000, dim, 50, 1)
	// Relative squared error of the whole vector; the residual is about half of it.
	for c, limit := range map[Codec]float64{Residual4: 0.008, Residual2: 0.09} {
		k, err := TrainTokens(t.Context(), c, dim, v, &TrainOptions{Centroids: 64, Seed: 3})
		require.NoError(t, err)
		b, err := k.AppendBlock(nil, v[:300*dim], nil)
		require.NoError(t, err)
		got := decodeAll(k, b)
		var e, bias float64
		for i := range 300 {
			var dot, norm float64
			for d := range dim {
				x, y := float64(v[i*dim+d]), float64(got[i*dim+d])
				e += (x - y) * (x - y) / 300
				dot += x * y
				norm += x * x
			}
			bias += (dot/norm - 1) / 300
		}
		assert.Less(t, e, limit, "%v: squared error", c)
		assert.InDelta(t, 0, bias, 0.004, "%v: similarities neither shrink nor grow", c)
	}
}

func TestTokensMarshal(t *testing.T) {
	const dim = 70
	r := rand.New(rand.NewPCG(22, 1))
	v := unit(r, 200, dim)
	for _, c := range tokenCodecs {
		k := tokensOf(t, c, dim, v)
		b, err := k.MarshalBinary()
		require.NoError(t, err)
		back, err := UnmarshalTokens(bytes.Clone(b))
		require.NoError(t, err)
		assert.Equal(t, c, back.Codec())
		assert.Equal(t, dim, back.Dim())
		one, _ := k.AppendBlock(nil, v, nil)
		two, _ := back.AppendBlock(nil, v, nil)
		assert.True(t, bytes.Equal(one, two), "%v: the same blocks", c)
		for i := range b {
			_, err := UnmarshalTokens(b[:i])
			require.ErrorIs(t, err, ErrCorrupt)
		}
		for _, s := range []float32{float32(math.NaN()), float32(math.Inf(1)), -0.5, 2} {
			if c != Residual4 && c != Residual2 {
				continue // no scales
			}
			bad := bytes.Clone(b)
			binary.LittleEndian.PutUint32(bad[len(bad)-4:], math.Float32bits(s))
			_, err := UnmarshalTokens(bad)
			require.ErrorIs(t, err, ErrCorrupt, "scale %v", s)
		}
	}
}

func TestTrainTokensChecks(t *testing.T) {
	_, err := TrainTokens(t.Context(), Int8, 8, make([]float32, 8), nil)
	assert.ErrorIs(t, err, ErrCodec)
	_, err = NewTokens(Residual2, 8)
	assert.ErrorIs(t, err, ErrCodec)
	_, err = NewTokens(Int8, 0)
	assert.ErrorIs(t, err, ErrShape)
	_, err = TrainTokens(t.Context(), Residual2, 8, make([]float32, 7), nil)
	assert.ErrorIs(t, err, ErrShape)
	_, err = TrainTokens(t.Context(), Residual2, 8, nil, nil)
	assert.ErrorIs(t, err, ErrShape)
	_, err = TrainTokens(t.Context(), Residual2, 8, make([]float32, 8), &TrainOptions{Centroids: 1 << 20})
	assert.ErrorIs(t, err, ErrShape)
	// Nothing but null vectors is odd, but no reason to fail.
	k, err := TrainTokens(t.Context(), Residual2, 8, make([]float32, 80), nil)
	require.NoError(t, err)
	b, err := k.AppendBlock(nil, []float32{1, 0, 0, 0, 0, 0, 0, 0}, nil)
	require.NoError(t, err)
	assert.NotEmpty(t, decodeAll(k, b))
}

// FuzzTokens reads codebooks and blocks that nobody wrote.
func FuzzTokens(f *testing.F) {
	r := rand.New(rand.NewPCG(23, 1))
	v := unit(r, 30, 70)
	for _, c := range tokenCodecs {
		k := tokensOf(f, c, 70, v)
		b, _ := k.MarshalBinary()
		block, _ := k.AppendBlock(nil, v[:3*70], nil)
		f.Add(b, block)
	}
	f.Fuzz(func(t *testing.T, book, block []byte) {
		k, err := UnmarshalTokens(book)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		words := unit(rand.New(rand.NewPCG(24, 1)), 3, k.Dim())
		m, err := NewMaxSim(k, words, nil)
		require.NoError(t, err)
		_, want := m.Explain(block)
		defer UseKernel("go")()
		if _, got := m.Explain(block); math.Float32bits(got) != math.Float32bits(want) && got == got {
			t.Fatalf("score %v with %s, %v in Go", want, Kernel(), got)
		}
		decodeAll(k, block)
		m.ExplainReverse(block, nil)
	})
}
