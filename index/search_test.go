package index_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
)

func ids(hits []index.Hit) []string {
	var out []string
	for _, h := range hits {
		out = append(out, h.ID)
	}
	return out
}

func TestFilters(t *testing.T) {
	ctx := context.Background()
	s := newSynth(7, 64, 64)
	items := images(s, 200)
	items = append(items, index.Item{ID: "a caption", Encoding: s.caption(3)})
	path := build(t, &index.BuildOptions{SegmentBytes: 5000}, items)
	ix := open(t, path, nil)
	q := s.caption(4)
	has := func(it index.Item, tag string) bool { return slices.Contains(it.Tags, tag) }
	for _, c := range []struct {
		query index.SearchOptions
		pass  func(index.Item) bool
	}{
		{index.SearchOptions{Tags: index.Tag("t1")}, func(it index.Item) bool { return has(it, "t1") }},
		{index.SearchOptions{Tags: index.Tag("t1", "even")}, func(it index.Item) bool { return has(it, "t1") && has(it, "even") }},
		{index.SearchOptions{Tags: index.Or(index.Tag("t1"), index.Tag("t2"))}, func(it index.Item) bool { return has(it, "t1") || has(it, "t2") }},
		{index.SearchOptions{Tags: index.Not(index.Tag("even"))}, func(it index.Item) bool { return !has(it, "even") }},
		{index.SearchOptions{Tags: index.And(index.Not(index.Tag("even")), index.Not(index.Tag("t0")))}, func(it index.Item) bool { return !has(it, "even") && !has(it, "t0") }},
		{index.SearchOptions{Tags: index.And(index.Tag(), index.Tag("even"))}, func(it index.Item) bool { return has(it, "even") }},
		{index.SearchOptions{Tags: index.Not(index.Tag())}, func(index.Item) bool { return false }},
		{index.SearchOptions{Tags: index.Tag("no such tag")}, func(index.Item) bool { return false }},
		{index.SearchOptions{Kinds: []index.Kind{index.Caption}}, func(it index.Item) bool { return it.Encoding.Kind == index.Caption }},
		{index.SearchOptions{IDs: []string{items[5].ID, items[9].ID, "unknown"}}, func(it index.Item) bool { return it.ID == items[5].ID || it.ID == items[9].ID }},
		{index.SearchOptions{IDs: []string{}}, func(it index.Item) bool { return false }},
		{index.SearchOptions{Exclude: []string{items[5].ID}, Tags: index.Tag("even")}, func(it index.Item) bool { return it.ID != items[5].ID && has(it, "even") }},
	} {
		var pass []index.Item
		for _, it := range items {
			if c.pass(it) {
				pass = append(pass, it)
			}
		}
		c.query.K = 1000
		c.query.MatchOnly = true
		hits, err := ix.Search(ctx, q, &c.query)
		require.NoError(t, err)
		require.Len(t, hits, len(pass), "%v", c.query)
		c.query.K = 7
		few, err := ix.Search(ctx, q, &c.query)
		require.NoError(t, err)
		require.Equal(t, ids(hits[:min(7, len(hits))]), ids(few))
		for _, h := range hits {
			i := slices.IndexFunc(pass, func(it index.Item) bool { return it.ID == h.ID })
			require.GreaterOrEqual(t, i, 0, "%v found %s", c.query, h.ID)
		}
	}
}

func TestParseFilter(t *testing.T) {
	require.Equal(t, "(not () or a)", index.Or(nil, index.Tag("a")).String())
	for in, want := range map[string]string{
		"dog":                       "dog",
		"dog and cat or bird":       "((dog and cat) or bird)",
		"not dog AND (cat OR bird)": "(not dog and (cat or bird))",
		`"a tag" and "and"`:         `("a tag" and "and")`,
		`"q\"uote"`:                 `"q\"uote"`,
		"not not x":                 "not not x",
		"hund/katze and jahr:2024":  "(hund/katze and jahr:2024)",
		" 狗 or 猫 ":                  "(狗 or 猫)",
	} {
		f, err := index.ParseFilter(in)
		require.NoError(t, err, in)
		require.Equal(t, want, f.String())
		again, err := index.ParseFilter(f.String())
		require.NoError(t, err)
		require.Equal(t, want, again.String())
	}
	for _, in := range []string{"", "and", "dog cat", "(dog", "dog)", "not", `"open`, "dog and", "dog & cat", strings.Repeat("(", 1000), strings.Repeat("not ", 1000)} {
		_, err := index.ParseFilter(in)
		require.ErrorIs(t, err, index.ErrInvalid, in)
	}
}

func FuzzParseFilter(f *testing.F) {
	f.Add(`a and not (b or "c d")`)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := index.ParseFilter(s)
		if err != nil {
			return
		}
		again, err := index.ParseFilter(p.String())
		require.NoError(t, err)
		require.Equal(t, p.String(), again.String())
	})
}

// The same hits with any number of threads, in a batch or alone, whatever the
// segments, and equal scores in order of id.
func TestSameResults(t *testing.T) {
	ctx := context.Background()
	s := newSynth(8, 64, 64)
	items := images(s, 300)
	for i := range items[:60] { // copies of few vectors make ties
		items[i].Encoding.Matching = items[i%5].Encoding.Matching
	}
	var queries []*index.Encoding
	for range 20 {
		queries = append(queries, s.caption(4))
	}
	queries[3] = items[2].Encoding
	for _, codec := range []index.Codec{index.Int8, index.F32, index.F16, index.Bits} {
		var want [][]index.Hit
		for _, segment := range []int{0, 3000, 20_000} {
			path := build(t, &index.BuildOptions{Match: codec, SegmentBytes: segment, QueryMean: make([]float32, 64)}, items)
			for _, threads := range []int{1, 2, 7} {
				ix := open(t, path, &index.Options{Threads: threads})
				got, err := ix.SearchBatch(ctx, queries, &index.SearchOptions{K: 25, Candidates: 60})
				require.NoError(t, err)
				for i, q := range queries {
					one, err := ix.Search(ctx, q, &index.SearchOptions{K: 25, Candidates: 60})
					require.NoError(t, err)
					require.Equal(t, one, got[i])
					one, err = ix.Search(ctx, q, &index.SearchOptions{MatchOnly: true, K: 25})
					require.NoError(t, err)
					for j := range got[i][1:] {
						if a, b := one[j], one[j+1]; a.Match == b.Match {
							require.Less(t, a.ID, b.ID)
						}
					}
				}
				if want == nil {
					want = got
				}
				for i := range got {
					require.Equal(t, ids(want[i]), ids(got[i]), "%v, %d bytes a segment, %d threads", codec, segment, threads)
					for j := range got[i] {
						require.Equal(t, want[i][j].Match, got[i][j].Match)
						require.Equal(t, want[i][j].Align, got[i][j].Align)
					}
				}
			}
		}
	}
}

// Search is recall, alignment and explanation on one commit.
func TestSearchStages(t *testing.T) {
	ctx := context.Background()
	s := newSynth(19, 64, 64)
	items := images(s, 300)
	ix := open(t, build(t, nil, items), nil)
	q := s.caption(5)
	var stats index.SearchStats
	hits, err := ix.Search(ctx, q, &index.SearchOptions{K: 7, Candidates: 60, WithFields: true, Stats: &stats})
	require.NoError(t, err)
	require.Len(t, hits, 7)
	require.Equal(t, 60, stats.Candidates)
	require.True(t, stats.Aligned)
	recalled, err := ix.Search(ctx, q, &index.SearchOptions{K: 60, MatchOnly: true, Stats: &stats})
	require.NoError(t, err)
	require.False(t, stats.Aligned)
	for i, h := range hits {
		require.Equal(t, h.ID, recalled[h.MatchRank-1].ID)
		require.NotEmpty(t, h.Words)
		f, err := ix.Fields(ctx, h.ID)
		require.NoError(t, err)
		require.Equal(t, f, h.Fields)
		if i > 0 {
			require.LessOrEqual(t, h.Align, hits[i-1].Align)
		}
	}
	for _, h := range recalled {
		require.Nil(t, h.Words)
		require.Zero(t, h.Align)
		if h.ID == hits[0].ID {
			continue
		}
		it, err := ix.Item(ctx, h.ID)
		require.NoError(t, err)
		require.Less(t, float64(aligned(q, it.Encoding, 64)), float64(hits[0].Align)+0.05)
	}

	plain, err := ix.Search(ctx, q, &index.SearchOptions{K: 7, Candidates: 60, NoExplain: true})
	require.NoError(t, err)
	for i := range hits {
		require.Nil(t, plain[i].Words)
		require.Equal(t, hits[i].Coverage, plain[i].Coverage)
		require.Equal(t, hits[i].Align, plain[i].Align)
	}
	relevant, err := ix.Search(ctx, q, &index.SearchOptions{K: 7, Candidates: 60, MinShare: 0.9})
	require.NoError(t, err)
	require.NotEmpty(t, relevant)
	require.Less(t, len(relevant), 7)

	// An image among images is ranked by its vector; defaults are 10 of 200.
	hits, err = ix.Search(ctx, items[3].Encoding, nil)
	require.NoError(t, err)
	require.Len(t, hits, index.DefaultK)
	require.Equal(t, items[3].ID, hits[0].ID)
	for i, h := range hits {
		require.Equal(t, i+1, h.MatchRank)
		require.NotEmpty(t, h.Words)
	}
	for _, o := range []index.SearchOptions{{K: -1}, {Candidates: -1}, {Probe: -1}} {
		_, err = ix.Search(ctx, q, &o)
		require.ErrorIs(t, err, index.ErrInvalid)
	}
}

// Vectors longer than 1 are refused, and rounding makes no match better than 1.
func TestLengths(t *testing.T) {
	s := newSynth(20, 96, 64)
	long := s.image(2)
	for i := range long.Matching {
		long.Matching[i] *= 1.02
	}
	path := filepath.Join(t.TempDir(), "f")
	b, err := index.NewBuilder(path, nil)
	require.NoError(t, err)
	defer b.Close()
	err = b.Add(t.Context(), index.Item{ID: "long.jpg", Encoding: long})
	require.ErrorIs(t, err, index.ErrInvalid)
	require.ErrorContains(t, err, "normalise")
	items := images(s, 200)
	for _, it := range items {
		require.NoError(t, b.Add(t.Context(), it))
	}
	require.NoError(t, b.Finish(t.Context()))
	require.Equal(t, 200, b.Stats().Added, "also when it is finished")
	ix := open(t, path, nil)
	for _, it := range items {
		hits, err := ix.Search(t.Context(), it.Encoding, &index.SearchOptions{K: 1})
		require.NoError(t, err)
		require.LessOrEqual(t, hits[0].Match, float32(1))
		require.InDelta(t, 1, hits[0].Match, 0.01)
	}
}

// Coverage is the mean similarity of the words, negative ones counted as 0.
func TestCoverage(t *testing.T) {
	e := &index.Encoding{Kind: index.Image, Model: "m", Matching: []float32{1, 0}, Tokens: []float32{1, 0}, Weights: []float32{1}}
	ix := open(t, build(t, nil, []index.Item{{ID: "a", Encoding: e}}), nil)
	q := &index.Encoding{Kind: index.Caption, Model: "m", Matching: []float32{1, 0}, Tokens: []float32{0.8, 0.6, -0.6, 0.8},
		Words: []index.Word{{Text: "dog", End: 3}, {Text: "sofa", Start: 4, End: 8}}}
	for _, o := range []*index.SearchOptions{nil, {NoExplain: true}, {MinCoverage: 0.39}} {
		hits, err := ix.Search(t.Context(), q, o)
		require.NoError(t, err)
		require.InDelta(t, 0.2, hits[0].Align, 0.01)
		require.InDelta(t, 0.4, hits[0].Coverage, 0.01)
	}
	hits, err := ix.Search(t.Context(), q, &index.SearchOptions{MinCoverage: 0.41})
	require.NoError(t, err)
	require.Empty(t, hits)
}

func TestImageQueryOnCaptions(t *testing.T) {
	ctx := context.Background()
	s := newSynth(9, 64, 64)
	var items []index.Item
	for i := range 40 {
		items = append(items, index.Item{ID: fmt.Sprint("c", i), Encoding: s.caption(3 + i%5)})
	}
	ix := open(t, build(t, nil, items), nil)
	q := s.image(6)
	hits, err := ix.Search(ctx, q, &index.SearchOptions{K: 40})
	require.NoError(t, err)
	for _, h := range hits {
		i := slices.IndexFunc(items, func(it index.Item) bool { return it.ID == h.ID })
		c := items[i].Encoding
		require.InDelta(t, aligned(c, q, 64), h.Align, 0.05)
		for _, w := range h.Words {
			require.Equal(t, c.Text[w.Start:w.End], w.Word)
			require.Equal(t, q.Boxes[w.Region], w.Box)
			require.Equal(t, q.Labels[w.Region], w.Label)
		}
	}
}

func TestNegativeWeights(t *testing.T) {
	ctx := context.Background()
	s := newSynth(10, 64, 64)
	items := images(s, 30)
	ix := open(t, build(t, &index.BuildOptions{Regions: index.F16}, items), nil)
	q := s.caption(6)
	q.Weights = []float32{1, -0.5, 0, 2, -1, 1}
	hits, err := ix.Search(ctx, q, &index.SearchOptions{K: 30})
	require.NoError(t, err)
	for _, h := range hits {
		j := slices.IndexFunc(items, func(it index.Item) bool { return it.ID == h.ID })
		require.InDelta(t, aligned(q, items[j].Encoding, 64), h.Align, 0.01)
		var sum float32
		for _, w := range h.Words {
			sum += w.Weight * w.Similarity
		}
		require.InDelta(t, h.Align, sum, 1e-4)
	}
}

// Pieces of one word are one match, and the matches still add up to the score.
func TestWordPieces(t *testing.T) {
	ctx := context.Background()
	s := newSynth(11, 64, 64)
	ix := open(t, build(t, nil, images(s, 5)), nil)
	q := s.caption(4)
	q.Weights = nil
	q.Words[2] = q.Words[1]
	hits, err := ix.Search(ctx, q, &index.SearchOptions{K: 1})
	require.NoError(t, err)
	require.Len(t, hits[0].Words, 3)
	require.EqualValues(t, 2, hits[0].Words[1].Weight)
	var sum float32
	for _, w := range hits[0].Words {
		sum += w.Weight * w.Similarity
	}
	require.InDelta(t, hits[0].Align, sum, 1e-5)
}

func TestDuplicates(t *testing.T) {
	ctx := context.Background()
	s := newSynth(12, 64, 64)
	items := images(s, 150)
	short := float32(1)
	copyOf := func(i, of int) {
		v := slices.Clone(items[of].Encoding.Matching)
		v[0] += 0.01
		for k := range v { // lengths other than 1 count for nothing
			v[k] *= 0.9
			items[of].Encoding.Matching[k] *= short
		}
		items[i].Encoding.Matching = v
	}
	copyOf(10, 3)
	copyOf(20, 3)
	short = 0.8
	copyOf(99, 98)
	want := [][]string{{items[3].ID, items[10].ID, items[20].ID}, {items[98].ID, items[99].ID}}
	for _, g := range want {
		slices.Sort(g)
	}
	slices.SortFunc(want, slices.Compare[[]string])
	for _, match := range []index.Codec{index.Int8, index.F32, index.Bits} {
		path := build(t, &index.BuildOptions{Match: match, SegmentBytes: 9000}, items)
		got, err := open(t, path, nil).Duplicates(ctx, nil)
		require.NoError(t, err)
		require.Equal(t, want, got)
		w := openWriter(t, path, nil)
		require.NoError(t, w.Delete(context.Background(), items[99].ID))
		require.NoError(t, w.Compact(ctx, &index.CompactOptions{Cells: 5}))
		got, err = open(t, path, nil).Duplicates(ctx, nil)
		require.NoError(t, err)
		require.Equal(t, 1, len(got))
	}
}

// Readers search while a writer adds, deletes and compacts, and each sees whole
// commits only.
func TestConcurrentUse(t *testing.T) {
	ctx := context.Background()
	s := newSynth(13, 64, 64)
	items := images(s, 160)
	path := build(t, nil, items[:40])
	ix, err := index.Open(path, nil)
	require.NoError(t, err)
	q := s.caption(4)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for r := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(r), 1))
			for {
				select {
				case <-stop:
					return
				default:
				}
				if rng.IntN(4) == 0 {
					if _, err := ix.Refresh(context.Background()); err != nil {
						t.Error(err)
					}
				}
				hits, err := ix.Search(ctx, q, &index.SearchOptions{K: 1000, WithFields: true})
				if err != nil || len(hits)%20 != 0 {
					t.Errorf("%d hits, %v", len(hits), err)
				}
				for _, h := range hits {
					if len(h.Words) == 0 || h.Fields == nil {
						t.Errorf("%s is not explained", h.ID)
					}
				}
			}
		})
	}
	w := openWriter(t, path, nil)
	for round := range 6 {
		for _, it := range items[40+20*round : 60+20*round] {
			require.NoError(t, w.Add(context.Background(), it))
		}
		require.NoError(t, w.Commit(context.Background()))
		for _, it := range items[20*round : 20*round+20] {
			require.NoError(t, w.Delete(context.Background(), it.ID))
		}
		require.NoError(t, w.Commit(context.Background()))
		if round%2 == 1 {
			require.NoError(t, w.Compact(ctx, nil))
		}
	}
	close(stop)
	wg.Wait()
	require.NoError(t, ix.Close())
	_, err = ix.Search(ctx, q, &index.SearchOptions{MatchOnly: true})
	require.ErrorIs(t, err, index.ErrClosed)
	require.NoError(t, ix.Close())
}

func TestCancel(t *testing.T) {
	s := newSynth(14, 64, 64)
	ix := open(t, build(t, nil, images(s, 30)), nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := ix.Search(ctx, s.caption(3), &index.SearchOptions{MatchOnly: true})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, ix.Verify(ctx, nil), context.Canceled)
}

func TestInvalidInput(t *testing.T) {
	s := newSynth(15, 64, 64)
	path := build(t, nil, images(s, 3))
	ix := open(t, path, nil)
	nan := s.caption(3)
	nan.Matching[5] = float32(math.NaN())
	short := s.caption(3)
	short.Matching = short.Matching[:60]
	for name, q := range map[string]*index.Encoding{"nil": nil, "nan": nan, "short": short} {
		_, err := ix.Search(context.Background(), q, &index.SearchOptions{MatchOnly: true})
		require.ErrorIs(t, err, index.ErrInvalid, name)
	}
	_, err := ix.Search(context.Background(), s.caption(1), &index.SearchOptions{MatchOnly: true, K: -1})
	require.ErrorIs(t, err, index.ErrInvalid)

	w := openWriter(t, path, nil)
	negative := s.image(2)
	negative.Weights = []float32{1, -1}
	for name, it := range map[string]index.Item{
		"no id":       {Encoding: s.image(2)},
		"no encoding": {ID: "x"},
		"bad utf-8":   {ID: "\xff", Encoding: s.image(2)},
		"bad meta":    {ID: "x", Encoding: s.image(2), Meta: []byte("{")},
		"empty tag":   {ID: "x", Encoding: s.image(2), Tags: []string{""}},
		"nan":         {ID: "x", Encoding: nan},
		"negative":    {ID: "x", Encoding: negative},
		"other dim":   {ID: "x", Encoding: newSynth(1, 32, 64).image(2)},
		"other token": {ID: "x", Encoding: newSynth(1, 64, 32).image(2)},
	} {
		require.ErrorIs(t, w.Add(context.Background(), it), index.ErrInvalid, name)
	}
	require.NoError(t, w.Add(context.Background(), index.Item{ID: "🐕 犬.jpg", Encoding: s.image(2), Meta: []byte(`"犬"`), Tags: []string{"犬"}}))
	require.NoError(t, w.Commit(context.Background()))
	_, err = ix.Refresh(context.Background())
	require.NoError(t, err)
	hits, err := ix.Search(context.Background(), s.caption(2), &index.SearchOptions{MatchOnly: true, Tags: index.Tag("犬")})
	require.NoError(t, err)
	require.Equal(t, []string{"🐕 犬.jpg"}, ids(hits))
}

func TestEmptyIndex(t *testing.T) {
	ctx := context.Background()
	path := build(t, nil, nil)
	ix := open(t, path, nil)
	s := newSynth(16, 64, 64)
	hits, err := ix.Search(ctx, s.caption(3), &index.SearchOptions{MatchOnly: true})
	require.NoError(t, err)
	require.Empty(t, hits)
	w := openWriter(t, path, nil)
	require.NoError(t, w.Add(context.Background(), images(s, 1)[0]))
	require.NoError(t, w.Commit(context.Background()))
	require.NoError(t, w.Compact(ctx, nil))
	_, err = ix.Refresh(context.Background())
	require.NoError(t, err)
	require.Equal(t, 1, ix.Len())
	// Down to nothing again.
	require.NoError(t, w.Delete(context.Background(), "0000.jpg"))
	require.NoError(t, w.Compact(ctx, nil))
	_, err = ix.Refresh(context.Background())
	require.NoError(t, err)
	require.Equal(t, 0, ix.Len())
}

func TestInfo(t *testing.T) {
	s := newSynth(17, 64, 64)
	items := append(images(s, 50), index.Item{ID: "c", Encoding: s.caption(4)})
	path := build(t, &index.BuildOptions{Regions: index.FourBit}, items)
	w := openWriter(t, path, nil)
	require.NoError(t, w.Delete(context.Background(), items[0].ID))
	require.NoError(t, w.Commit(context.Background()))
	info, err := open(t, path, nil).Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, 50, info.Items)
	require.Equal(t, 49, info.Images)
	require.Equal(t, 1, info.Captions)
	require.Equal(t, 1, info.Deleted)
	require.Equal(t, "int8", info.MatchCodec)
	require.Equal(t, "4bit", info.RegionCodec)
	require.EqualValues(t, 2, info.Generation)
	require.Positive(t, info.DeadBytes)
	var sum int64
	for _, sec := range info.Sections {
		sum += sec.Bytes
	}
	require.Less(t, sum, info.Bytes)
}
