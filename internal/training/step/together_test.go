package step

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/toy"
)

// Several batches in one run have the losses and gradients of the batches one by one, whatever their lengths.
func TestRunTogether(t *testing.T) {
	toy.NeedRuntime(t)
	released := func(mode string) func(net *nn.Config, c *config.Config) {
		return func(net *nn.Config, c *config.Config) { net.ReleasedAlignment, net.Alignment = true, mode }
	}
	hidden := func(net *nn.Config, c *config.Config) {
		c.Training.LossType += "-regularizehidden"
		net.RegionLayerNorm, net.RegionLayerNormEps = true, 1e-6
	}
	for name, change := range map[string]func(net *nn.Config, c *config.Config){
		"packed":          func(*nn.Config, *config.Config) {},
		"hard, listnet":   func(_ *nn.Config, c *config.Config) { c.Training.Softness, c.Training.AlignContrast = 0, "" },
		"little softness": func(_ *nn.Config, c *config.Config) { c.Training.Softness = 1. / 100 },
		"imitation":       func(_ *nn.Config, c *config.Config) { c.AddImitation() },
		"released MrSw":   released("MrSw"),
		"released mean":   released("mean"),
		"released symm":   released("symm"),
		"released MrAVGw": released("MrAVGw"),
		"hidden states":   hidden,
		"checkpointing":   func(_ *nn.Config, c *config.Config) { c.Training.GradientCheckpointing = true },
		"no packing": func(net *nn.Config, _ *config.Config) {
			net.DepthAggregation, net.AlignDepthAggregation = "gated", "mean"
		},
		"global pair": func(net *nn.Config, _ *config.Config) { net.GlobalPair, net.Alignment = 0.5, nn.MrCOSw },
		"phrases":     func(net *nn.Config, _ *config.Config) { net.TextLocality, net.WordContext = 2, 0.5 },
		"stop words":  func(net *nn.Config, _ *config.Config) { net.StopWords, net.Alignment = true, nn.MrCOSw },
		"frozen":      func(_ *nn.Config, c *config.Config) { c.Model.FreezeTeran = true },
		"learned, ordinal": func(_ *nn.Config, c *config.Config) {
			c.Training.LossWeights.Auto, c.Training.DistillationMode = true, "ordinal"
		},
		"affine, order": func(_ *nn.Config, c *config.Config) { c.Training.Measure, c.Training.DistillationMode = "order", "mse" },
		"CLIP": func(net *nn.Config, c *config.Config) {
			net.CLIPCaptions, net.CLIPLabels, net.WordGates = 5, 7, false
			hidden(net, c)
			c.Training.GradientCheckpointing = true
		},
	} {
		t.Run(name, func(t *testing.T) {
			net, cfg := everyNet(), everything()
			change(&net, cfg)
			rng := rand.New(rand.NewPCG(5, 6))
			var batches []*dataset.Batch
			for _, n := range []int{3, 7, 5} {
				batches = append(batches, raggedBatch(t, rng, net, cfg, n))
			}
			one := compiled(t, net, cfg)
			var sum optim.Accumulator
			losses := make([]float64, len(one.losses))
			for _, b := range batches {
				res, err := one.Run(t.Context(), nil, b)
				require.NoError(t, err)
				for k, x := range res.Losses {
					losses[k] += x / 3
				}
				sum.Add(res.Grads)
			}
			list, err := nn.Parameters(net)
			require.NoError(t, err)
			all, err := New(net, cfg, drawn(list), Options{Threads: 1, Distil: true, NoDropout: true, Together: true})
			require.NoError(t, err)
			defer all.Close()
			for _, n := range []int{3, 1, 3} { // the last group of an epoch may be smaller
				res, err := all.Run(t.Context(), nil, batches[:n]...)
				require.NoError(t, err)
				if n < 3 {
					continue
				}
				require.InDeltaSlice(t, losses, res.Losses, 1e-5)
				if sum.N > 0 {
					sameGradients(t, densely(one.Params, sum.Mean()), densely(all.Params, res.Grads))
				}
			}
			if !slices.Contains([]string{"packed", "no packing", "CLIP"}, name) {
				return
			}
			// With dropout masks are cut to each batch's own size.
			dropped, err := New(net, cfg, drawn(list), Options{Threads: 1, Distil: true, Together: true})
			require.NoError(t, err)
			defer dropped.Close()
			first, err := dropped.Run(t.Context(), rand.New(rand.NewPCG(1, 1)), batches...)
			require.NoError(t, err)
			before := optim.Norm(first.Grads)
			require.True(t, optim.Finite(before))
			again, err := dropped.Run(t.Context(), rand.New(rand.NewPCG(1, 1)), batches...)
			require.NoError(t, err)
			require.Equal(t, before, optim.Norm(again.Grads))
			require.NotEqual(t, losses, again.Losses)
			other := batches[1:2]
			other[0].Captions.B--
			_, err = dropped.Run(t.Context(), rand.New(rand.NewPCG(1, 1)), batches[0], other[0])
			require.ErrorContains(t, err, "cannot run together")
		})
	}
}

// raggedBatch is three pairs whose longest caption, labels and regions are about n long.
func raggedBatch(t *testing.T, rng *rand.Rand, net nn.Config, cfg *config.Config, n int) *dataset.Batch {
	seq := func(k int) []int64 {
		out := []int64{2}
		for range k {
			out = append(out, int64(5+rng.IntN(4)))
		}
		return append(out, 3)
	}
	b, err := toy.Batch([][]int64{seq(n), seq(2), seq(n - 2)}, [][]int64{seq(1), seq(n), seq(2)}, []int{n, 2, n + 1}, net.RegionDim, rng)
	require.NoError(t, err)
	if cfg.Training.Softness > 0 {
		b.Softness = 0.2
	}
	if slices.Contains(cfg.Losses(), config.Imitation) {
		b.Examples = toy.Normals(rng, 9)
	}
	readCLIP(b, rng, net)
	return b
}

// readCLIP gives a batch random vectors in place of word pieces, where the network reads such.
func readCLIP(b *dataset.Batch, rng *rand.Rand, net nn.Config) {
	if dim := net.CLIPCaptions; dim > 0 {
		b.Captions.Dim, b.Captions.IDs, b.Captions.Vectors = dim, nil, toy.Normals(rng, b.Captions.B*b.Captions.T*dim)
	}
	if dim := net.CLIPLabels; dim > 0 {
		b.Images.LabelDim, b.Images.LabelIDs, b.Images.LabelVectors = dim, nil, toy.Normals(rng, b.Images.B*b.Images.L*dim)
	}
}

// A run whose batches accumulate in the graph is the run in which they do so outside, but for rounding.
