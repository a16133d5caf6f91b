package validate

import (
	"context"
	"math"
	"slices"

	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/encode"
	"github.com/aladin-go/aladin/internal/training/param"
)

// How much the caption as a whole should weigh beside its words is learned on data that the network knows
// by heart, where the words need little help. So it is set once more on the validation data: the scale among
// globalScales with the highest rsum, on the first calibrationImages images.
const calibrationImages = 200

var GlobalScales = []float32{1, 0.5, 0.7, 1.4, 2, 2.8, 4}

// calibrate finds the scale of the captions' global weights, and applies it to them.
func (v *Validator) calibrate(ctx context.Context, images, captions *encode.Side) (float32, error) {
	n := min(calibrationImages, len(images.Tokens))
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
	some := &encode.Side{Dim: images.Dim, Tokens: images.Tokens[:n], Weights: images.Weights[:n]}
	part := &encode.Side{Dim: captions.Dim}
	for _, c := range list {
		part.Tokens = append(part.Tokens, captions.Tokens[c])
		part.Weights = append(part.Weights, slices.Clone(captions.Weights[c]))
	}
	best, top := float32(1), -1.0
	for i, scale := range GlobalScales {
		if i > 0 {
			part.ScaleGlobal(scale / GlobalScales[i-1])
		}
		scores, err := eval.Hold(ctx, &encode.Scores{Session: v.Scores, Ctx: ctx, Images: some, Captions: part}, &eval.Options{Threads: 1})
		if err != nil {
			return 0, err
		}
		ranks, err := eval.Rank(ctx, scores, rel, v.Opts)
		if err != nil {
			return 0, err
		}
		if r := Retrieval(ranks).RSum; r > top {
			best, top = scale, r
		}
	}
	captions.ScaleGlobal(best)
	return best, nil
}

// WithGlobalScale are the parameters with the global weight multiplied; the others are shared.
func WithGlobalScale(p *param.Set, by float32) *param.Set {
	share := p.Lookup(nn.GlobalShare)
	if share == nil || by == 1 {
		return p
	}
	out := p.Shared()
	out.Set(nn.GlobalShare, share.Shape, []float32{share.Data[0] + float32(math.Log(float64(by)))})
	return out
}
