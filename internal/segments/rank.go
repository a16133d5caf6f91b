package segments

import (
	"cmp"
	"math"
	"slices"

	"github.com/aladin-go/aladin/internal/region"
)

// A candidate is a node with its rank's score.
type candidate struct {
	box    region.Box
	node   *node
	pixels []int32
	score  float32
}

// A ranker scores nodes of one picture.
type ranker struct {
	p     *Picture
	sums  [3][]float64 // summed-area tables, a row and a column larger than the picture
	stamp []int32      // the node that a pixel was last found in
	turn  int32
}

func newRanker(p *Picture) *ranker {
	r := &ranker{p: p, stamp: make([]int32, p.W*p.H)}
	for c := range r.sums {
		s := make([]float64, (p.W+1)*(p.H+1))
		for y := range p.H {
			var row float64
			for x := range p.W {
				row += float64(p.plane(c)[y*p.W+x])
				s[(y+1)*(p.W+1)+x+1] = s[y*(p.W+1)+x+1] + row
			}
		}
		r.sums[c] = s
	}
	return r
}

// Sizes, as shares of the picture, and how the parts of a score weigh.
const (
	smallest  = 0.002 // fewer pixels are no candidate
	largest   = 0.5   // more are a background
	fullSize  = 0.05  // up to this a larger segment stands out more
	edgeCost  = 3     // for touching the picture's edge
	fillPower = 0.3   // for filling its box
)

// candidates adds the nodes of a tree that may be things.
func (r *ranker) candidates(all []candidate, t *tree) []candidate {
	n := float32(r.p.W * r.p.H)
	for i := range t.nodes {
		d := &t.nodes[i]
		if share := float32(d.size) / n; share < smallest || share > largest {
			continue
		}
		c := candidate{node: d, pixels: t.pixels[d.from:][:d.size], box: region.Box{
			float32(d.x0) / float32(r.p.W), float32(d.y0) / float32(r.p.H),
			float32(d.x1) / float32(r.p.W), float32(d.y1) / float32(r.p.H),
		}}
		if c.score = r.score(&c); c.score > 0 {
			all = append(all, c)
		}
	}
	return all
}

// score is how much a segment stands out: the contrast along its outline and that with what surrounds it; less for
// what is small, touches the picture's edge (as floors and walls do), or fills its box badly.
func (r *ranker) score(c *candidate) float32 {
	p, d := r.p, c.node
	r.turn++
	for _, i := range c.pixels {
		r.stamp[i] = r.turn
	}
	var contrast float32
	steps, edge := 0, 0
	// Two pixels apart, since the blur has smoothed the step between neighbours.
	across := func(i, next, far int32, inside bool) {
		if inside && r.stamp[next] != r.turn {
			contrast += p.distance(int(i), int(far))
			steps++
		}
	}
	w, h := int32(p.W), int32(p.H)
	for _, i := range c.pixels {
		x, y := i%w, i/w
		across(i, i+1, i+2, x+2 < w)
		across(i, i-1, i-2, x >= 2)
		across(i, i+w, i+2*w, y+2 < h)
		across(i, i-w, i-2*w, y >= 2)
		if x == 0 || y == 0 || x == w-1 || y == h-1 {
			edge++
		}
	}
	bw, bh := d.x1-d.x0, d.y1-d.y0
	mx, my := max(bw/4, 2), max(bh/4, 2)
	x0, y0, x1, y1 := max(d.x0-mx, 0), max(d.y0-my, 0), min(d.x1+mx, w), min(d.y1+my, h)
	around := float32((x1-x0)*(y1-y0) - d.size)
	if steps == 0 || around == 0 {
		return 0
	}
	var apart float32
	for k := range 3 {
		diff := d.sum[k]/float32(d.size) - float32(r.total(k, x0, y0, x1, y1)-float64(d.sum[k]))/around
		apart += float32(diff * diff)
	}
	s := float64(sqrt(apart) + contrast/float32(steps))
	s *= math.Pow(float64(d.size)/float64(bw*bh), fillPower)
	s *= math.Exp(-edgeCost * float64(edge) / math.Sqrt(float64(d.size)))
	s *= math.Sqrt(min(1, float64(d.size)/float64(w*h)/fullSize))
	return float32(s)
}

// total is the sum of plane c over a rectangle.
func (r *ranker) total(c int, x0, y0, x1, y1 int32) float64 {
	s, w := r.sums[c], int32(r.p.W+1)
	return s[y1*w+x1] - s[y0*w+x1] - s[y1*w+x0] + s[y0*w+x0]
}

// choose keeps the best candidates, none of which is nearly another.
func choose(all []candidate, keep int, overlap float32) []candidate {
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	var out []candidate
	for _, c := range all {
		if len(out) == keep {
			break
		}
		if !slices.ContainsFunc(out, func(o candidate) bool { return region.IoU(o.box, c.box) > overlap }) {
			out = append(out, c)
		}
	}
	return out
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }
