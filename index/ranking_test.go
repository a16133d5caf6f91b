package index_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
)

// With a Ranking, hits are ordered by alignment plus matching, computed to the last bit as Score says, whatever the
// segments and threads; AlignOnly is the order without it, and no filter swaps two hits.
func TestRanking(t *testing.T) {
	s := newSynth(23, 64, 64)
	items := images(s, 300)
	q := s.caption(5)
	plain := *q
	q.Ranking = &index.Ranking{MatchScale: 3}
	o := index.SearchOptions{K: 60, Candidates: 60}
	var want []index.Hit
	for _, segment := range []int{0, 3000} {
		path := build(t, &index.BuildOptions{SegmentBytes: segment}, items)
		for _, threads := range []int{1, 3} {
			ix := open(t, path, &index.Options{Threads: threads})
			hits, err := ix.Search(t.Context(), q, &o)
			require.NoError(t, err)
			for i, h := range hits {
				require.Equal(t, q.Ranking.Score(h.Align, h.Match), h.Score)
				require.InDelta(t, h.Align+3*h.Match, h.Score, 1e-5)
				if i > 0 {
					require.LessOrEqual(t, h.Score, hits[i-1].Score)
				}
			}
			if want == nil {
				want = hits
			}
			require.Equal(t, ids(want), ids(hits))

			byAlign, err := ix.Search(t.Context(), &plain, &o)
			require.NoError(t, err)
			require.NotEqual(t, ids(byAlign), ids(hits))
			require.Equal(t, byAlign[0].Align, byAlign[0].Score)
			alone := o
			alone.AlignOnly = true
			again, err := ix.Search(t.Context(), q, &alone)
			require.NoError(t, err)
			require.Equal(t, ids(byAlign), ids(again))

			alone = o
			alone.Tags = index.Tag("even")
			some, err := ix.Search(t.Context(), q, &alone)
			require.NoError(t, err)
			order := func(hits []index.Hit) (out []string) { // of the hits that both have
				for _, h := range hits {
					if slices.Contains(ids(some), h.ID) && slices.Contains(ids(want), h.ID) {
						out = append(out, h.ID)
					}
				}
				return out
			}
			require.NotEmpty(t, order(some))
			require.Equal(t, order(want), order(some))
		}
	}

	// Signs alone are no inner products, and matching alone is ranked by itself.
	ix := open(t, build(t, &index.BuildOptions{Match: index.Bits, NoRescore: true, QueryMean: make([]float32, 64)}, items), nil)
	hits, err := ix.Search(t.Context(), q, &o)
	require.NoError(t, err)
	require.Equal(t, hits[0].Align, hits[0].Score)
	hits, err = ix.Search(t.Context(), q, &index.SearchOptions{MatchOnly: true})
	require.NoError(t, err)
	require.Equal(t, hits[0].Match, hits[0].Score)

	q.Ranking = &index.Ranking{MatchScale: float32(math.NaN())}
	_, err = ix.Search(t.Context(), q, nil)
	require.ErrorIs(t, err, index.ErrInvalid)
}
