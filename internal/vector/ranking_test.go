package vector

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRanking(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{0, 1, 31, 32, 33, 500} {
		hits := make([]Hit, n)
		for i := range hits {
			hits[i] = Hit{Pos: i, Score: float32(r.IntN(40))}
		}
		want := slices.Clone(hits)
		slices.SortFunc(want, compareHits)
		ranking := NewRanking(hits)
		for i, w := range want {
			require.Len(t, ranking.Rest(), n-i)
			require.Contains(t, ranking.Rest(), w)
			h, ok := ranking.Next()
			require.True(t, ok)
			require.Equal(t, w, h)
		}
		_, ok := ranking.Next()
		require.False(t, ok)
	}
}

func TestTighten(t *testing.T) {
	top := NewTopK(3)
	for i := range 5 {
		top.Push(Hit{Pos: i, Score: float32(i)})
	}
	top.Tighten()
	require.Equal(t, float32(2), top.Threshold())
	require.Equal(t, []Hit{{4, 4}, {3, 3}, {2, 2}}, top.Hits())
}
