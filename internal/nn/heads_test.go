package nn

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
)

// TestGlobalPair holds the two sides with the option against the sides without it: all tokens stay, the
// caption's vector stands in the place of [CLS] and weighs half of what the words weigh together, and the
// image's vector comes last.
func TestGlobalPair(t *testing.T) {
	needORT(t)
	cfg := Config{Layers: 1, Hidden: 8, Heads: 2, FF: 16, Vocab: 20, MaxPositions: 10, Types: 2, LayerNormEps: 1e-12, RegionDim: 12,
		MatchLayers: 1, MatchHeads: 4, MatchFF: 8, Alignment: MrCOSw, MeanPool: true}
	const length, regions = 6, 3
	captions := map[string]*ort.Tensor{
		"ids":  ort.Int64([]int64{2, length}, []int64{2, 5, 6, 7, 8, 3, 2, 9, 10, 3, 0, 0}),
		"mask": ort.Int64([]int64{2, length}, []int64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0}),
	}
	features := make([]float32, 2*regions*cfg.RegionDim)
	for i := range features {
		features[i] = float32(i%7) - 3
	}
	images := map[string]*ort.Tensor{
		"label_ids": ort.Int64([]int64{2, 2}, []int64{2, 3, 2, 3}), "label_types": ort.Int64([]int64{2, 2}, make([]int64, 4)),
		"label_mask":  ort.Int64([]int64{2, 2}, []int64{1, 1, 1, 1}),
		"regions":     ort.Float32([]int64{2, regions, int64(cfg.RegionDim)}, features),
		"region_mask": ort.Int64([]int64{2, regions}, []int64{1, 1, 1, 1, 1, 0}),
	}
	sides := func(global float32) (text, image map[string]*ort.Tensor) {
		cfg.GlobalPair = global
		for _, pass := range []struct {
			out  *map[string]*ort.Tensor
			in   map[string]*ort.Tensor
			side func(b *onnx.Builder, n *Net) Side
		}{
			{&text, captions, func(b *onnx.Builder, n *Net) Side { return n.Text(n.EncodeText(TextInputs(b, cfg, "", "B"))) }},
			{&image, images, func(b *onnx.Builder, n *Net) Side { return n.Image(n.EncodeImage(ImageInputs(b, cfg, "", "B"))) }},
		} {
			b := onnx.NewBuilder()
			n, err := New(b, cfg, constants{started{}})
			require.NoError(t, err)
			side := pass.side(b, n)
			b.Output("matching", side.Matching)
			b.Output("tokens", side.Tokens)
			b.Output("weights", side.Weights)
			*pass.out = run(t, b, n, pass.in)
		}
		return text, image
	}
	text, image := sides(0)
	textGlobal, imageGlobal := sides(0.5)

	share, err := started{}.Values(Param{Name: GlobalShare, Shape: []int{1}})
	require.NoError(t, err)
	for seq, words := range []float32{4, 2} { // without [CLS] and [SEP]
		tokens, got := text["tokens"].Float32(), textGlobal["tokens"].Float32()
		at := seq * length * cfg.Hidden
		require.Equal(t, tokens[at+cfg.Hidden:at+length*cfg.Hidden], got[at+cfg.Hidden:at+length*cfg.Hidden])
		require.Equal(t, text["matching"].Float32()[seq*cfg.Hidden:][:cfg.Hidden], got[at:at+cfg.Hidden])
		weights := append([]float32{}, text["weights"].Float32()[seq*length:][:length]...)
		require.Zero(t, weights[0])
		weights[0] = words / 2 * float32(math.Exp(float64(share[0])))
		require.InDeltaSlice(t, weights, textGlobal["weights"].Float32()[seq*length:][:length], 1e-6)

		require.Equal(t, []int64{2, regions + 1, int64(cfg.Hidden)}, imageGlobal["tokens"].Shape())
		got = imageGlobal["tokens"].Float32()[seq*(regions+1)*cfg.Hidden:]
		require.Equal(t, image["tokens"].Float32()[seq*regions*cfg.Hidden:][:regions*cfg.Hidden], got[:regions*cfg.Hidden])
		require.Equal(t, image["matching"].Float32()[seq*cfg.Hidden:][:cfg.Hidden], got[regions*cfg.Hidden:][:cfg.Hidden])
		require.Equal(t, append(append([]float32{}, image["weights"].Float32()[seq*regions:][:regions]...), 1),
			imageGlobal["weights"].Float32()[seq*(regions+1):][:regions+1])
	}
	cfg.ReleasedAlignment = true
	require.ErrorIs(t, cfg.Validate(), ErrConfig)
}

// muted is started with a word that weighs next to nothing.
type muted struct{ word int }

func (m muted) Values(p Param) ([]float32, error) {
	v, err := started{}.Values(p)
	if p.Name == WordGateTable {
		v[m.word] = -60
	}
	return v, err
}

// TestGatedMean leaves a word out by its gate: with the option, the matching vector is that of the caption without it.
func TestGatedMean(t *testing.T) {
	needORT(t)
	cfg := Config{Hidden: 8, Heads: 2, Vocab: 20, MaxPositions: 10, Types: 2, LayerNormEps: 1e-12, RegionDim: 12,
		Alignment: MrCOSw, PreNorm: true, MeanPool: true, WordGates: true}
	require.NoError(t, cfg.Validate())
	distance := func(gated bool) (sum float64) {
		cfg.GatedMean = gated
		b := onnx.NewBuilder()
		n, err := New(b, cfg, constants{muted{7}})
		require.NoError(t, err)
		b.Output("matching", n.Text(n.EncodeText(TextInputs(b, cfg, "", "B"))).Matching)
		out := run(t, b, n, map[string]*ort.Tensor{
			"ids":  ort.Int64([]int64{2, 5}, []int64{2, 5, 6, 7, 3, 2, 5, 6, 3, 0}),
			"mask": ort.Int64([]int64{2, 5}, []int64{1, 1, 1, 1, 1, 1, 1, 1, 1, 0}),
		})["matching"].Float32()
		for i := range 8 {
			sum += math.Abs(float64(out[i] - out[8+i]))
		}
		return sum
	}
	require.InDelta(t, 0, distance(true), 1e-5)
	require.Greater(t, distance(false), 0.1)

	cfg.WordGates = false
	cfg.GatedMean = true
	require.ErrorIs(t, cfg.Validate(), ErrConfig)
}

// TestSkipImageLayers changes one region of an image: the token of another stays the same just where no layer mixes
// them. The hidden layer of regions takes part in all of them.
func TestSkipImageLayers(t *testing.T) {
	needORT(t)
	cfg := Config{Layers: 2, Hidden: 8, Heads: 2, FF: 16, Vocab: 20, MaxPositions: 10, Types: 2, LayerNormEps: 1e-12, RegionDim: 12,
		Alignment: "MrSw", RegionFF: 6}
	tokens := func(changed float32) []float32 {
		require.NoError(t, cfg.Validate())
		b := onnx.NewBuilder()
		n, err := New(b, cfg, constants{started{}})
		require.NoError(t, err)
		b.Output("tokens", n.Image(n.EncodeImage(ImageInputs(b, cfg, "", "B"))).Tokens)
		features := make([]float32, 2*12)
		for i := range features {
			features[i] = float32(i%7)/7 - 0.4
		}
		features[12] += changed
		return run(t, b, n, map[string]*ort.Tensor{
			"label_ids": ort.Int64([]int64{1, 1}, []int64{2}), "label_types": ort.Int64([]int64{1, 1}, []int64{1}),
			"label_mask": ort.Int64([]int64{1, 1}, []int64{1}), "region_mask": ort.Int64([]int64{1, 2}, []int64{1, 1}),
			"regions": ort.Float32([]int64{1, 2, 12}, features),
		})["tokens"].Float32()
	}
	distance := func(a, b []float32) (sum float64) {
		for i := range a {
			sum += math.Abs(float64(a[i] - b[i]))
		}
		return sum
	}
	for skip, mixed := range []bool{true, true, false} {
		cfg.SkipImageLayers = skip
		before, after := tokens(0), tokens(1)
		require.Greater(t, distance(before[8:], after[8:]), 1e-3, "the changed region")
		require.Equal(t, mixed, distance(before[:8], after[:8]) > 1e-5, "the other one, without %d of 2 layers", skip)
		if !mixed {
			cfg.RegionFF = 0
			require.Greater(t, distance(before, tokens(0)), 1e-3, "the hidden layer counts")
		}
	}
	cfg.SkipImageLayers = 3
	require.ErrorIs(t, cfg.Validate(), ErrConfig)
	cfg.SkipImageLayers, cfg.DepthAggregation = 1, "mean"
	require.ErrorIs(t, cfg.Validate(), ErrConfig)
}
