package index_test

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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
				require.Equal(t, q.Ranking.Score(h.Align, h.Match, 0), h.Score)
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

// A label that means a word of the query adds to the score of the photos that bear it, by the word's weight, the best of
// several, in a file as in an engine; and the word points at the region with the label.
func TestLabels(t *testing.T) {
	s := newSynth(24, 64, 64)
	items := images(s, 60)
	for i, it := range items {
		it.Encoding.Labels = make([]string, it.Encoding.N())
		if i%3 == 0 && it.Encoding.N() > 1 {
			it.Encoding.Labels[1], it.Encoding.Labels[0] = "dog", "cat"
		}
	}
	q := s.caption(4)
	q.Ranking = &index.Ranking{MatchScale: 1, Labels: make([]map[string]float32, q.N())}
	q.Ranking.Labels[2] = map[string]float32{"dog": 0.5, "cat": 0.1, "cow": 9}
	q.Weights = []float32{1, 1, 2, 1}
	ix := open(t, build(t, nil, items), nil)
	o := &index.SearchOptions{K: 60, Candidates: 60}
	hits, err := ix.Search(t.Context(), q, o)
	require.NoError(t, err)
	bearers := 0
	for _, h := range hits {
		i := slices.IndexFunc(items, func(it index.Item) bool { return it.ID == h.ID })
		var want float32
		if items[i].Encoding.Labels[0] == "cat" {
			want, bearers = 1, bearers+1
		}
		require.Equal(t, want, h.Labelled)
		require.Equal(t, want, q.Ranking.Labelled(q.Weights, items[i].Encoding.Labels))
		require.Equal(t, q.Ranking.Score(h.Align, h.Match, want), h.Score)
		for _, w := range h.Words {
			if w.Token != 2 || want == 0 {
				require.Zero(t, w.Gain)
				continue
			}
			require.Equal(t, float32(0.5), w.Gain)
			require.Equal(t, 1, w.Region)
			require.Equal(t, "dog", w.Label)
		}
	}
	require.Positive(t, bearers)

	l, err := ix.Layout(t.Context())
	require.NoError(t, err)
	m := &memory{items: map[string]*index.Packed{}}
	for p, err := range ix.Packed(t.Context()) {
		require.NoError(t, err)
		m.items[p.ID] = p
	}
	same, err := l.Search(t.Context(), m, q, o)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(hits, same, cmpopts.IgnoreUnexported(index.Hit{})))

	plain, err := ix.Search(t.Context(), q, &index.SearchOptions{K: 60, AlignOnly: true})
	require.NoError(t, err)
	require.Zero(t, plain[0].Labelled)
	q.Weights[2] = -2
	against, err := ix.Search(t.Context(), q, o)
	require.NoError(t, err)
	require.Zero(t, against[0].Labelled, "what is not wanted")
	require.Equal(t, float32(-1), slices.MinFunc(against, func(a, b index.Hit) int { return int(10*a.Labelled) - int(10*b.Labelled) }).Labelled)

	q.Ranking.Labels = q.Ranking.Labels[1:]
	_, err = ix.Search(t.Context(), q, o)
	require.ErrorIs(t, err, index.ErrInvalid)
	q.Ranking.Labels = []map[string]float32{{"dog": float32(math.Inf(1))}, nil, nil, nil}
	_, err = ix.Search(t.Context(), q, o)
	require.ErrorIs(t, err, index.ErrInvalid)
}
