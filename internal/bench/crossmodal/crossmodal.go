// Package crossmodal draws vectors of two modalities that resemble those of trained encoders: an image shows a few
// things out of many, common ones more often; a caption names some of them; both have noise of their own; and all
// images lie on one side of the sphere and all captions on another. So captions that search images are nothing like
// the images, which indexes find harder than queries that are drawn as the items are.
//
// The same seed gives the same vectors everywhere. A World is not safe for concurrent use.
package crossmodal

import (
	"math"
	"math/rand/v2"
)

const (
	things = 4000
	shown  = 6
	named  = 3
	noise  = 0.5 // its length, beside 1 of the side
)

// World is a distribution of images and captions.
type World struct {
	r                   *rand.Rand
	dim                 int
	things              []float32
	popular             *rand.Zipf
	imageSide, textSide []float32
}

// Shown are the things that an image shows.
type Shown [shown]int

// New draws a world of vectors of dim values, a multiple of 4.
func New(r *rand.Rand, dim int) *World {
	w := &World{r: r, dim: dim, popular: rand.NewZipf(r, 1.1, 50, things-1)}
	side := UnitVectors(r, 2, dim)
	w.imageSide, w.textSide = side[:dim], side[dim:]
	w.things = UnitVectors(r, things, dim)
	return w
}

// Image draws an image and returns what it shows.
func (w *World) Image(v []float32) (s Shown) {
	clear(v)
	addTo(v, w.imageSide, 1)
	for i := range s {
		s[i] = int(w.popular.Uint64())
		addTo(v, w.thing(s[i]), 0.25+0.5*w.r.Float32())
	}
	w.finish(v)
	return s
}

// Caption draws a caption of an image.
func (w *World) Caption(v []float32, s Shown) {
	clear(v)
	addTo(v, w.textSide, 1)
	for _, t := range s[:named] {
		addTo(v, w.thing(t), 0.5+0.5*w.r.Float32())
	}
	w.finish(v)
}

func (w *World) thing(i int) []float32 { return w.things[i*w.dim : (i+1)*w.dim] }

// finish adds noise and makes a unit vector.
func (w *World) finish(v []float32) {
	scale := float32(noise / math.Sqrt(float64(w.dim)) * 2 * math.Sqrt(3))
	var sum float64
	for d := 0; d < w.dim; d += 4 {
		x := w.r.Uint64()
		for j := range 4 {
			y := v[d+j] + scale*(float32(uint16(x>>(16*j)))/65536-0.5)
			v[d+j] = y
			sum += float64(y) * float64(y)
		}
	}
	inv := float32(1 / math.Sqrt(sum))
	for d := range v {
		v[d] *= inv
	}
}

// addTo adds scale·w to v.
func addTo(v, w []float32, scale float32) {
	for i, x := range w {
		v[i] += scale * x
	}
}

// UnitVectors draws n vectors of length 1 in all directions.
func UnitVectors(r *rand.Rand, n, dim int) []float32 {
	v := make([]float32, n*dim)
	for i := 0; i < len(v); i += dim {
		var s float64
		for d := range dim {
			x := r.NormFloat64()
			v[i+d] = float32(x)
			s += x * x
		}
		inv := float32(1 / math.Sqrt(s))
		for d := range dim {
			v[i+d] *= inv
		}
	}
	return v
}
