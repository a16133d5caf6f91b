package scorer_test

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/scorer"
)

func normal(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// Search finds what sorting all scores would, whatever the codec, filter and number of goroutines.
func TestSearch(t *testing.T) {
	const dim, n, k, queries = 24, 20000, 7, 3
	r := rand.New(rand.NewPCG(3, 4))
	vectors, q := normal(r, n*dim), normal(r, queries*dim)
	filter := make([]uint64, n/64) // short: the last rows do not pass
	for i := range filter {
		filter[i] = r.Uint64()
	}
	fine, err := scorer.NewRows(scorer.F32, dim, vectors, nil)
	require.NoError(t, err)
	for _, f := range [][]uint64{nil, filter} {
		want := make([][]int, queries)
		for i := range want {
			scores := make([]float64, n)
			var rows []int
			for j := range n {
				if f != nil && (j/64 >= len(f) || f[j/64]>>(j%64)&1 == 0) {
					continue
				}
				rows = append(rows, j)
				for d := range dim {
					scores[j] += float64(q[i*dim+d]) * float64(vectors[j*dim+d])
				}
			}
			slices.SortFunc(rows, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
			want[i] = rows[:k]
		}
		for _, workers := range []int{0, 1, 3} {
			for _, codec := range []scorer.Codec{scorer.F32, scorer.F16, scorer.Int8, scorer.Bits} {
				rows, err := scorer.NewRows(codec, dim, vectors, nil)
				require.NoError(t, err)
				o := &scorer.SearchOptions{Filter: f, Workers: workers}
				if codec != scorer.F32 {
					o.Rescore, o.Candidates = fine, n
				}
				hits, err := rows.Search(t.Context(), q, k, o)
				require.NoError(t, err)
				for i, hs := range hits {
					var got []int
					for _, h := range hs {
						got = append(got, h.Row)
					}
					require.Equal(t, want[i], got, "%v, query %d, %d workers", codec, i, workers)
				}
			}
		}
	}
}

func TestSearchRefuses(t *testing.T) {
	rows, err := scorer.NewRows(scorer.F16, 2, []float32{1, 0, 0, 1}, nil)
	require.NoError(t, err)
	_, err = rows.Search(t.Context(), []float32{1, 2, 3}, 1, nil)
	require.ErrorIs(t, err, scorer.ErrShape)
	hits, err := rows.Search(t.Context(), []float32{1, 2}, 9, nil)
	require.NoError(t, err)
	require.Len(t, hits[0], 2)
	hits, err = rows.Search(t.Context(), nil, 1, nil)
	require.NoError(t, err)
	require.Empty(t, hits)
	_, err = rows.Search(t.Context(), []float32{1, 2}, 1, &scorer.SearchOptions{Rescore: &scorer.Rows{Codec: scorer.F32, Dim: 2}})
	require.ErrorIs(t, err, scorer.ErrShape)
	_, err = rows.Search(t.Context(), []float32{1, 2}, 1, &scorer.SearchOptions{Centre: []float32{1}})
	require.ErrorIs(t, err, scorer.ErrShape)
	short := *rows
	short.Codes = short.Codes[1:]
	_, err = short.Search(t.Context(), []float32{1, 2}, 1, nil)
	require.ErrorIs(t, err, scorer.ErrShape)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = rows.Search(ctx, []float32{1, 2}, 1, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// Trained tokens can be written and read, and score the same both ways and afterwards.
func TestTokens(t *testing.T) {
	const dim = 32
	v := normal(rand.New(rand.NewPCG(5, 6)), 200*dim)
	for _, codec := range []scorer.Codec{scorer.Int8, scorer.F16, scorer.FourBit, scorer.TwoBit} {
		tokens, err := scorer.NewTokens(codec, dim)
		if codec == scorer.FourBit || codec == scorer.TwoBit {
			require.ErrorIs(t, err, scorer.ErrCodec)
			tokens, err = scorer.TrainTokens(t.Context(), codec, dim, v, &scorer.TrainOptions{Centroids: 8})
		}
		require.NoError(t, err)
		block, err := tokens.AppendBlock(nil, v[:5*dim], nil)
		require.NoError(t, err)
		b, err := tokens.MarshalBinary()
		require.NoError(t, err)
		var again scorer.Tokens
		require.NoError(t, again.UnmarshalBinary(b))
		require.ErrorIs(t, new(scorer.Tokens).UnmarshalBinary(b[:3]), scorer.ErrCorrupt)
		for _, tk := range []*scorer.Tokens{tokens, &again} {
			m, err := scorer.NewMaxSim(tk, v[50*dim:53*dim], nil)
			require.NoError(t, err)
			best, score := m.Explain(block)
			require.Len(t, best, 3)
			scores, err := m.Score(t.Context(), [][]byte{block, nil})
			require.NoError(t, err)
			require.Equal(t, []float32{score, 0}, scores)
			words, score := m.ExplainReverse(block, nil)
			require.Len(t, words, 5)
			scores, err = m.ScoreReverse(t.Context(), [][]byte{block}, nil)
			require.NoError(t, err)
			require.Equal(t, []float32{score}, scores)
			_, err = m.ScoreReverse(t.Context(), [][]byte{block}, [][]float32{})
			require.ErrorIs(t, err, scorer.ErrShape)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = m.Score(ctx, [][]byte{block})
			require.ErrorIs(t, err, context.Canceled)
		}
	}
	require.NotEmpty(t, scorer.Kernel())
}
