package nn

import (
	"fmt"

	"github.com/aladin-go/aladin/internal/onnx"
)

// States are the encoder's outputs for a batch of sequences.
type States struct {
	Last   *onnx.Value   // [B, S, H]
	Hidden []*onnx.Value // every layer's input, and the last output
	mask   mask          // of the S positions
	words  *onnx.Value   // of a caption: its word pieces, or CLIP's states
}

// EncodeText reads captions: words [B, T] as word pieces, "[CLS] caption [SEP]" and padding, or under
// CLIPCaptions as CLIP's states [B, T, C]; mask int64 [B, T].
func (n *Net) EncodeText(words, tokens *onnx.Value) States {
	var s States
	n.B.Scope("text", func() {
		var x *onnx.Value
		if n.CLIPCaptions > 0 {
			x = n.embedTokens(n.embedCLIP(words, captionCLIP, n.CLIPCaptions), nil)
		} else {
			x = n.embedTokens(n.embedWords(words), nil)
		}
		s = n.encode(x, n.mask(tokens))
	})
	s.words = words
	return s
}

// EncodeImage reads images: the class names of their detections as tokens (labels int64 [B, L], or under
// CLIPLabels CLIP's vectors [B, L, C]; types and mask int64 [B, L]) followed by their regions (float
// [B, R, F], mask int64 [B, R]). The states are those of the regions alone.
func (n *Net) EncodeImage(labels, types, tokens, regions, regionMask *onnx.Value) States {
	var s States
	n.B.Scope("image", func() {
		b := n.B
		var x *onnx.Value
		if n.CLIPLabels > 0 {
			x = n.embedCLIP(labels, labelCLIP, n.CLIPLabels)
		} else {
			x = n.embedWords(labels)
		}
		x = b.Concat(1, n.embedTokens(x, types), n.embedRegions(regions))
		m := n.mask(b.Concat(1, tokens, regionMask))
		s = n.encode(x, m)
		from := b.DimVector(labels, 1)
		cut := func(x *onnx.Value) *onnx.Value {
			return b.SliceV(x, 1, from, b.DimVector(x, 1), regions.Shape[1])
		}
		s.Last = cut(s.Last)
		for i, h := range s.Hidden {
			s.Hidden[i] = cut(h)
		}
		s.mask = n.mask(regionMask)
	})
	return s
}

func (n *Net) embedWords(ids *onnx.Value) *onnx.Value {
	return n.B.Gather(n.Param(WordEmbeddings, InitNormal, n.Vocab, n.Hidden), ids)
}

// embedTokens adds position and type embeddings to those of words; types nil means type 0 throughout.
func (n *Net) embedTokens(x, types *onnx.Value) *onnx.Value {
	b, p := n.B, bertPrefix+"embeddings."
	positions := n.Param(p+"position_embeddings.weight", n.residual(InitNormal), n.MaxPositions, n.Hidden)
	x = b.Add(x, b.Gather(positions, b.Range(x.Shape[1])))
	table := n.Param(p+"token_type_embeddings.weight", n.residual(InitNormal), n.Types, n.Hidden)
	if types == nil {
		types = b.Int(0)
	}
	x = b.Add(x, b.Gather(table, types))
	if !n.PreNorm {
		x = b.Reshape(n.layerNorm(n.rows(x), p+"LayerNorm", n.LayerNormEps), x.Shape...)
	}
	return n.drop(x, "hidden")
}

// embedRegions maps region features to the hidden size. They get neither position nor type: the box is
// among the features.
func (n *Net) embedRegions(regions *onnx.Value) *onnx.Value {
	b := n.B
	if n.Standardise {
		mean := n.Param(RegionMean, InitZero, n.RegionDim)
		scale := n.Param(RegionScale, InitOne, n.RegionDim)
		regions = b.Mul(b.Sub(regions, mean), scale)
	}
	regions = n.drop(regions, "feature")
	x := n.linear(n.rows(regions), bertPrefix+"img_embedding", InitNormal, n.RegionDim, n.Hidden)
	if n.DeticHidden > 0 {
		x = n.deticRegions(x, n.rows(regions))
	}
	if n.RegionLayerNorm {
		x = n.layerNorm(x, bertPrefix+"LayerNorm", n.RegionLayerNormEps)
	}
	return n.drop(b.Reshape(x, regions.Shape[0], regions.Shape[1], onnx.D(n.Hidden)), "hidden")
}

func (n *Net) encode(x *onnx.Value, m mask) States {
	s := States{mask: m}
	for i := range n.Layers {
		s.Hidden = append(s.Hidden, x)
		n.B.Scope(fmt.Sprintf("layer.%d", i), func() { x = n.layer(x, m, bertLayer(i), n.encoderKind()) })
	}
	s.Hidden = append(s.Hidden, x)
	s.Last = x
	return s
}
