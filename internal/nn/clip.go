package nn

import (
	"fmt"

	"github.com/aladin-go/aladin/internal/onnx"
)

// The layers that take CLIP's vectors to the hidden size, by what the vectors stand for.
const (
	captionCLIP = bertPrefix + "embeddings.clip_local_to_oscar_embeddings"  // states of a caption's tokens
	labelCLIP   = bertPrefix + "embeddings.clip_global_to_oscar_embeddings" // sentences about labels
)

// CLIPDim is how many numbers a vector of CLIP ViT-B/32's text tower has.
const CLIPDim = 512

// validateCLIP refuses what needs word pieces where there are none.
func (c Config) validateCLIP() error {
	switch {
	case c.CLIPCaptions < 0 || c.CLIPLabels < 0:
		return fmt.Errorf("%w: CLIP's vectors of %d and %d numbers", ErrConfig, c.CLIPCaptions, c.CLIPLabels)
	case c.CLIPCaptions > 0 && (c.WordGates || c.StopWords):
		return fmt.Errorf("%w: captions that are CLIP's token states have no word pieces to weigh or to leave out", ErrConfig)
	}
	return nil
}

// TextInputs declares the inputs of a caption batch: ids int64 [B, T], or clip [B, T, C] under CLIPCaptions,
// and mask int64 [B, T]. All names begin with prefix, and B is called batch.
func TextInputs(b *onnx.Builder, cfg Config, prefix, batch string) (words, mask *onnx.Value) {
	tokens := onnx.Of(batch, "T")
	if cfg.CLIPCaptions > 0 {
		words = b.Input(prefix+"clip", onnx.Float, onnx.Of(batch, "T", cfg.CLIPCaptions))
	} else {
		words = b.Input(prefix+"ids", onnx.Int64, tokens)
	}
	return words, b.Input(prefix+"mask", onnx.Int64, tokens)
}

// ImageInputs declares the inputs of an image batch: label_ids int64 [B, L], or label_clip [B, L, C] under
// CLIPLabels, label_types and label_mask int64 [B, L], regions [B, R, F] and region_mask int64 [B, R]. All names begin
// with prefix, and B is called batch.
func ImageInputs(b *onnx.Builder, cfg Config, prefix, batch string) (labels, types, mask, regions, regionMask *onnx.Value) {
	tokens := onnx.Of(batch, "L")
	if cfg.CLIPLabels > 0 {
		labels = b.Input(prefix+"label_clip", onnx.Float, onnx.Of(batch, "L", cfg.CLIPLabels))
	} else {
		labels = b.Input(prefix+"label_ids", onnx.Int64, tokens)
	}
	return labels, b.Input(prefix+"label_types", onnx.Int64, tokens), b.Input(prefix+"label_mask", onnx.Int64, tokens),
		b.Input(prefix+"regions", onnx.Float, onnx.Of(batch, "R", cfg.RegionDim)),
		b.Input(prefix+"region_mask", onnx.Int64, onnx.Of(batch, "R"))
}

// embedCLIP takes CLIP's vectors [B, S, C] to the hidden size (ALADIN-2.0).
func (n *Net) embedCLIP(x *onnx.Value, name string, dim int) *onnx.Value {
	return n.B.Reshape(n.foreign(n.rows(x), name, dim, n.Hidden), x.Shape[0], x.Shape[1], onnx.D(n.Hidden))
}

// foreign takes rows of another model's vectors [N, dim] to the hidden size: a layer, ReLU, a layer, or one alone.
func (n *Net) foreign(x *onnx.Value, name string, dim, inner int) *onnx.Value {
	if n.SingleLayers {
		return n.linear(x, name, InitNormal, dim, n.Hidden)
	}
	x = n.B.Relu(n.linear(x, name+".0", InitNormal, dim, inner))
	return n.linear(x, name+".2", InitNormal, inner, n.Hidden)
}
