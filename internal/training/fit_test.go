package training

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/model"
	"github.com/aladin-go/aladin/internal/training/param"
	"github.com/aladin-go/aladin/internal/training/step"
	"github.com/aladin-go/aladin/internal/training/toy"
)

// teacher is a model of the toy network with values that tell whose they are.
func teacher(t *testing.T) (*model.Model, *config.Config) {
	t.Helper()
	r := toyRun(t, t.TempDir(), nil)
	list, err := step.Parameters(r.Model.Net, r.Config)
	require.NoError(t, err)
	for _, p := range list {
		data := make([]float32, p.Len())
		for i := range data {
			data[i] = 7
		}
		r.Model.Params.Set(p.Name, p.Shape, data)
	}
	return r.Model, r.Config
}

func names(list []model.Named) []string {
	var out []string
	for _, n := range list {
		out = append(out, n.Name)
	}
	return out
}

// A teacher of the same kind is taken whole: a step asks for nothing that Fit did not see.
func TestFitWhole(t *testing.T) {
	toy.NeedRuntime(t)
	for name, change := range map[string]func(c *config.Config){
		"plain": nil,
		"learned": func(c *config.Config) {
			c.Training.LossWeights, c.Training.DistillationMode = config.Weights{Auto: true}, "mse"
		},
		"entropy": func(c *config.Config) { c.Training.LossType = "alignment-matching-entropy-regularizehidden" },
		"heads":   func(c *config.Config) { c.Model.TeranLayers, c.Model.SharedTransformer = 1, false },
	} {
		m, cfg := teacher(t)
		if change != nil {
			change(cfg)
		}
		if change == nil {
			fit, err := m.Fit(cfg)
			require.NoError(t, err)
			require.Empty(t, append(fit.Fresh, fit.Left...))
			require.Empty(t, fit.Reshaped)
		}
		m, err := m.Adapted(cfg)
		require.NoError(t, err, name)
		_, err = m.Fit(cfg)
		require.NoError(t, err, name)
		s, err := step.New(m.Net, cfg, m.Params, step.Options{Threads: 1, Distil: true})
		require.NoError(t, err, name)
		require.NoError(t, s.Close())
		list, err := step.Parameters(m.Net, cfg)
		require.NoError(t, err)
		have := map[string]bool{}
		for _, p := range list {
			have[p.Name] = true
		}
		for _, p := range m.Params.All() {
			require.True(t, have[p.Name], "%s: %s is of the step and Fit does not know it", name, p.Name)
		}
	}
}

// What fits is taken and trained, what is of another shape or missing starts anew, the rest is left; all
// of it is told.
func TestFitParts(t *testing.T) {
	m, cfg := teacher(t)
	whole := len(m.Params.All())
	lost := "img_txt_enc.oscar_model.bert.encoder.layer.0.output.dense.bias"
	all := param.NewSet()
	for _, p := range m.Params.All() {
		if p.Name != lost {
			all.Set(p.Name, p.Shape, p.Data)
		}
	}
	all.Set("img_txt_enc.img_proj.weight", []int{2, 3}, make([]float32, 6))
	all.Set("img_txt_enc.img_proj.bias", []int{2}, make([]float32, 2))
	m.Params = all
	m.Spare = []model.Named{{Name: "img_txt_enc.position_ids", Shape: []int{1, 9}}}
	m.Net.RegionDim = 12 // the data's; the teacher's is 10

	fit, err := m.Fit(cfg)
	require.NoError(t, err)
	require.Equal(t, []string{lost}, names(fit.Fresh))
	require.Equal(t, []model.Reshaped{{Name: nn.RegionMean, Teacher: []int{10}, Network: []int{12}}, {Name: nn.RegionScale, Teacher: []int{10}, Network: []int{12}}, {Name: nn.RegionEmbeddings, Teacher: []int{8, 10}, Network: []int{8, 12}}}, fit.Reshaped)
	require.Equal(t, []string{"img_txt_enc.img_proj.weight", "img_txt_enc.img_proj.bias", "img_txt_enc.position_ids"}, names(fit.Left))
	require.Len(t, fit.Taken, whole-4)
	require.Len(t, m.Params.All(), whole-4)
	require.Equal(t, float32(7), m.Params.Lookup(nn.WordEmbeddings).Data[3])
	for _, line := range []string{
		"starts anew, the teacher has none: " + lost + " [8]",
		"starts anew, of another shape: " + nn.RegionEmbeddings + ", the teacher's [8 10], the network's [8 12]",
		"left, the network has none: img_txt_enc.img_proj.weight [2 3]",
		"left, the network has none: img_txt_enc.position_ids [1 9]",
	} {
		require.Contains(t, fit.String(), line)
	}
}

// Features of another size are measured before a teacher's network reads them.
func TestFitMeasures(t *testing.T) {
	toy.NeedRuntime(t)
	m, cfg := teacher(t)
	cfg.Training.Epochs = 1
	old := m.Params.Lookup(nn.WordEmbeddings).Data
	for i := range old {
		old[i] = float32(i%5) - 2
	}
	m.Params.Set(nn.RegionMean, []int{9}, make([]float32, 9))
	_, err := m.Fit(cfg)
	require.NoError(t, err)
	cfg.Encoder.Start = "cca" // is for what starts anew, not for a teacher's embeddings
	cfg.Training.LR = 1e-12
	r := &Run{Config: cfg, Data: toy.Data(12, 3), Dir: t.TempDir(), Threads: 1, Model: m}
	_, err = r.Do(t.Context())
	require.NoError(t, err)
	sum := 0.0
	for _, x := range m.Params.Lookup(nn.RegionMean).Data {
		sum += math.Abs(float64(x))
	}
	require.Greater(t, sum, 0.1)
	require.InDelta(t, -2, m.Params.Lookup(nn.WordEmbeddings).Data[0], 1e-4)
}

func TestFitRefuses(t *testing.T) {
	m, cfg := teacher(t)
	m.Params.Lookup(nn.WordEmbeddings).Data[5] = float32(math.NaN())
	_, err := m.Fit(cfg)
	require.ErrorIs(t, err, param.ErrParam)
	require.ErrorContains(t, err, nn.WordEmbeddings+": value 5 is NaN")

	m, cfg = teacher(t)
	p := param.NewSet()
	p.Set("stranger", []int{1}, []float32{1})
	m.Params = p
	_, err = m.Fit(cfg)
	require.ErrorIs(t, err, param.ErrParam)
	require.ErrorContains(t, err, "stranger [1]")

	m, cfg = teacher(t)
	m.Net.RegionDim = 12
	cfg.Model.FreezeTeran, cfg.Training.LossType = true, "matching"
	_, err = m.Fit(cfg)
	require.ErrorIs(t, err, config.ErrConfig)
	require.ErrorContains(t, err, nn.RegionEmbeddings)
}
