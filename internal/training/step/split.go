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

// A split says in how many parts the network of a step takes a batch. The nodes of a part follow each other, so that
// what passes between them stays in a processor's cache; parts share parameters alone, and meet before the losses.
type split struct{ captions, images stretches }

// stretches are parts of a batch of about one size; the zero value is the whole batch.
type stretches struct {
	n   int
	dim string // of a stretch's size, before its number
}

// Of one part's states of a layer, a thread: with what a layer makes of them, the cache of a core. And the most parts
// there are: every node of the graph is one of ONNX Runtime's, which takes long to load many.
const (
	partBytes = 1 << 20
	mostParts = 4
)

// parts is the split of batches as large as o.Like. A part has so many rows that adding up the gradients of parts costs
// little beside computing them.
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

// names are the prefix of the inputs of a part, and its size's dimension.
func (p stretches) names(i int) (prefix, batch string) {
	if p.n <= 1 {
		return "", batchDim
	}
	return fmt.Sprintf("%d/", i), fmt.Sprintf("%s%d", p.dim, i)
}

// bounds are those of a part of a batch of some size.
func (p stretches) bounds(i, size int) (from, to int) {
	n := p.count()
	return size * i / n, size * (i + 1) / n
}

// tensors are a step's inputs of the batch's own, by part.
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

// stretch is x from one row to another, in the same memory.
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

// sizes are those of a batch's dimensions by name.
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
