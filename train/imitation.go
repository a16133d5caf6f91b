package train

import (
	"context"
	"errors"
	"fmt"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// imitation is a loss: both heads imitate how models trained before, its examples, rank a batch (knowledge
// distillation, Hinton, Vinyals and Dean, 2015; of several examples it is their mean score). How near a caption
// is to the pictures that it was not written for, a pair of a picture and a caption cannot tell.
const imitation = "imitation"

// examples are the matching vectors that models give to the data: they are made once, without augmentation
// of words, and a batch's scores are products of them.
type examples struct {
	views  int
	models []example
}

type example struct {
	dim      int
	captions []float32 // captions × dim
	images   []float32 // images × views × dim
}

// newExamples encodes the data with every model.
func newExamples(ctx context.Context, models []*Model, data *Data, threads int, device string, observe func(done, total int)) (*examples, error) {
	e := &examples{views: len(data.Images.Views())}
	texts := make([]string, len(data.Captions))
	for i, c := range data.Captions {
		texts[i] = c.Text
	}
	each := len(texts) + data.Images.Len()*e.views
	for k, m := range models {
		progress := func(done int) { observe(k*each+done, len(models)*each) }
		one, err := e.encode(ctx, m, data, texts, threads, device, progress)
		if err != nil {
			return nil, fmt.Errorf("model %s, to be imitated: %w", m.Name, err)
		}
		e.models = append(e.models, one)
	}
	return e, nil
}

func (e *examples) encode(ctx context.Context, m *Model, data *Data, texts []string, threads int, device string, progress func(done int)) (_ example, err error) {
	out := example{dim: m.Net.Hidden}
	if got := data.Images.Dim(); got != m.Net.RegionDim {
		return out, fmt.Errorf("%w: it reads regions of %d features, and the data's have %d", ErrData, m.Net.RegionDim, got)
	}
	enc, err := newEncoder(m.Net, m.Text, m.MaxRegions, threads, device)
	if err != nil {
		return out, err
	}
	defer enc.close()
	if c := m.Text.CLIP; c != nil {
		defer func() { err = errors.Join(err, c.Tower.Close()) }()
	}
	captions, err := enc.captions(ctx, m.Params, texts, func(done, _ int) { progress(done) })
	if err != nil {
		return out, err
	}
	out.captions = captions.matching
	n := data.Images.Len()
	out.images = make([]float32, n*e.views*out.dim)
	for v := range e.views {
		images, err := enc.images(ctx, m.Params, view{data.Images, v}, func(done, _ int) { progress(len(texts) + v*n + done) })
		if err != nil {
			return out, err
		}
		for i := range n {
			copy(out.images[(i*e.views+v)*out.dim:][:out.dim], images.matching[i*out.dim:])
		}
	}
	return out, nil
}

// view shows one view of every image as if it were the image.
type view struct {
	Images
	view int
}

func (v view) Load(ctx context.Context, i, _ int) (*RegionSet, error) {
	return v.Images.Load(ctx, i, v.view)
}

// scores are the mean matching scores of images (in the given views) and captions, images × captions.
func (e *examples) scores(images, views, captions []int) []float32 {
	n := len(captions)
	out := make([]float32, len(images)*n)
	for _, m := range e.models {
		a, b := make([]float32, len(images)*m.dim), make([]float32, n*m.dim)
		for k, i := range images {
			copy(a[k*m.dim:], m.images[(i*e.views+views[k])*m.dim:][:m.dim])
		}
		for k, c := range captions {
			copy(b[k*m.dim:], m.captions[c*m.dim:][:m.dim])
		}
		general := func(rows, cols int, data []float32) blas32.General {
			return blas32.General{Rows: rows, Cols: cols, Stride: cols, Data: data}
		}
		blas32.Gemm(blas.NoTrans, blas.Trans, 1/float32(len(e.models)), general(len(images), m.dim, a), general(n, m.dim, b), 1, general(len(images), n, out))
	}
	return out
}

// imitated checks that models to imitate are there if, and only if, the loss is.
func (c *Config) imitated(models []*Model) error {
	switch asks := known(c.Losses(), imitation); {
	case asks && len(models) == 0:
		return fmt.Errorf("%w: training.loss-type names %s, and no model to imitate is given", ErrConfig, imitation)
	case !asks && len(models) > 0:
		return fmt.Errorf("%w: models to imitate are given, and training.loss-type %q does not name %s", ErrConfig, c.Training.LossType, imitation)
	}
	return nil
}
