package step

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/training/dataset"
)

// batchDim is the number of pairs in a step's graph.
const batchDim = "B"

// A split says into how many parts a step's graph cuts a batch. The nodes of one part are consecutive, so that their
// intermediate results stay in the processor's cache. Parts share nothing but parameters and are joined before the losses.
type split struct{ captions, images stretches }

// stretches are parts of a batch, of nearly equal size; the zero value is the whole batch.
type stretches struct {
	n   int
	dim string // prefix of the name of a part's size
}

const (
	// partBytes is how many bytes of a layer's input one thread works on, so that they and the layer's intermediate results
	// fit into a core's cache.
	partBytes = 1 << 20
	// mostParts bounds the number of parts: each repeats the nodes of the graph, and ONNX Runtime loads large graphs slowly.
	mostParts = 4
)

// parts chooses the split for batches of the size of o.Like. Each part has enough rows that summing the parts' gradients
// costs little compared with computing them.
func (o Options) parts(hidden int) split {
	if o.split != nil {
		return *o.split
	}
	if o.Like == nil || o.Device != "" && o.Device != "cpu" {
		return split{}
	}
	threads := o.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	rows := threads * max(partBytes/(4*hidden), 4*hidden)
	count := func(masks ...[]int64) int {
		tokens := 0
		for _, mask := range masks {
			for _, m := range mask {
				tokens += int(m)
			}
		}
		return min(tokens/rows, mostParts, o.Like.Captions.B)
	}
	return newSplit(count(o.Like.Captions.Mask), count(o.Like.Images.LabelMask, o.Like.Images.RegionMask))
}

func newSplit(captions, images int) split {
	return split{captions: stretches{captions, "C"}, images: stretches{images, "I"}}
}

func (p stretches) count() int { return max(1, p.n) }

// names returns the prefix of a part's inputs and the name of its batch dimension.
func (p stretches) names(i int) (prefix, batch string) {
	if p.n <= 1 {
		return "", batchDim
	}
	return fmt.Sprintf("%d/", i), fmt.Sprintf("%s%d", p.dim, i)
}

// bounds returns the rows of a part in a batch of the given size.
func (p stretches) bounds(i, size int) (from, to int) {
	n := p.count()
	return size * i / n, size * (i + 1) / n
}

// tensors returns the step's inputs that come from the batch, cut into parts.
func (s split) tensors(b *dataset.Batch) map[string]*ort.Tensor {
	in := map[string]*ort.Tensor{}
	for name, x := range b.Tensors() {
		p := s.images
		switch {
		case name == dataset.ExamplesInput:
			p = stretches{}
		case strings.HasPrefix(name, dataset.CaptionPrefix):
			p = s.captions
		}
		for i := range p.count() {
			prefix, _ := p.names(i)
			from, to := p.bounds(i, int(x.Shape()[0]))
			in[prefix+name] = stretch(x, from, to)
		}
	}
	return in
}

// stretch returns rows from…to of x without copying.
func stretch(x *ort.Tensor, from, to int) *ort.Tensor {
	shape := slices.Clone(x.Shape())
	shape[0] = int64(to - from)
	width := 1
	for _, d := range shape[1:] {
		width *= int(d)
	}
	if x.Type() == ort.TypeInt64 {
		return ort.Int64(shape, x.Int64()[from*width:to*width])
	}
	return ort.Float32(shape, x.Float32()[from*width:to*width])
}

// sizes returns the values of a batch's symbolic dimensions.
func (s split) sizes(b *dataset.Batch) map[string]int {
	c, m := &b.Captions, &b.Images
	sizes := map[string]int{batchDim: c.B, "T": c.T, "L": m.L, "R": m.R}
	count := func(p stretches, length string, mask []int64) {
		for i := range p.count() {
			_, batch := p.names(i)
			from, to := p.bounds(i, c.B)
			sizes[batch] = to - from
			kept := 0
			for _, k := range mask[from*sizes[length] : to*sizes[length]] {
				if k != 0 {
					kept++
				}
			}
			sizes[nn.KeptDim(batch, length)] = kept
		}
	}
	count(s.captions, "T", c.Mask)
	count(s.images, "L", m.LabelMask)
	count(s.images, "R", m.RegionMask)
	return sizes
}
