package nn

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
)

// textSide reads "[CLS] 5 6 7 8 [SEP]" and a shorter caption.
func textSide(t *testing.T, cfg Config, first int64) (tokens, weights []float32) {
	require.NoError(t, cfg.Validate())
	b := onnx.NewBuilder()
	n, err := New(b, cfg, constants{started{}})
	require.NoError(t, err)
	side := n.Text(n.EncodeText(TextInputs(b, cfg, "", "B")))
	b.Output("tokens", side.Tokens)
	b.Output("weights", side.Weights)
	out := run(t, b, n, map[string]*ort.Tensor{
		"ids":  ort.Int64([]int64{2, 6}, []int64{2, first, 6, 7, 8, 3, 2, 9, 10, 3, 0, 0}),
		"mask": ort.Int64([]int64{2, 6}, []int64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0}),
	})
	return out["tokens"].Float32(), out["weights"].Float32()
}

// TestTextLocality changes a word: with a steep fall the state of a word far off hardly notices, and that of the next
// one does.
func TestTextLocality(t *testing.T) {
	needORT(t)
	cfg := Config{Layers: 1, Hidden: 8, Heads: 2, FF: 16, Vocab: 20, MaxPositions: 10, Types: 2, LayerNormEps: 1e-12, RegionDim: 12, Alignment: "MrSw"}
	moved := func(locality float32, word int) (sum float64) {
		cfg.TextLocality = locality
		before, _ := textSide(t, cfg, 5)
		after, _ := textSide(t, cfg, 11)
		for i := word * 8; i < word*8+8; i++ {
			sum += math.Abs(float64(before[i] - after[i]))
		}
		return sum
	}
	far := moved(0, 4)
	require.Greater(t, far, 1e-3)
	require.Less(t, moved(20, 4), far/1000)
	require.Greater(t, moved(2, 2), moved(2, 4))
	cfg.TextLocality = -1
	require.ErrorIs(t, cfg.Validate(), ErrConfig)
	cfg.TextLocality = float32(math.NaN())
	require.ErrorIs(t, cfg.Validate(), ErrConfig)
}

// TestWordContext holds words in their context against the definition.
func TestWordContext(t *testing.T) {
	needORT(t)
	cfg := Config{Layers: 1, Hidden: 8, Heads: 2, FF: 16, Vocab: 20, MaxPositions: 10, Types: 2, LayerNormEps: 1e-12, RegionDim: 12, Alignment: "MrSw", WordGates: true}
	plain, weights := textSide(t, cfg, 5)
	cfg.WordContext = 0.5
	got, gotWeights := textSide(t, cfg, 5)
	require.Equal(t, weights, gotWeights)
	for s, words := range [][]int{{1, 2, 3, 4}, {1, 2}} {
		for _, i := range words {
			var want [8]float64
			var square float64
			for d := range want {
				for _, j := range words {
					want[d] += math.Pow(0.5, math.Abs(float64(i-j))) * float64(weights[s*6+j]) * float64(plain[(s*6+j)*8+d])
				}
				square += want[d] * want[d]
			}
			for d := range want {
				require.InDelta(t, want[d]/math.Sqrt(square), got[(s*6+i)*8+d], 1e-5, "caption %d, word %d", s, i)
			}
		}
	}
	cfg.WordContext = 1
	require.ErrorIs(t, cfg.Validate(), ErrConfig)
	cfg.WordContext, cfg.ReleasedAlignment, cfg.WordGates = 0.5, true, false
	require.ErrorIs(t, cfg.Validate(), ErrConfig)
}
