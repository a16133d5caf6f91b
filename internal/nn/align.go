package nn

import (
	"slices"

	"github.com/aladin-go/aladin/internal/onnx"
)

// Scores are the alignment scores of every image with every caption, [I, C], by the configured mode.
//
// With ReleasedAlignment, similarities at padded places are 0 and take part in maxima, as in the
// released code; pad is then the number of region and word rows the sides are padded to before (the
// released evaluation uses 71; 0 leaves the batch's own padding). Otherwise padding never wins.
func (n *Net) Scores(image, text Side, pad int) *onnx.Value {
	var out *onnx.Value
	n.B.Scope("align", func() {
		image.Tokens = n.padded(image.Tokens, image.mask)
		if text.mask.kept != nil {
			if n.overRegionsOnly() {
				out = n.packedScores(image, text)
				return
			}
			text.Tokens = n.padded(text.Tokens, text.mask)
		}
		if n.ReleasedAlignment {
			image.Tokens, image.Weights = n.tight(image.Tokens, image.mask, false), n.tight(image.Weights, image.mask, false)
			text.Tokens, text.Weights = n.tight(text.Tokens, text.mask, true), n.tight(text.Weights, text.mask, true)
			image, text = n.trim(image, text)
		}
		sim := n.similarities(image, text)
		out = n.reduceScores(sim, image, text, pad)
	})
	return out
}

// overRegionsOnly tells whether scores are sums over words of maxima over regions, without the released code's
// cuts.
func (n *Net) overRegionsOnly() bool {
	return !n.ReleasedAlignment && slices.Contains([]string{"MrSw", "MrAVGw", MrCOSw}, n.Alignment)
}

// packedScores are Scores of packed words [N, D].
func (n *Net) packedScores(image, text Side) *onnx.Value {
	b := n.B
	weights := n.weighed(text.mask, text.Weights) // [C, N]
	sums := b.Gemm(n.bestRegions(image, text.Tokens), weights, nil, false, true)
	switch n.Alignment {
	case "MrAVGw":
		return b.Div(sums, b.Unsqueeze(b.MaxS(b.ReduceSum(text.Weights, false, 1), 1e-6), 0))
	case MrCOSw:
		return b.Div(sums, b.Unsqueeze(n.captionLength(b.Gemm(weights, text.Tokens, nil, false, false), text.Weights), 0))
	}
	return sums
}

// trim drops what the released code cuts away before it compares: region 0, word 0 and the last two.
func (n *Net) trim(image, text Side) (Side, Side) {
	b := n.B
	cut := func(x *onnx.Value, from, to int64) *onnx.Value {
		name := onnx.Sym(x.Shape[1].String() + "-cut")
		if to == 0 {
			return b.SliceV(x, 1, b.Ints(from), b.DimVector(x, 1), name)
		}
		return b.Slice(x, 1, from, to, name)
	}
	image.Tokens, image.Weights = cut(image.Tokens, 1, 0), cut(image.Weights, 1, 0)
	text.Tokens, text.Weights = cut(text.Tokens, 1, -2), cut(text.Weights, 1, -2)
	return image, text
}

// A similarity matrix of regions and words, with what tells padding from tokens.
type similarity struct {
	values *onnx.Value // [I, R, C, W]
	region *onnx.Value // float [I, R, 1, 1]
	word   *onnx.Value // float [1, 1, C, W]: 0 or 1
	weight *onnx.Value // float [1, C, W]: of each word
}

// similarities is one matrix product over the rows of both batches: the vectors are normalised, so
// these are cosines.
func (n *Net) similarities(image, text Side) similarity {
	b := n.B
	i, r := image.Tokens.Shape[0], image.Tokens.Shape[1]
	c, w := text.Tokens.Shape[0], text.Tokens.Shape[1]
	flat := b.Gemm(n.rows(image.Tokens), n.rows(text.Tokens), nil, false, true)
	b.DefineDim(r, image.Tokens, 1)
	b.DefineDim(w, text.Tokens, 1)
	one := onnx.D(1)
	present := b.Cast(b.Greater(text.Weights, b.Scalar(0)), onnx.Float)
	return similarity{
		values: b.Reshape(flat, i, r, c, w),
		region: b.Reshape(image.Weights, i, r, one, one),
		word:   b.Reshape(present, one, one, c, w),
		weight: b.Reshape(text.Weights, one, c, w),
	}
}

func (n *Net) reduceScores(s similarity, image, text Side, pad int) *onnx.Value {
	b := n.B
	masked := b.Mul(b.Mul(s.values, s.region), s.word)
	overRegions := func() *onnx.Value { // [I, C, W]: each word's best region
		if n.Training && !n.ReleasedAlignment {
			best := n.bestRegions(image, n.rows(text.Tokens))
			return b.Mul(b.Reshape(best, s.values.Shape[0], s.values.Shape[2], s.values.Shape[3]), s.weight)
		}
		best := n.maximum(n.forMax(s.values, s.region, s.word, pad), 1)
		if !n.ReleasedAlignment {
			return b.Mul(best, s.weight)
		}
		if n.Softness != nil { // the hard maximum of a padded word is 0 already
			best = b.Mul(best, b.Reshape(s.word, onnx.D(1), s.word.Shape[2], s.word.Shape[3]))
		}
		return best
	}
	overWords := func() *onnx.Value { // [I, R, C]: each region's best word
		best := n.maximum(n.forMax(s.values, s.word, s.region, pad), 3)
		if !n.ReleasedAlignment { // a caption without words has none that could be the best
			some := b.Min(b.ReduceSum(s.word, false, 3), b.Scalar(1))
			best = b.Mul(best, some)
		}
		return b.Mul(best, b.Reshape(s.region, s.region.Shape[0], s.region.Shape[1], onnx.D(1)))
	}
	switch n.Alignment {
	case "sum":
		return b.ReduceSum(masked, false, 1, 3)
	case "mean":
		sum := b.ReduceSum(masked, false, 1, 3)
		if pad > 0 { // over the padded size, less what trim cuts
			return b.MulS(sum, 1/float32((pad-1)*(pad-3)))
		}
		if n.ReleasedAlignment { // over the batch's own
			cells := b.Mul(b.DimVector(image.Tokens, 1), b.DimVector(text.Tokens, 1))
			return b.Div(sum, b.Reshape(b.Cast(cells, onnx.Float)))
		}
		regions := b.ReduceSum(s.region, false, 1, 2, 3)
		words := b.ReduceSum(s.word, false, 0, 1, 3)
		cells := b.Mul(b.Unsqueeze(regions, 1), b.Unsqueeze(words, 0)) // [I, C]
		return b.Div(sum, b.MaxS(cells, 1))
	case "MrAVGw":
		words := b.ReduceSum(s.weight, false, 2) // [1, C]
		// A caption without words scores 0, where the released code divides by zero.
		return b.Div(b.ReduceSum(overRegions(), false, 2), b.MaxS(words, 1e-6))
	case MrCOSw:
		return b.Div(b.ReduceSum(overRegions(), false, 2), b.Unsqueeze(n.captionLength(n.wordSum(text), text.Weights), 0))
	case "MwSr":
		return b.ReduceSum(overWords(), false, 1)
	case "symm":
		return b.Add(b.ReduceSum(overRegions(), false, 2), b.ReduceSum(overWords(), false, 1))
	case "scan-sentences":
		return n.crossAttention(s, image, text)
	}
	return b.ReduceSum(overRegions(), false, 2) // MrSw
}

// wordSum is the weighted sum of each caption's words [C, D].
func (n *Net) wordSum(text Side) *onnx.Value {
	return n.B.ReduceSum(n.B.Mul(text.Tokens, n.B.Unsqueeze(text.Weights, 2)), false, 1)
}

// leastShare is the least that MrCOSw makes of a caption's length, as a share of the weights of its words, so that a
// score stays below 20 where words cancel each other. Trained models have 0.4 to 1, n words in random directions 1/√n.
const leastShare = 0.05

// captionLength is what MrCOSw divides by [C]: the length of the weighted sum of each caption's words [C, D].
func (n *Net) captionLength(sum, weights *onnx.Value) *onnx.Value {
	b := n.B
	// A caption without words has the length 1e-4 and the score 0.
	length := b.Sqrt(b.AddS(b.ReduceSum(b.Mul(sum, sum), false, 1), 1e-8))
	return b.Max(length, b.MulS(b.ReduceSum(weights, false, 1), leastShare))
}

// normaliseWeights folds what MrAVGw and MrCOSw divide a caption's score by into the weights of its words,
// so that the score is the weighted sum of maxima in every mode that has one.
func (n *Net) normaliseWeights(text Side) Side {
	b := n.B
	switch n.Alignment {
	case "MrAVGw":
		text.Weights = b.Div(text.Weights, b.MaxS(b.ReduceSum(text.Weights, true, 1), 1e-6))
	case MrCOSw:
		text.Weights = b.Div(text.Weights, b.Unsqueeze(n.captionLength(n.wordSum(text), text.Weights), 1))
	}
	return text
}

// maximum is the largest along an axis, or its soft version.
func (n *Net) maximum(x *onnx.Value, axis int) *onnx.Value {
	b := n.B
	if n.Softness == nil {
		return b.ReduceMax(x, false, axis)
	}
	top := b.StopGradient(b.ReduceMax(x, true, axis)) // only for range: its gradient cancels
	sum := b.ReduceSum(b.Exp(b.Div(b.Sub(x, top), n.Softness)), true, axis)
	soft := b.Add(top, b.Mul(n.Softness, b.Log(sum)))
	return b.Reshape(soft, append(append(onnx.Shape(nil), x.Shape[:axis]...), x.Shape[axis+1:]...)...)
}

// bestRegions is the maximum over regions, hard or soft, for words [M, D]: [I, M]. It takes few passes over the
// similarities: what masks the regions, shifts and scales goes into the matrix product. A soft maximum needs no
// maximum for range, as the similarities are cosines: with τ ≥ 1/80, exp((x+80τ−1)/τ) of x in −1…1 is neither
// 0 nor infinite, nor is a sum of thousands.
func (n *Net) bestRegions(image Side, words *onnx.Value) *onnx.Value {
	b := n.B
	i, r, m, one := image.Tokens.Shape[0], image.Tokens.Shape[1], words.Shape[0], onnx.D(1)
	rows := n.rows(image.Tokens)
	column := b.Reshape(b.MulS(b.AddS(image.Weights, -1), 10000), rows.Shape[0], one)
	b.DefineDim(r, image.Tokens, 1)
	b.DefineDim(m, words, 0)
	if n.Softness == nil || n.LeastSoftness < 1./80 {
		return n.maximum(b.Reshape(b.Gemm(rows, words, column, false, true), i, r, m), 1)
	}
	shift := b.Sub(b.Scalar(80), b.Reciprocal(n.Softness))
	x := b.Gemm(rows, b.Div(words, n.Softness), b.Add(column, shift), false, true)
	sum := b.SumExp(b.Reshape(x, i, r, m), 1)
	soft := b.Mul(n.Softness, b.Sub(b.Log(b.AddS(sum, 1e-37)), shift)) // 1e-37: an image without regions
	return b.Reshape(soft, i, m)
}

// forMax prepares similarities for a maximum along the axis that along masks.
func (n *Net) forMax(x, along, across *onnx.Value, pad int) *onnx.Value {
	b := n.B
	if !n.ReleasedAlignment {
		// Far below every cosine, so that padding neither wins nor weighs in a soft maximum.
		return b.Add(b.Mul(x, along), b.MulS(b.AddS(along, -1), 10000))
	}
	x = b.Mul(b.Mul(x, along), across)
	if pad > 0 {
		x = b.Max(x, b.Scalar(0)) // some padded place is always there
	}
	return x
}

// crossAttention is the mode "scan-sentences": every region attends over the words by its normalised
// positive similarities, and is compared with what it attended to.
func (n *Net) crossAttention(s similarity, image, text Side) *onnx.Value {
	b := n.B
	i, r := image.Tokens.Shape[0], image.Tokens.Shape[1]
	c, w := text.Tokens.Shape[0], text.Tokens.Shape[1]
	masked := b.Mul(b.Mul(s.values, s.region), s.word)
	pos := b.Relu(masked) // [I, R, C, W]
	// The released code divides by at least 1e-12; the square root needs room to be differentiable.
	norm := b.Sqrt(b.AddS(b.ReduceSum(b.Mul(pos, pos), true, 1), 1e-24))
	logits := b.Add(b.Div(pos, norm), b.MulS(b.AddS(s.word, -1), 10000))
	weights := b.Softmax(logits, -1)
	// A caption without a word attends to nothing.
	weights = b.Mul(weights, s.word)
	att := b.MatMul(b.Reshape(b.Transpose(weights, 2, 0, 1, 3), c, i.Mul(r), w), text.Tokens)
	att = b.Transpose(b.Reshape(att, c, i, r, onnx.D(n.Hidden)), 1, 2, 0, 3) // [I, R, C, D]
	dot := b.ReduceSum(b.Mul(att, b.Reshape(image.Tokens, i, r, onnx.D(1), onnx.D(n.Hidden))), false, 3)
	size := b.Sqrt(b.AddS(b.ReduceSum(b.Mul(att, att), false, 3), 1e-16))
	cos := b.Mul(b.Div(dot, size), b.Reshape(s.region, i, r, onnx.D(1)))
	return b.ReduceSum(cos, false, 1)
}
