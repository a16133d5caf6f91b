package train

import (
	"context"
	"math"
	"slices"

	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/nn"
)

// How much the caption as a whole should weigh beside its words is learned on data that the network knows
// by heart, where the words need little help. So it is set once more on the validation data: the scale among
// globalScales with the highest rsum, on the first calibrationImages images.
const calibrationImages = 200

var globalScales = []float32{1, 0.5, 0.7, 1.4, 2, 2.8, 4}

// calibrate finds the scale of the captions' global weights, and applies it to them.
func (v *validator) calibrate(ctx context.Context, images, captions *encoded) (float32, error) {
	n := min(calibrationImages, len(images.tokens))
	var owner, list []int
	for c, caption := range v.data.Captions {
		if caption.Image < n {
			owner, list = append(owner, caption.Image), append(list, c)
		}
	}
	if len(list) == 0 {
		return 1, nil
	}
	rel, err := eval.Owners(n, owner)
	if err != nil {
		return 0, err
	}
	some := &encoded{dim: images.dim, tokens: images.tokens[:n], weights: images.weights[:n]}
	part := &encoded{dim: captions.dim}
	for _, c := range list {
		part.tokens = append(part.tokens, captions.tokens[c])
		part.weights = append(part.weights, slices.Clone(captions.weights[c]))
	}
	best, top := float32(1), -1.0
	for i, scale := range globalScales {
		if i > 0 {
			part.scaleGlobal(scale / globalScales[i-1])
		}
		scores, err := eval.Hold(ctx, &alignment{scores: v.scores, ctx: ctx, images: some, captions: part}, &eval.Options{Threads: 1})
		if err != nil {
			return 0, err
		}
		ranks, err := eval.Rank(ctx, scores, rel, v.opts)
		if err != nil {
			return 0, err
		}
		if r := retrieval(ranks).RSum; r > top {
			best, top = scale, r
		}
	}
	captions.scaleGlobal(best)
	return best, nil
}

// scaleGlobal multiplies the weight of each caption's first token, which stands for it as a whole. A caption
// without words has none.
func (e *encoded) scaleGlobal(by float32) {
	for _, w := range e.weights {
		if len(w) > 0 {
			w[0] *= by
		}
	}
}

// withGlobalScale are the parameters with the global weight multiplied; the others are shared.
func (p *Params) withGlobalScale(by float32) *Params {
	share := p.Lookup(nn.GlobalShare)
	if share == nil || by == 1 {
		return p
	}
	out := p.shared()
	out.Set(nn.GlobalShare, share.Shape, []float32{share.Data[0] + float32(math.Log(float64(by)))})
	return out
}
