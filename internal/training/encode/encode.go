package encode

import (
	"context"
	"fmt"

	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/parallel"
	"github.com/aladin-go/aladin/internal/progress"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/param"
)

// An Encoder runs a network's two inference graphs on parameters that live in Go, so that validation
// sees what training has reached without building a bundle.
type Encoder struct {
	Net         nn.Config
	text        input.Text
	maxRegions  int
	texts, imgs *ort.Session
	textParams  []nn.Param
	imgParams   []nn.Param
}

// New compiles the inference graphs of a network.
func New(net nn.Config, text input.Text, maxRegions, threads int, device string) (*Encoder, error) {
	e := &Encoder{Net: net, text: text, maxRegions: maxRegions}
	var err error
	if e.texts, e.textParams, err = compile(net, threads, device, func(b *onnx.Builder, n *nn.Net) nn.Side {
		return n.Text(n.EncodeText(nn.TextInputs(b, net, "", "B")))
	}); err != nil {
		return nil, err
	}
	e.imgs, e.imgParams, err = compile(net, threads, device, func(b *onnx.Builder, n *nn.Net) nn.Side {
		return n.Image(n.EncodeImage(nn.ImageInputs(b, net, "", "B")))
	})
	if err != nil {
		e.Close()
	}
	return e, err
}

func compile(net nn.Config, threads int, device string, build func(*onnx.Builder, *nn.Net) nn.Side) (*ort.Session, []nn.Param, error) {
	b := onnx.NewBuilder()
	source := &nn.Inputs{}
	n, err := nn.New(b, net, source)
	if err != nil {
		return nil, nil, err
	}
	side := build(b, n)
	b.Output("matching", side.Matching)
	b.Output("tokens", side.Tokens)
	b.Output("weights", side.Weights)
	if err := n.Err(); err != nil {
		return nil, nil, err
	}
	m, err := b.Model("aladin encoder")
	if err != nil {
		return nil, nil, err
	}
	s, err := ort.Load(m.Marshal(), &ort.Options{Threads: threads, Device: device})
	return s, source.Params, err
}

// Close frees the sessions.
func (e *Encoder) Close() {
	for _, s := range []*ort.Session{e.texts, e.imgs} {
		if s != nil {
			s.Close()
		}
	}
}

// An Side side of a data set: matching vectors [N, D], and tokens with their weights item by item.
type Side struct {
	Dim      int
	Matching []float32
	Tokens   [][]float32 // n×D
	Weights  [][]float32 // n
	Shares   []float32   // what alignment scores are multiplied by, item by item; nil = 1 (see hubs)
}

// encodeBatch is how many items one run encodes.
const encodeBatch = 64

// Captions encodes texts.
func (e *Encoder) Captions(ctx context.Context, params *param.Set, texts []string, observe func(done, total int)) (*Side, error) {
	out := &Side{Dim: e.Net.Hidden}
	for from := 0; from < len(texts); from += encodeBatch {
		var seqs [][]int64
		for _, t := range texts[from:min(from+encodeBatch, len(texts))] {
			seqs = append(seqs, e.text.Caption(t).IDs)
		}
		c, err := e.text.PadCaptions(ctx, seqs)
		if err != nil {
			return nil, err
		}
		if err := e.run(ctx, e.texts, e.textParams, params, c.Tensors(), out); err != nil {
			return nil, err
		}
		progress.Tell(observe, len(out.Tokens), len(texts))
	}
	return out, nil
}

// Images encodes pictures.
func (e *Encoder) Images(ctx context.Context, params *param.Set, images dataset.Images, observe func(done, total int)) (*Side, error) {
	out := &Side{Dim: e.Net.Hidden}
	n := images.Len()
	for from := 0; from < n; from += encodeBatch {
		count := min(encodeBatch, n-from)
		sets, tags := make([]*region.Set, count), make([][]string, count)
		errs := make([]error, count)
		parallel.For(count, func(i int) {
			if sets[i], errs[i] = images.Load(ctx, from+i, 0); errs[i] == nil {
				tags[i] = sets[i].ObjectTags()
			}
		})
		for i, err := range errs {
			if err != nil {
				return nil, fmt.Errorf("image %s: %w", images.ID(from+i), err)
			}
		}
		m, err := e.text.PadImages(ctx, tags, sets, e.maxRegions, images.Dim())
		if err != nil {
			return nil, fmt.Errorf("images %s…: %w", images.ID(from), err)
		}
		if err := e.run(ctx, e.imgs, e.imgParams, params, m.Tensors(), out); err != nil {
			return nil, err
		}
		progress.Tell(observe, len(out.Tokens), n)
	}
	return out, nil
}

func (e *Encoder) run(ctx context.Context, s *ort.Session, need []nn.Param, params *param.Set, in map[string]*ort.Tensor, out *Side) error {
	for _, p := range need {
		data, err := params.Values(p)
		if err != nil {
			return err
		}
		in[p.Name] = ort.Float32(p.Dims(), data)
	}
	res, err := s.Run(ctx, in)
	if err != nil {
		return err
	}
	out.Matching = append(out.Matching, res["matching"].Float32()...)
	shape := res["tokens"].Shape()
	tokens, weights := res["tokens"].Float32(), res["weights"].Float32()
	rows, d := int(shape[1]), int(shape[2])
	for i := range int(shape[0]) {
		var kept, w []float32
		for k := range rows {
			// The released alignment cuts by position, so every token keeps its place.
			if x := weights[i*rows+k]; x > 0 || e.Net.ReleasedAlignment {
				kept = append(kept, tokens[(i*rows+k)*d:(i*rows+k+1)*d]...)
				w = append(w, x)
			}
		}
		out.Tokens = append(out.Tokens, kept)
		out.Weights = append(out.Weights, w)
	}
	return nil
}

// ScaleGlobal multiplies the weight of each caption's first token, which stands for it as a whole. A caption
// without words has none.
func (e *Side) ScaleGlobal(by float32) {
	for _, w := range e.Weights {
		if len(w) > 0 {
			w[0] *= by
		}
	}
}
