package encode

import (
	"context"
	"errors"
	"fmt"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/model"
)

// Examples are what models make of the data: encoded once, without dropout and masked words. A batch's scores
// are computed from that.
type Examples struct {
	Models []*Example
}

// An Example is one model's encodings of the data.
type Example struct {
	Captions *Side
	Views    []*Side      // of the images
	align    *ort.Session // scores of the alignment head; nil: those of matching
}

// NewExamples encodes the data with every model.
func NewExamples(ctx context.Context, models []*model.Model, head string, data *dataset.Data, threads int, device string, observe func(done, total int)) (_ *Examples, err error) {
	e := &Examples{}
	defer func() {
		if err != nil {
			e.Close()
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
		e.Models = append(e.Models, one)
	}
	return e, nil
}

func newExample(ctx context.Context, m *model.Model, head string, data *dataset.Data, texts []string, threads int, device string, progress func(done int)) (_ *Example, err error) {
	if got := data.Images.Dim(); got != m.Net.RegionDim {
		return nil, fmt.Errorf("%w: it reads regions of %d features, and the data's have %d", dataset.ErrData, m.Net.RegionDim, got)
	}
	enc, err := New(m.Net, m.Text, m.MaxRegions, threads, device)
	if err != nil {
		return nil, err
	}
	defer enc.Close()
	if c := m.Text.CLIP; c != nil {
		defer func() { err = errors.Join(err, c.Tower.Close()) }()
	}
	aligns := head == "alignment"
	out := &Example{}
	if out.Captions, err = enc.Captions(ctx, m.Params, texts, func(done, _ int) { progress(done) }); err != nil {
		return nil, err
	}
	out.Captions.keep(aligns)
	n := data.Images.Len()
	for v := range data.Images.Views() {
		images, err := enc.Images(ctx, m.Params, view{data.Images, v}, func(done, _ int) { progress(len(texts) + v*n + done) })
		if err != nil {
			return nil, err
		}
		images.keep(aligns)
		out.Views = append(out.Views, images)
	}
	if aligns {
		out.align, err = CompileScores(m.Net, threads, device)
	}
	return out, err
}

// keep drops what the other head is for.
func (e *Side) keep(aligns bool) {
	if aligns {
		e.Matching = nil
		return
	}
	e.Tokens, e.Weights = nil, nil
}

// Close frees the sessions.
func (e *Examples) Close() {
	for _, m := range e.Models {
		if m.align != nil {
			m.align.Close()
		}
	}
}

// view shows one view of every image as if it were the image.
type view struct {
	dataset.Images
	view int
}

func (v view) Load(ctx context.Context, i, _ int) (*region.Set, error) {
	return v.Images.Load(ctx, i, v.view)
}

// Scores are the models' mean scores of images (in the given views) and captions, images × captions.
func (e *Examples) Scores(ctx context.Context, images, views, captions []int) ([]float32, error) {
	out := make([]float32, len(images)*len(captions))
	for _, m := range e.Models {
		score := m.matching
		if m.align != nil {
			score = m.alignment
		}
		s, err := score(ctx, images, views, captions)
		if err != nil {
			return nil, err
		}
		for k, v := range s {
			out[k] += v / float32(len(e.Models))
		}
	}
	return out, nil
}

func (m *Example) alignment(ctx context.Context, images, views, captions []int) ([]float32, error) {
	a := &Scores{Session: m.align, Ctx: ctx, Images: &Side{Dim: m.Captions.Dim}, Captions: &Side{Dim: m.Captions.Dim}}
	rows := make([]int, len(images))
	for k, i := range images {
		from := m.Views[views[k]]
		a.Images.Tokens, a.Images.Weights = append(a.Images.Tokens, from.Tokens[i]), append(a.Images.Weights, from.Weights[i])
		rows[k] = k
	}
	for _, c := range captions {
		a.Captions.Tokens, a.Captions.Weights = append(a.Captions.Tokens, m.Captions.Tokens[c]), append(a.Captions.Weights, m.Captions.Weights[c])
	}
	out := make([]float32, len(images)*len(captions))
	return out, a.Rows(rows, out)
}

func (m *Example) matching(_ context.Context, images, views, captions []int) ([]float32, error) {
	dim, n := m.Captions.Dim, len(captions)
	a, b, out := make([]float32, len(images)*dim), make([]float32, n*dim), make([]float32, len(images)*n)
	for k, i := range images {
		copy(a[k*dim:], m.Views[views[k]].Matching[i*dim:][:dim])
	}
	for k, c := range captions {
		copy(b[k*dim:], m.Captions.Matching[c*dim:][:dim])
	}
	general := func(rows, cols int, data []float32) blas32.General {
		return blas32.General{Rows: rows, Cols: cols, Stride: cols, Data: data}
	}
	blas32.Gemm(blas.NoTrans, blas.Trans, 1, general(len(images), dim, a), general(n, dim, b), 0, general(len(images), n, out))
	return out, nil
}
