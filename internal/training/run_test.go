package training

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/encode"
	"github.com/aladin-go/aladin/internal/training/model"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/param"
	"github.com/aladin-go/aladin/internal/training/report"
	"github.com/aladin-go/aladin/internal/training/state"
	"github.com/aladin-go/aladin/internal/training/toy"
	"github.com/aladin-go/aladin/internal/training/validate"
)

// toyRun is a training of a small network on the toy data, with all that has state: dropout, an average, a
// schedule with warm-up, gates, and a soft maximum.
func toyRun(t *testing.T, dir string, change func(c *config.Config)) *Run {
	cfg := config.Default()
	cfg.Training.LR, cfg.Training.BatchSize, cfg.Training.Epochs = 0.01, 6, 3
	cfg.Training.Scheduler, cfg.Training.Warmup, cfg.Training.WarmupPeriod = "cosine", "linear", 3
	cfg.Training.Optimizer, cfg.Training.WeightDecay, cfg.Training.EMA = "adamw", 0.01, 0.9
	cfg.Training.AlignContrast, cfg.Training.Softness, cfg.Training.SoftnessEnd = "infonce", 0.3, 0.05
	cfg.Training.SaveEvery = 4
	cfg.Encoder.WordDropout, cfg.Encoder.RegionDropout, cfg.Encoder.LabelDropout, cfg.Encoder.FeatureDropout = 0.1, 0.1, 0.1, 0.1
	cfg.Encoder.MaxRegions = 4
	if change != nil {
		change(&cfg)
	}
	require.NoError(t, cfg.Validate())
	text := toy.Text(t)
	net := nn.Config{Layers: 1, Hidden: 8, Heads: 2, FF: 12, Vocab: text.Tokenizer.Size(), MaxPositions: 16, Types: 2, LayerNormEps: 1e-6,
		RegionDim: 10, Alignment: "MrSw", WordGates: true, Standardise: true, MeanPool: true}
	return &Run{Config: &cfg, Data: toy.Data(12, 3), Val: toy.Data(6, 2), Dir: dir, Threads: 1, FromData: true,
		Model: &model.Model{Name: "toy", Net: net, Params: param.NewSet(), Text: text, MaxRegions: 4, Regions: bundle.Regions{Kind: bundle.Precomputed}}}
}

// validatorOf validates a model on one thread.
func validatorOf(t *testing.T, m *model.Model, data *dataset.Data) *validate.Validator {
	t.Helper()
	enc, err := encode.New(m.Net, m.Text, m.MaxRegions, 1, "cpu")
	require.NoError(t, err)
	t.Cleanup(enc.Close)
	val, err := validate.New(m.Net, enc, data, 1, "cpu")
	require.NoError(t, err)
	t.Cleanup(val.Close)
	return val
}

// A logged is a line of metrics.jsonl without what differs from run to run.
type logged struct {
	Step       int
	Epoch      int
	Loss       map[string]float64
	LR         float64
	GradNorm   float64 `json:"grad_norm"`
	Validation *validate.Result
	Best       bool
}

func metrics(t *testing.T, dir string) []logged {
	f, err := os.Open(filepath.Join(dir, "metrics.jsonl"))
	require.NoError(t, err)
	defer f.Close()
	var out []logged
	for s := bufio.NewScanner(f); s.Scan(); {
		var l logged
		require.NoError(t, json.Unmarshal(s.Bytes(), &l))
		out = append(out, l)
	}
	return out
}

// A run that is interrupted anywhere and resumed is, bit for bit, the run that was not: the same losses,
// validations, parameters and model.
func TestResume(t *testing.T) {
	toy.NeedRuntime(t)
	type done struct {
		dir  string
		run  *Run
		best *validate.Result
	}
	uninterrupted := map[string]done{} // by configuration
	top := t
	example := sync.OnceValue(func() *model.Model { // to imitate
		r := toyRun(top, top.TempDir(), func(c *config.Config) { c.Training.Epochs, c.Training.Seed = 1, 5 })
		_, err := r.Do(top.Context())
		require.NoError(top, err)
		return r.Model
	})
	for name, c := range map[string]struct {
		change func(c *config.Config)
		stop   func(e report.Event) bool // where to interrupt
		kill   bool                      // nothing is saved when interrupted
	}{
		"in an epoch":         {nil, func(e report.Event) bool { return e.Kind == "step" && e.Step == 9 }, false},
		"while validating":    {nil, func(e report.Event) bool { return e.Note == "validating" && e.Done > 0 && e.Done == e.Total }, false},
		"killed, validated":   {nil, func(e report.Event) bool { return e.Kind == "validation" && e.Step == 12 }, true},
		"validated by steps":  {func(c *config.Config) { c.Training.ValEvery = 5 }, func(e report.Event) bool { return e.Kind == "validation" && e.Step == 10 }, false},
		"steps, validating":   {func(c *config.Config) { c.Training.ValEvery = 5 }, func(e report.Event) bool { return e.Note == "validating" }, false},
		"accumulated batches": {func(c *config.Config) { c.Training.Accumulate = 4 }, func(e report.Event) bool { return e.Kind == "step" && e.Step == 11 }, false},
		"distillation later":  {func(c *config.Config) { c.Training.DistillAfter = 1 }, func(e report.Event) bool { return e.Kind == "step" && e.Step == 8 }, false},
		"learned weights, buckets": {func(c *config.Config) {
			c.Training.DistillAfter, c.Training.DistillationMode, c.Training.LossWeights = 1, "mse", config.Weights{Auto: true}
			c.Training.Bucket, c.Training.Scheduler, c.Training.StepSize = 3, "steplr", 1
		}, func(e report.Event) bool { return e.Kind == "step" && e.Step == 5 }, false},
		"learned weights, active": {func(c *config.Config) {
			c.Training.DistillAfter, c.Training.DistillationMode, c.Training.LossWeights = 1, "mse", config.Weights{Auto: true}
			c.Training.Bucket, c.Training.Scheduler, c.Training.StepSize = 3, "steplr", 1
		}, func(e report.Event) bool { return e.Kind == "step" && e.Step == 11 }, true},
		"imitation in the graph": {func(c *config.Config) {
			c.Training.Accumulate, c.Training.AccumulateInGraph = 2, true
			c.AddImitation()
		}, func(e report.Event) bool { return e.Kind == "step" && e.Step == 10 }, true},
		"Adam, no average": {func(c *config.Config) {
			c.Training.Optimizer, c.Training.EMA, c.Training.Contrast, c.Training.GradientCheckpointing = "adam", 0, "infonce", true
			c.Training.LossType = "alignment-matching-distillation-entropy-regularizehidden"
		}, func(e report.Event) bool { return e.Kind == "step" && e.Step == 7 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			start := func(dir string) *Run {
				r := toyRun(t, dir, c.change)
				if slices.Contains(r.Config.Losses(), config.Imitation) {
					r.Imitate = []*model.Model{example()}
				}
				return r
			}
			parts := t.TempDir()
			broken := start(parts)
			key := string(broken.Config.YAML())
			whole, ok := uninterrupted[key]
			if !ok {
				whole.dir = top.TempDir()
				whole.run = start(whole.dir)
				var err error
				whole.best, err = whole.run.Do(t.Context())
				require.NoError(t, err)
				uninterrupted[key] = whole
			}

			ctx, cancel := context.WithCancel(t.Context())
			saved := t.TempDir()
			stopped := false
			broken.Observe = func(e report.Event) {
				if e.Kind == "saved" && !stopped {
					require.NoError(t, os.RemoveAll(saved))
					require.NoError(t, os.CopyFS(saved, os.DirFS(filepath.Join(parts, "last"))))
				}
				if !stopped && c.stop(e) {
					stopped = true
					cancel()
				}
			}
			_, err := broken.Do(ctx)
			require.ErrorIs(t, err, context.Canceled)
			if c.kill { // take back what was saved on the way out
				require.NoError(t, os.RemoveAll(filepath.Join(parts, "last")))
				require.NoError(t, os.CopyFS(filepath.Join(parts, "last"), os.DirFS(saved)))
			}
			again := start(parts)
			again.Resume = true
			bestAgain, err := again.Do(t.Context())
			require.NoError(t, err)

			require.Equal(t, metrics(t, whole.dir), metrics(t, parts))
			require.Len(t, again.Model.Params.All(), len(whole.run.Model.Params.All()))
			require.Equal(t, whole.best, bestAgain)
			for _, p := range whole.run.Model.Params.All() {
				require.Equal(t, p.Data, again.Model.Params.Lookup(p.Name).Data, p.Name)
			}
			a, err := model.Load(filepath.Join(whole.dir, "model"))
			require.NoError(t, err)
			b, err := model.Load(filepath.Join(parts, "model"))
			require.NoError(t, err)
			for _, p := range a.Params.All() {
				require.Equal(t, p.Data, b.Params.Lookup(p.Name).Data, p.Name)
			}
		})
	}
}

// Runs repeat, and they learn.
func TestRunLearns(t *testing.T) {
	toy.NeedRuntime(t)
	dir := t.TempDir()
	r := toyRun(t, dir, func(c *config.Config) { c.Training.Epochs = 12 })
	best, err := r.Do(t.Context())
	require.NoError(t, err)
	log := metrics(t, dir)
	require.Less(t, log[len(log)-2].Loss["total"], 0.8*log[0].Loss["total"])
	require.Greater(t, best.Alignment.RSum, 200.0)
}

// Whatever happens between the tensors and the state file, the state that is there can be resumed.
func TestKilledWhileSaving(t *testing.T) {
	params := param.NewSet()
	params.Set("w", []int{2}, []float32{1, 2})
	cfg := config.Default()
	opt := optim.New(params, cfg)
	dir := t.TempDir()
	s := &state.State{Step: 5, Config: "c", Best: -1}
	require.NoError(t, s.Save(dir, params, opt, nil))
	old, err := os.ReadFile(filepath.Join(dir, state.File))
	require.NoError(t, err)

	// The next save ended after its tensors.
	next := param.NewSet()
	next.Set("w", []int{2}, []float32{3, 4})
	require.NoError(t, os.WriteFile(filepath.Join(dir, state.TensorsFile(6)), []byte("half of a"), 0o644))
	got, err := state.Load(dir)
	require.NoError(t, err)
	require.Equal(t, 5, got.Step)
	require.NoError(t, got.Restore(dir, next, optim.New(next, cfg), nil))
	require.Equal(t, []float32{1, 2}, next.Lookup("w").Data)

	// A later save writes over what was left, and clears away the old.
	s.Step = 6
	require.NoError(t, s.Save(dir, params, opt, nil))
	_, err = os.Stat(filepath.Join(dir, state.TensorsFile(5)))
	require.ErrorIs(t, err, os.ErrNotExist)
	got, err = state.Load(dir)
	require.NoError(t, err)
	require.NoError(t, got.Restore(dir, next, optim.New(next, cfg), nil))

	// Damage is an error that says where.
	require.NoError(t, os.WriteFile(filepath.Join(dir, state.File), old, 0o644))
	got, err = state.Load(dir)
	require.NoError(t, err)
	require.ErrorIs(t, got.Restore(dir, next, optim.New(next, cfg), nil), state.ErrState)
	require.NoError(t, os.WriteFile(filepath.Join(dir, state.File), old[:10], 0o644))
	_, err = state.Load(dir)
	require.ErrorIs(t, err, state.ErrState)
	_, err = state.Load(t.TempDir())
	require.ErrorIs(t, err, state.ErrState)
	other := param.NewSet()
	other.Set("w", []int{3}, make([]float32, 3))
	s.Step = 6
	require.ErrorIs(t, s.Restore(dir, other, optim.New(other, cfg), nil), state.ErrState)
}

func TestRunRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *Run)
		want   error
	}{
		"no captions":         {func(r *Run) { r.Data.Captions = nil }, dataset.ErrData},
		"an owner not there":  {func(r *Run) { r.Data.Captions[3].Image = 99 }, dataset.ErrData},
		"other features":      {func(r *Run) { r.Model.Net.RegionDim = 11 }, dataset.ErrData},
		"validation features": {func(r *Run) { r.Val.Images.(*toy.Images).Width = 3 }, dataset.ErrData},
		"fewer than a batch":  {func(r *Run) { r.Data.Captions = r.Data.Captions[:3] }, dataset.ErrData},
		"nothing to resume":   {func(r *Run) { r.Resume = true }, state.ErrState},
		"nothing learns": {func(r *Run) {
			r.Config.Model.FreezeTeran, r.Config.Training.LossType, r.Config.Training.AlignContrast = true, "alignment", ""
			r.Model.Net.WordGates = false
		}, config.ErrConfig},
		"no views": {func(r *Run) { r.Data.Images.(*toy.Images).Looks = nil }, dataset.ErrData},
	} {
		r := toyRun(t, t.TempDir(), nil)
		c.change(r)
		_, err := r.Do(t.Context())
		require.ErrorIs(t, err, c.want, name)
	}
}

// A run that has ended goes on for more epochs as if it had been told of them at first, where the number of epochs
// changes nothing else.
func TestResumeLonger(t *testing.T) {
	toy.NeedRuntime(t)
	for name, schedule := range map[string]func(c *config.Config){
		"constant": func(c *config.Config) { c.Training.Scheduler = "constant" },
		"steps":    func(c *config.Config) { c.Training.Scheduler, c.Training.StepSize = "steplr", 2 },
	} {
		do := func(dir string, resume bool, epochs int) *Run {
			r := toyRun(t, dir, func(c *config.Config) {
				schedule(c)
				c.Training.Epochs, c.Training.SoftnessEnd = epochs, 0
			})
			r.Resume = resume
			_, err := r.Do(t.Context())
			require.NoError(t, err, name)
			return r
		}
		whole, parts := t.TempDir(), t.TempDir()
		want := do(whole, false, 4)
		do(parts, false, 2)
		do(parts, true, 3)
		do(parts, true, 3) // nothing is left
		got := do(parts, true, 4)
		require.Equal(t, metrics(t, whole), metrics(t, parts), name)
		for _, p := range want.Model.Params.All() {
			require.Equal(t, p.Data, got.Model.Params.Lookup(p.Name).Data, p.Name)
		}
	}
}

// Another configuration or other data cannot be resumed into.
func TestResumeRefuses(t *testing.T) {
	toy.NeedRuntime(t)
	dir := t.TempDir()
	_, err := toyRun(t, dir, func(c *config.Config) { c.Training.Epochs = 1 }).Do(t.Context())
	require.NoError(t, err)
	r := toyRun(t, dir, func(c *config.Config) { c.Training.Epochs = 2 })
	r.Resume = true
	_, err = r.Do(t.Context())
	require.ErrorIs(t, err, state.ErrState)
	require.ErrorContains(t, err, "training.epochs is 1 there, 2 here; what a step does depends on how many there are")
	r = toyRun(t, dir, func(c *config.Config) { c.Training.Epochs = 1 })
	r.Resume = true
	r.Data.Captions = r.Data.Captions[1:]
	_, err = r.Do(t.Context())
	require.ErrorIs(t, err, state.ErrState)
}

// A gradient that is not finite stops the run before it reaches the parameters.
func TestDiverged(t *testing.T) {
	toy.NeedRuntime(t)
	r := toyRun(t, t.TempDir(), nil)
	r.FromData = false
	r.Data.Images.(*toy.Images).Sets[0].Features[0] = float32(math.Inf(1))
	_, err := r.Do(t.Context())
	require.ErrorIs(t, err, ErrDiverged)
	for _, p := range r.Model.Params.All() {
		for _, x := range p.Data {
			require.False(t, math.IsNaN(float64(x)), p.Name)
		}
	}

	params := param.NewSet()
	params.Set("w", []int{1}, []float32{1})
	opt := optim.New(params, config.Default())
	norm := opt.Apply(params, []optim.Gradient{{Name: "w", Grad: []float32{float32(math.NaN())}, Width: 1}}, 1)
	require.True(t, math.IsNaN(norm))
	require.Equal(t, []float32{1}, params.Lookup("w").Data)
	require.Zero(t, opt.Adam.Step)
}

// Errors of the data come out with their cause.
func TestDataFails(t *testing.T) {
	toy.NeedRuntime(t)
	r := toyRun(t, t.TempDir(), nil)
	r.FromData = false
	r.Data.Images = failing{r.Data.Images}
	_, err := r.Do(t.Context())
	require.ErrorIs(t, err, errBroken)
}

type failing struct{ dataset.Images }

var errBroken = errors.New("broken disk")

func (f failing) Load(ctx context.Context, i, view int) (*region.Set, error) {
	if i == 7 {
		return nil, errBroken
	}
	return f.Images.Load(ctx, i, view)
}

// The time between steps is told for steps that follow a step, and for no other.
func TestRest(t *testing.T) {
	toy.NeedRuntime(t)
	r := toyRun(t, t.TempDir(), func(c *config.Config) { c.Training.Epochs = 2 })
	afterStep := false
	counted := 0
	r.Observe = func(e report.Event) {
		switch e.Kind {
		case "step":
			require.Equal(t, afterStep, e.Rest > 0, "step %d: %v", e.Step, e.Rest)
			afterStep = e.Step%(e.Steps/2) != 0 // a new epoch starts after validating and saving
			counted++
		case "validation", "saved":
			afterStep = false
		}
	}
	_, err := r.Do(t.Context())
	require.NoError(t, err)
	require.Greater(t, counted, 4)
}
