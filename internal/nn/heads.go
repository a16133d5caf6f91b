package nn

import (
	"math"

	"github.com/aladin-go/aladin/internal/onnx"
)

// A Side is a batch of captions or images as the heads see it.
type Side struct {
	Matching *onnx.Value // [B, D], L2-normalised
	Tokens   *onnx.Value // [B, S, D], L2-normalised: word or region states
	Weights  *onnx.Value // float [B, S]: 0 where a token takes no part in alignment

	mask mask // of packed Tokens [N, D]
}

// Text runs both heads on captions.
func (n *Net) Text(s States) Side {
	var side Side
	n.B.Scope("text", func() {
		s = n.fuseDepth(s)
		words := n.inner(s.mask.tokens, n.dropLast())
		side.Weights = words
		if n.StopWords {
			kept := n.B.Gather(n.param(Fixed, KeptWords, InitOne, n.Vocab, 1), s.words)
			side.Weights = n.B.Mul(side.Weights, n.B.Reshape(kept, s.words.Shape...))
		}
		if n.WordGates {
			side.Weights = n.B.Mul(side.Weights, n.gates(s.words))
			if n.GatedMean {
				words = side.Weights
			}
		}
		side.Tokens = n.alignTokens(s, "text", "transformer_encoder_1")
		side.Matching = n.matching(s, "text", words)
		side.mask = s.mask
		if n.WordContext > 0 {
			side = n.inContext(side)
		}
		if n.GlobalPair > 0 {
			side = n.globalWord(side)
		}
	})
	return side
}

// Image runs both heads on images.
func (n *Net) Image(s States) Side {
	var side Side
	n.B.Scope("image", func() {
		s = n.fuseDepth(s)
		stack := "transformer_encoder_1"
		if n.SeparateAlign {
			stack = "transformer_encoder_2"
		}
		side.Weights = s.mask.tokens
		if n.ReleasedAlignment {
			side.Weights = n.inner(s.mask.tokens, 0)
		}
		side.Tokens = n.alignTokens(s, "image", stack)
		side.Matching = n.matching(s, "image", s.mask.tokens)
		side.mask = s.mask
		if n.GlobalPair > 0 {
			side = n.globalRegion(side)
		}
	})
	return side
}

// dropLast is how many tokens at a caption's end take no part: [SEP], and in released models the word
// piece before it.
func (n *Net) dropLast() int64 {
	if n.ReleasedAlignment {
		return 2
	}
	return 1
}

// inner clears the first and the last few tokens of every sequence from its mask [B, S]: token t stays
// where t ≥ 1 and token t+last is there. Sequences must have room: S > last.
func (n *Net) inner(m *onnx.Value, last int64) *onnx.Value {
	b := n.B
	rest := b.SliceV(m, 1, b.Ints(1+last), b.DimVector(m, 1), onnx.Sym(m.Shape[1].String()+"-inner"))
	return b.Pad(rest, 1, b.Ints(1), b.Ints(last), m.Shape[1])
}

// gates are the learned weights of the word pieces: the softplus of a table, 1 where the table is 0.
func (n *Net) gates(ids *onnx.Value) *onnx.Value {
	b := n.B
	g := b.Gather(n.param(Gates, WordGateTable, InitZero, n.Vocab, 1), ids)
	// softplus(x + log(e−1)) is 1 at x = 0
	x := b.AddS(b.Reshape(g, ids.Shape...), 0.541324854612918)
	return b.Log(b.AddS(b.Exp(b.Min(x, b.Scalar(20))), 1))
}

// alignTokens are the states that the alignment head compares.
func (n *Net) alignTokens(s States, side, stack string) *onnx.Value {
	defer n.making(Backbone)()
	b := n.B
	x := n.stack(s.Last, s.mask, stack, n.AlignLayers, nil)
	if n.AlignProjection {
		x = b.Reshape(n.linear(n.rows(x), encPrefix+"align_"+side+"_proj", InitGlorot, n.Hidden, n.Hidden), x.Shape...)
	}
	return b.L2Normalize(x, 1e-12)
}

// matching is one vector a sequence.
func (n *Net) matching(s States, side string, weights *onnx.Value) *onnx.Value {
	b := n.B
	x := s.Last
	if n.DepthAggregation != "" {
		x = n.matchingDepth(s)
	}
	if n.MatchProjection {
		x = b.Reshape(n.linear(n.rows(x), encPrefix+"match_"+side+"_proj", InitGlorot, n.Hidden, n.Hidden), x.Shape...)
	}
	const name = "final_projection_net"
	var v *onnx.Value
	switch {
	case n.MeanPool && s.mask.kept != nil:
		v = b.Gemm(n.weighed(s.mask, weights), n.stack(x, s.mask, name, n.MatchLayers, nil), nil, false, false)
	case n.MeanPool:
		v = b.ReduceSum(b.Mul(n.stack(x, s.mask, name, n.MatchLayers, nil), b.Unsqueeze(weights, 2)), false, 1)
	case n.Training && n.MatchLayers > 0:
		at := &queries{take: n.takeFirst(s.mask), mask: mask{shape: onnx.Shape{s.mask.shape[0], onnx.D(1)}}}
		v = n.stack(x, s.mask, name, n.MatchLayers, at)
		if s.mask.kept != nil { // a sequence of nothing has no first state
			v = b.Mul(v, b.ReduceSum(n.owners(s.mask, true), true, 1))
		}
	default:
		v = n.takeFirst(s.mask)(n.stack(x, s.mask, name, n.MatchLayers, nil))
	}
	return b.L2Normalize(b.Reshape(v, s.mask.shape[0], onnx.D(n.Hidden)), 1e-12)
}

// takeFirst takes the first state of every sequence, of states [B, S, H] or packed [N, H].
func (n *Net) takeFirst(m mask) func(x *onnx.Value) *onnx.Value {
	if m.kept == nil {
		return func(x *onnx.Value) *onnx.Value { return n.B.Slice(x, 1, 0, 1, onnx.D(1)) }
	}
	owners := n.owners(m, true)
	return func(x *onnx.Value) *onnx.Value { return n.B.Gemm(owners, x, nil, false, false) }
}

// inContext makes of each word the direction of the sum that WordContext describes. Words of no weight add nothing.
func (n *Net) inContext(text Side) Side {
	b := n.B
	x := n.padded(text.Tokens, text.mask)
	falls := b.Exp(b.MulS(n.apart(x.Shape[1]), float32(math.Log(float64(n.WordContext)))))
	text.Tokens, text.mask = b.L2Normalize(b.MatMul(falls, b.Mul(x, b.Unsqueeze(text.Weights, 2))), 1e-12), mask{}
	return text
}

// globalWord puts the matching vector in the place of [CLS].
func (n *Net) globalWord(text Side) Side {
	b := n.B
	share := b.MulS(b.Exp(n.Param(GlobalShare, InitZero, 1)), n.GlobalPair)
	weight := b.Mul(b.ReduceSum(text.Weights, true, 1), share) // [B, 1]; that of [CLS] is 0
	text.Tokens, text.mask = n.padded(text.Tokens, text.mask), mask{}
	text.Tokens = n.replaceFirst(text.Tokens, b.Unsqueeze(text.Matching, 1))
	text.Weights = n.replaceFirst(text.Weights, weight)
	return text
}

// replaceFirst exchanges the first element along axis 1.
func (n *Net) replaceFirst(x, first *onnx.Value) *onnx.Value {
	b, t := n.B, x.Shape[1]
	rest := b.SliceV(x, 1, b.Ints(1), b.DimVector(x, 1), onnx.Sym(t.String()+"-rest"))
	behind := b.Sub(b.DimVector(x, 1), b.Ints(1))
	return b.Add(b.Pad(first, 1, b.Ints(0), behind, t), b.Pad(rest, 1, b.Ints(1), b.Ints(0), t))
}

// globalRegion puts the matching vector behind the regions.
func (n *Net) globalRegion(image Side) Side {
	b := n.B
	image.Tokens, image.mask = n.padded(image.Tokens, image.mask), mask{}
	image.Tokens = b.Concat(1, image.Tokens, b.Unsqueeze(image.Matching, 1))
	one := b.AddS(b.Zeros(image.Weights.Shape[0], onnx.D(1)), 1)
	image.Weights = b.Concat(1, image.Weights, one)
	return image
}
