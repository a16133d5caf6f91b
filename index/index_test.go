package index_test

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
)

// build makes an index of n images and returns its path and items.
func build(t testing.TB, opts *index.BuildOptions, items []index.Item) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.aladin")
	b, err := index.NewBuilder(path, opts)
	require.NoError(t, err)
	defer b.Close()
	for _, it := range items {
		require.NoError(t, b.Add(context.Background(), it))
	}
	require.NoError(t, b.Finish(context.Background()))
	return path
}

func open(t testing.TB, path string, opts *index.Options) *index.Index {
	t.Helper()
	ix, err := index.Open(path, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ix.Close()) })
	return ix
}

func images(s *synth, n int) []index.Item {
	items := make([]index.Item, n)
	for i := range items {
		items[i] = index.Item{ID: fmt.Sprintf("%04d.jpg", (i*7919)%n), Encoding: s.image(3 + i%4)}
		items[i].Encoding.Text = fmt.Sprintf("picture number %d of a series", i)
		items[i].Meta = []byte(fmt.Sprintf(`{"n":%d}`, i))
		items[i].Tags = []string{fmt.Sprintf("t%d", i%3)}
		if i%2 == 0 {
			items[i].Tags = append(items[i].Tags, "even")
		}
	}
	return items
}

func dot(a, b []float32) (s float32) {
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

// exact is what Match should find, from the vectors themselves.
func exact(q *index.Encoding, items []index.Item, k int) []index.Hit {
	var hits []index.Hit
	for _, it := range items {
		hits = append(hits, index.Hit{ID: it.ID, Match: dot(q.Matching, it.Encoding.Matching)})
	}
	slices.SortFunc(hits, func(a, b index.Hit) int {
		return cmp.Or(cmp.Compare(b.Match, a.Match), cmp.Compare(a.ID, b.ID))
	})
	return hits[:min(k, len(hits))]
}

// aligned is the alignment score of a caption and an image, from the tokens.
func aligned(words, regions *index.Encoding, dim int) float32 {
	var sum float32
	for w := range words.N() {
		best := float32(-2)
		for r := range regions.N() {
			if regions.Weights[r] > 0 {
				best = max(best, dot(words.Tokens[w*dim:(w+1)*dim], regions.Tokens[r*dim:(r+1)*dim]))
			}
		}
		sum += words.Weights[w] * best
	}
	return sum
}

func TestEndToEnd(t *testing.T) {
	ctx := context.Background()
	for _, match := range []index.Codec{index.F32, index.F16, index.Int8, index.Bits} {
		for _, regions := range []index.Codec{index.F16, index.Int8, index.FourBit, index.TwoBit, index.None} {
			t.Run(fmt.Sprint(match, "-", regions), func(t *testing.T) {
				s := newSynth(1, 96, 64)
				items := images(s, 300)
				path := build(t, &index.BuildOptions{Match: match, Regions: regions}, items)
				ix := open(t, path, nil)
				require.Equal(t, 300, ix.Len())
				require.Equal(t, "model-a", ix.Model())
				require.NoError(t, ix.Verify(ctx, nil))

				q := s.caption(6)
				hits, err := ix.Search(ctx, q, &index.SearchOptions{MatchOnly: true, K: 10})
				require.NoError(t, err)
				want := exact(q, items, 10)
				require.Len(t, hits, 10)
				tolerance := map[index.Codec]float64{index.F32: 1e-6, index.F16: 1e-3}[match]
				if tolerance == 0 {
					tolerance = 5e-3
				}
				for i := range hits {
					require.InDelta(t, want[i].Match, hits[i].Match, tolerance)
				}
				if regions == index.None {
					got, err := ix.Search(ctx, q, nil)
					require.NoError(t, err)
					require.Equal(t, hits, got, "without tokens, the vectors alone rank")
					return
				}
				tolerance = map[index.Codec]float64{index.F16: 5e-3, index.Int8: 0.05, index.FourBit: 0.3, index.TwoBit: 1}[regions]
				byID := map[string]*index.Encoding{}
				for _, it := range items {
					byID[it.ID] = it.Encoding
				}
				hits, err = ix.Search(ctx, q, nil)
				require.NoError(t, err)
				for i, h := range hits {
					require.InDelta(t, aligned(q, byID[h.ID], 64), h.Align, tolerance)
					var sum float32
					for _, w := range h.Words {
						sum += w.Similarity * w.Weight
						require.InDelta(t, byID[h.ID].Boxes[w.Region][0], w.Box[0], 1e-4)
						require.Equal(t, byID[h.ID].Labels[w.Region], w.Label)
						require.Equal(t, q.Text[w.Start:w.End], w.Word)
					}
					require.InDelta(t, h.Align, sum, 1e-4)
					if i > 0 {
						require.LessOrEqual(t, h.Align, hits[i-1].Align)
					}
				}
			})
		}
	}
}

func TestStoredItem(t *testing.T) {
	s := newSynth(2, 64, 64)
	items := images(s, 100)
	items = append(items, index.Item{ID: "c", Encoding: s.caption(5)})
	ix := open(t, build(t, nil, items), nil)
	for _, want := range items {
		got, err := ix.Item(context.Background(), want.ID)
		require.NoError(t, err)
		require.Equal(t, want.ID, got.ID)
		require.ElementsMatch(t, want.Tags, got.Tags)
		require.Equal(t, want.Meta, got.Meta)
		e, g := want.Encoding, got.Encoding
		require.Equal(t, e.Text, g.Text)
		require.Equal(t, e.Kind, g.Kind)
		require.Equal(t, e.Weights, g.Weights)
		require.Equal(t, e.Words, g.Words)
		require.Equal(t, e.Labels, g.Labels)
		require.InDeltaSlice(t, e.Matching, g.Matching, 0.01)
		for i, w := range e.Weights {
			if w > 0 {
				require.InDeltaSlice(t, e.Tokens[i*64:(i+1)*64], g.Tokens[i*64:(i+1)*64], 0.01)
			}
		}
	}
	_, err := ix.Item(context.Background(), "no such")
	require.ErrorIs(t, err, index.ErrNotFound)
}
