package step

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/toy"
)

// Taking a batch in parts changes nothing but the last digits.
func TestSplit(t *testing.T) {
	toy.NeedRuntime(t)
	for name, change := range map[string]func(net *nn.Config, cfg *config.Config){
		"packed": func(*nn.Config, *config.Config) {},
		"full":   func(*nn.Config, *config.Config) {},
		"pre-norm": func(net *nn.Config, _ *config.Config) {
			net.PreNorm, net.MeanPool, net.Alignment = true, true, nn.MrCOSw
		},
		"depth": func(net *nn.Config, _ *config.Config) {
			net.DepthAggregation, net.AlignDepthAggregation = "gated", "mean"
		},
		"frozen":   func(_ *nn.Config, cfg *config.Config) { cfg.Model.FreezeTeran = true },
		"mode":     func(net *nn.Config, _ *config.Config) { net.Alignment = "symm" },
		"released": func(net *nn.Config, _ *config.Config) { net.ReleasedAlignment, net.StopWords = true, true },
		"global":   func(net *nn.Config, _ *config.Config) { net.GlobalPair = 0.5 },
		"phrases": func(net *nn.Config, _ *config.Config) {
			net.TextLocality, net.WordContext, net.WordGates = 2, 0.5, true
		},
		"recompute": func(_ *nn.Config, cfg *config.Config) { cfg.Training.GradientCheckpointing = true },
	} {
		t.Run(name, func(t *testing.T) {
			net, cfg := everyNet(), everything()
			net.Layers, net.MatchLayers = 1, 1
			change(&net, cfg)
			list, err := nn.Parameters(net)
			require.NoError(t, err)
			batch := randomParts(rand.New(rand.NewPCG(5, 6)), net, 5).batch(t, 1, 1)
			losses, grads := result(t, compiled(t, net, cfg), batch)
			of := newSplit(2, 2)
			s, err := New(net, cfg, drawn(list), Options{Threads: 1, Distil: true, NoDropout: true, Full: name == "full", split: &of})
			require.NoError(t, err)
			defer s.Close()
			got, gotGrads := result(t, s, batch)
			require.InDeltaSlice(t, losses, got, 2e-5)
			sameGradients(t, grads, gotGrads)
			_, err = s.Run(t.Context(), nil, randomParts(rand.New(rand.NewPCG(5, 6)), net, 1).batch(t, 0, 0))
			require.ErrorContains(t, err, "at least 2 pairs")
		})
	}
}

// How many parts there are follows from the size of batches, the network's and the threads.
func TestSplitSizes(t *testing.T) {
	ones := func(n int) []int64 { return slices.Repeat([]int64{1}, n) }
	like := &dataset.Batch{}
	like.Captions.B, like.Captions.Mask = 64, ones(64*32)
	like.Images.LabelMask, like.Images.RegionMask = ones(64*32), ones(64*64)
	for _, c := range []struct {
		opts             Options
		hidden           int
		captions, images int
	}{
		{Options{Threads: 1, Like: like}, 256, 2, 4},
		{Options{Threads: 2, Like: like, Device: "cpu"}, 256, 1, 3},
		{Options{Threads: 1, Like: like}, 768, 1, 2},
		{Options{Threads: 16, Like: like}, 256, 1, 1},
		{Options{Threads: 1, Like: like, Device: "cuda"}, 256, 1, 1},
		{Options{Threads: 1}, 256, 1, 1},
	} {
		s := c.opts.parts(c.hidden)
		require.Equal(t, [2]int{c.captions, c.images}, [2]int{s.captions.count(), s.images.count()}, "%d threads, hidden %d", c.opts.Threads, c.hidden)
	}
}
