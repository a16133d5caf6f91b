package nn

import "github.com/aladin-go/aladin/internal/onnx"

// Some items are close to everything. Such hubs appear among nearest neighbours in high dimensions (Radovanović,
// Nanopoulos and Ivanović, JMLR 2010) and take the first ranks of queries that they do not answer. How much of a hub an item
// is can be estimated from its similarity to a bank of training items of the other modality,
//
//	h(v) = 1/β · log meanⱼ exp(β v·bankⱼ),
//
// the logarithm of the divisor of the inverted softmax (Smith et al., ICLR 2017) and of querybank normalisation (Bogolin et
// al., CVPR 2022). Those divide scores. Here matching vectors, region vectors and word weights are scaled by exp(−h), so
// that the factors of both sides enter every inner product and every alignment score, and an index needs no change.

// Names of the banks [Hubs, D] of Config.Hubs: training captions' matching vectors, which images are compared with, and
// training images', which captions are.
const (
	HubCaptions = encPrefix + "hubs.captions"
	HubImages   = encPrefix + "hubs.images"
)

// hubShare is exp(−h) of matching vectors [B, D], at most 1: [B, 1].
func (n *Net) hubShare(v *onnx.Value, bank string) *onnx.Value {
	return hubShare(n.B, v, n.param(Fixed, bank, InitZero, n.Hubs, n.Hidden), n.Hubs, n.HubScale)
}

func hubShare(b *onnx.Builder, v, bank *onnx.Value, hubs int, scale float32) *onnx.Value {
	mean := b.MulS(b.SumExp(b.MulS(b.Gemm(v, bank, nil, false, true), scale), 1), 1/float32(hubs))
	return b.Min(b.Exp(b.MulS(b.Log(mean), -1/scale)), b.Scalar(1))
}

// HubModel computes for vectors [B, D] and a bank [hubs, D] the share [B, 1] that exported encoders shorten each vector to:
// for a trainer, which validates what it will export.
func HubModel(dim, hubs int, scale float32) (*onnx.Model, error) {
	b := onnx.NewBuilder()
	b.Output("share", hubShare(b, b.Input("vectors", onnx.Float, onnx.Of("B", dim)), b.Input("bank", onnx.Float, onnx.Of(hubs, dim)), hubs, scale))
	return b.Model("aladin hubs")
}

// shortenText makes a caption's matching vector shorter and its words weigh less.
func (n *Net) shortenText(text Side) Side {
	if n.Hubs == 0 {
		return text
	}
	share := n.hubShare(text.Matching, HubImages)
	text.Matching, text.Weights = n.B.Mul(text.Matching, share), n.B.Mul(text.Weights, share)
	return text
}

// shortenImage makes an image's matching vector and regions shorter.
func (n *Net) shortenImage(image Side) Side {
	if n.Hubs == 0 {
		return image
	}
	share := n.hubShare(image.Matching, HubCaptions)
	image.Matching, image.Tokens = n.B.Mul(image.Matching, share), n.B.Mul(image.Tokens, n.B.Unsqueeze(share, 2))
	return image
}
