package calibrate

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/testmodel"
	"github.com/aladin-go/aladin/internal/training/dataset"
)

func scenesData(n int) *Data {
	d := &Data{}
	gen := scenes.New(3, nil)
	for i := range n {
		s := gen.Scene(i)
		d.Images = append(d.Images, aladin.Image(s.Image))
		for _, c := range s.Captions {
			d.Captions = append(d.Captions, dataset.Caption{Image: i, Text: c.Text})
		}
	}
	return d
}

// The bundle gets what was measured, and measured again it is the same; photos that cannot be read are left out, and
// what cannot be measured leaves the bundle as it is.
func TestBundle(t *testing.T) {
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	dir := testmodel.New(t, testmodel.Options{})
	d := scenesData(12)
	d.Images[4] = aladin.Input{Name: "damaged", Data: []byte("no picture")}
	told := 0
	c, err := Bundle(t.Context(), dir, d, Options{Progress: func(done, total int) {
		require.Equal(t, told+1, done)
		require.Equal(t, 12+60, total)
		told = done
	}})
	require.NoError(t, err)
	require.Equal(t, 72, told)
	require.Equal(t, []int{11, 55}, []int{c.Images, c.Captions})
	require.Contains(t, weights, c.MatchWeight)
	b, err := bundle.Open(dir)
	require.NoError(t, err)
	require.Equal(t, c, b.Manifest.Calibration)
	again, err := Bundle(t.Context(), dir, d, Options{Threads: 1})
	require.NoError(t, err)
	require.Equal(t, c, again)

	c, err = Bundle(t.Context(), dir, scenesData(1), Options{})
	require.NoError(t, err)
	require.Nil(t, c)
	b, err = bundle.Open(dir)
	require.NoError(t, err)
	require.Equal(t, again, b.Manifest.Calibration)
}

// Of two scores that are right about different halves of the pictures, the sum is right about all: neither alone is
// chosen, and the weight does not depend on the scores' scales.
func TestFuse(t *testing.T) {
	const n = 40
	matrix := func(right func(i int) bool, scale float32) *eval.Matrix {
		m := &eval.Matrix{Images: n, Captions: n, Data: make([]float32, n*n)}
		for i := range n {
			for c := range n {
				v := float32((i*7+c*13)%11) / 40
				if i == c && right(i) {
					v++
				}
				m.Data[i*n+c] = v * scale
			}
		}
		return m
	}
	align, match := matrix(func(i int) bool { return i%2 == 0 }, 5), matrix(func(i int) bool { return i%2 == 1 }, 0.1)
	owner := make([]int, n)
	for i := range n {
		owner[i] = i
	}
	var c bundle.Calibration
	require.NoError(t, weigh(t.Context(), align, match, owner, &c, 1))
	require.InDelta(t, 1, c.MatchWeight, 0.5)
	require.InDelta(t, 50*c.MatchWeight, c.MatchScale(), 5)

	var none bundle.Calibration
	require.NoError(t, weigh(t.Context(), align, &eval.Matrix{Images: n, Captions: n, Data: make([]float32, n*n)}, owner, &none, 1))
	require.Zero(t, none, "a score that is the same for all cannot be scaled")
}

func TestSmoothest(t *testing.T) {
	require.Equal(t, 4, smoothest([]float64{1, 9, 1, 7, 8, 7, 1}), "a single peak is noise")
	require.Equal(t, 0, smoothest([]float64{3, 2, 1}))
	require.Equal(t, 3, largest([]float64{1, 2, 3, 3, 1, 0}))
	require.Equal(t, 0, largest([]float64{3, 2, 1}))
	require.Equal(t, 0, largest([]float64{1, 1, 1}))
}

// What a calibrated model finds has a relevance, which falls with the score, is the same with any filter, and of a text
// in a sum like that of the text alone; what it was not calibrated for has none.
func TestRelevance(t *testing.T) {
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	dir := testmodel.New(t, testmodel.Options{})
	d := scenesData(100)
	c, err := Bundle(t.Context(), dir, d, Options{})
	require.NoError(t, err)
	require.NotNil(t, c.Relevance)
	require.True(t, c.Relevance.Aligned)
	m, err := aladin.OpenModel(dir, nil)
	require.NoError(t, err)
	defer m.Close()

	path := filepath.Join(t.TempDir(), "scenes.aladin")
	b, err := index.NewBuilder(path, nil)
	require.NoError(t, err)
	defer b.Close()
	for i, in := range append(d.Images[:30:30], aladin.Text("a caption")) {
		e, err := m.Encode(t.Context(), in)
		require.NoError(t, err)
		require.NoError(t, b.Add(t.Context(), index.Item{ID: fmt.Sprint(i), Encoding: e, Tags: []string{fmt.Sprint(i % 3)}}))
	}
	require.NoError(t, b.Finish(t.Context()))
	ix, err := index.Open(path, nil)
	require.NoError(t, err)
	defer ix.Close()
	photos := &aladin.Collection{Model: m, Index: ix}
	ask := func(q string, o aladin.SearchOptions) *aladin.Result {
		r, err := photos.Ask(t.Context(), q, &o)
		require.NoError(t, err)
		return r
	}
	all := ask("a red ball", aladin.SearchOptions{K: 40})
	require.Len(t, all.Hits, 31)
	relevance := map[string]float32{}
	last := all.Hits[0]
	for _, h := range all.Hits {
		relevance[h.ID] = h.Relevance
		if h.Kind == index.Caption {
			require.Negative(t, h.Relevance)
			continue
		}
		require.True(t, h.Relevance >= 0 && h.Relevance <= 1)
		if (c.Relevance.Weights[0]+c.Relevance.Weights[1] > 0) && last.Kind == index.Image {
			require.LessOrEqual(t, h.Relevance, last.Relevance)
		}
		last = h
	}
	for _, o := range []aladin.SearchOptions{{K: 3, Tags: index.Tag("1")}, {K: 5, AlignOnly: true}, {K: 2, Candidates: 2}} {
		some := ask("a red ball", o)
		require.NotEmpty(t, some.Hits)
		for _, h := range some.Hits {
			require.Equal(t, relevance[h.ID], h.Relevance)
		}
	}
	sum := ask("a red ball -grass", aladin.SearchOptions{Kinds: []index.Kind{index.Image}})
	require.NotEqual(t, relevance[sum.Hits[0].ID], sum.Hits[0].Relevance)
	require.GreaterOrEqual(t, sum.Hits[0].Relevance, float32(0))
	require.Negative(t, ask("a red ball", aladin.SearchOptions{MatchOnly: true, Kinds: []index.Kind{index.Image}}).Hits[0].Relevance)
	like, err := photos.Search(t.Context(), &aladin.Query{Terms: []aladin.Term{{Item: "3"}}}, nil)
	require.NoError(t, err)
	require.Negative(t, like.Hits[0].Relevance)

	for _, line := range []float64{0, 1} { // nothing is below the one, and everything below the other
		bun, err := bundle.Open(dir)
		require.NoError(t, err)
		again := *c.Relevance
		again.Line = line
		cal := *c
		cal.Relevance = &again
		path, err := bun.Path(bundle.ReferencesFile)
		require.NoError(t, err)
		other := filepath.Join(t.TempDir(), "other.model")
		require.NoError(t, os.CopyFS(other, os.DirFS(dir)))
		bun, err = bundle.Open(other)
		require.NoError(t, err)
		_, err = bun.Calibrate(&cal, map[string]func(io.Writer) error{bundle.ReferencesFile: bundle.FromFile(path)})
		require.NoError(t, err)
		strict, err := aladin.OpenModel(other, nil)
		require.NoError(t, err)
		defer strict.Close()
		r, err := (&aladin.Collection{Model: strict, Index: ix}).Ask(t.Context(), "a red ball", &aladin.SearchOptions{Kinds: []index.Kind{index.Image}})
		require.NoError(t, err)
		require.Equal(t, line == 1, r.NothingFits)
		require.Equal(t, line == 1, len(r.Warnings) > 0 && strings.HasPrefix(r.Warnings[len(r.Warnings)-1], "Nothing fits well"))
	}
}

func TestNonsense(t *testing.T) {
	a := Nonsense(40, 1, []string{"dog", "cat"})
	require.Len(t, a, 40)
	require.Equal(t, a, Nonsense(40, 1, []string{"dog", "cat"}))
	require.NotEqual(t, a, Nonsense(40, 2, []string{"dog", "cat"}))
	require.NotContains(t, strings.Join(Nonsense(40, 1, nil), " "), "dog")
	require.Equal(t, []string{"cat", "dog"}, Vocabulary(nil, []string{"A dog.", "a cat, dog"}))
}

// Photos without captions give relevance alone, and what was found of scores before stays.
func TestWithoutCaptions(t *testing.T) {
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	dir := testmodel.New(t, testmodel.Options{})
	d := scenesData(90)
	first, err := Bundle(t.Context(), dir, d, Options{})
	require.NoError(t, err)
	d.Captions = nil
	c, err := Bundle(t.Context(), dir, d, Options{})
	require.NoError(t, err)
	require.Zero(t, c.Captions)
	require.NotNil(t, c.Relevance)
	require.True(t, c.Relevance.Aligned)
	require.Equal(t, first.MatchScale(), c.MatchScale())
	b, err := bundle.Open(dir)
	require.NoError(t, err)
	require.Equal(t, c, b.Manifest.Calibration)
}

// Labels that are words of the captions count, and a model that is calibrated again is measured as it was at first.
func TestLabels(t *testing.T) {
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	dir := testmodel.New(t, testmodel.Options{Precomputed: true})
	rng := rand.New(rand.NewPCG(1, 9))
	things := []string{"mug", "ball", "cube", "table", "dog"}
	d := &Data{}
	for i := range 60 {
		set := &aladin.RegionSet{Dim: 12, Features: make([]float32, 24), Boxes: make([]index.Box, 2), Labels: []string{things[i%5], ""}}
		for k := range set.Features {
			set.Features[k] = float32(rng.NormFloat64())
		}
		d.Images = append(d.Images, aladin.Regions(set))
		d.Captions = append(d.Captions, dataset.Caption{Image: i, Text: "a " + things[i%5]})
	}
	c, err := Bundle(t.Context(), dir, d, Options{Threads: 1})
	require.NoError(t, err)
	require.Positive(t, c.LabelWeight, "the model itself knows nothing")
	again, err := Bundle(t.Context(), dir, d, Options{Threads: 1})
	require.NoError(t, err)
	require.Equal(t, c, again)
}
