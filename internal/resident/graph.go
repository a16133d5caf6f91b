package resident

import (
	"encoding/binary"
	"fmt"

	"github.com/aladin-go/aladin/internal/onnx"
)

// Names of the graph's inputs and output.
const (
	inTokens  = "tokens"
	inScales  = "scales"
	inBias    = "bias"
	inFirst   = "first"
	inCount   = "count"
	inPlaces  = "places"
	inWords   = "words"
	inWeights = "weights"
	outScores = "scores_of_spans"
)

// away is added to the similarity of what takes no part.
const away = -1e9

// graph aligns W words of Q queries with C spans of N tokens, of at most R each. WebGPU knows no bytes: there, packed, they
// are the four bytes of an int32.
//
//	tokens uint8 [N, S], packed int32 [N, S/4], scales [N], bias [N]        stay on the device; bias is 0, or away for a token that takes no part
//	first int32 [C], count int32 [C], places int32 [R]  places are 0, 1, … R−1
//	words [W, S], weights [Q, W]                        codes, packed in the order of permute; a weight is 0 where a word is another query's
//	→ scores [Q, C]
func graph(stride int, packed bool) (*onnx.Model, error) {
	b := onnx.NewBuilder()
	n, c, r, w, q, one := onnx.Sym("N"), onnx.Sym("C"), onnx.Sym("R"), onnx.Sym("W"), onnx.Sym("Q"), onnx.D(1)
	s := onnx.D(stride)
	var tokens *onnx.Value
	decode := unpack
	if packed {
		tokens = b.Input(inTokens, onnx.Int32, onnx.Shape{n, onnx.D(stride / 4)})
	} else {
		tokens = b.Input(inTokens, onnx.Uint8, onnx.Shape{n, s})
		decode = func(b *onnx.Builder, x *onnx.Value) *onnx.Value { return b.Cast(x, onnx.Float) }
	}
	scales := b.Input(inScales, onnx.Float, onnx.Shape{n})
	bias := b.Input(inBias, onnx.Float, onnx.Shape{n})
	first := b.Reshape(b.Input(inFirst, onnx.Int32, onnx.Shape{c}), c, one)
	count := b.Reshape(b.Input(inCount, onnx.Int32, onnx.Shape{c}), c, one)
	places := b.Reshape(b.Input(inPlaces, onnx.Int32, onnx.Shape{r}), one, r)
	words := b.Input(inWords, onnx.Float, onnx.Shape{w, s})
	weights := b.Input(inWeights, onnx.Float, onnx.Shape{q, w})

	inside := b.Cast(b.Less(places, count), onnx.Float) // [C, R]
	at := b.Add(first, places)
	codes := b.AddS(decode(b, b.Gather(tokens, at)), -128)
	dots := b.Reshape(b.Gemm(words, b.Reshape(codes, c.Mul(r), s), nil, false, true), w, c, r)
	shift := b.Add(b.Gather(bias, at), b.MulS(b.AddS(inside, -1), -away))
	sim := b.Add(b.Mul(dots, b.Reshape(b.Gather(scales, at), one, c, r)), b.Reshape(shift, one, c, r))
	best := b.ReduceMax(sim, false, 2) // [W, C]
	best = b.Where(b.Less(best, b.Scalar(away/2)), b.Scalar(0), best)
	b.Output(outScores, b.Gemm(weights, best, nil, false, false))
	return b.Model("aladin resident alignment")
}

// unpack makes numbers of bytes, four to an int32: first all lowest bytes, and so on.
func unpack(b *onnx.Builder, packed *onnx.Value) *onnx.Value {
	constant := func(v int32) *onnx.Value {
		return b.Raw(fmt.Sprint("int32 ", v), onnx.Int32, binary.LittleEndian.AppendUint32(nil, uint32(v)), 1)
	}
	// Division rounds towards zero, so the sign is taken off first and added to the highest byte.
	negative := b.Cast(b.Less(packed, constant(0)), onnx.Int32)
	rest := b.Sub(packed, b.Mul(negative, constant(-1<<31)))
	byteOf := constant(256)
	planes := make([]*onnx.Value, 4)
	for i := range 3 {
		higher := b.Div(rest, byteOf)
		planes[i] = b.Sub(rest, b.Mul(higher, byteOf))
		rest = higher
	}
	planes[3] = b.Add(rest, b.Mul(negative, constant(128)))
	for i, p := range planes {
		planes[i] = b.Cast(p, onnx.Float)
	}
	return b.Concat(2, planes...)
}

// permute puts codes into the order in which unpack gives them.
func permute(dst []float32, codes []int8) {
	quarter := len(codes) / 4
	for i, c := range codes {
		dst[i%4*quarter+i/4] = float32(c)
	}
}
