package index_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
)

// memory is an engine that recalls all that passes.
type memory struct {
	items map[string]*index.Packed
	gone  map[string]bool // between recall and explanation
}

func (m *memory) Recall(_ context.Context, _ []float32, _ int, o *index.SearchOptions) (out []index.Packed, err error) {
	for _, p := range m.items {
		has := index.TranslateFilter(o.Tags, index.FilterForms[bool]{
			Tag: func(tag string) bool { return slices.Contains(p.Tags, tag) },
			And: func(args []bool) bool { return !slices.Contains(args, false) },
			Or:  func(args []bool) bool { return slices.Contains(args, true) },
			Not: func(arg bool) bool { return !arg },
		})
		if has && (o.IDs == nil || slices.Contains(o.IDs, p.ID)) && !slices.Contains(o.Exclude, p.ID) && (o.Kinds == nil || slices.Contains(o.Kinds, p.Kind)) {
			out = append(out, index.Packed{ID: p.ID, Kind: p.Kind, Codes: p.Codes})
		}
	}
	return out, nil
}

func (m *memory) Rest(_ context.Context, ids []string) (out []index.Packed, err error) {
	for _, id := range ids {
		if p := m.items[id]; !m.gone[id] {
			out = append(out, index.Packed{ID: id, Kind: p.Kind, Tags: p.Tags, Rest: p.Rest})
		}
	}
	return out, nil
}

// world is a file of images and captions with all that items can have.
func world(t *testing.T, match, regions index.Codec) (path string, items []index.Item, queries []*index.Encoding) {
	t.Helper()
	s := newSynth(7, 70, 48)
	path = filepath.Join(t.TempDir(), "world.aladin")
	b, err := index.NewBuilder(path, &index.BuildOptions{Match: match, Regions: regions})
	require.NoError(t, err)
	for i := range 80 {
		it := index.Item{ID: fmt.Sprintf("ordner/ä b%02d", i), Encoding: s.image(1 + i%9)}
		switch {
		case i%3 == 1:
			it.Encoding = s.caption(1 + i%7)
		case i%10 == 0:
			it.Encoding = s.image(0)
		}
		for k, tag := range []string{"a", "b", "späte Nacht"} {
			if i>>k&1 == 1 {
				it.Tags = append(it.Tags, tag)
			}
		}
		if i%4 == 0 {
			it.Meta, it.State = []byte(fmt.Sprintf(`{"n": %d}`, i)), []byte{1, byte(i)}
		}
		items = append(items, it)
		require.NoError(t, b.Add(t.Context(), it))
	}
	require.NoError(t, b.Finish(t.Context()))
	fused := s.caption(5)
	fused.Ranking = &index.Ranking{MatchScale: 2}
	return path, items, []*index.Encoding{s.caption(5), s.image(6), s.caption(0), s.image(1), fused}
}

// On the same candidates an engine's hits are those of the file, bit for bit; so are its items.
func TestEngine(t *testing.T) {
	same := cmpopts.IgnoreUnexported(index.Hit{})
	for _, c := range []struct{ match, regions index.Codec }{
		{index.Int8, index.Int8}, {index.F16, index.FourBit}, {index.F32, index.TwoBit}, {index.Bits, index.F16}, {index.Int8, index.None},
	} {
		t.Run(fmt.Sprintf("%v %v", c.match, c.regions), func(t *testing.T) {
			ctx := t.Context()
			path, items, queries := world(t, c.match, c.regions)
			ix, err := index.Open(path, nil)
			require.NoError(t, err)
			defer ix.Close()
			l, err := ix.Layout(ctx)
			require.NoError(t, err)
			l, err = index.NewLayout(l.Spec()) // as an engine keeps it
			require.NoError(t, err)
			m := &memory{items: map[string]*index.Packed{}}
			for p, err := range ix.Packed(ctx) {
				require.NoError(t, err)
				m.items[p.ID] = p
			}
			require.Len(t, m.items, len(items))
			for _, it := range items {
				want, err := ix.Item(ctx, it.ID)
				require.NoError(t, err)
				got, err := l.Unpack(m.items[it.ID])
				require.NoError(t, err)
				require.Empty(t, cmp.Diff(want, got), it.ID)
				packed, err := l.Pack(&it)
				require.NoError(t, err)
				require.Empty(t, cmp.Diff(m.items[it.ID], packed), it.ID)
			}
			for k, q := range queries {
				for _, o := range []*index.SearchOptions{
					nil, {K: 200}, {K: 5, Candidates: 20, WithFields: true}, {MatchOnly: true, WithFields: true}, {NoExplain: true, K: 30},
					{K: 9, Tags: index.Not(index.Tag("a")), Kinds: []index.Kind{index.Caption}}, {Exclude: []string{items[3].ID, "nobody"}, IDs: []string{items[3].ID, items[4].ID}},
					{K: 50, MinShare: 0.6},
				} {
					if len(q.Tokens) == 0 && o != nil && o.MinShare > 0 {
						continue
					}
					want, err := ix.Search(ctx, q, o)
					require.NoError(t, err)
					got, err := l.Search(ctx, m, q, o)
					require.NoError(t, err)
					require.Empty(t, cmp.Diff(want, got, same), "query %d, %+v", k, o)
				}
			}
			all, err := l.Search(ctx, m, queries[0], &index.SearchOptions{WithFields: true})
			require.NoError(t, err)
			m.gone = map[string]bool{all[2].ID: true}
			less, err := l.Search(ctx, m, queries[0], &index.SearchOptions{WithFields: true})
			require.NoError(t, err)
			assert.Len(t, less, len(all)-1)
		})
	}
}

// What was trained on items packs them as a file that learned from them.
func TestTrainLayout(t *testing.T) {
	path, items, _ := world(t, index.Int8, index.FourBit)
	ix, err := index.Open(path, nil)
	require.NoError(t, err)
	defer ix.Close()
	of, err := ix.Layout(t.Context())
	require.NoError(t, err)
	l, err := index.TrainLayout(t.Context(), index.LayoutSpec{Regions: index.FourBit}, items)
	require.NoError(t, err)
	assert.Equal(t, of.Spec(), l.Spec())

	for name, spec := range map[string]index.LayoutSpec{
		"bits": {Match: index.Bits, Dim: 3}, "no dimension": {}, "no codebook": {Regions: index.TwoBit, Dim: 3, TokenDim: 3},
		"another codebook": {Regions: index.TwoBit, Dim: 3, TokenDim: 48, Codebook: of.Spec().Codebook}, "large": {Dim: 1 << 20},
	} {
		_, err := index.NewLayout(spec)
		assert.ErrorIs(t, err, index.ErrInvalid, name)
	}
	_, err = index.TrainLayout(t.Context(), index.LayoutSpec{Regions: index.TwoBit, TokenDim: 4}, nil)
	require.ErrorIs(t, err, index.ErrInvalid)
	_, err = l.Pack(&index.Item{ID: "x", Encoding: newSynth(1, 3, 48).image(1)})
	require.ErrorIs(t, err, index.ErrInvalid)
	_, err = l.Search(t.Context(), &memory{}, items[0].Encoding, &index.SearchOptions{Exact: true})
	require.ErrorIs(t, err, index.ErrInvalid)
	other := *items[0].Encoding
	other.Model = "model-b"
	_, err = l.Search(t.Context(), &memory{}, &other, nil)
	require.ErrorIs(t, err, index.ErrModelMismatch)
}

// Fields change as in a file.
func TestLayoutUpdate(t *testing.T) {
	_, items, _ := world(t, index.Int8, index.Int8)
	l, err := index.TrainLayout(t.Context(), index.LayoutSpec{}, items)
	require.NoError(t, err)
	p, err := l.Pack(&items[4]) // a caption
	require.NoError(t, err)
	require.NoError(t, l.Update(p, func(f *index.Fields) {
		f.Tags, f.Meta, f.State, f.Text = []string{"z", "b", "z"}, []byte(`1`), nil, "other words"
	}))
	got, err := l.Unpack(p)
	require.NoError(t, err)
	assert.Equal(t, []string{"b", "z"}, got.Tags)
	assert.Equal(t, items[4].Encoding.Text, got.Encoding.Text)
	assert.Equal(t, items[4].Encoding.Words, got.Encoding.Words)
	assert.JSONEq(t, `1`, string(got.Meta))
	assert.Nil(t, got.State)
	require.ErrorIs(t, l.Update(p, func(f *index.Fields) { f.Meta = []byte("{") }), index.ErrInvalid)
}

// Bytes that an engine returns are anybody's.
func FuzzUnpack(f *testing.F) {
	s := newSynth(3, 5, 4)
	l, err := index.TrainLayout(f.Context(), index.LayoutSpec{}, []index.Item{{ID: "a", Encoding: s.image(2)}})
	require.NoError(f, err)
	for _, e := range []*index.Encoding{s.image(0), s.image(3), s.caption(4)} {
		p, err := l.Pack(&index.Item{ID: "a", Encoding: e, Meta: []byte(`{}`), State: []byte{1}})
		require.NoError(f, err)
		f.Add(byte(p.Kind), p.Codes, p.Rest)
	}
	f.Fuzz(func(t *testing.T, kind byte, codes, rest []byte) {
		p := &index.Packed{ID: "a", Kind: index.Kind(kind & 1), Codes: codes, Rest: rest}
		it, err := l.Unpack(p)
		if err != nil {
			require.ErrorIs(t, err, index.ErrCorrupt)
			return
		}
		require.LessOrEqual(t, it.Encoding.N(), len(codes))
		_, err = l.Fields(p)
		require.NoError(t, err)
	})
}
