package eval

import (
	"math"
	"slices"

	"github.com/aladin-go/aladin/internal/region"
)

// Overlap is the least intersection over union at which a region counts as the thing it covers.
const Overlap = 0.5

// OnTarget tells whether a region finds an object: their boxes overlap by at least half
// (intersection over union), or the centre of the region lies in the object's box. The second half
// of the criterion is for small regions, such as the cells of a grid, of which none can cover a large
// object; it is the "pointing game" of Zhang et al. (ECCV 2016).
func OnTarget(r, object region.Box) bool {
	if region.Area(r) == 0 {
		return false
	}
	x, y := (r[0]+r[2])/2, (r[1]+r[3])/2
	if object[0] <= x && x <= object[2] && object[1] <= y && y <= object[3] {
		return true
	}
	return region.IoU(r, object) >= Overlap
}

// Grounding collects, for every noun word of a caption whose object is known, whether the region that
// the word matched best finds it.
type Grounding struct {
	image  []int32
	hit    []bool
	chance []float64
}

// Add enters one word: the image, the box of its best region (nil: none), all regions of the image,
// and the true boxes of the objects that the word may stand for, of which any will do.
func (g *Grounding) Add(image int, best *region.Box, regions []region.Box, objects ...region.Box) {
	finds := func(r region.Box) bool {
		return slices.ContainsFunc(objects, func(o region.Box) bool { return OnTarget(r, o) })
	}
	g.image = append(g.image, int32(image))
	g.hit = append(g.hit, best != nil && finds(*best))
	on := 0
	for _, r := range regions {
		if finds(r) {
			on++
		}
	}
	g.chance = append(g.chance, float64(on)/float64(max(1, len(regions))))
}

// Len is the number of words entered.
func (g *Grounding) Len() int { return len(g.hit) }

// Accuracy is the share of words whose best region finds an object; NaN of no words.
func (g *Grounding) Accuracy() float64 { return g.Statistic(nil).Values()[0] }

// Chance is the accuracy of a region drawn at random.
func (g *Grounding) Chance() float64 {
	if len(g.chance) == 0 {
		return math.NaN()
	}
	return average(g.chance)
}

// Statistic is the accuracy for any weights of the images.
func (g *Grounding) Statistic(split *Split) *Statistic {
	return &Statistic{
		Figures: 1,
		Split:   split,
		New: func() func([]int32, []float64) {
			return func(weight []int32, out []float64) {
				var hits, n int64
				for k, hit := range g.hit {
					w := int64(1)
					if weight != nil {
						w = int64(weight[g.image[k]])
					}
					n += w
					if hit {
						hits += w
					}
				}
				out[0] = float64(hits) / float64(n)
			}
		},
	}
}
