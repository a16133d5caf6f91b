package segments

import "github.com/aladin-go/aladin/internal/region"

// Scales of the partitions: how far colours may differ within a segment, Felzenszwalb and Huttenlocher's k.
var scales = []float32{80, 200, 500}

const (
	sigma   = 0.8 // of the Gaussian filter before segmentation, in pixels
	least   = 20  // pixels of a segment of a partition
	overlap = 0.7 // IoU from which on two boxes are nearly the same
)

// Extract writes to set the picture as a whole and then the keep segments that stand out most, or fewer where there are
// not so many. Dim of the set's features are filled; set.Dim says how many a row has room for.
func Extract(set *region.Set, p *Picture, keep int) {
	chosen := propose(p, keep)
	set.Boxes = make([]region.Box, 0, 1+len(chosen))
	set.Features = make([]float32, (1+len(chosen))*set.Dim)
	set.Boxes = append(set.Boxes, region.Box{0, 0, 1, 1})
	describe(set.Row(0)[:Dim], p, set.Boxes[0], nil)
	for i, c := range chosen {
		set.Boxes = append(set.Boxes, c.box)
		describe(set.Row(1 + i)[:Dim], p, c.box, c.pixels)
	}
}

func propose(p *Picture, keep int) []candidate {
	smooth := p.blurred(sigma)
	edges := gridEdges(smooth)
	r := newRanker(smooth)
	var all []candidate
	for _, k := range scales {
		labels, n := partition(edges, p.W*p.H, k, least)
		all = r.candidates(all, newTree(smooth, labels, n))
	}
	return choose(all, keep, overlap)
}
