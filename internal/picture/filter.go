package picture

import (
	"math"
	"slices"
)

// A Filter says how new pixels are made from old ones. Both kinds widen when shrinking, so that
// nothing aliases.
type Filter uint8

const (
	Bicubic  Filter = iota // Catmull-Rom, a = −0.5: sharp; the default
	Bilinear               // triangle: soft, no overshoot
)

// radius is the reach of the filter at a scale of one.
func (f Filter) radius() float64 {
	if f == Bilinear {
		return 1
	}
	return 2
}

// weight is the filter's value at distance x ≥ 0.
func (f Filter) weight(x float64) float64 {
	switch {
	case f == Bilinear:
		return max(0, 1-x)
	case x < 1:
		return (1.5*x-2.5)*x*x + 1
	case x < 2:
		return ((-0.5*x+2.5)*x-4)*x + 2
	default:
		return 0
	}
}

// Weights are fixed-point numbers, so that sums are exact and the same on every processor.
const (
	fracBits = 20
	one      = 1 << fracBits
)

// taps says for each of n new pixels which k old ones make it, and with what weights (sum: one).
type taps struct {
	k       int
	first   []int32
	weights []int32
}

// newTaps spreads lo…hi of a line of size pixels over n new ones.
func newTaps(n int, lo, hi float64, size int, f Filter) taps {
	scale := (hi - lo) / float64(n)
	stretch := max(scale, 1)
	reach := f.radius() * stretch
	k := min(int(math.Ceil(reach))*2+1, size)
	t := taps{k: k, first: make([]int32, n), weights: make([]int32, n*k)}
	exact := make([]float64, k)
	widest := 1
	for i := range n {
		centre := lo + (float64(i)+0.5)*scale
		from := min(max(int(math.Ceil(centre-reach-0.5)), 0), size-1)
		count := min(k, size-from)
		var sum float64
		for j := range count {
			exact[j] = f.weight(math.Abs(float64(from+j)+0.5-centre) / stretch)
			sum += exact[j]
		}
		if sum < 1e-9 { // the centre lies outside the line: repeat its end
			from, count, sum = min(max(int(centre), 0), size-1), 1, 1
			exact[0] = 1
		}
		// Leading and trailing zeros would only cost time.
		skip := 0
		for skip < count-1 && exact[skip] == 0 {
			skip++
		}
		row := t.weights[i*k : (i+1)*k]
		left, largest := int32(one), 0
		for j := range count - skip {
			row[j] = int32(math.Round(exact[skip+j] / sum * one))
			left -= row[j]
			if row[j] > row[largest] {
				largest = j
			}
			if row[j] != 0 {
				widest = max(widest, j+1)
			}
		}
		row[largest] += left
		t.first[i] = int32(from + skip)
	}
	t.narrow(widest, size)
	return t
}

// narrow drops the columns that no pixel uses and keeps every window inside the line.
func (t *taps) narrow(k, size int) {
	n := len(t.first)
	packed := make([]int32, n*k)
	for i := range n {
		shift := max(int(t.first[i])+k-size, 0) // the window would end behind the line: move it left
		t.first[i] -= int32(shift)
		copy(packed[i*k+shift:(i+1)*k], t.weights[i*t.k:(i+1)*t.k])
	}
	t.k, t.weights = k, packed
}

// reverse mirrors the new pixels.
func (t *taps) reverse() {
	slices.Reverse(t.first)
	n := len(t.first)
	for i := range n / 2 {
		a, b := t.weights[i*t.k:(i+1)*t.k], t.weights[(n-1-i)*t.k:(n-i)*t.k]
		for j := range a {
			a[j], b[j] = b[j], a[j]
		}
	}
}

// at is the first old pixel and the weights of new pixel i.
func (t *taps) at(i int) (first int, weights []int32) {
	return int(t.first[i]), t.weights[i*t.k : (i+1)*t.k]
}

// span is the range of old pixels that any new one needs.
func (t *taps) span() (from, to int) {
	return int(slices.Min(t.first)), int(slices.Max(t.first)) + t.k
}

// row filters one line of bytes.
func (t *taps) row(out []float32, line []uint8) {
	k := t.k
	weights := t.weights
	for i, first := range t.first[:len(out)] {
		src := line[first:][:k]
		w := weights[i*k:][:k]
		var sum int32
		for len(src) >= 4 && len(w) >= 4 {
			sum += w[0]*int32(src[0]) + w[1]*int32(src[1]) + w[2]*int32(src[2]) + w[3]*int32(src[3])
			src, w = src[4:], w[4:]
		}
		for j, v := range src {
			if j < len(w) {
				sum += w[j] * int32(v)
			}
		}
		out[i] = float32(sum) * (1.0 / one)
	}
}

// columns adds to out the weighted rows of src, each as long as out, four at a time.
func (t *taps) columns(out, src []float32, weights []int32) {
	n := len(out)
	for len(weights) > 0 && weights[len(weights)-1] == 0 {
		weights = weights[:len(weights)-1]
	}
	for ; len(weights) >= 4; weights = weights[4:] {
		w0, w1, w2, w3 := fraction(weights[0]), fraction(weights[1]), fraction(weights[2]), fraction(weights[3])
		a, b, c, d := src[:n], src[n:2*n], src[2*n:3*n], src[3*n:4*n]
		b, c, d = b[:len(a)], c[:len(a)], d[:len(a)]
		o := out[:len(a)]
		for x, v := range a {
			o[x] += float32(w0*v) + float32(w1*b[x]) + float32(w2*c[x]) + float32(w3*d[x])
		}
		src = src[4*n:]
	}
	for _, weight := range weights {
		w := fraction(weight)
		a := src[:n]
		o := out[:len(a)]
		for x, v := range a {
			o[x] += float32(w * v)
		}
		src = src[n:]
	}
}

func fraction(w int32) float32 { return float32(w) * (1.0 / one) }
