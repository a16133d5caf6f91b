package training

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/encode"
	"github.com/aladin-go/aladin/internal/training/model"
	"github.com/aladin-go/aladin/internal/training/toy"
)

// mirrorImages see in view 1 the features of view 0 with their signs changed.
type mirrorImages struct{ *toy.Images }

func (m mirrorImages) Load(ctx context.Context, i, view int) (*region.Set, error) {
	s, err := m.Images.Load(ctx, i, view)
	if view == 0 || err != nil {
		return s, err
	}
	out := *s
	out.Features = make([]float32, len(s.Features))
	for k, v := range s.Features {
		out.Features[k] = -v
	}
	return &out, nil
}

// A batch's examples are the means of the models' products, of the views that the batch sees.
func TestExamples(t *testing.T) {
	toy.NeedRuntime(t)
	var models []*model.Model
	run := toyRun(t, t.TempDir(), nil)
	for seed := range 2 {
		r := toyRun(t, t.TempDir(), func(c *config.Config) { c.Training.Epochs, c.Training.Seed = 1, uint64(seed) })
		_, err := r.Do(t.Context())
		require.NoError(t, err)
		models = append(models, r.Model)
	}
	images := run.Data.Images.(*toy.Images)
	images.Looks = []dataset.View{{}, {}}
	run.Data.Images = mirrorImages{images}
	told := 0
	all := 2 * (12*3 + 12*2)
	e, err := encode.NewExamples(t.Context(), models, "matching", run.Data, 1, "", func(done, total int) {
		require.Greater(t, done, told)
		told = done
		require.Equal(t, all, total)
	})
	require.NoError(t, err)
	defer e.Close()
	require.Equal(t, all, told)

	owners, views, captions := []int{3, 5, 11}, []int{0, 1, 1}, []int{9, 15, 33}
	// same holds a mean over models against the formula for one.
	same := func(e *encode.Examples, score func(m *encode.Example, view, owner, caption int) float64) []float32 {
		got, err := e.Scores(t.Context(), owners, views, captions)
		require.NoError(t, err)
		for i, owner := range owners {
			for j, c := range captions {
				want := 0.0
				for _, m := range e.Models {
					want += score(m, views[i], owner, c) / float64(len(e.Models))
				}
				require.InDelta(t, want, got[i*len(captions)+j], 1e-4)
			}
		}
		return got
	}
	dot := func(a, b []float32) (sum float64) {
		for k := range a {
			sum += float64(a[k]) * float64(b[k])
		}
		return sum
	}
	same(e, func(m *encode.Example, view, owner, c int) float64 {
		d := m.Captions.Dim
		return dot(m.Views[view].Matching[owner*d:][:d], m.Captions.Matching[c*d:][:d])
	})

	// Of alignment, MrSw: the sum of every word's best region.
	a, err := encode.NewExamples(t.Context(), models, "alignment", run.Data, 1, "", func(int, int) {})
	require.NoError(t, err)
	defer a.Close()
	got := same(a, func(m *encode.Example, view, owner, c int) float64 {
		d, sum := m.Captions.Dim, 0.0
		for w, weight := range m.Captions.Weights[c] {
			best := math.Inf(-1)
			for r := range m.Views[view].Weights[owner] {
				best = max(best, dot(m.Captions.Tokens[c][w*d:][:d], m.Views[view].Tokens[owner][r*d:][:d]))
			}
			sum += best * float64(weight)
		}
		return sum
	})
	other, err := a.Scores(t.Context(), owners, []int{0, 0, 0}, captions)
	require.NoError(t, err)
	require.NotEqual(t, other[3:6], got[3:6], "another view scores otherwise")

	models[1].Net.RegionDim = 9
	_, err = encode.NewExamples(t.Context(), models, "matching", run.Data, 1, "", func(int, int) {})
	require.ErrorIs(t, err, dataset.ErrData)
	require.ErrorContains(t, err, "regions of 9 features, and the data's have 10")
}

// A network whose only loss is imitation comes to rank like its example, through both heads.
func TestImitation(t *testing.T) {
	toy.NeedRuntime(t)
	change := func(loss string) func(c *config.Config) {
		return func(c *config.Config) {
			c.Training.LossType, c.Training.Epochs, c.Training.LR, c.Training.EMA = loss, 15, 0.02, 0
			c.Training.DistillAfter = 1000
		}
	}
	example := toyRun(t, t.TempDir(), change("alignment-matching"))
	best, err := example.Do(t.Context())
	require.NoError(t, err)

	cfg := *example.Config
	cfg.Training.LossWeights = config.Weights{Values: []float64{1, 2}}
	cfg.AddImitation()
	cfg.AddImitation()
	require.Equal(t, []string{"alignment", "matching", "imitation"}, cfg.Losses())
	require.Equal(t, []float64{1, 2, 1}, cfg.Training.LossWeights.Values)
	require.NoError(t, cfg.Validate())

	r := toyRun(t, t.TempDir(), change("imitation"))
	r.Imitate = []*model.Model{example.Model}
	v, err := r.Do(t.Context())
	require.NoError(t, err)
	require.Greater(t, v.Matching.RSum, 0.8*best.Matching.RSum)
	require.Greater(t, v.Alignment.RSum, 0.8*best.Matching.RSum)

	untaught := toyRun(t, t.TempDir(), change("imitation"))
	_, err = untaught.Do(t.Context())
	require.ErrorIs(t, err, config.ErrConfig)
	require.ErrorContains(t, err, "no model to imitate")
	deaf := toyRun(t, t.TempDir(), change("matching"))
	deaf.Imitate = r.Imitate
	_, err = deaf.Do(t.Context())
	require.ErrorIs(t, err, config.ErrConfig)
	require.ErrorContains(t, err, "does not name imitation")
}
