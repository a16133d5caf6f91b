package vector

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var tokenCodecs = []Codec{Int8, F16, F32, Residual4, Residual2}

// plainMaxSim is the definition in float64, on tokens as the codec decodes them.
func plainMaxSim(words, weights, regions, regionWeights []float32, dim int) (score float64, best []Best) {
	for w := 0; w*dim < len(words); w++ {
		b := Best{Region: -1}
		if weights == nil || weights[w] > 0 {
			top := math.Inf(-1)
			for r := 0; r*dim < len(regions); r++ {
				if regionWeights != nil && !(regionWeights[r] > 0) {
					continue
				}
				var s float64
				for d := range dim {
					s += float64(words[w*dim+d]) * float64(regions[r*dim+d])
				}
				if s > top {
					top, b = s, Best{r, float32(s)}
				}
			}
		}
		if b.Region >= 0 {
			weight := 1.0
			if weights != nil {
				weight = float64(weights[w])
			}
			score += weight * float64(b.Similarity)
		}
		best = append(best, b)
	}
	return score, best
}

// asQuery is what a query's tokens become: int8, or unchanged for F16.
func asQuery(c Codec, v []float32, dim int) []float32 {
	if c == F16 || c == F32 {
		return v
	}
	out, code := make([]float32, len(v)), make([]int8, dim)
	for i := 0; i < len(v); i += dim {
		s := QuantizeInt8(code, v[i:i+dim])
		for d, x := range code {
			out[i+d] = float32(x) * s
		}
	}
	return out
}

func decodeAll(k *Tokens, block []byte) []float32 {
	out := make([]float32, k.Count(block)*k.Dim())
	for i := range k.Count(block) {
		k.Decode(out[i*k.Dim():(i+1)*k.Dim()], block, i)
	}
	return out
}

func sameBests(t *testing.T, want, got []Best) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.InDelta(t, want[i].Similarity, got[i].Similarity, 2e-4, "word %d", i)
		require.Equal(t, want[i].Region < 0, got[i].Region < 0, "word %d", i)
	}
}

func TestMaxSimAgainstDefinition(t *testing.T) {
	onEachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 7))
		for _, c := range tokenCodecs {
			for _, shape := range []struct{ words, regions, dim int }{
				{1, 1, 1}, {3, 2, 17}, {16, 34, 64}, {17, 5, 100}, {30, 36, 130}, {33, 21, 70}, {0, 3, 8}, {3, 0, 8},
			} {
				dim := shape.dim
				words, regions := unit(r, shape.words, dim), unit(r, shape.regions, dim)
				weights, mask := make([]float32, shape.words), make([]float32, shape.regions)
				for i := range weights {
					weights[i] = max(0, float32(r.NormFloat64()+1))
				}
				for i := range mask {
					mask[i] = float32(min(1, r.IntN(5)))
				}
				if shape.regions > 2 {
					clear(regions[dim : 2*dim]) // a null region
				}
				k := tokensOf(t, c, dim, unit(r, 40, dim))

				block, err := k.AppendBlock(nil, regions, mask)
				require.NoError(t, err)
				require.Equal(t, shape.regions, k.Count(block))
				m, err := NewMaxSim(k, words, weights)
				require.NoError(t, err)
				require.Equal(t, shape.words, m.Len())
				want, wantBest := plainMaxSim(asQuery(c, words, dim), weights, decodeAll(k, block), mask, dim)
				best, score := m.Explain(block)
				require.InDelta(t, want, score, 2e-4*float64(1+len(weights)), "%v %+v", c, shape)
				sameBests(t, wantBest, best)
				scores := make([]float32, 3)
				m.Score([][]byte{block, nil, block}, scores)
				require.Equal(t, []float32{score, 0, score}, scores)

				// In reverse: the words are the document.
				block, err = k.AppendBlock(nil, words, weights)
				require.NoError(t, err)
				m, err = NewMaxSim(k, regions, mask)
				require.NoError(t, err)
				want, wantBest = plainMaxSim(decodeAll(k, block), weights, asQuery(c, regions, dim), mask, dim)
				best, score = m.ExplainReverse(block, weights)
				require.InDelta(t, want, score, 2e-4*float64(1+len(weights)), "reverse %v %+v", c, shape)
				sameBests(t, wantBest, best)
				m.ScoreReverse([][]byte{block, nil, block}, [][]float32{weights, nil, weights}, scores)
				require.Equal(t, []float32{score, 0, score}, scores)
			}
		}
	})
}

func TestMaxSimIsTheSameOnEveryKernel(t *testing.T) {
	const dim = 200
	r := rand.New(rand.NewPCG(70, 7))
	v := clustered(r, 100, dim, 6, 1)
	for _, c := range tokenCodecs {
		var first []any
		onEachKernel(t, func(t *testing.T) {
			k := tokensOf(t, c, dim, v)
			block, err := k.AppendBlock(nil, v[:37*dim], nil)
			require.NoError(t, err)
			m, err := NewMaxSim(k, v[40*dim:60*dim], nil)
			require.NoError(t, err)
			book, err := k.MarshalBinary()
			require.NoError(t, err)
			best, score := m.Explain(block)
			back, backScore := m.ExplainReverse(block, nil)
			got := []any{book, block, best, score, back, backScore}
			if first == nil {
				first = got
			}
			require.Equal(t, first, got)
		})
	}
}

func TestMaxSimTiesAndNulls(t *testing.T) {
	const dim = 4
	onEachKernel(t, func(t *testing.T) {
		for _, c := range []Codec{Int8, F16, F32} {
			k := tokensOf(t, c, dim, nil)
			x, y, null := []float32{1, 0, 0, 0}, []float32{0, -1, 0, 0}, []float32{0, 0, 0, 0}
			block := func(weights []float32, rows ...[]float32) []byte {
				var v []float32
				for _, r := range rows {
					v = append(v, r...)
				}
				b, err := k.AppendBlock(nil, v, weights)
				require.NoError(t, err)
				return b
			}
			m, err := NewMaxSim(k, x, nil)
			require.NoError(t, err)
			best, _ := m.Explain(block(nil, y, x, x))
			assert.Equal(t, 1, best[0].Region, "the lowest region wins a tie")
			best, score := m.Explain(block([]float32{1, 0, 1}, y, x, null))
			assert.Equal(t, 0, best[0].Region, "a masked region takes no part")
			assert.Zero(t, score)
			best, score = m.Explain(block([]float32{0, 0}, x, x))
			assert.Equal(t, []Best{{Region: -1}}, best)
			assert.Zero(t, score)
			m, err = NewMaxSim(k, []float32{0, 1, 0, 0}, nil)
			require.NoError(t, err)
			best, _ = m.Explain(block(nil, y, null))
			assert.Equal(t, Best{Region: 1}, best[0], "a null region beats an opposite one")
		}
	})
}

func TestMaxSimBothWaysAgree(t *testing.T) {
	const dim = 96
	r := rand.New(rand.NewPCG(1, 11))
	words, regions := unit(r, 20, dim), unit(r, 34, dim)
	weights := make([]float32, 20)
	for i := range weights {
		weights[i] = float32(r.IntN(3)) / 2
	}
	onEachKernel(t, func(t *testing.T) {
		k := tokensOf(t, Int8, dim, nil)
		image, _ := k.AppendBlock(nil, regions, nil)
		caption, _ := k.AppendBlock(nil, words, weights)
		forward, err := NewMaxSim(k, words, weights)
		require.NoError(t, err)
		reverse, err := NewMaxSim(k, regions, nil)
		require.NoError(t, err)
		a, as := forward.Explain(image)
		b, bs := reverse.ExplainReverse(caption, weights)
		assert.Equal(t, as, bs)
		assert.Equal(t, a, b)
	})
}

func TestScoresOfManyBlocks(t *testing.T) {
	const dim = 64
	r := rand.New(rand.NewPCG(1, 12))
	k := tokensOf(t, Int8, dim, nil)
	m, err := NewMaxSim(k, unit(r, 9, dim), nil)
	require.NoError(t, err)
	var blocks [][]byte
	var forward, reverse []float32
	for range 300 {
		b, err := k.AppendBlock(nil, unit(r, r.IntN(40), dim), nil)
		require.NoError(t, err)
		_, f := m.Explain(b)
		_, back := m.ExplainReverse(b, nil)
		blocks = append(blocks, append(b, 1, 2, 3)) // surplus bytes
		forward, reverse = append(forward, f), append(reverse, back)
	}
	scores := make([]float32, 300)
	m.Score(blocks, scores)
	assert.Equal(t, forward, scores)
	m.ScoreReverse(blocks, nil, scores)
	assert.Equal(t, reverse, scores)
	_, err = NewMaxSim(k, make([]float32, 63), nil)
	assert.ErrorIs(t, err, ErrShape)
	_, err = k.AppendBlock(nil, make([]float32, 64), make([]float32, 2))
	assert.ErrorIs(t, err, ErrShape)
}

func TestScoringDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools at random")
	}
	const dim = 128
	r := rand.New(rand.NewPCG(1, 13))
	v := unit(r, 40, dim)
	for _, c := range tokenCodecs {
		k := tokensOf(t, c, dim, v)
		b, err := k.AppendBlock(nil, v, nil)
		require.NoError(t, err)
		m, err := NewMaxSim(k, v[:20*dim], nil)
		require.NoError(t, err)
		blocks, scores := [][]byte{b, b}, make([]float32, 2)
		assert.Less(t, testing.AllocsPerRun(50, func() { m.Score(blocks, scores) }), 0.5, "%v", c)
	}
}
