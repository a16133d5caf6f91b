package nn

import "github.com/aladin-go/aladin/internal/onnx"

// Weights are constant parameters by name, from which bundles are written.
type Weights interface {
	// Values are the parameter's, row-major; an error if it is missing or of another shape.
	Values(p Param) ([]float32, error)
}

// constants makes parameters initialisers of the graph.
type constants struct{ w Weights }

func (c constants) Param(b *onnx.Builder, p Param) (*onnx.Value, error) {
	data, err := c.w.Values(p)
	if err != nil {
		return nil, err
	}
	return b.Weights(p.Name, data, p.Shape...), nil
}

// TextModel is text.onnx of a bundle: the inputs of TextInputs → matching [B, D], tokens [B, T, D],
// weights [B, T].
func TextModel(cfg Config, w Weights) (*onnx.Model, error) {
	b := onnx.NewBuilder()
	n, err := New(b, cfg, constants{w})
	if err != nil {
		return nil, err
	}
	return n.finish("text", n.shortenText(n.normaliseWeights(n.Text(n.EncodeText(TextInputs(b, cfg, "", "B"))))))
}

// ImageModel is image.onnx of a bundle: the inputs of ImageInputs → matching [B, D], tokens [B, N, D],
// weights [B, N]. With ReleasedAlignment a null region comes last (N = R+1): a zero vector that takes part, for the masked
// zeros of the released evaluation.
func ImageModel(cfg Config, w Weights) (*onnx.Model, error) {
	b := onnx.NewBuilder()
	n, err := New(b, cfg, constants{w})
	if err != nil {
		return nil, err
	}
	labels, types, mask, regions, regionMask := ImageInputs(b, cfg, "", "B")
	side := n.shortenImage(n.Image(n.EncodeImage(labels, types, mask, regions, regionMask)))
	if cfg.ReleasedAlignment {
		dim := regions.Shape[0]
		zero := b.Zeros(dim, onnx.D(1), onnx.D(cfg.Hidden))
		side.Tokens = b.Concat(1, side.Tokens, zero)
		side.Weights = b.Concat(1, side.Weights, b.AddS(b.Zeros(dim, onnx.D(1)), 1))
	}
	return n.finish("image", side)
}

func (n *Net) finish(name string, side Side) (*onnx.Model, error) {
	n.B.Output("matching", side.Matching)
	n.B.Output("tokens", side.Tokens)
	n.B.Output("weights", side.Weights)
	if err := n.Err(); err != nil {
		return nil, err
	}
	return n.B.Model("aladin " + name)
}

// AlignModel is align.onnx of a bundle: the MaxSim of Q captions with C images whose region tokens are
// int8 codes with a scale a region, dequantised on the device. words [Q, T, D], word_weights [Q, T],
// regions int8 [C, R, D], region_scales [C, R], region_mask [C, R] → scores [Q, C], best int64
// [Q, C, T], similarity [Q, C, T].
func AlignModel(cfg Config) (*onnx.Model, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := onnx.NewBuilder()
	d := onnx.D(cfg.Hidden)
	q, t, c, r := onnx.Sym("Q"), onnx.Sym("T"), onnx.Sym("C"), onnx.Sym("R")
	one := onnx.D(1)
	words := b.Input("words", onnx.Float, onnx.Shape{q, t, d})
	weights := b.Input("word_weights", onnx.Float, onnx.Shape{q, t})
	codes := b.Input("regions", onnx.Int8, onnx.Shape{c, r, d})
	scales := b.Input("region_scales", onnx.Float, onnx.Shape{c, r})
	mask := b.Input("region_mask", onnx.Float, onnx.Shape{c, r})

	flat := b.Gemm(b.Reshape(words, q.Mul(t), d), b.Reshape(b.Cast(codes, onnx.Float), c.Mul(r), d), nil, false, true)
	sim := b.Mul(b.Reshape(flat, q, t, c, r), b.Reshape(scales, one, one, c, r))
	m := b.Reshape(mask, one, one, c, r)
	sim = b.Add(b.Mul(sim, m), b.MulS(b.AddS(m, -1), 2)) // −2 is below every cosine
	best := b.ReduceMax(sim, false, 3)                   // [Q, T, C]
	arg := b.Squeeze(b.ArgMax(sim, 3), 3)
	scores := b.ReduceSum(b.Mul(best, b.Reshape(weights, q, t, one)), false, 1)
	b.Output("scores", scores)
	b.Output("best", b.Transpose(arg, 0, 2, 1))
	b.Output("similarity", b.Transpose(best, 0, 2, 1))
	return b.Model("aladin align")
}
