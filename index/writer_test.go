package index_test

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/container"
)

func openWriter(t testing.TB, path string, opts *index.BuildOptions) *index.Writer {
	t.Helper()
	w, err := index.OpenWriter(path, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

// sameItems checks that an index holds exactly the items, with everything stored.
func sameItems(t testing.TB, ix *index.Index, want []index.Item) {
	t.Helper()
	sameItemsWithin(t, ix, want, 0.02)
}

// sameItemsWithin allows matching vectors to differ by delta.
func sameItemsWithin(t testing.TB, ix *index.Index, want []index.Item, delta float64) {
	t.Helper()
	got := map[string]bool{}
	for id, err := range ix.IDs(t.Context()) {
		require.NoError(t, err)
		require.False(t, got[id], "twice: %s", id)
		got[id] = true
	}
	require.Len(t, got, len(want))
	require.Equal(t, len(want), ix.Len())
	for _, w := range want {
		it, err := ix.Item(t.Context(), w.ID)
		require.NoError(t, err)
		require.Equal(t, w.Encoding.Text, it.Encoding.Text)
		require.Equal(t, w.Meta, it.Meta)
		require.ElementsMatch(t, w.Tags, it.Tags)
		require.Equal(t, w.Encoding.Labels, it.Encoding.Labels)
		require.Equal(t, w.Encoding.Weights, it.Encoding.Weights)
		require.InDeltaSlice(t, w.Encoding.Matching, it.Encoding.Matching, delta)
	}
}

func TestWriterLife(t *testing.T) {
	ctx := context.Background()
	s := newSynth(3, 64, 64)
	items := images(s, 120)
	for _, match := range []index.Codec{index.Int8, index.F16, index.Bits} {
		for _, regions := range []index.Codec{index.Int8, index.TwoBit} {
			t.Run(match.String()+"-"+regions.String(), func(t *testing.T) {
				path := build(t, &index.BuildOptions{Match: match, Regions: regions}, items[:50])
				ix := open(t, path, nil)
				w := openWriter(t, path, nil)

				for _, it := range items[50:100] {
					require.NoError(t, w.Add(context.Background(), it))
				}
				require.ErrorIs(t, w.Add(context.Background(), items[7]), index.ErrDuplicate)
				require.ErrorIs(t, w.Add(context.Background(), items[60]), index.ErrDuplicate)
				sameItems(t, ix, items[:50])
				require.NoError(t, w.Commit(context.Background()))
				sameItems(t, ix, items[:50])
				newer, err := ix.Refresh(context.Background())
				require.NoError(t, err)
				require.True(t, newer)
				sameItems(t, ix, items[:100])

				// Delete from an old and a new segment, and add one again.
				require.NoError(t, w.Delete(context.Background(), items[3].ID))
				require.NoError(t, w.Delete(context.Background(), items[77].ID))
				require.ErrorIs(t, w.Delete(context.Background(), items[77].ID), index.ErrNotFound)
				require.ErrorIs(t, w.Delete(context.Background(), "no such"), index.ErrNotFound)
				again := items[77]
				again.Encoding = items[110].Encoding
				again.Meta = items[110].Meta
				require.NoError(t, w.Add(context.Background(), again))
				require.NoError(t, w.Add(context.Background(), items[110]))
				require.NoError(t, w.Delete(context.Background(), items[110].ID)) // still pending
				require.NoError(t, w.Commit(context.Background()))
				_, err = ix.Refresh(context.Background())
				require.NoError(t, err)
				want := append(append(append([]index.Item{}, items[:3]...), items[4:77]...), items[78:100]...)
				want = append(want, again)
				sameItems(t, ix, want)
				require.NoError(t, ix.Verify(ctx, nil))

				before, err := ix.Search(ctx, items[0].Encoding, &index.SearchOptions{MatchOnly: true, K: 30})
				require.NoError(t, err)
				require.NoError(t, w.Compact(ctx, &index.CompactOptions{Cells: 4}))
				require.Len(t, func() []container.Segment {
					r, _ := container.Open(nil, path)
					defer r.Close()
					return r.Manifest().Segments
				}(), 1)
				_, err = ix.Refresh(context.Background())
				require.NoError(t, err)
				sameItems(t, ix, want)
				require.NoError(t, ix.Verify(ctx, nil))
				after, err := ix.Search(ctx, items[0].Encoding, &index.SearchOptions{MatchOnly: true, K: 30, Exact: true})
				require.NoError(t, err)
				require.Len(t, after, len(before))
				for i := range after {
					require.Equal(t, before[i].ID, after[i].ID)
					require.Equal(t, before[i].Match, after[i].Match)
				}
				some, err := ix.Search(ctx, items[0].Encoding, &index.SearchOptions{MatchOnly: true, K: 1, Probe: 1})
				require.NoError(t, err)
				require.Equal(t, before[0].ID, some[0].ID)

				// The writer goes on with the compacted file.
				require.NoError(t, w.Add(context.Background(), items[115]))
				require.NoError(t, w.Commit(context.Background()))
				_, err = ix.Refresh(context.Background())
				require.NoError(t, err)
				sameItems(t, ix, append(want, items[115]))
				require.NoError(t, ix.Verify(ctx, nil))
			})
		}
	}
}

func TestCompactKeepsPermissions(t *testing.T) {
	path := build(t, nil, images(newSynth(19, 64, 64), 3))
	require.NoError(t, os.Chmod(path, 0o600))
	w := openWriter(t, path, nil)
	require.NoError(t, w.Compact(context.Background(), nil))
	st, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, st.Mode().Perm())
}

// Many small commits leave few segments, and lose nothing.
func TestSmallCommits(t *testing.T) {
	ctx := context.Background()
	items := images(newSynth(18, 64, 64), 320)
	path := build(t, nil, items[:20])
	w := openWriter(t, path, nil)
	for i, it := range items[20:] {
		require.NoError(t, w.Add(context.Background(), it))
		if i%3 == 0 {
			require.NoError(t, w.Delete(context.Background(), items[i].ID))
		}
		require.NoError(t, w.Commit(context.Background()))
	}
	var want []index.Item
	for i, it := range items {
		if i >= 300 || i%3 != 0 {
			want = append(want, it)
		}
	}
	ix := open(t, path, nil)
	sameItems(t, ix, want)
	require.NoError(t, ix.Verify(ctx, nil))
	info, err := ix.Info(ctx)
	require.NoError(t, err)
	require.Less(t, info.Segments, 50)
}

// Bits alone find the candidates that alignment ranks, in every stage of a file.
func TestNoRescore(t *testing.T) {
	ctx := context.Background()
	items := images(newSynth(28, 512, 64), 300)
	path := build(t, &index.BuildOptions{Match: index.Bits, NoRescore: true, Regions: index.TwoBit, SegmentBytes: 20_000}, items[:290])
	w := openWriter(t, path, nil)
	for _, it := range items[290:] {
		require.NoError(t, w.Add(context.Background(), it))
	}
	require.NoError(t, w.Commit(context.Background()))
	check := func() {
		ix := open(t, path, nil)
		require.Equal(t, 300, ix.Len())
		require.NoError(t, ix.Verify(ctx, nil))
		for _, it := range []index.Item{items[5], items[295]} {
			hits, err := ix.Search(ctx, it.Encoding, &index.SearchOptions{MatchOnly: true, K: 10})
			require.NoError(t, err)
			require.Equal(t, it.ID, hits[0].ID)
			require.InDelta(t, 1, hits[0].Match, 0.01)
			for _, h := range hits {
				require.InDelta(t, 0, h.Match, 1)
			}
			got, err := ix.Item(ctx, it.ID)
			require.NoError(t, err)
			hits, err = ix.Search(ctx, got.Encoding, &index.SearchOptions{MatchOnly: true, K: 1})
			require.NoError(t, err)
			require.Equal(t, it.ID, hits[0].ID)
		}
	}
	check()
	groups, err := open(t, path, nil).Duplicates(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, groups)
	require.ErrorIs(t, w.Compact(ctx, &index.CompactOptions{Cells: 3}), index.ErrInvalid)
	require.NoError(t, w.Compact(ctx, nil))
	check()
}

func TestOneWriter(t *testing.T) {
	path := build(t, nil, images(newSynth(1, 64, 64), 3))
	openWriter(t, path, nil)
	_, err := index.OpenWriter(path, nil)
	require.ErrorIs(t, err, index.ErrLocked)
	_, err = index.NewBuilder(path, nil)
	require.ErrorIs(t, err, index.ErrLocked)
}

func TestDeterministicBytes(t *testing.T) {
	items := images(newSynth(4, 64, 64), 400)
	for _, regions := range []index.Codec{index.Int8, index.FourBit} {
		var files [2][]byte
		for i := range files {
			path := build(t, &index.BuildOptions{Regions: regions, SegmentBytes: 100_000}, items)
			w := openWriter(t, path, nil)
			require.NoError(t, w.Delete(context.Background(), items[5].ID))
			require.NoError(t, w.Commit(context.Background()))
			require.NoError(t, w.Compact(context.Background(), &index.CompactOptions{Cells: 8}))
			require.NoError(t, w.Close())
			var err error
			files[i], err = os.ReadFile(path)
			require.NoError(t, err)
		}
		require.Equal(t, files[0], files[1])
	}
}

func TestDuplicatePolicies(t *testing.T) {
	items := images(newSynth(5, 64, 64), 20)
	twice := items[4]
	twice.Encoding = items[9].Encoding
	for policy, want := range map[index.OnDuplicate]*index.Encoding{index.SkipDuplicate: items[4].Encoding, index.ReplaceDuplicate: twice.Encoding} {
		path := build(t, &index.BuildOptions{Duplicates: policy, SegmentBytes: 2000}, append(items[:10:10], twice))
		got, err := open(t, path, nil).Item(t.Context(), twice.ID)
		require.NoError(t, err)
		require.Equal(t, want.Text, got.Encoding.Text)
		require.Equal(t, 10, open(t, path, nil).Len())
	}
}

func TestModelMismatch(t *testing.T) {
	s := newSynth(6, 64, 64)
	path := build(t, nil, images(s, 5))
	q := s.caption(3)
	q.Model = "model-b"
	_, err := open(t, path, nil).Search(context.Background(), q, &index.SearchOptions{MatchOnly: true})
	require.ErrorIs(t, err, index.ErrModelMismatch)
	require.ErrorContains(t, err, `"model-a"`)
	require.ErrorContains(t, err, `"model-b"`)
	_, err = index.Open(path, &index.Options{Model: "model-b"})
	require.ErrorIs(t, err, index.ErrModelMismatch)
	w := openWriter(t, path, nil)
	require.ErrorIs(t, w.Add(context.Background(), index.Item{ID: "x", Encoding: q}), index.ErrModelMismatch)
}
