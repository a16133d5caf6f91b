package nn_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
)

// Kinds are those of the released state dict's modules, by what freeze-teran freezes there.
func TestKinds(t *testing.T) {
	cfg := nn.Config{Layers: 2, Hidden: 16, Heads: 2, FF: 32, Vocab: 50, MaxPositions: 10, Types: 2, RegionDim: nn.DeticDim + 4, RegionLayerNorm: true,
		DeticIn: 8, DeticHidden: 4, MatchLayers: 1, MatchHeads: 4, MatchFF: 16, AlignLayers: 1, SeparateAlign: true, Alignment: "MrSw",
		DepthAggregation: "gated", AlignDepthAggregation: "gated", PostLayers: 1, StopWords: true, Standardise: true, WordGates: true,
		AlignProjection: true, MatchProjection: true, GlobalPair: 0.5}
	list, err := nn.Parameters(cfg)
	require.NoError(t, err)
	seen := map[nn.Kind]int{}
	for _, p := range list {
		seen[p.Kind]++
		want := nn.Head
		switch rest := strings.TrimPrefix(p.Name, "img_txt_enc."); {
		case p.Name == nn.RegionMean, p.Name == nn.RegionScale, p.Name == nn.KeptWords:
			want = nn.Fixed
		case p.Name == nn.WordGateTable:
			want = nn.Gates
		case strings.HasPrefix(rest, "oscar_model."), strings.HasPrefix(rest, "transformer_encoder_"), strings.HasPrefix(rest, "align_"),
			strings.HasPrefix(rest, "depth_aggregator_model_alignment."), strings.HasPrefix(rest, "feature_fusion."):
			want = nn.Backbone
		}
		require.Equal(t, want, p.Kind, p.Name)
		require.Equal(t, len(p.Shape) > 1 && p.Name != nn.WordGateTable, p.Decays(), p.Name)
	}
	require.Equal(t, 1, seen[nn.Gates])
	require.Greater(t, seen[nn.Head], 10)
	require.Greater(t, seen[nn.Backbone], 50)
}

// Sizes that no network has are refused before anything is allocated by them.
func TestImpossibleSizes(t *testing.T) {
	for _, change := range []func(c *nn.Config){
		func(c *nn.Config) { c.Vocab = 1e9 },
		func(c *nn.Config) { c.Hidden = 1 << 30 },
		func(c *nn.Config) { c.RegionDim = 1 << 40 },
		func(c *nn.Config) { c.Layers = 1e6 },
	} {
		c := nn.Config{Layers: 1, Hidden: 8, Heads: 2, FF: 8, Vocab: 9, MaxPositions: 9, Types: 2, RegionDim: 3, Alignment: "MrSw"}
		require.NoError(t, c.Validate())
		change(&c)
		require.ErrorIs(t, c.Validate(), nn.ErrConfig)
	}
}
