package step

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/training/config"
)

// With gradient checkpointing the losses and gradients of a step are the same, dropout and all.
func TestGradientCheckpointing(t *testing.T) {
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	for name, change := range map[string]func(net *nn.Config, cfg *config.Config){
		"usual":    func(*nn.Config, *config.Config) {},
		"pre-norm": func(net *nn.Config, _ *config.Config) { net.PreNorm, net.MeanPool = true, true },
		"depth": func(net *nn.Config, _ *config.Config) {
			net.DepthAggregation, net.AlignDepthAggregation = "gated", "mean"
		},
		"frozen":    func(_ *nn.Config, cfg *config.Config) { cfg.Model.FreezeTeran = true },
		"no layers": func(net *nn.Config, _ *config.Config) { net.Layers, net.AlignLayers, net.MatchLayers = 0, 0, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			net, cfg := everyNet(), everything()
			change(&net, cfg)
			list, err := nn.Parameters(net)
			require.NoError(t, err)
			batch := randomParts(rand.New(rand.NewPCG(5, 6)), net, 4).batch(t, 1, 1)
			var losses [2][]float64
			var grads [2]map[string][]float32
			for i := range losses {
				cfg.Training.GradientCheckpointing = i == 1
				s, err := New(net, cfg, drawn(list), Options{Threads: 1, Distil: true})
				require.NoError(t, err)
				res, err := s.Run(t.Context(), rand.New(rand.NewPCG(7, 8)), batch)
				require.NoError(t, err)
				losses[i], grads[i] = res.Losses, densely(s.Params, res.Grads)
				require.NoError(t, s.Close())
			}
			require.Equal(t, losses[0], losses[1])
			require.NotEmpty(t, grads[0])
			sameGradients(t, grads[0], grads[1])
		})
	}
}
