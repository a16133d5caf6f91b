package aladin

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/testmodel"
)

// collection is an index of 30 scenes and its query.
func collection(t *testing.T, m *Model, captions bool, opts *index.BuildOptions) *index.Index {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scenes.aladin")
	b, err := index.NewBuilder(path, opts)
	require.NoError(t, err)
	defer b.Close()
	gen := scenes.New(7, nil)
	for i := range 30 {
		s := gen.Scene(i)
		in := Image(s.Image)
		if captions {
			in = Text(s.Captions[0].Text)
		}
		e, err := m.Encode(t.Context(), in)
		require.NoError(t, err)
		require.NoError(t, b.Add(context.Background(), index.Item{ID: s.ID, Encoding: e, Tags: []string{fmt.Sprint("floor ", s.Floor)}}))
	}
	require.NoError(t, b.Finish(context.Background()))
	ix, err := index.Open(path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ix.Close()) })
	return ix
}

func TestSearch(t *testing.T) {
	m := tiny(t, testmodel.Options{})
	images, captions := collection(t, m, false, nil), collection(t, m, true, nil)
	gen := scenes.New(7, nil)
	picture := gen.Scene(4)
	q, err := m.Encode(t.Context(), Text(picture.Captions[1].Text))
	require.NoError(t, err)
	x, err := m.Encode(t.Context(), Image(picture.Image))
	require.NoError(t, err)

	var stats index.SearchStats
	hits, err := Search(t.Context(), m, images, q, &SearchOptions{K: 5, Stats: &stats})
	require.NoError(t, err)
	require.Len(t, hits, 5)
	assert.True(t, stats.Aligned)
	assert.Equal(t, 30, stats.Candidates)
	for i, h := range hits {
		if i > 0 {
			assert.LessOrEqual(t, h.Align, hits[i-1].Align)
		}
		it, err := images.Item(t.Context(), h.ID)
		require.NoError(t, err)
		a, err := m.Align(t.Context(), q, it.Encoding)
		require.NoError(t, err)
		assert.InDelta(t, a.Score, h.Align, 0.05)
		require.Len(t, h.Words, len(a.Words))
	}

	hits, err = Search(t.Context(), m, captions, x, nil)
	require.NoError(t, err)
	require.Len(t, hits, 10)
	assert.NotEmpty(t, hits[0].Words, "an image among captions is aligned")

	hits, err = Search(t.Context(), m, images, x, &SearchOptions{K: 3})
	require.NoError(t, err)
	assert.Equal(t, picture.ID, hits[0].ID)
	assert.InDelta(t, 1, hits[0].Match, 0.01)
	assert.InDelta(t, 1, hits[0].Match, 0.01)
	assert.NotEmpty(t, hits[0].Words, "each region found its like")
	for i := range hits[1:] {
		assert.LessOrEqual(t, hits[i+1].Match, hits[i].Match, "an image among images is ranked by its vector")
	}

	hits, err = Search(t.Context(), nil, images, q, &SearchOptions{K: 3, MatchOnly: true, Exclude: []string{picture.ID}})
	require.NoError(t, err)
	require.Len(t, hits, 3)
	assert.Zero(t, hits[0].Align)

	hits, err = Search(t.Context(), m, images, q, &SearchOptions{K: 30, Tags: index.Tag(fmt.Sprint("floor ", picture.Floor)), MinCoverage: -1})
	require.NoError(t, err)
	assert.NotEmpty(t, hits)
	assert.Less(t, len(hits), 30)

	bare := collection(t, m, false, &index.BuildOptions{Regions: index.None})
	hits, err = Search(t.Context(), m, bare, q, &SearchOptions{K: 3})
	require.NoError(t, err)
	assert.Len(t, hits, 3)

	other := tiny(t, testmodel.Options{Seed: 9})
	_, err = Search(t.Context(), other, images, q, nil)
	require.ErrorIs(t, err, ErrModelMismatch)
}

// A calibrated model ranks by both scores, in a query of its own and in sums, where matching is scaled as alignment is;
// it is the same model, whose indexes stay good.
func TestCalibrated(t *testing.T) {
	dir := testmodel.New(t, testmodel.Options{})
	plain, err := OpenModel(dir, nil)
	require.NoError(t, err)
	defer plain.Close()
	ix := collection(t, plain, false, nil)
	b, err := bundle.Open(dir)
	require.NoError(t, err)
	_, err = b.Calibrate(&bundle.Calibration{MatchWeight: 0.5, AlignSpread: 4, MatchSpread: 0.5}, nil)
	require.NoError(t, err)
	m, err := OpenModel(dir, nil)
	require.NoError(t, err)
	defer m.Close()
	require.Equal(t, plain.Fingerprint(), m.Fingerprint())

	c := &Collection{Model: m, Index: ix}
	r, err := c.Ask(t.Context(), "a red ball", nil)
	require.NoError(t, err)
	for _, h := range r.Hits {
		assert.Equal(t, h.Align+4*h.Match, h.Score)
	}
	total := totalWeight(r.Query)
	sum, err := c.Ask(t.Context(), "a red ball -grass", nil)
	require.NoError(t, err)
	require.InDelta(t, 4/total, sum.Query.Ranking.MatchScale, 1e-5)
	for _, h := range sum.Hits {
		assert.InDelta(t, h.Align+4/total*h.Match, h.Score, 1e-4)
	}
	like, err := c.Search(t.Context(), &Query{Terms: []Term{{Item: r.Hits[0].ID}, {Input: Text("a blue cube")}}}, nil)
	require.NoError(t, err)
	require.NotNil(t, like.Query.Ranking)

	old, err := (&Collection{Model: plain, Index: ix}).Ask(t.Context(), "a red ball", nil)
	require.NoError(t, err)
	again, err := c.Ask(t.Context(), "a red ball", &SearchOptions{AlignOnly: true})
	require.NoError(t, err)
	for i := range old.Hits {
		assert.Equal(t, old.Hits[i].Hit, again.Hits[i].Hit, "in order of alignment")
	}
}

// Words find photos by the labels that mean them: in a query of its own, weighed in a sum, and against what is not wanted.
func TestLabels(t *testing.T) {
	dir := testmodel.New(t, testmodel.Options{})
	plain, err := OpenModel(dir, nil)
	require.NoError(t, err)
	defer plain.Close()
	word, err := plain.Encode(t.Context(), Text("mug"))
	require.NoError(t, err)
	at := slices.IndexFunc(word.Words, func(w index.Word) bool { return w.Text == "mug" })
	vector := slices.Clone(word.Tokens[at*plain.dim() : (at+1)*plain.dim()])
	length := norm(vector)
	for i := range vector {
		vector[i] /= float32(length)
	}
	labels := filepath.Join(t.TempDir(), "labels")
	b, err := index.NewBuilder(labels, &index.BuildOptions{Match: index.F32, Regions: index.None})
	require.NoError(t, err)
	require.NoError(t, b.Add(t.Context(), index.Item{ID: "cup", Encoding: &Encoding{Kind: KindCaption, Model: plain.Fingerprint(), Matching: vector}}))
	require.NoError(t, b.Finish(t.Context()))
	bun, err := bundle.Open(dir)
	require.NoError(t, err)
	c := &bundle.Calibration{MatchWeight: 0.5, AlignSpread: 4, MatchSpread: 0.5, LabelWeight: 2}
	_, err = bun.Calibrate(c, nil)
	require.ErrorContains(t, err, bundle.LabelsFile)
	_, err = bun.Calibrate(c, map[string]func(io.Writer) error{bundle.LabelsFile: bundle.FromFile(labels)})
	require.NoError(t, err)
	m, err := OpenModel(dir, nil)
	require.NoError(t, err)
	defer m.Close()
	require.Equal(t, plain.Fingerprint(), m.Fingerprint())

	q, err := m.Encode(t.Context(), Text("mug"))
	require.NoError(t, err)
	require.InDelta(t, 8, q.Ranking.Labels[at]["cup"], 1e-3)
	sum, _, err := compose("", []Term{{Encoding: word, Weight: 1}, {Encoding: q, Weight: -0.5}})
	require.NoError(t, err)
	require.Nil(t, sum.Ranking, "the first was encoded by a model that nobody calibrated")
	sum, sources, err := compose("", []Term{{Encoding: q, Weight: 1}, {Encoding: q, Weight: -0.5}})
	require.NoError(t, err)
	for i, from := range sources {
		require.Equal(t, q.Ranking.Labels[from[1]], sum.Ranking.Labels[i])
	}
	gain := sum.Ranking.Labelled(sum.Weights, []string{"cup"})
	require.InDelta(t, 0.5*q.Ranking.Labelled(q.Weights, []string{"cup"})/totalWeight(q), gain, 1e-4)

	torn := *q
	torn.Ranking = &index.Ranking{Labels: q.Ranking.Labels[:0]}
	_, _, err = compose("", []Term{{Encoding: &torn, Weight: 1}})
	require.ErrorIs(t, err, index.ErrInvalid)
}
