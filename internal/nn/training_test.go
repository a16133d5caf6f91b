package nn

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
)

// A graph arranged for training computes what the exported one does, though its last layers leave out the states
// that nothing reads.
func TestTrainingSides(t *testing.T) {
	needORT(t)
	const length, regions = 5, 3
	for _, cfg := range []Config{
		{Layers: 2, MatchLayers: 2, AlignLayers: 1},
		{Layers: 1, MatchLayers: 1, PreNorm: true, MatchProjection: true},
		{Layers: 1, MatchLayers: 1, MeanPool: true},
		{Layers: 0, MatchLayers: 0},
		{Layers: 2, MatchLayers: 1, PostLayers: 1, DepthAggregation: "gated", AlignDepthAggregation: "mean"},
	} {
		cfg.Hidden, cfg.Heads, cfg.FF, cfg.Vocab, cfg.MaxPositions, cfg.Types = 8, 2, 16, 20, 10, 2
		cfg.LayerNormEps, cfg.RegionDim, cfg.MatchHeads, cfg.MatchFF, cfg.Alignment = 1e-6, 6, 4, 8, "MrSw"
		features := make([]float32, 3*regions*cfg.RegionDim)
		for i := range features {
			features[i] = float32(i%11)/3 - 1
		}
		in := map[string]*ort.Tensor{
			"ids":  ort.Int64([]int64{2, length}, []int64{2, 5, 6, 7, 3, 2, 9, 3, 0, 0}),
			"mask": ort.Int64([]int64{2, length}, []int64{1, 1, 1, 1, 1, 1, 1, 1, 0, 0}),
		}
		images := map[string]*ort.Tensor{
			"label_ids": ort.Int64([]int64{3, 2}, []int64{2, 3, 2, 3, 2, 3}), "label_types": ort.Int64([]int64{3, 2}, make([]int64, 6)),
			"label_mask":  ort.Int64([]int64{3, 2}, []int64{1, 1, 1, 0, 1, 1}),
			"regions":     ort.Float32([]int64{3, regions, int64(cfg.RegionDim)}, features),
			"region_mask": ort.Int64([]int64{3, regions}, []int64{1, 1, 0, 1, 1, 1, 0, 0, 0}), // none in the last
		}
		matching := func(training, pack bool) (text, image []float32) {
			sides := []func(b *onnx.Builder, n *Net) Side{
				func(b *onnx.Builder, n *Net) Side { return n.Text(n.EncodeText(TextInputs(b, cfg, "", "B"))) },
				func(b *onnx.Builder, n *Net) Side { return n.Image(n.EncodeImage(ImageInputs(b, cfg, "", "B"))) },
			}
			var out [2][]float32
			for i, side := range sides {
				b := onnx.NewBuilder()
				n, err := New(b, cfg, constants{started{}})
				require.NoError(t, err)
				n.Training, n.Pack = training, pack
				b.Output("matching", side(b, n).Matching)
				out[i] = run(t, b, n, []map[string]*ort.Tensor{in, images}[i])["matching"].Float32()
			}
			return out[0], out[1]
		}
		text, image := matching(false, false)
		for _, pack := range []bool{false, true} {
			name := fmt.Sprintf("%+v, packed %v", cfg, pack)
			gotText, gotImage := matching(true, pack)
			require.InDeltaSlice(t, text, gotText, 1e-5, name)
			require.InDeltaSlice(t, image[:2*cfg.Hidden], gotImage[:2*cfg.Hidden], 1e-5, name)
			if pack && cfg.DepthAggregation == "" {
				require.Equal(t, make([]float32, cfg.Hidden), gotImage[2*cfg.Hidden:], name)
			}
		}
	}
}
