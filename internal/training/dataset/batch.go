package dataset

import (
	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/ort"
)

// Names of a training step's inputs: CaptionPrefix begins those for captions, ExamplesInput is Batch.Examples.
const (
	CaptionPrefix = "cap_"
	ExamplesInput = "examples"
)

// A Batch is B pairs of an image and one of its captions, padded to the longest of each kind.
type Batch struct {
	Captions input.Captions // B×T
	Images   input.Images   // B×L tags, B×R regions
	Softness float32        // of the alignment head's maxima; 0 = hard
	Pairs    []int          // which captions of the data these are
	Examples []float32      // B×B scores, images × captions, of the models to imitate; nil = none
}

// Tensors are the step's inputs of the batch's own.
func (b *Batch) Tensors() map[string]*ort.Tensor {
	in := b.Images.Tensors()
	for name, x := range b.Captions.Tensors() {
		in[CaptionPrefix+name] = x
	}
	if b.Examples != nil {
		n := int64(b.Captions.B)
		in[ExamplesInput] = ort.Float32([]int64{n, n}, b.Examples)
	}
	return in
}
