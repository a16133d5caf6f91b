package devicetest

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/param"
	"github.com/aladin-go/aladin/internal/training/step"
	"github.com/aladin-go/aladin/internal/training/toy"
)

// Three training steps, dropout and all, lose on the device what they lose on the CPU.
func TestTrainingStep(t *testing.T) {
	need(t)
	published := nn.Config{Layers: 1, Hidden: 32, Heads: 4, FF: 64, MatchLayers: 1, MatchHeads: 4, MatchFF: 48, RegionDim: 20, Alignment: "MrSw"}
	photos := published
	photos.Alignment, photos.PreNorm, photos.MeanPool, photos.WordGates, photos.Standardise = nn.MrCOSw, true, true, true, true
	released := published
	released.ReleasedAlignment, released.Alignment = true, "symm"
	for name, c := range map[string]struct {
		net    nn.Config
		change func(*config.Config)
		opts   step.Options
		long   bool
	}{
		"published": {published, func(*config.Config) {}, step.Options{}, false},
		"photos": {photos, func(c *config.Config) {
			c.Training.LossType, c.Training.Contrast, c.Training.Softness = "alignment-matching", "infonce", 0.1
			c.Training.Temperature, c.Training.AlignTemperature = 0.08, 0.05
		}, step.Options{}, false},
		"released alignment": {released, func(*config.Config) {}, step.Options{}, true},
		"checkpointed":       {published, func(c *config.Config) { c.Training.GradientCheckpointing = true }, step.Options{}, true},
		"batches in one run": {published, func(*config.Config) {}, step.Options{Together: true}, true},
		"without packing":    {published, func(*config.Config) {}, step.Options{Full: true}, true},
	} {
		if c.long && testing.Short() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			net := c.net
			net.Vocab, net.MaxPositions, net.Types, net.LayerNormEps = 100, 40, 2, 1e-12
			cfg := config.Default()
			c.change(&cfg)
			batch := trainingBatch(t, net, 8, 9)
			batch.Softness = float32(cfg.Training.Softness)
			want, got := losses(t, net, cfg, c.opts, batch, ""), losses(t, net, cfg, c.opts, batch, device())
			require.Len(t, got, len(want))
			for i := range want {
				assert.InEpsilon(t, want[i], got[i], 1e-4, "step %d", i)
			}
			assert.NotEqual(t, want[0], want[2], "it learns nothing")
		})
	}
}

func trainingBatch(tb testing.TB, net nn.Config, pairs, length int) *dataset.Batch {
	rng := rand.New(rand.NewPCG(2, 2))
	var captions, tags [][]int64
	var counts []int
	for i := range pairs {
		words := make([]int64, 3+(i*5)%(length-2))
		for j := range words {
			words[j] = int64(5 + rng.IntN(net.Vocab-5))
		}
		captions, tags, counts = append(captions, words), append(tags, words[:3]), append(counts, 2+i%5)
	}
	b, err := toy.Batch(captions, tags, counts, net.RegionDim, rng)
	require.NoError(tb, err)
	return b
}

// losses are the totals of three steps.
func losses(tb testing.TB, net nn.Config, cfg config.Config, opts step.Options, batch *dataset.Batch, device string) []float64 {
	opts.Distil, opts.Device = true, device
	s, err := step.New(net, &cfg, param.NewSet(), opts)
	require.NoError(tb, err)
	defer s.Close()
	opt, rng := optim.New(s.Params, cfg), rand.New(rand.NewPCG(1, 1))
	var out []float64
	for range 3 {
		r, err := s.Run(tb.Context(), rng, batch)
		require.NoError(tb, err)
		out = append(out, r.Losses[0])
		opt.Apply(s.Params, r.Grads, 1e-3)
	}
	return out
}
