// Package heads trains ALADIN's heads on top of a model of two towers (CLIP, SigLIP), which stay as they are: an
// adapter of the vectors of whole texts and pictures, and an alignment of words with a picture's cells.
//
// # Model
//
// Both are small residual networks in the towers' common space that start as nothing: x + tanh(x·down)·up, with up
// all zeros, brought to length 1. With no step done the model is the towers' own. A gate weighs words, and the vectors
// of text and picture as a whole take part in the alignment as one more word and one more cell.
//
//	matching   contrastive loss of the adapted vectors, at the towers' own temperature
//	alignment  contrastive loss of Σ weight·max similarity, and distillation: it should rank as the towers do
//
// The towers encode photos and captions once; what they gave lies in an index file in the run's folder, and every
// batch is read from there. Which state is kept is decided on validation data, or on a tenth of the photos that is
// put aside. What does not help there is left out: the adapter, if matching was better without, and ranking by alignment,
// if re-ranking was worse than matching: alignment then only explains.
package heads

import "errors"

// ErrData is returned where there is too little to learn from.
var ErrData = errors.New("heads: too little data")
