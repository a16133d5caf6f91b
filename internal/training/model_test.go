package training

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/encode"
	"github.com/aladin-go/aladin/internal/training/model"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/param"
	"github.com/aladin-go/aladin/internal/training/toy"
)

// What a run keeps is a whole bundle: it opens, verifies, and read back for training it is the model whose
// figures the run reported.
func TestKeptModel(t *testing.T) {
	toy.NeedRuntime(t)
	dir := t.TempDir()
	r := toyRun(t, dir, func(c *config.Config) { c.Training.Epochs = 2 })
	best, err := r.Do(t.Context())
	require.NoError(t, err)
	kept := filepath.Join(dir, "model")
	b, err := bundle.Open(kept)
	require.NoError(t, err)
	require.NoError(t, b.Verify(t.Context()))
	require.Contains(t, string(b.Manifest.Training), `"config"`)

	m, err := model.Load(kept)
	require.NoError(t, err)
	require.Equal(t, r.Model.Net, m.Net)
	require.Equal(t, r.Model.Text.Tokenizer.Vocab(), m.Text.Tokenizer.Vocab())
	require.Equal(t, []int{r.Model.Text.MaxCaption, r.Model.Text.MaxLabels, r.Model.Text.FirstLabel, r.Model.MaxRegions},
		[]int{m.Text.MaxCaption, m.Text.MaxLabels, m.Text.FirstLabel, m.MaxRegions})
	val := validatorOf(t, m, r.Val)
	again, err := val.Run(t.Context(), m.Params, nil, nil)
	require.NoError(t, err)
	require.Equal(t, best, again)

	// Saved again it is the same model.
	copied := filepath.Join(t.TempDir(), "copy")
	m.Training = nil
	_, err = m.Save(copied)
	require.NoError(t, err)
	for _, name := range []string{bundle.TextFile, bundle.ImageFile, bundle.AlignFile, bundle.VocabFile} {
		want, err := os.ReadFile(filepath.Join(kept, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(copied, name))
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
}

// A model from nothing has the shape that the configuration gives, and heads change without the rest.
func TestNewModel(t *testing.T) {
	cfg := config.Default()
	cfg.Encoder.Hidden, cfg.Encoder.Layers, cfg.Encoder.MinCount = 8, 1, 1
	vocab := model.Vocabulary(&cfg, slices.Values([]string{"a dog and a cat", "a dog"}))
	m, err := model.New("new", &cfg, vocab, 7)
	require.NoError(t, err)
	require.Equal(t, []int{8, 1, 7, len(vocab), 2, 8, 50}, []int{m.Net.Hidden, m.Net.Layers, m.Net.RegionDim, m.Net.Vocab, m.Net.MatchLayers, m.Net.MatchFF, m.Net.MaxPositions})
	require.Equal(t, m.Text.Tokenizer.CLS(), m.Text.FirstLabel)

	cfg.Model.TernLayers, cfg.Model.TeranLayers, cfg.Model.SharedTransformer, cfg.Model.PostLayers = 1, 2, false, 1
	cfg.Model.DepthAggregationMatching, cfg.Model.DepthAggregationAlignment = "mean", "gated"
	cfg.Training.AlignmentMode = "symm"
	other, err := m.Adapted(&cfg)
	require.NoError(t, err)
	require.Same(t, m.Params, other.Params)
	require.Equal(t, []any{1, 2, true, 1, "mean", "gated", "symm"}, []any{other.Net.MatchLayers, other.Net.AlignLayers, other.Net.SeparateAlign,
		other.Net.PostLayers, other.Net.DepthAggregation, other.Net.AlignDepthAggregation, other.Net.Alignment})
	require.Empty(t, m.Net.AlignDepthAggregation)

	cfg.Encoder.Hidden = 9 // not a multiple of the heads
	_, err = model.New("new", &cfg, vocab, 7)
	require.ErrorIs(t, err, config.ErrConfig)
}

// Stop words take no part in alignment, in the step and in the bundle; nothing moves their table.
func TestStopWords(t *testing.T) {
	toy.NeedRuntime(t)
	dir := t.TempDir()
	r := toyRun(t, dir, func(c *config.Config) {
		c.Training.Epochs, c.Model.ExcludeStopwords, c.Model.TernLayers, c.Encoder.HeadFF = 1, true, 0, 8
		c.Training.LossType, c.Training.WeightDecay = "alignment", 0.5
	})
	var err error
	r.Model, err = r.Model.Adapted(r.Config)
	require.NoError(t, err)
	require.True(t, r.Model.Net.StopWords)
	r.Model.Seen = bundle.WordCounts{}
	_, err = r.Do(t.Context())
	require.NoError(t, err)
	m, err := model.Load(filepath.Join(dir, "model"))
	require.NoError(t, err)
	require.Equal(t, len(r.Data.Captions), m.Seen["a"], "a bundle says how often it saw a word")
	require.NotContains(t, m.RegionFiles, bundle.WordsFile)
	kept := m.Params.Lookup(nn.KeptWords).Data
	for id := range kept {
		piece := m.Text.Tokenizer.Piece(id)
		want := float32(1)
		if piece == "a" || piece == "and" {
			want = 0
		}
		require.Equal(t, want, kept[id], piece)
	}

	// A caption's score is that of its nouns: with nothing but stop words it is 0.
	enc, err := encode.New(m.Net, m.Text, m.MaxRegions, 1, "cpu")
	require.NoError(t, err)
	defer enc.Close()
	got, err := enc.Captions(t.Context(), m.Params, []string{"a dog and a cat", "and a"}, nil)
	require.NoError(t, err)
	require.Len(t, got.Weights[0], 2)
	require.Empty(t, got.Weights[1])
}

// The averaged weights follow the formula, with a decay that grows to what was asked for.
func TestAverage(t *testing.T) {
	cfg := config.Default()
	cfg.Training.EMA = 0.6
	params := param.NewSet()
	params.Set("w", []int{2}, []float32{1, -1})
	w := &worker{Run: &Run{Config: &cfg, Model: &model.Model{Params: params}}, ema: params.Clone(), opt: optim.New(params, cfg)}
	w.opt.Average(w.ema, cfg.Training.EMA)
	require.Same(t, w.ema, w.current(), "the average is what is validated and kept")
	want := []float64{1, -1}
	for step := 1; step < 20; step++ {
		decay := min(0.6, float64(1+step)/float64(10+step))
		p := params.Lookup("w").Data
		for i := range p {
			p[i] = float32(math.Sin(float64(step + i)))
			want[i] = decay*want[i] + (1-decay)*float64(p[i])
		}
		w.opt.Apply(params, nil, 0.1)
		for i, x := range w.ema.Lookup("w").Data {
			require.InDelta(t, want[i], x, 1e-6)
		}
	}
	w.ema = nil
	require.Same(t, params, w.current())
}

// With automatic weights the total is a sum of ½(L·e^−w + w), and the weights learn.
func TestAutoWeights(t *testing.T) {
	toy.NeedRuntime(t)
	run := func(weights config.Weights) (map[string]float64, *param.Set) {
		dir := t.TempDir()
		r := toyRun(t, dir, func(c *config.Config) { c.Training.Epochs, c.Training.LossWeights, c.Training.EMA = 1, weights, 0 })
		_, err := r.Do(t.Context())
		require.NoError(t, err)
		return metrics(t, dir)[0].Loss, r.Model.Params
	}
	plain, _ := run(config.Weights{Values: []float64{1, 1}})
	auto, params := run(config.Weights{Auto: true})
	total := 0.0
	for _, name := range []string{"alignment", "distillation"} {
		require.Equal(t, plain[name], auto[name], "parts are logged without weights")
		total += (plain[name]*math.Exp(2.3) - 2.3) / 2
		require.NotEqual(t, float32(-2.3), params.Lookup("loss_weights." + name).Data[0], name)
	}
	require.InEpsilon(t, total, auto["total"], 1e-5)
	require.InEpsilon(t, plain["alignment"]+plain["distillation"], plain["total"], 1e-5)
}
