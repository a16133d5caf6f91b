package aladin

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/testmodel"
)

func TestCompose(t *testing.T) {
	m := tiny(t, testmodel.Options{})
	encode := func(in Input) *Encoding {
		e, err := m.Encode(t.Context(), in)
		require.NoError(t, err)
		return e
	}
	q1, q2 := encode(Text("a red ball")), encode(Text("two dotted cubes"))
	x := encode(Image(scenes.New(7, nil).Scene(2).Image))

	terms := []Term{{Encoding: q1, Weight: 1}, {Encoding: x, Weight: 0.5}, {Encoding: q2, Weight: Without}}
	sum, sources, err := compose("", terms)
	require.NoError(t, err)
	assert.Equal(t, KindCaption, sum.Kind)
	assert.Equal(t, "a red ball; two dotted cubes", sum.Text)
	assert.InDelta(t, 1, norm(sum.Matching), 1e-5)
	require.Equal(t, q1.N()+x.N()+q2.N(), sum.N())
	require.Len(t, sources, sum.N())
	totals := make([]float64, len(terms))
	for i, w := range sum.Words {
		totals[sources[i][0]] += float64(sum.Weights[i])
		e := terms[sources[i][0]].Encoding
		if e.Words == nil {
			continue
		}
		word := e.Words[sources[i][1]]
		assert.Equal(t, word.Text, w.Text)
		assert.Equal(t, word.Start+terms[sources[i][0]].At, w.Start)
		if w.End > 0 {
			assert.Equal(t, w.Text, sum.Text[w.Start:w.End])
		}
	}
	assert.InDeltaSlice(t, []float64{1, 0.5 * regionShare, Without}, totals, 1e-5, "a term has the same say for the same weight")

	like, _, err := compose("", []Term{{Encoding: x, Weight: 1}, {Encoding: encode(Image(scenes.New(7, nil).Scene(3).Image)), Weight: -0.5}})
	require.NoError(t, err)
	assert.Equal(t, KindImage, like.Kind)
	assert.Equal(t, x.N(), like.N())

	one, sources, err := compose("", []Term{{Encoding: q1, Weight: 3}})
	require.NoError(t, err)
	assert.Same(t, q1, one, "a single wanted term is itself")
	assert.Equal(t, [2]int{0, q1.N() - 1}, sources[q1.N()-1])

	heavy := weighWords(q1, []WordWeight{{Start: 2, End: 5, Weight: 3}})
	assert.InDelta(t, 1, weight(heavy, 0)/weight(q1, 0), 1e-5)
	assert.InDelta(t, 3, weight(heavy, 1)/weight(q1, 1), 1e-5)
	assert.NotSame(t, &heavy.Weights[0], &q1.Weights[0])

	other := &Encoding{Model: "other@1", Matching: make([]float32, len(q1.Matching))}
	torn := *q1
	torn.Weights = torn.Weights[1:]
	for want, terms := range map[string][]Term{
		"no terms": nil, "cancel": {{Encoding: q1, Weight: 1}, {Encoding: q1, Weight: -1}}, "no encoding": {{Weight: 1}},
		"weight NaN": {{Encoding: q1, Weight: float32(math.NaN())}}, "do not fit": {{Encoding: &torn, Weight: 1}},
	} {
		_, _, err := compose("", terms)
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, index.ErrInvalid)
	}
	_, _, err = compose("", []Term{{Encoding: q1, Weight: 1}, {Encoding: other, Weight: 1}})
	require.ErrorIs(t, err, ErrModelMismatch)
}

// What was typed keeps its places, whatever is added to it.
func TestComposeTyped(t *testing.T) {
	m := tiny(t, testmodel.Options{})
	const typed = "a red ball without two cubes, at night"
	q, err := ParseQuery(typed)
	require.NoError(t, err)
	q.Terms = append(q.Terms, Term{Input: Text("green star"), Weight: 1})
	r, err := (&Collection{Model: m, Index: collection(t, m, false, nil)}).Search(t.Context(), q, &SearchOptions{K: 2})
	require.NoError(t, err)
	assert.Equal(t, typed+"; green star", r.Query.Text)
	for _, w := range r.Hits[0].Words {
		assert.Equal(t, w.Word, r.Query.Text[w.Start:w.End])
	}
	assert.Len(t, r.Terms, 3)
}

func TestCollection(t *testing.T) {
	m := tiny(t, testmodel.Options{})
	ix := collection(t, m, false, nil)
	c := &Collection{Model: m, Index: ix, Images: t.TempDir()}
	gen := scenes.New(7, nil)
	require.NoError(t, gen.WriteDir(t.Context(), c.Images, 0, 3, nil))

	r, err := c.Ask(t.Context(), "a red ball -cubes", &SearchOptions{K: 30, Candidates: 30})
	require.NoError(t, err)
	require.Len(t, r.Hits, 30)
	require.Len(t, r.Terms, 2)
	assert.True(t, r.Stats.Aligned)
	assert.Empty(t, r.Warnings)

	r, err = c.Ask(t.Context(), "a \u72ac", nil)
	require.NoError(t, err)
	assert.Len(t, r.Warnings, 1)

	// Words of few captions are named, where the model counted.
	counts := bundle.WordCounts{"a": 900, "red": 9, "star": 1, "ball": 10, "and": 50}
	m = tiny(t, testmodel.Options{Learned: true, Seen: counts})
	assert.Equal(t, []RareWord{{"Red", 2, 5, 9}, {"star", 6, 10, 1}, {"cube", 25, 29, 0}}, m.Rare("a Red star, a ball and a cube 7"))
	r, err = (&Collection{Model: m, Index: collection(t, m, false, nil)}).Ask(t.Context(), "a red ball", nil)
	require.NoError(t, err)
	assert.Equal(t, []string{`The model saw the word "red" in 9 captions only.`}, r.Warnings)

	id := gen.Scene(4).ID
	r, err = c.Search(t.Context(), &Query{Terms: []Term{{Item: id}, {Input: Text("a star")}}}, &SearchOptions{K: 30})
	require.NoError(t, err)
	assert.Len(t, r.Hits, 29, "an item is not like itself")
	for _, h := range r.Hits {
		assert.NotEqual(t, id, h.ID)
	}
	r, err = c.Search(t.Context(), &Query{Terms: []Term{{Item: id, Weight: -1}, {Input: Text("a star")}}}, &SearchOptions{K: 30})
	require.NoError(t, err)
	assert.Len(t, r.Hits, 30)

	_, err = c.Search(t.Context(), &Query{Terms: []Term{{Item: "nobody"}}}, nil)
	require.ErrorIs(t, err, index.ErrNotFound)
	_, err = c.Search(t.Context(), nil, nil)
	require.ErrorIs(t, err, index.ErrInvalid)
	_, err = c.Ask(t.Context(), " ", nil)
	require.ErrorIs(t, err, ErrNoWords)
	_, err = c.Search(t.Context(), &Query{Terms: []Term{{Input: Text("\u200b")}}}, nil)
	require.ErrorIs(t, err, ErrNoWords)
	_, err = (&Collection{Index: ix}).Ask(t.Context(), "a ball", nil)
	require.ErrorContains(t, err, "no model")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Ask(ctx, "a ball", nil)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, c.Close())
	_, err = c.Ask(t.Context(), "a ball", nil)
	require.ErrorIs(t, err, ErrClosed)
}

// Hits name their photos' files, and no others.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, scenes.New(7, nil).WriteDir(t.Context(), dir, 0, 2, nil))
	files, err := filepath.Glob(filepath.Join(dir, "*.*"))
	require.NoError(t, err)
	photo := filepath.Base(files[0])
	c := &Collection{Images: dir}
	assert.Equal(t, files[0], c.file(photo))
	assert.Equal(t, files[0], c.file(photo+"#3"))
	for _, id := range []string{"", ".", "none.png", "../" + filepath.Base(dir) + "/" + photo, files[0], photo + "#x"} {
		assert.Empty(t, c.file(id), id)
	}
	c.Images = ""
	assert.Empty(t, c.file(photo))
}

func TestOpen(t *testing.T) {
	c, err := Open(compatFile("tiny.model"), compatFile("scenes.aladin"), &Options{Images: "testdata"})
	require.NoError(t, err)
	assert.Equal(t, compatItems, c.Index.Len())
	assert.Equal(t, c.Model.Fingerprint(), c.Index.Model())
	assert.Equal(t, "testdata", c.Images)
	require.NoError(t, c.Close())
	_, err = Open(compatFile("tiny.model"), filepath.Join(t.TempDir(), "none.aladin"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(t.TempDir(), compatFile("scenes.aladin"), nil)
	require.ErrorIs(t, err, ErrNotModel)
	_, err = Open(testmodel.New(t, testmodel.Options{Seed: 9}), compatFile("scenes.aladin"), nil)
	require.ErrorIs(t, err, ErrModelMismatch)
}
