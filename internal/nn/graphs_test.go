package nn_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/ort"
)

// TestAlignModel holds the MaxSim of quantised regions against plain loops.
func TestAlignModel(t *testing.T) {
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	m, err := nn.AlignModel(nn.Config{Hidden: dim, Heads: 1, Vocab: 9, MaxPositions: 9, Types: 2, RegionDim: 3, Alignment: "MrSw"})
	require.NoError(t, err)
	s, err := ort.Load(m.Marshal(), &ort.Options{Threads: 1})
	require.NoError(t, err)
	defer s.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	const q, w, c, r = 2, 3, 4, 5
	words, weights := make([]float32, q*w*dim), make([]float32, q*w)
	codes, scales, mask := make([]int8, c*r*dim), make([]float32, c*r), make([]float32, c*r)
	for i := range words {
		words[i] = float32(rng.NormFloat64() / math.Sqrt(dim))
	}
	for i := range weights {
		weights[i] = float32(rng.IntN(3))
	}
	for i := range codes {
		codes[i] = int8(rng.IntN(255) - 127)
	}
	for i := range scales {
		scales[i] = (0.5 + rng.Float32()) / 400
		if i%r < 1+i/r {
			mask[i] = 1
		}
	}
	out, err := s.Run(t.Context(), map[string]*ort.Tensor{
		"words": ort.Float32([]int64{q, w, dim}, words), "word_weights": ort.Float32([]int64{q, w}, weights),
		"regions": ort.Int8([]int64{c, r, dim}, codes), "region_scales": ort.Float32([]int64{c, r}, scales), "region_mask": ort.Float32([]int64{c, r}, mask),
	})
	require.NoError(t, err)
	require.Equal(t, []int64{q, c}, out["scores"].Shape())
	require.Equal(t, []int64{q, c, w}, out["best"].Shape())
	for qi := range q {
		for ci := range c {
			total := 0.0
			for wi := range w {
				best, at := math.Inf(-1), 0
				for ri := range r {
					sim := 0.0
					for d := range dim {
						sim += float64(words[(qi*w+wi)*dim+d]) * float64(codes[(ci*r+ri)*dim+d]) * float64(scales[ci*r+ri])
					}
					if mask[ci*r+ri] == 1 && sim > best {
						best, at = sim, ri
					}
				}
				total += best * float64(weights[qi*w+wi])
				i := (qi*c+ci)*w + wi
				require.InDelta(t, best, out["similarity"].Float32()[i], 1e-5)
				require.Equal(t, int64(at), out["best"].Int64()[i])
			}
			require.InDelta(t, total, out["scores"].Float32()[qi*c+ci], 1e-5)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	good := nn.Config{Layers: 1, Hidden: 8, Heads: 2, FF: 4, Vocab: 9, MaxPositions: 9, Types: 2, RegionDim: 3, MatchLayers: 1, MatchHeads: 4, MatchFF: 8, Alignment: "MrSw"}
	require.NoError(t, good.Validate())
	for name, change := range map[string]func(c *nn.Config){
		"heads":             func(c *nn.Config) { c.Heads = 3 },
		"hidden":            func(c *nn.Config) { c.Hidden = 0 },
		"matching heads":    func(c *nn.Config) { c.MatchHeads = 3 },
		"vocabulary":        func(c *nn.Config) { c.Vocab = 0 },
		"many words":        func(c *nn.Config) { c.Vocab = 1_000_000_000 },
		"many layers":       func(c *nn.Config) { c.Layers = 1_000_000_000 },
		"types":             func(c *nn.Config) { c.Types = 1 },
		"features":          func(c *nn.Config) { c.RegionDim = 0 },
		"feed-forward":      func(c *nn.Config) { c.FF = 0 },
		"heads' width":      func(c *nn.Config) { c.MatchFF = 0 },
		"alignment":         func(c *nn.Config) { c.Alignment = "max" },
		"depth":             func(c *nn.Config) { c.DepthAggregation = "sum" },
		"depth, heads":      func(c *nn.Config) { c.AlignDepthAggregation, c.MatchLayers, c.MatchHeads = "gated", 0, 0 },
		"Detic's features":  func(c *nn.Config) { c.DeticIn, c.DeticHidden = 3, 4 },
		"alignment's heads": func(c *nn.Config) { c.MatchLayers, c.AlignLayers, c.MatchHeads = 0, 1, 0 },
		"post layers":       func(c *nn.Config) { c.MatchLayers, c.PostLayers, c.MatchHeads = 0, 1, 3 },
	} {
		c := good
		change(&c)
		require.ErrorIs(t, c.Validate(), nn.ErrConfig, name)
		_, err := nn.Parameters(c)
		require.ErrorIs(t, err, nn.ErrConfig, name)
	}
}
