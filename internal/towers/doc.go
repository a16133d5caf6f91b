// Package towers makes the networks of the CLIP family as ONNX graphs: a text tower and an image tower whose
// vectors lie in one space (Radford et al., ICML 2021; Zhai et al., "Sigmoid Loss for Language Image
// Pre-Training", ICCV 2023).
//
// # Model
//
// [Text] and [Image] say what stands in no weight: the number of heads, activations, epsilons, how a sequence
// is pooled. All sizes are those of the weights, which are looked up by the names of this package (see
// [Weights]); package models maps the names of others to them. A graph has the outputs that are asked for:
// "matching" and "tokens", which every encoder of a bundle has, are of length 1, the others are raw.
//
// # What a bundle promises
//
//   - text.onnx: "ids" int64 [B, S], perhaps "mask" int64 [B, S] → "matching" [B, D], perhaps "tokens" [B, S, D];
//   - image.onnx: "pixels" float32 [B, 3, H, W] → "matching" [B, D], perhaps "tokens" [B, R, D], a row for
//     each cell of a grid.
//
// B or S may be fixed in graphs that others exported (see [Adapt]).
package towers

import "errors"

var (
	// ErrWeights is returned when weights are missing or do not fit each other.
	ErrWeights = errors.New("unusable weights")
	// ErrUnsupported is returned for networks that this package does not make.
	ErrUnsupported = errors.New("unsupported network")
)
