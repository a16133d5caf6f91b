package train

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/aladin-go/aladin/internal/ort"
)

// imitation is a loss: both heads imitate how models trained before, its examples, rank a batch (knowledge
// distillation, Hinton, Vinyals and Dean, 2015; of several examples it is their mean score). How near a caption
// is to the pictures that it was not written for, a pair of a picture and a caption cannot tell.
const imitation = "imitation"

// ImitationHeads are the values of training.imitation-head.
var ImitationHeads = []string{"alignment", "matching"}

// examples are what models make of the data: encoded once, without dropout and masked words. A batch's scores
// are computed from that.
type examples struct {
	models []*example
}

type example struct {
	captions *encoded
	views    []*encoded   // of the images
	align    *ort.Session // scores of the alignment head; nil: those of matching
}

// newExamples encodes the data with every model.
func newExamples(ctx context.Context, models []*Model, head string, data *Data, threads int, device string, observe func(done, total int)) (_ *examples, err error) {
	e := &examples{}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	texts := make([]string, len(data.Captions))
	for i, c := range data.Captions {
		texts[i] = c.Text
	}
	each := len(texts) + data.Images.Len()*len(data.Images.Views())
	for k, m := range models {
		one, err := newExample(ctx, m, head, data, texts, threads, device, func(done int) { observe(k*each+done, len(models)*each) })
		if err != nil {
			return nil, fmt.Errorf("model %s, to be imitated: %w", m.Name, err)
		}
		e.models = append(e.models, one)
	}
	return e, nil
}

func newExample(ctx context.Context, m *Model, head string, data *Data, texts []string, threads int, device string, progress func(done int)) (_ *example, err error) {
	if got := data.Images.Dim(); got != m.Net.RegionDim {
		return nil, fmt.Errorf("%w: it reads regions of %d features, and the data's have %d", ErrData, m.Net.RegionDim, got)
	}
	enc, err := newEncoder(m.Net, m.Text, m.MaxRegions, threads, device)
	if err != nil {
		return nil, err
	}
	defer enc.close()
	if c := m.Text.CLIP; c != nil {
		defer func() { err = errors.Join(err, c.Tower.Close()) }()
	}
	aligns := head == "alignment"
	out := &example{}
	if out.captions, err = enc.captions(ctx, m.Params, texts, func(done, _ int) { progress(done) }); err != nil {
		return nil, err
	}
	out.captions.keep(aligns)
	n := data.Images.Len()
	for v := range data.Images.Views() {
		images, err := enc.images(ctx, m.Params, view{data.Images, v}, func(done, _ int) { progress(len(texts) + v*n + done) })
		if err != nil {
			return nil, err
		}
		images.keep(aligns)
		out.views = append(out.views, images)
	}
	if aligns {
		out.align, err = alignmentScores(m.Net, threads, device)
	}
	return out, err
}

// keep drops what the other head is for.
func (e *encoded) keep(aligns bool) {
	if aligns {
		e.matching = nil
		return
	}
	e.tokens, e.weights = nil, nil
}

func (e *examples) close() {
	for _, m := range e.models {
		if m.align != nil {
			m.align.Close()
		}
	}
}

// view shows one view of every image as if it were the image.
type view struct {
	Images
	view int
}

func (v view) Load(ctx context.Context, i, _ int) (*RegionSet, error) {
	return v.Images.Load(ctx, i, v.view)
}

// scores are the models' mean scores of images (in the given views) and captions, images × captions.
func (e *examples) scores(ctx context.Context, images, views, captions []int) ([]float32, error) {
	out := make([]float32, len(images)*len(captions))
	for _, m := range e.models {
		score := m.matching
		if m.align != nil {
			score = m.alignment
		}
		s, err := score(ctx, images, views, captions)
		if err != nil {
			return nil, err
		}
		for k, v := range s {
			out[k] += v / float32(len(e.models))
		}
	}
	return out, nil
}

func (m *example) alignment(ctx context.Context, images, views, captions []int) ([]float32, error) {
	a := &alignment{scores: m.align, ctx: ctx, images: &encoded{dim: m.captions.dim}, captions: &encoded{dim: m.captions.dim}}
	rows := make([]int, len(images))
	for k, i := range images {
		from := m.views[views[k]]
		a.images.tokens, a.images.weights = append(a.images.tokens, from.tokens[i]), append(a.images.weights, from.weights[i])
		rows[k] = k
	}
	for _, c := range captions {
		a.captions.tokens, a.captions.weights = append(a.captions.tokens, m.captions.tokens[c]), append(a.captions.weights, m.captions.weights[c])
	}
	out := make([]float32, len(images)*len(captions))
	return out, a.Rows(rows, out)
}

func (m *example) matching(_ context.Context, images, views, captions []int) ([]float32, error) {
	dim, n := m.captions.dim, len(captions)
	a, b, out := make([]float32, len(images)*dim), make([]float32, n*dim), make([]float32, len(images)*n)
	for k, i := range images {
		copy(a[k*dim:], m.views[views[k]].matching[i*dim:][:dim])
	}
	for k, c := range captions {
		copy(b[k*dim:], m.captions.matching[c*dim:][:dim])
	}
	general := func(rows, cols int, data []float32) blas32.General {
		return blas32.General{Rows: rows, Cols: cols, Stride: cols, Data: data}
	}
	blas32.Gemm(blas.NoTrans, blas.Trans, 1, general(len(images), dim, a), general(n, dim, b), 0, general(len(images), n, out))
	return out, nil
}

// AddImitation adds the loss "imitation" to the others, with weight 1, if it is not among them.
func (c *Config) AddImitation() {
	t := &c.Training
	if known(c.Losses(), imitation) {
		return
	}
	if n := len(t.LossWeights.Values); n > 0 {
		t.LossWeights.Values = append(slices.Clone(t.LossWeights.Values), 1)
	}
	t.LossType += "-" + imitation
}
