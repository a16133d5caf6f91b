package heads

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/models"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/shareddata"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/param"
)

func settings(t *testing.T, epochs int, lr float64) *config.Config {
	t.Helper()
	c, err := config.Load("clip-aladin")
	require.NoError(t, err)
	c.Training.Epochs, c.Training.LR, c.Training.BatchSize = epochs, lr, 32
	return c
}

// towersWorld is features as of towers that disagree: what a caption says of a picture lies in its vector with some of
// the numbers' signs turned round.
func towersWorld(t *testing.T, n int, seed uint64) *features {
	t.Helper()
	const dim, cells = 16, 6
	rng := rand.New(rand.NewPCG(seed, 3))
	path := filepath.Join(t.TempDir(), "features.aladin")
	b, err := index.NewBuilder(path, &index.BuildOptions{Model: "towers@0", Match: index.F32, Regions: index.F16})
	require.NoError(t, err)
	unit := func(v []float32) []float32 {
		var sum float64
		for _, x := range v {
			sum += float64(x) * float64(x)
		}
		for i := range v {
			v[i] /= float32(math.Sqrt(sum))
		}
		return v
	}
	draw := func() []float32 {
		v := make([]float32, dim)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	said := func(v []float32) []float32 { // as the text tower has it
		out := append([]float32(nil), v...)
		for i := range dim / 2 {
			out[i] = -out[i]
		}
		for i := range out {
			out[i] += 0.2 * float32(rng.NormFloat64())
		}
		return unit(out)
	}
	d := &Data{}
	for i := range n {
		id := fmt.Sprint("photo ", i)
		whole := unit(draw())
		image := &index.Encoding{Model: "towers@0", Kind: index.Image, Matching: whole}
		for range cells {
			image.Tokens = append(image.Tokens, unit(draw())...)
			image.Boxes = append(image.Boxes, index.Box{0, 0, 1, 1})
		}
		text := &index.Encoding{Model: "towers@0", Kind: index.Caption, Matching: said(whole), Text: "words"}
		for w := range 3 {
			text.Tokens = append(text.Tokens, said(image.Tokens[w*dim:(w+1)*dim])...)
			text.Words = append(text.Words, index.Word{Text: "word"})
		}
		d.Images, d.Captions = append(d.Images, Image{ID: id}), append(d.Captions, Caption{Image: i, Text: "words"})
		require.NoError(t, b.Add(t.Context(), index.Item{ID: id, Encoding: image}))
		require.NoError(t, b.Add(t.Context(), index.Item{ID: captionID(i), Encoding: text}))
	}
	require.NoError(t, b.Finish(t.Context()))
	ix, err := index.Open(path, nil)
	require.NoError(t, err)
	f, complete, err := newFeatures(t.Context(), ix, d)
	require.NoError(t, err)
	require.True(t, complete)
	t.Cleanup(func() { require.NoError(t, f.close()) })
	return f
}

// Heads learn what the towers have wrong, and are left out where they do not.
func TestLearning(t *testing.T) {
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	w := &worker{Run: &Run{Config: settings(t, 8, 0.01), Dir: t.TempDir()}, dim: 16, scale: 20, train: towersWorld(t, 400, 1), val: towersWorld(t, 100, 2)}
	_, res, err := w.run(t.Context())
	require.NoError(t, err)
	require.True(t, res.Adapter)
	require.Greater(t, res.After.Matching.RSum, res.Before.Matching.RSum+100)
	require.Greater(t, res.After.Rerank.RSum, res.Before.Rerank.RSum+100)

	w = &worker{Run: &Run{Config: settings(t, 1, 1e-12), Dir: t.TempDir()}, dim: 16, scale: 20, train: w.train, val: w.val}
	_, res, err = w.run(t.Context())
	require.NoError(t, err)
	require.False(t, res.Adapter)
	require.Equal(t, res.Before.Matching, res.After.Matching)
}

// The step's graph computes what the validation computes with the same parameters.
func TestStartIsNothing(t *testing.T) {
	p := param.NewSet()
	for _, q := range parameters(8) {
		require.NoError(t, p.Ensure(q, 1))
	}
	rows := []float32{1, 0, 0, 0, 0, 0, 0, 0, 0, 0.6, 0.8, 0, 0, 0, 0, 0}
	require.Equal(t, rows, residual(p, wordHead, rows, 8))
	require.Equal(t, []float32{0.5, 0.5, 1}, gates(p, rows, 8))
}

// The whole way: a model of towers, photos and captions in, a model with heads out. What the towers make of a text is
// still the matching vector where the adapter was left out, and alignment has one more word and cell.
func TestRun(t *testing.T) {
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	s, err := models.Open(shareddata.Dir(t, "clip-tiny", "hf-clip-new"))
	require.NoError(t, err)
	defer s.Close()
	teacher, err := s.Save(t.Context(), filepath.Join(t.TempDir(), "clip"), models.SaveOptions{})
	require.NoError(t, err)
	d := &Data{Name: "scenes"}
	g := scenes.New(3, nil)
	for i := range 60 {
		scene := g.Scene(i)
		d.Images = append(d.Images, Image{ID: scene.ID, Input: aladin.Image(scene.Image)})
		for _, c := range scene.Captions {
			d.Captions = append(d.Captions, Caption{Image: i, Text: c.Text})
		}
	}
	r := &Run{Config: settings(t, 1, 1e-9), Teacher: teacher, Data: d, Dir: t.TempDir(), Name: "with-heads"}
	res, err := r.Do(t.Context())
	require.NoError(t, err)
	require.False(t, res.Adapter)

	before, err := aladin.OpenModel(teacher.Dir(), nil)
	require.NoError(t, err)
	defer before.Close()
	after, err := aladin.OpenModel(filepath.Join(r.Dir, "model"), nil)
	require.NoError(t, err)
	defer after.Close()
	require.NotEqual(t, before.Fingerprint(), after.Fingerprint())
	for _, in := range []aladin.Input{aladin.Text("a red ball on the grass"), aladin.Image(g.Scene(70).Image)} {
		a, err := before.Encode(t.Context(), in)
		require.NoError(t, err)
		b, err := after.Encode(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, a.Matching, b.Matching)
		require.Equal(t, a.N()+1, b.N())
		require.InDeltaSlice(t, append(a.Tokens, a.Matching...), b.Tokens, 1e-5)
		require.Equal(t, !res.Ranks, b.Untrained)
	}
	// What was encoded is not encoded again; heads are not trained on heads.
	r.Data.Images[0].Input = aladin.Input{}
	_, err = r.Do(t.Context())
	require.NoError(t, err)
	if r.Teacher, err = bundle.Open(filepath.Join(r.Dir, "model")); err != nil {
		t.Fatal(err)
	}
	_, err = r.Do(t.Context())
	require.ErrorIs(t, err, config.ErrConfig)
}
