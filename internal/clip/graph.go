package clip

import (
	"errors"
	"fmt"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/towers"
)

// A Weight is a tensor of a state dict, row-major.
type Weight struct {
	Shape []int
	Data  []float32
}

// Weights looks up the tensors of CLIP's state dict by their names there; ok is false for one that is not
// in it.
type Weights func(name string) (w Weight, ok bool, err error)

// What stands in no weight: OpenAI's CLIP has heads of 64 numbers, its own GELU and this epsilon.
const (
	headWidth    = 64
	layerNormEps = 1e-5
)

// Graph makes the text tower of a state dict of OpenAI's CLIP: ids int64 [B, S] → text_embeds [B, C], token_embeds
// [B, S, C]. The sizes are those of the tensors.
func Graph(w Weights) (*onnx.Model, error) {
	var broken error
	named := towers.OpenAIText("", false).Weights(func(name string) *towers.Tensor {
		x, ok, err := w(name)
		if err != nil && broken == nil {
			broken = fmt.Errorf("%w: %s: %w", ErrWeights, name, err)
		}
		if !ok || err != nil {
			return nil
		}
		return &towers.Tensor{Shape: x.Shape, Values: func() ([]float32, error) { return x.Data, nil }}
	})
	text := towers.Text{
		Transformer: towers.Transformer{Heads: 1, Activation: towers.QuickGELU, Eps: layerNormEps},
		Causal:      true, Pool: towers.PoolLargest,
	}
	s, err := text.Sizes(named)
	if err == nil {
		text.Heads = max(1, s.Width/headWidth)
		var m *onnx.Model
		if m, err = text.Graph(named, nil, towers.F32, "text_embeds", "token_embeds"); err == nil {
			return m, nil
		}
	}
	if broken != nil {
		return nil, broken
	}
	if errors.Is(err, towers.ErrWeights) || errors.Is(err, towers.ErrUnsupported) {
		return nil, fmt.Errorf("%w: %w", ErrWeights, err)
	}
	return nil, err
}
