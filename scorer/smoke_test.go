package scorer

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func unit(r *rand.Rand, n, dim int) []float32 {
	v := make([]float32, n*dim)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	for i := range n {
		normalise(v[i*dim : (i+1)*dim])
	}
	return v
}

func TestSmoke(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const dim, n = 100, 700
	v := unit(r, n, dim)
	for _, c := range []Codec{F32, F16, Int8, Bits} {
		rows, err := NewRows(c, dim, v, nil)
		require.NoError(t, err)
		var qs []*Query
		for i := range 20 {
			q, err := NewQuery(c, v[i*dim:(i+1)*dim], nil)
			require.NoError(t, err)
			qs = append(qs, q)
		}
		hits, err := Search(context.Background(), []Segment{{Rows: rows}}, qs, 5, 2)
		require.NoError(t, err)
		for i := range qs {
			require.Equal(t, i, hits[i][0].Pos)
			top := NewTopK(5)
			Scan(rows, qs[i], nil, 0, top)
			require.Equal(t, top.Hits(), hits[i])
		}
		t.Log(c, hits[3])
	}
	tok, _ := NewTokens(Int8, dim)
	f16, _ := NewTokens(F16, dim)
	r4, err := TrainTokens(context.Background(), Residual4, dim, v, nil)
	require.NoError(t, err)
	r2, err := TrainTokens(context.Background(), Residual2, dim, v, nil)
	require.NoError(t, err)
	for _, k := range []*Tokens{tok, f16, r4, r2} {
		b, err := k.AppendBlock(nil, v[:34*dim], nil)
		require.NoError(t, err)
		m, err := NewMaxSim(k, v[5*dim:25*dim], nil)
		require.NoError(t, err)
		words, s := m.Explain(b)
		t.Log(k.Codec(), s, words[3])
		mr, _ := NewMaxSim(k, v[:34*dim], nil)
		b2, _ := k.AppendBlock(nil, v[5*dim:25*dim], nil)
		w2, s2 := mr.ExplainReverse(b2, nil)
		t.Log(s2, w2[3])
	}
}
