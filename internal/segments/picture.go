package segments

import "math"

// A Picture is three planes of 0…255: red, green, blue, each of W×H values.
type Picture struct {
	W, H   int
	Planes []float32
}

func (p *Picture) plane(c int) []float32 { return p.Planes[c*p.W*p.H:][:p.W*p.H] }

// distance is the Euclidean distance of two pixels' colours.
func (p *Picture) distance(a, b int) float32 {
	n := p.W * p.H
	var sum float32
	for c := range 3 {
		d := p.Planes[c*n+a] - p.Planes[c*n+b]
		sum += d * d
	}
	return float32(math.Sqrt(float64(sum)))
}

// blurred is the picture after a Gaussian filter; beyond its edges it repeats their pixels.
func (p *Picture) blurred(sigma float64) *Picture {
	kernel := gaussian(sigma)
	out := &Picture{p.W, p.H, make([]float32, len(p.Planes))}
	rows := make([]float32, p.W*p.H)
	line := make([]float32, max(p.W, p.H)+2*len(kernel))
	for c := range 3 {
		src, dst := p.plane(c), out.plane(c)
		for y := range p.H {
			convolve(rows[y*p.W:], 1, src[y*p.W:], 1, p.W, kernel, line)
		}
		for x := range p.W {
			convolve(dst[x:], p.W, rows[x:], p.W, p.H, kernel, line)
		}
	}
	return out
}

// gaussian is the half of a normalised Gaussian kernel from its centre outwards, three sigma long.
func gaussian(sigma float64) []float32 {
	kernel := make([]float32, 1+int(math.Ceil(3*sigma)))
	var sum float32
	for i := range kernel {
		kernel[i] = float32(math.Exp(-float64(i*i) / (2 * sigma * sigma)))
		sum += kernel[i]
		if i > 0 {
			sum += kernel[i]
		}
	}
	for i := range kernel {
		kernel[i] /= sum
	}
	return kernel
}

// convolve filters n values of src, which lie step apart, into dst. line is scratch memory.
func convolve(dst []float32, dstStep int, src []float32, step, n int, kernel, line []float32) {
	r := len(kernel) - 1
	line = line[:n+2*r]
	for i := range line {
		line[i] = src[min(max(i-r, 0), n-1)*step]
	}
	for i := range n {
		v := kernel[0] * line[i+r]
		for k := 1; k <= r; k++ {
			v += float32(kernel[k] * (line[i+r-k] + line[i+r+k]))
		}
		dst[i*dstStep] = v
	}
}
