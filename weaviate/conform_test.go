package weaviate_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/weaviate"
)

// maker makes encodings that look like a model's, and searches for them.
type maker struct {
	rng           *rand.Rand
	dim, tokenDim int
}

func (m *maker) unit(dim int) []float32 {
	v := make([]float32, dim)
	var sum float64
	for i := range v {
		v[i] = float32(m.rng.NormFloat64())
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}

func (m *maker) encoding(kind index.Kind, tokens int) *index.Encoding {
	e := &index.Encoding{Kind: kind, Model: "model-a", Matching: m.unit(m.dim)}
	if m.rng.IntN(4) == 0 { // a hub's
		for i := range e.Matching {
			e.Matching[i] *= 0.8
		}
	}
	for i := range tokens {
		e.Tokens = append(e.Tokens, m.unit(m.tokenDim)...)
		e.Weights = append(e.Weights, float32(min(i, 1)))
		if kind == index.Caption {
			start := len(e.Text)
			word := fmt.Sprintf("wört%d", m.rng.IntN(50))
			e.Text += word + " "
			e.Words = append(e.Words, index.Word{Text: word, Start: start, End: start + len(word)})
			continue
		}
		e.Boxes = append(e.Boxes, index.Box{0.1, m.rng.Float32() / 2, 0.7, 0.5 + m.rng.Float32()/2})
		e.Labels = append(e.Labels, fmt.Sprintf("thing %d", m.rng.IntN(9)))
	}
	return e
}

var tags = []string{"holiday", "Holiday", "späte Nacht", " spaced ", "spaced", `"quoted"`, "\x00\xff", "the", "a*b?", "日本"}

func (m *maker) item(i int) index.Item {
	it := index.Item{ID: fmt.Sprintf("ordner/ä %03d\u0301.jpg", i), Encoding: m.encoding(index.Image, m.rng.IntN(8))}
	switch {
	case i%4 == 1:
		it.ID, it.Encoding = fmt.Sprintf("\x01cäption #%d\n", i), m.encoding(index.Caption, 1+m.rng.IntN(6))
	case i%7 == 0:
		it.Encoding.Boxes, it.Encoding.Labels = nil, nil
	}
	for _, t := range tags {
		if m.rng.IntN(4) == 0 {
			it.Tags = append(it.Tags, t)
		}
	}
	if i%3 == 0 {
		it.Meta, it.State = []byte(fmt.Sprintf(`{"n": %d, "ü": "\u0000"}`, i)), []byte{0, byte(i)}
	}
	return it
}

func (m *maker) filter(depth int) *index.Filter {
	var args []*index.Filter
	for range m.rng.IntN(4) {
		if depth > 0 {
			args = append(args, m.filter(depth-1))
		}
	}
	switch n := m.rng.IntN(6); {
	case n == 0 && depth > 0:
		return index.And(args...)
	case n == 1 && depth > 0:
		return index.Or(args...)
	case n == 2 && depth > 0:
		return index.Not(m.filter(depth - 1))
	case n == 3:
		return index.Tag("nobody has it")
	}
	return index.Tag(tags[m.rng.IntN(len(tags))])
}

func (m *maker) options(ids []string) *index.SearchOptions {
	o := &index.SearchOptions{K: []int{0, 1, 3, 10, 50, 1000}[m.rng.IntN(6)], Candidates: []int{0, 20, 100, 2000}[m.rng.IntN(4)]}
	pick := func(n int) (some []string) {
		for range n {
			some = append(some, ids[m.rng.IntN(len(ids))])
		}
		return append(some, "nobody")
	}
	o.AlignOnly = m.rng.IntN(5) == 0
	o.MatchOnly, o.NoExplain, o.WithFields = m.rng.IntN(5) == 0, m.rng.IntN(5) == 0, m.rng.IntN(2) == 0
	if m.rng.IntN(2) == 0 {
		o.Tags = m.filter(3)
	}
	switch m.rng.IntN(8) {
	case 0:
		o.IDs = pick(m.rng.IntN(30))
	case 1:
		o.Exclude = pick(m.rng.IntN(30))
	case 2:
		o.IDs, o.Exclude = pick(20), pick(20)
	case 3:
		o.IDs = []string{}
	}
	switch m.rng.IntN(6) {
	case 0:
		o.Kinds = []index.Kind{index.Caption}
	case 1:
		o.Kinds = []index.Kind{index.Image}
	case 2:
		o.Kinds = []index.Kind{index.Caption, index.Image}
	case 3:
		o.Kinds = []index.Kind{}
	}
	if m.rng.IntN(8) == 0 {
		o.MinCoverage, o.MinShare = 0.1, 0.5
	}
	return o
}

func (m *maker) query() *index.Encoding {
	q := m.encoding(index.Kind(m.rng.IntN(2)), m.rng.IntN(7))
	for i := range q.Weights {
		if m.rng.IntN(5) == 0 {
			q.Weights[i] = -0.7
		}
	}
	q.Untrained = m.rng.IntN(8) == 0
	if m.rng.IntN(2) == 0 {
		q.Ranking = &index.Ranking{MatchScale: 3}
	}
	return q
}

// pair is a file and a collection that should be the same.
type pair struct {
	*maker
	path string
	file *index.Index
	coll *weaviate.Collection
	ids  []string
}

// newPair makes both of the same items.
func newPair(t *testing.T, address string, regions index.Codec, items int) *pair {
	t.Helper()
	ctx := t.Context()
	p := &pair{maker: &maker{rand.New(rand.NewPCG(5, 6)), 40, 24}, path: filepath.Join(t.TempDir(), "f.aladin")}
	b, err := index.NewBuilder(p.path, &index.BuildOptions{Regions: regions})
	require.NoError(t, err)
	var twin *index.Encoding
	for i := range items {
		it := p.item(i)
		if i%9 == 0 {
			twin = it.Encoding
		} else if i%9 < 4 && it.Encoding.Kind == twin.Kind { // ties
			it.Encoding = twin
		}
		p.ids = append(p.ids, it.ID)
		require.NoError(t, b.Add(ctx, it))
	}
	require.NoError(t, b.Finish(ctx))
	p.file, err = index.Open(p.path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { p.file.Close() })
	l, err := p.file.Layout(ctx)
	require.NoError(t, err)
	p.coll, err = weaviate.Create(ctx, address, l, nil, nil)
	require.NoError(t, err)
	t.Cleanup(func() { p.coll.Close() })
	w := p.coll.Writer()
	for it, err := range p.file.Packed(ctx) {
		require.NoError(t, err)
		require.NoError(t, w.AddPacked(ctx, it))
	}
	require.NoError(t, w.Commit(ctx))
	require.Equal(t, items, w.Stats().Added)
	require.NoError(t, w.Close())
	return p
}

// compareItems looks at all that is no search.
func (p *pair) compareItems(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	collect := func(s index.Searcher) (ids []string) {
		for id, err := range s.IDs(ctx) {
			require.NoError(t, err)
			ids = append(ids, id)
		}
		slices.Sort(ids)
		return ids
	}
	ids := collect(p.file)
	require.Equal(t, ids, collect(p.coll))
	for _, id := range ids {
		want, err := p.file.Item(ctx, id)
		require.NoError(t, err)
		got, err := p.coll.Item(ctx, id)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got), id)
	}
	fields, err := p.file.Fields(ctx, ids[0])
	require.NoError(t, err)
	got, err := p.coll.Fields(ctx, ids[0])
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(fields, got))
	_, err = p.coll.Item(ctx, "nobody")
	require.ErrorIs(t, err, index.ErrNotFound)
	_, err = p.coll.Fields(ctx, "")
	require.ErrorIs(t, err, index.ErrNotFound)
	want, err := p.file.Tags(ctx)
	require.NoError(t, err)
	have, err := p.coll.Tags(ctx)
	require.NoError(t, err)
	require.Equal(t, want, have)
	info, err := p.coll.Info(ctx)
	require.NoError(t, err)
	of, err := p.file.Info(ctx)
	require.NoError(t, err)
	require.Equal(t, []any{of.Items, of.Images, of.Captions, of.Dim, of.TokenDim, of.MatchCodec, of.RegionCodec, of.Model},
		[]any{info.Items, info.Images, info.Captions, info.Dim, info.TokenDim, info.MatchCodec, info.RegionCodec, info.Model})
	require.Equal(t, p.file.Len(), p.coll.Len())
	require.Equal(t, p.file.Model(), p.coll.Model())
}

// compareSearches runs n searches on both: the same hits in the same order, with the same scores, words and fields.
func (p *pair) compareSearches(t *testing.T, n int) {
	t.Helper()
	ctx := t.Context()
	found := 0
	for i := range n {
		q, o := p.query(), p.options(p.ids)
		var a, b index.SearchStats
		o.Stats = &a
		want, err := p.file.Search(ctx, q, o)
		require.NoError(t, err)
		o.Stats = &b
		got, err := p.coll.Search(ctx, q, o)
		require.NoError(t, err)
		o.Stats = nil
		require.Empty(t, cmp.Diff(want, got, cmpopts.IgnoreUnexported(index.Hit{})), "case %d: %v\n%+v", i, o.Tags, o)
		require.Equal(t, a.Candidates, b.Candidates)
		require.Equal(t, a.Aligned, b.Aligned)
		found += len(got)
	}
	require.Greater(t, found, n)
}

// edit changes both: deletes, replaces, adds and tags.
func (p *pair) edit(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	fw, err := index.OpenWriter(p.path, &index.BuildOptions{Duplicates: index.ReplaceDuplicate})
	require.NoError(t, err)
	cw := p.coll.Writer()
	type writer interface {
		Add(ctx context.Context, it index.Item) error
		Delete(ctx context.Context, id string) error
		Update(ctx context.Context, id string, change func(*index.Fields)) error
		Commit(ctx context.Context) error
		Stats() index.Stats
	}
	both := func(f func(w writer) error) {
		a, b := f(fw), f(cw)
		if a != nil || b != nil {
			require.Error(t, a)
			require.Error(t, b)
			require.Equal(t, errors.Is(a, index.ErrNotFound), errors.Is(b, index.ErrNotFound))
		}
	}
	for i := 0; i < len(p.ids); i += 11 {
		both(func(w writer) error { return w.Delete(ctx, p.ids[i]) })
	}
	both(func(w writer) error { return w.Delete(ctx, p.ids[0]) })
	both(func(w writer) error { return w.Delete(ctx, "nobody") })
	for i := 2; i < len(p.ids); i += 13 {
		both(func(w writer) error {
			return w.Update(ctx, p.ids[i], func(f *index.Fields) {
				f.Tags, f.Meta = append([]string{"new tag"}, f.Tags[:len(f.Tags)/2]...), []byte(`[1]`)
			})
		})
	}
	both(func(w writer) error { return w.Commit(ctx) })
	for i := range 20 {
		it := p.item(7 * i)
		it.ID = p.ids[7*i]
		if i%3 == 0 {
			it.ID = fmt.Sprint("neu ", i)
		}
		both(func(w writer) error { return w.Add(ctx, it) })
	}
	again := p.item(1)
	both(func(w writer) error { return w.Add(ctx, again) })
	again = p.item(5)
	again.ID = p.ids[1]
	both(func(w writer) error { return w.Add(ctx, again) })
	both(func(w writer) error { return w.Commit(ctx) })
	require.Equal(t, fw.Stats().Added, cw.Stats().Added)
	require.Equal(t, fw.Stats().Deleted, cw.Stats().Deleted)
	require.Equal(t, fw.Stats().Updated, cw.Stats().Updated)
	require.NoError(t, fw.Close())
	require.NoError(t, cw.Close())
	_, err = p.file.Refresh(ctx)
	require.NoError(t, err)
}

// conform runs the suite on an engine. settle waits until what was written is seen on all nodes.
func conform(t *testing.T, address func(class string) string, settle func()) {
	for _, regions := range []index.Codec{index.Int8, index.FourBit} {
		t.Run(regions.String(), func(t *testing.T) {
			p := newPair(t, address(fmt.Sprintf("Conform%d", regions)), regions, 250)
			settle()
			cases := 300
			if testing.Short() {
				cases = 60
			}
			p.compareItems(t)
			p.compareSearches(t, cases*2/3)
			p.edit(t)
			settle()
			p.compareItems(t)
			p.compareSearches(t, cases/3)
		})
	}
}
