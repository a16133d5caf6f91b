package nn

import (
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/onnx"
)

// States are the encoder's outputs for a batch of sequences.
type States struct {
	Last   *onnx.Value   // [B, S, H], or packed [N, H]
	Hidden []*onnx.Value // every layer's input, and the last output
	mask   mask          // of the S positions
	words  *onnx.Value   // of a caption: its word pieces, or CLIP's states
}

// EncodeText reads captions: words [B, T] as word pieces, "[CLS] caption [SEP]" and padding, or under
// CLIPCaptions as CLIP's states [B, T, C]; mask int64 [B, T].
func (n *Net) EncodeText(words, tokens *onnx.Value) States {
	defer n.making(Backbone)()
	var s States
	n.B.Scope("text", func() {
		var x *onnx.Value
		kept := n.kept(tokens)
		if n.CLIPCaptions > 0 {
			x = n.embedTokens(n.embedCLIP(words, captionCLIP, n.CLIPCaptions), nil, kept)
		} else {
			x = n.embedTokens(n.embedWords(words), nil, kept)
		}
		m := n.mask(tokens, kept)
		s = n.encode(x, n.near(m), nil, n.Layers)
		s.mask = m
	})
	s.words = words
	return s
}

// EncodeImage reads images: the class names of their detections as tokens (labels int64 [B, L], or under
// CLIPLabels CLIP's vectors [B, L, C]; types and mask int64 [B, L]) followed by their regions (float
// [B, R, F], mask int64 [B, R]). The states are those of the regions alone.
func (n *Net) EncodeImage(labels, types, tokens, regions, regionMask *onnx.Value) States {
	defer n.making(Backbone)()
	var s States
	n.B.Scope("image", func() {
		b := n.B
		var x *onnx.Value
		if n.CLIPLabels > 0 {
			x = n.embedCLIP(labels, labelCLIP, n.CLIPLabels)
		} else {
			x = n.embedWords(labels)
		}
		tags, boxes := n.kept(tokens), n.kept(regionMask)
		x = n.embedTokens(x, types, tags)
		axis, length := 1, regions.Shape[1]
		if n.packs() {
			axis, length = 0, boxes.Shape[0]
		}
		from := b.DimVector(x, axis)
		x = b.Concat(axis, x, n.embedRegions(regions, boxes))
		at := &queries{mask: n.mask(regionMask, boxes), take: func(x *onnx.Value) *onnx.Value {
			return b.SliceV(x, axis, from, b.DimVector(x, axis), length)
		}}
		s = n.encode(x, n.mask(b.Concat(1, tokens, regionMask), n.joined(tags, boxes, tokens, regionMask)), at, n.Layers-n.SkipImageLayers)
		s.mask = at.mask
	})
	return s
}

// near makes attention under a mask prefer what is near, as TextLocality says.
func (n *Net) near(m mask) mask {
	if n.TextLocality == 0 {
		return m
	}
	b, one, heads := n.B, onnx.D(1), onnx.D(n.Heads)
	slopes := b.MulS(b.Exp(b.MulS(b.Cast(b.Range(heads), onnx.Float), -math.Ln2)), -n.TextLocality)
	m.additive = b.Add(m.additive, b.Mul(b.Reshape(slopes, one, heads, one, one), b.Unsqueeze(n.apart(m.shape[1]), 0, 1)))
	return m
}

// apart are the distances between the positions of a sequence [S, S].
func (n *Net) apart(length onnx.Dim) *onnx.Value {
	b := n.B
	at := b.Cast(b.Range(length), onnx.Float)
	return b.Abs(b.Sub(b.Reshape(at, length, onnx.D(1)), b.Reshape(at, onnx.D(1), length)))
}

func (n *Net) embedWords(ids *onnx.Value) *onnx.Value {
	return n.B.Gather(n.Param(WordEmbeddings, InitNormal, n.Vocab, n.Hidden), ids)
}

// embedTokens adds position and type embeddings to those of words [B, S, H]; types nil means type 0 throughout.
// The result is packed where a list of kept positions is given.
func (n *Net) embedTokens(x, types, kept *onnx.Value) *onnx.Value {
	b, p := n.B, bertPrefix+"embeddings."
	positions := n.Param(p+"position_embeddings.weight", n.residual(InitNormal), n.MaxPositions, n.Hidden)
	x = b.Add(x, b.Gather(positions, b.Range(x.Shape[1])))
	table := n.Param(p+"token_type_embeddings.weight", n.residual(InitNormal), n.Types, n.Hidden)
	if types == nil {
		types = b.Int(0)
	}
	x = n.pack(b.Add(x, b.Gather(table, types)), kept)
	if !n.PreNorm {
		x = b.Reshape(n.layerNorm(n.rows(x), p+"LayerNorm", n.LayerNormEps), x.Shape...)
	}
	return n.drop(x, "hidden")
}

// embedRegions maps region features to the hidden size. They get neither position nor type: the box is
// among the features.
func (n *Net) embedRegions(regions, kept *onnx.Value) *onnx.Value {
	b := n.B
	if n.Standardise {
		mean := n.param(Fixed, RegionMean, InitZero, n.RegionDim)
		scale := n.param(Fixed, RegionScale, InitOne, n.RegionDim)
		regions = b.Mul(b.Sub(regions, mean), scale)
	}
	regions = n.drop(regions, "feature")
	rows := n.pack(n.rows(regions), kept)
	x := n.linear(rows, bertPrefix+"img_embedding", InitNormal, n.RegionDim, n.Hidden)
	if n.RegionFF > 0 {
		hidden := b.Gelu(n.linear(rows, bertPrefix+"img_hidden", InitNormal, n.RegionDim, n.RegionFF))
		x = b.Add(x, n.linear(hidden, bertPrefix+"img_hidden_out", n.residual(InitNormal), n.RegionFF, n.Hidden))
	}
	if n.DeticIn > 0 {
		x = n.deticRegions(x, rows)
	}
	if n.RegionLayerNorm {
		x = n.layerNorm(x, bertPrefix+"LayerNorm", n.RegionLayerNormEps)
	}
	if kept == nil {
		x = b.Reshape(x, regions.Shape[0], regions.Shape[1], onnx.D(n.Hidden))
	}
	return n.drop(x, "hidden")
}

// encode runs the encoder's first layers. The states are those of the positions at, nil for all.
func (n *Net) encode(x *onnx.Value, m mask, at *queries, layers int) States {
	s := States{mask: m}
	taken := func(x *onnx.Value) *onnx.Value {
		if at == nil {
			return x
		}
		return at.take(x)
	}
	for i := range layers {
		s.Hidden = append(s.Hidden, taken(x))
		var q *queries
		if n.Training && i == layers-1 {
			q = at
		}
		n.B.Scope(fmt.Sprintf("layer.%d", i), func() { x = n.layer(x, m, q, bertLayer(i), n.encoderKind()) })
	}
	if !n.Training || layers == 0 {
		x = taken(x)
	}
	s.Hidden = append(s.Hidden, x)
	s.Last = x
	return s
}
