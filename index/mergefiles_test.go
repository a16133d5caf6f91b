package index_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
)

// mixture has images, captions, items without tokens and without texts, in ascending order of id.
func mixture(s *synth, n int) []index.Item {
	items := images(s, n)
	for i := range items {
		switch i % 5 {
		case 1:
			items[i].Encoding = s.caption(2 + i%7)
			items[i].State = fmt.Appendf(nil, "state %d", i)
		case 2:
			items[i].Encoding.Text, items[i].Meta, items[i].Tags = "", nil, []string{"t1", "even", "t1"}
		case 3:
			e := *items[i].Encoding
			e.Tokens, e.Weights, e.Boxes, e.Labels = nil, nil, nil, nil
			items[i].Encoding = &e
		}
	}
	slices.SortFunc(items, func(a, b index.Item) int { return cmp.Compare(a.ID, b.ID) })
	return items
}

// split deals items out by their ids.
func split(items []index.Item, n int) [][]index.Item {
	out := make([][]index.Item, n)
	for _, it := range items {
		h := fnv.New32a()
		h.Write([]byte(it.ID))
		out[h.Sum32()%uint32(n)] = append(out[h.Sum32()%uint32(n)], it)
	}
	return out
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

// What is merged of parts is what would have been built at once, to the last byte.
func TestMergeEqualsBuild(t *testing.T) {
	items := mixture(newSynth(11, 70, 66), 400)
	mean := newSynth(12, 70, 66).unit(70)
	for _, parts := range []index.BuildOptions{
		{Match: index.Int8, Regions: index.Int8}, {Match: index.Int8, Regions: index.None}, {Match: index.F16, Regions: index.F16}, {Match: index.F32, Regions: index.Int8},
	} {
		for _, whole := range []index.BuildOptions{
			{Match: index.Int8, Regions: index.Int8}, {Match: index.F16, Regions: index.F16}, {Match: index.Int8, Regions: index.None},
			{Match: index.Int8, Regions: index.TwoBit}, {Match: index.Bits, Regions: index.Int8},
			{Match: index.Bits, NoRescore: true, QueryMean: mean, Regions: index.FourBit},
		} {
			merges := parts.Regions != index.None || whole.Regions == index.None
			if parts.Match == index.F16 {
				merges = whole.Match == index.F16 // of the halves no other codec makes what it makes of the floats
			} else if whole.Match == index.F16 {
				merges = false
			}
			if !merges {
				continue
			}
			for _, n := range []int{1, 7} {
				whole.SegmentBytes, parts.SegmentBytes = 20<<10, 9<<10
				t.Run(fmt.Sprintf("%v-%v/%v-%v/%d", parts.Match, parts.Regions, whole.Match, whole.Regions, n), func(t *testing.T) {
					want := build(t, &whole, items)
					var files []string
					for _, part := range split(items, n) {
						files = append(files, build(t, &parts, part))
					}
					slices.Reverse(files)
					got := filepath.Join(t.TempDir(), "all.aladin")
					opts := index.MergeOptions{BuildOptions: whole}
					stats, err := index.Merge(t.Context(), got, files, &opts)
					require.NoError(t, err)
					require.Equal(t, index.Stats{Added: len(items)}, stats)
					require.True(t, bytes.Equal(readFile(t, want), readFile(t, got)))
					info, err := open(t, got, nil).Info(t.Context())
					require.NoError(t, err)
					require.Greater(t, info.Segments, 1, "a test of several segments")
				})
			}
		}
	}
}

// Files that were changed since they were built are merged as they are now.
func TestMergeChanged(t *testing.T) {
	ctx := context.Background()
	items := mixture(newSynth(13, 64, 64), 120)
	var files []string
	for _, part := range split(items, 2) {
		files = append(files, build(t, nil, part))
	}
	kept := slices.DeleteFunc(slices.Clone(items), func(it index.Item) bool { return it.ID < "0020.jpg" })
	for i, part := range split(items, 2) {
		w, err := index.OpenWriter(files[i], nil)
		require.NoError(t, err)
		for _, it := range part {
			if it.ID < "0020.jpg" {
				require.NoError(t, w.Delete(ctx, it.ID))
				continue
			}
			require.NoError(t, w.Update(ctx, it.ID, func(f *index.Fields) {
				f.Tags, f.Meta, f.State = append(f.Tags, "new"), []byte(`{"new":true}`), []byte("s")
			}))
		}
		require.NoError(t, w.Commit(ctx))
		require.NoError(t, w.Close())
	}
	for i := range kept {
		kept[i].Tags = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(kept[i].Tags), "new"))))
		kept[i].Meta, kept[i].State = []byte(`{"new":true}`), []byte("s")
	}
	got := filepath.Join(t.TempDir(), "all.aladin")
	_, err := index.Merge(ctx, got, files, nil)
	require.NoError(t, err)
	require.True(t, bytes.Equal(readFile(t, build(t, nil, kept)), readFile(t, got)))
	sameItems(t, open(t, got, nil), kept)

	// So are those that were arranged in cells.
	w := openWriter(t, files[0], nil)
	require.NoError(t, w.Compact(ctx, &index.CompactOptions{Cells: 5}))
	again := filepath.Join(t.TempDir(), "again.aladin")
	_, err = index.Merge(ctx, again, files, nil)
	require.NoError(t, err)
	require.True(t, bytes.Equal(readFile(t, got), readFile(t, again)))
}

func TestMergeRules(t *testing.T) {
	ctx := context.Background()
	s := newSynth(14, 64, 64)
	one, two := mixture(s, 30), mixture(s, 40)
	files := []string{build(t, nil, one), build(t, nil, two)}
	out := filepath.Join(t.TempDir(), "all.aladin")
	merge := func(opts *index.MergeOptions, files ...string) (index.Stats, error) {
		stats, err := index.Merge(ctx, out, files, opts)
		if err != nil {
			left, globErr := filepath.Glob(out + "*")
			require.NoError(t, globErr)
			assert.LessOrEqual(t, len(left), 1, "only the lock stays: %v", left)
		}
		return stats, err
	}
	_, err := merge(nil, files...)
	require.ErrorIs(t, err, index.ErrDuplicate)
	require.ErrorContains(t, err, files[1])

	_, err = merge(&index.MergeOptions{BuildOptions: index.BuildOptions{Model: "model-b"}}, files...)
	require.ErrorIs(t, err, index.ErrModelMismatch)
	other := mixture(newSynth(15, 64, 64), 3)
	for i := range other {
		e := *other[i].Encoding
		e.Model = "model-b"
		other[i].Encoding, other[i].ID = &e, fmt.Sprint("other", i)
	}
	stranger := build(t, nil, other)
	_, err = merge(nil, files[0], stranger)
	require.ErrorIs(t, err, index.ErrModelMismatch)
	require.ErrorContains(t, err, stranger)

	for _, o := range []index.BuildOptions{{Match: index.F16}, {Regions: index.F16}} {
		_, err = merge(&index.MergeOptions{BuildOptions: o}, files[0])
		require.ErrorIs(t, err, index.ErrInvalid)
	}
	_, err = merge(nil, build(t, &index.BuildOptions{Regions: index.TwoBit}, one))
	require.ErrorContains(t, err, "build it with int8, and choose 2bit when files are merged")
	_, err = merge(nil)
	require.ErrorIs(t, err, index.ErrInvalid)
	_, err = merge(nil, files[0], filepath.Join(t.TempDir(), "no such"))
	require.ErrorIs(t, err, os.ErrNotExist)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err = index.Merge(ended, out, files[:1], nil)
	require.ErrorIs(t, err, context.Canceled)
	cut := filepath.Join(t.TempDir(), "cut")
	require.NoError(t, os.WriteFile(cut, readFile(t, files[0])[:9000], 0o600))
	_, err = merge(nil, files[1], cut)
	require.ErrorIs(t, err, index.ErrCorrupt)

	// Of two items with one id the first file's or the last file's is kept.
	for rule, from := range map[index.OnDuplicate][]index.Item{index.SkipDuplicate: one, index.ReplaceDuplicate: two} {
		var calls int
		stats, err := merge(&index.MergeOptions{BuildOptions: index.BuildOptions{Duplicates: rule}, Progress: func(int, int) { calls++ }}, files...)
		require.NoError(t, err)
		require.Positive(t, calls)
		require.Equal(t, 40, stats.Added)
		require.Equal(t, 30, stats.Skipped+stats.Replaced)
		it, err := open(t, out, nil).Item(ctx, one[4].ID)
		require.NoError(t, err)
		require.Equal(t, from[4].Encoding.Text, it.Encoding.Text)
		require.InDeltaSlice(t, from[4].Encoding.Matching, it.Encoding.Matching, 0.02)
	}

	// Files without items are parts, too.
	_, err = merge(nil, build(t, &index.BuildOptions{Model: "model-a"}, nil), files[0], build(t, nil, nil))
	require.NoError(t, err)
	require.True(t, bytes.Equal(readFile(t, files[0]), readFile(t, out)))
	// Bits that lie beside int8 codes are learned anew.
	bits := build(t, &index.BuildOptions{Match: index.Bits}, one)
	_, err = merge(nil, bits)
	require.NoError(t, err)
	require.True(t, bytes.Equal(readFile(t, bits), readFile(t, out)))
}

// BenchmarkMerge merges four parts of items with 768 values and 34 tokens of 128.
func BenchmarkMerge(b *testing.B) {
	const items = 4000
	s := newSynth(16, 768, 128)
	var files []string
	for part := range 4 {
		var some []index.Item
		for i := range items / 4 {
			some = append(some, index.Item{ID: fmt.Sprintf("%06d.jpg", 4*i+part), Encoding: s.image(34), Tags: []string{"t"}})
		}
		files = append(files, build(b, nil, some))
	}
	for _, regions := range []index.Codec{index.Int8, index.TwoBit} {
		b.Run(regions.String(), func(b *testing.B) {
			for b.Loop() {
				_, err := index.Merge(context.Background(), filepath.Join(b.TempDir(), "all.aladin"), files, &index.MergeOptions{BuildOptions: index.BuildOptions{Regions: regions}})
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/items, "µs/item")
		})
	}
}
