package train

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
)

// Several batches in one run have the losses and gradients of the batches one by one, whatever their lengths.
func TestRunAll(t *testing.T) {
	needRuntime(t)
	released := func(mode string) func(net *nn.Config, c *Config) {
		return func(net *nn.Config, c *Config) { net.ReleasedAlignment, net.Alignment = true, mode }
	}
	hidden := func(net *nn.Config, c *Config) {
		c.Training.LossType += "-regularizehidden"
		net.RegionLayerNorm, net.RegionLayerNormEps = true, 1e-6
	}
	for name, change := range map[string]func(net *nn.Config, c *Config){
		"packed":          func(*nn.Config, *Config) {},
		"hard, listnet":   func(_ *nn.Config, c *Config) { c.Training.Softness, c.Training.AlignContrast = 0, "" },
		"little softness": func(_ *nn.Config, c *Config) { c.Training.Softness = 1. / 100 },
		"imitation":       func(_ *nn.Config, c *Config) { c.AddImitation() },
		"released MrSw":   released("MrSw"),
		"released mean":   released("mean"),
		"released symm":   released("symm"),
		"released MrAVGw": released("MrAVGw"),
		"hidden states":   hidden,
		"checkpointing":   func(_ *nn.Config, c *Config) { c.Training.GradientCheckpointing = true },
		"no packing":      func(net *nn.Config, _ *Config) { net.DepthAggregation, net.AlignDepthAggregation = "gated", "mean" },
		"global pair":     func(net *nn.Config, _ *Config) { net.GlobalPair, net.Alignment = 0.5, nn.MrCOSw },
		"stop words":      func(net *nn.Config, _ *Config) { net.StopWords, net.Alignment = true, nn.MrCOSw },
		"frozen":          func(_ *nn.Config, c *Config) { c.Model.FreezeTeran = true },
		"learned, ordinal": func(_ *nn.Config, c *Config) {
			c.Training.LossWeights.Auto, c.Training.DistillationMode = true, "ordinal"
		},
		"affine, order": func(_ *nn.Config, c *Config) { c.Training.Measure, c.Training.DistillationMode = "order", "mse" },
		"CLIP": func(net *nn.Config, c *Config) {
			net.CLIPCaptions, net.CLIPLabels, net.WordGates = 5, 7, false
			hidden(net, c)
			c.Training.GradientCheckpointing = true
		},
	} {
		t.Run(name, func(t *testing.T) {
			net, cfg := everyNet(), everything()
			change(&net, cfg)
			rng := rand.New(rand.NewPCG(5, 6))
			var batches []*Batch
			for _, n := range []int{3, 7, 5} {
				batches = append(batches, raggedBatch(t, rng, net, cfg, n))
			}
			one := compiled(t, net, cfg)
			var sum accumulator
			losses := make([]float64, len(one.losses))
			for _, b := range batches {
				res, err := one.Run(t.Context(), b, nil)
				require.NoError(t, err)
				for k, x := range res.Losses {
					losses[k] += x / 3
				}
				sum.add(res)
			}
			list, err := nn.Parameters(net)
			require.NoError(t, err)
			all, err := NewStep(net, cfg, drawn(list), StepOptions{Threads: 1, Distil: true, NoDropout: true, Together: true})
			require.NoError(t, err)
			defer all.Close()
			for _, n := range []int{3, 1, 3} { // the last group of an epoch may be smaller
				res, err := all.RunAll(t.Context(), batches[:n], nil)
				require.NoError(t, err)
				if n < 3 {
					continue
				}
				require.InDeltaSlice(t, losses, res.Losses, 1e-5)
				if sum.n > 0 {
					sameGradients(t, densely(one.Params, sum.mean()), densely(all.Params, res))
				}
			}
			if !slices.Contains([]string{"packed", "no packing", "CLIP"}, name) {
				return
			}
			// With dropout masks are cut to each batch's own size.
			dropped, err := NewStep(net, cfg, drawn(list), StepOptions{Threads: 1, Distil: true, Together: true})
			require.NoError(t, err)
			defer dropped.Close()
			first, err := dropped.RunAll(t.Context(), batches, rand.New(rand.NewPCG(1, 1)))
			require.NoError(t, err)
			norm := first.Norm()
			require.True(t, finite(norm))
			again, err := dropped.RunAll(t.Context(), batches, rand.New(rand.NewPCG(1, 1)))
			require.NoError(t, err)
			require.Equal(t, norm, again.Norm())
			require.NotEqual(t, losses, again.Losses)
			other := batches[1:2]
			other[0].Captions.B--
			_, err = dropped.RunAll(t.Context(), []*Batch{batches[0], other[0]}, rand.New(rand.NewPCG(1, 1)))
			require.ErrorContains(t, err, "cannot run together")
		})
	}
}

// raggedBatch is three pairs whose longest caption, labels and regions are about n long.
func raggedBatch(t *testing.T, rng *rand.Rand, net nn.Config, cfg *Config, n int) *Batch {
	seq := func(k int) []int64 {
		out := []int64{2}
		for range k {
			out = append(out, int64(5+rng.IntN(4)))
		}
		return append(out, 3)
	}
	b, err := padBatch([][]int64{seq(n), seq(2), seq(n - 2)}, [][]int64{seq(1), seq(n), seq(2)}, []int{n, 2, n + 1}, net.RegionDim, rng)
	require.NoError(t, err)
	if cfg.Training.Softness > 0 {
		b.Softness = 0.2
	}
	if known(cfg.Losses(), imitation) {
		b.Examples = normals(rng, 9)
	}
	b.readCLIP(rng, net)
	return b
}

func normals(rng *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(rng.NormFloat64())
	}
	return out
}

// readCLIP gives a batch random vectors in place of word pieces, where the network reads such.
func (b *Batch) readCLIP(rng *rand.Rand, net nn.Config) {
	if dim := net.CLIPCaptions; dim > 0 {
		b.Captions.Dim, b.Captions.IDs, b.Captions.Vectors = dim, nil, normals(rng, b.Captions.B*b.Captions.T*dim)
	}
	if dim := net.CLIPLabels; dim > 0 {
		b.Images.LabelDim, b.Images.LabelIDs, b.Images.LabelVectors = dim, nil, normals(rng, b.Images.B*b.Images.L*dim)
	}
}

// A run whose batches accumulate in the graph is the run in which they do so outside, but for rounding.
func TestAccumulateInGraph(t *testing.T) {
	needRuntime(t)
	run := func(inGraph bool) (*Run, []logged) {
		dir := t.TempDir()
		r := toyRun(t, dir, func(c *Config) {
			c.Training.Accumulate, c.Training.AccumulateInGraph, c.Training.Epochs = 4, inGraph, 2
			c.Encoder.Dropout, c.Encoder.AttentionDrop, c.Encoder.FeatureDropout, c.Model.Dropout = 0, 0, 0, 0
			c.Training.Softness, c.Training.Scheduler, c.Training.Warmup = 0, "constant", ""
		})
		r.Val = nil
		_, err := r.Do(t.Context())
		require.NoError(t, err)
		return r, metrics(t, dir)
	}
	outside, steps := run(false)
	inside, runs := run(true)
	require.Len(t, steps, 12)
	require.Len(t, runs, 4, "six batches an epoch: four, and the two that are left")
	for i, last := range []int{4, 6, 10, 12} {
		require.Equal(t, last, runs[i].Step)
		require.InEpsilon(t, steps[last-1].GradNorm, runs[i].GradNorm, 1e-3)
	}
	require.InDelta(t, (steps[0].Loss["total"]+steps[1].Loss["total"]+steps[2].Loss["total"]+steps[3].Loss["total"])/4, runs[0].Loss["total"], 1e-4)
	for _, p := range outside.Model.Params.All() {
		if p.Name == nn.WordEmbeddings {
			require.InDeltaSlice(t, p.Data, inside.Model.Params.Lookup(p.Name).Data, 2e-3)
		}
	}
}
