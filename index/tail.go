package index

import "math"

// tail learns from samples how often a quantity is how large, also beyond what it has seen: there it goes on as the
// exponential distribution with the mean excess of the largest samples.
type tail struct {
	perUnit float64 // bins a unit
	counts  [tailBins]float64
	total   float64

	shares [tailBins + 1]float64 // of samples in bin i or above, after fit
	last   int                   // the bin from which on the exponential takes over
	decay  float64               // a bin
}

const (
	tailBins = 64
	// tailSamples are the samples that the mean excess is taken of.
	tailSamples = 64
	// tailMemory is what samples still weigh after a fit: those to come are of cells more like the ones that are left.
	tailMemory = 0.3
)

func (t *tail) add(x float32) {
	t.total++
	if b := float64(x) * t.perUnit; b >= 1 {
		t.counts[min(int(b), tailBins-1)]++
	}
}

// fit makes above ready and lets the samples so far fade.
func (t *tail) fit() {
	above, excess := 0.0, 0.0
	t.last = 0
	t.shares[tailBins] = 0
	for b := tailBins - 1; b >= 0; b-- {
		if above >= tailSamples && t.last == 0 {
			t.last, t.decay = b+1, max(excess/above-0.5, 0.5)
		}
		above += t.counts[b]
		excess += above
		t.shares[b] = above / t.total
		t.counts[b] *= tailMemory
	}
	if t.last == 0 {
		t.last, t.decay = 1, max(excess/max(above, 1), 0.5)
	}
	t.total *= tailMemory
}

// above is the share of samples larger than x.
func (t *tail) above(x float64) float64 {
	b := x * t.perUnit
	switch {
	case b < 1:
		return 1
	case b < float64(t.last):
		return t.shares[int(b)]
	}
	return t.shares[t.last] * math.Exp((float64(t.last)-b)/t.decay)
}
