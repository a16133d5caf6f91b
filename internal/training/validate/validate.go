package validate

import (
	"context"
	"fmt"

	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/progress"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/encode"
	"github.com/aladin-go/aladin/internal/training/param"
)

// A Result is what a model reaches on a data set: both heads' recalls over all images and captions.
type Result struct {
	Matching  eval.Retrieval `json:"matching"`
	Alignment eval.Retrieval `json:"alignment"`
	// Rerank is alignment of the first candidates of matching.
	Rerank eval.Retrieval `json:"rerank"`
	// GlobalScale is what the weight of whole captions was multiplied with before (see EncoderConfig.GlobalPair);
	// 0 in a model without.
	GlobalScale float32 `json:"global_scale,omitempty"`
	// RSum is that of matching plus that of alignment, by which the best model is chosen.
	RSum float64 `json:"rsum"`
}

// validationCandidates is how many images or captions Rerank aligns.
const validationCandidates = 50

// Validator evaluates a network on one data set.
type Validator struct {
	Enc    *encode.Encoder
	Scores *ort.Session
	data   *dataset.Data
	rel    *eval.Relation
	Opts   *eval.Options
}

// New prepares validation of networks of one shape on a data set.
func New(net nn.Config, enc *encode.Encoder, data *dataset.Data, threads int, device string) (*Validator, error) {
	owner := make([]int, len(data.Captions))
	for i, c := range data.Captions {
		owner[i] = c.Image
	}
	rel, err := eval.Owners(data.Images.Len(), owner)
	if err != nil {
		return nil, err
	}
	v := &Validator{Enc: enc, data: data, rel: rel, Opts: &eval.Options{Threads: threads}}
	v.Scores, err = encode.CompileScores(net, threads, device)
	return v, err
}

// Close frees the session.
func (v *Validator) Close() {
	if v.Scores != nil {
		v.Scores.Close()
	}
}

// Run validates parameters, and hubs told by h.
func (v *Validator) Run(ctx context.Context, params *param.Set, h *encode.Hubs, observe func(done, total int)) (*Result, error) {
	texts := make([]string, len(v.data.Captions))
	for i, c := range v.data.Captions {
		texts[i] = c.Text
	}
	pictures := v.data.Images.Len()
	after := func(n int) func(done, total int) { // progress of a part that n steps precede
		return func(done, _ int) { progress.Tell(observe, n+done, len(texts)+2*pictures) }
	}
	captions, err := v.Enc.Captions(ctx, params, texts, after(0))
	if err != nil {
		return nil, err
	}
	images, err := v.Enc.Images(ctx, params, v.data.Images, after(len(texts)))
	if err != nil {
		return nil, err
	}
	if err := h.Shorten(ctx, images, captions); err != nil {
		return nil, err
	}
	side := func(what string, e *encode.Side) (eval.Vectors, error) {
		return eval.NewVectors(what, len(e.Tokens), e.Dim, e.Matching, nil)
	}
	iv, err := side("image", images)
	if err != nil {
		return nil, fmt.Errorf("validation: %w", err)
	}
	cv, err := side("caption", captions)
	if err != nil {
		return nil, fmt.Errorf("validation: %w", err)
	}
	dot, err := eval.NewDot(iv, cv)
	if err != nil {
		return nil, err
	}
	out := &Result{}
	if v.Enc.Net.GlobalPair > 0 {
		if out.GlobalScale, err = v.calibrate(ctx, images, captions); err != nil {
			return nil, err
		}
	}
	align, err := eval.Hold(ctx, &encode.Scores{Session: v.Scores, Ctx: ctx, Images: images, Captions: captions, Progress: after(len(texts) + pictures)}, &eval.Options{Threads: 1})
	if err != nil {
		return nil, err
	}
	if out.Matching, err = v.Recall(ctx, dot); err != nil {
		return nil, err
	}
	if out.Alignment, err = v.Recall(ctx, align); err != nil {
		return nil, err
	}
	if out.Rerank, err = v.rerank(ctx, dot, align); err != nil {
		return nil, err
	}
	out.RSum = out.Matching.RSum + out.Alignment.RSum
	return out, nil
}

// Recall ranks by scores, both ways.
func (v *Validator) Recall(ctx context.Context, s eval.Scores) (eval.Retrieval, error) {
	ranks, err := eval.Rank(ctx, s, v.rel, v.Opts)
	if err != nil {
		return eval.Retrieval{}, err
	}
	return Retrieval(ranks), nil
}

// Retrieval sums up ranks.
func Retrieval(ranks *eval.Ranks) eval.Retrieval {
	r := eval.Retrieval{I2T: eval.RecallOf(ranks.I2T), T2I: eval.RecallOf(ranks.T2I)}
	r.RSum = r.I2T.R1 + r.I2T.R5 + r.I2T.R10 + r.T2I.R1 + r.T2I.R5 + r.T2I.R10
	return r
}

func (v *Validator) rerank(ctx context.Context, match, align eval.Scores) (eval.Retrieval, error) {
	lists, err := eval.Top(ctx, match, validationCandidates, v.Opts)
	if err != nil {
		return eval.Retrieval{}, err
	}
	again, err := eval.Rescore(ctx, lists, eval.Lookup(align), v.Opts)
	if err != nil {
		return eval.Retrieval{}, err
	}
	first, err := eval.Rank(ctx, match, v.rel, v.Opts)
	if err != nil {
		return eval.Retrieval{}, err
	}
	ranks, err := again.Ranks(first, v.rel, validationCandidates)
	if err != nil {
		return eval.Retrieval{}, err
	}
	return Retrieval(ranks), nil
}
