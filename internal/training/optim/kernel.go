package optim

import "math"

// lanes is how many values a kernel takes at a time.
const lanes = 8

// kernels are the optimiser's inner loops, on slices of as many values, at least one and a multiple of lanes. All sets
// compute the same bits.
type kernels struct {
	adam    func(p, g, m, v []float32, s *step)
	squares func(g []float32, sums *[lanes]float64) // adds the square of g[i] to sums[i%lanes]
}

// generic works on any number of values.
var generic = kernels{adam: adam, squares: squares}

// kernel is the set in use.
var kernel = generic

// A step holds one update's constants, in the order in which kernels expect them.
type step struct {
	b1, rest1, b2, rest2 float32
	scale, decay         float32 // of the gradient, and of the parameter that is added to it
	keep                 float32 // of the parameter
	lr, root, eps        float32
}

// adam says by its conversions that no product and sum may be fused, which would give other bits.
func adam(p, g, m, v []float32, s *step) {
	g, m, v = g[:len(p)], m[:len(p)], v[:len(p)]
	for i, x := range p {
		d := float32(g[i]*s.scale) + float32(s.decay*x)
		mi := float32(s.b1*m[i]) + float32(s.rest1*d)
		vi := float32(s.b2*v[i]) + float32(s.rest2*d*d)
		m[i], v[i] = mi, vi
		p[i] = float32(x*s.keep) - float32(s.lr*mi)/(float32(sqrt32(vi)*s.root)+s.eps)
	}
}

func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }

func squares(g []float32, sums *[lanes]float64) {
	for i, x := range g {
		sums[i%lanes] += float64(float64(x) * float64(x))
	}
}
