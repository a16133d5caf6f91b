package regions

import (
	"fmt"
	"math"
)

// A featureMap is one picture's grid of feature vectors, cells row by row.
type featureMap struct {
	rows, cols, dim int
	data            []float32
}

// newFeatureMap reads the output of a model for one picture.
func newFeatureMap(cfg *FeatureMapConfig, out value) (featureMap, error) {
	bad := func(wanted string) (featureMap, error) {
		return featureMap{}, fmt.Errorf("%w: feature map %q has shape %v; layout %q needs %s", ErrModel, cfg.Output, out.shape, cfg.Layout, wanted)
	}
	dims := map[string]int{layoutNCHW: 4, layoutNHWC: 4, layoutNLC: 3, layoutNC: 2}[cfg.Layout]
	s := out.shape
	if len(s) != dims || s[0] != 1 {
		return bad(fmt.Sprintf("%d dimensions", dims))
	}
	m := featureMap{rows: 1, cols: 1, dim: s[dims-1]}
	data := out.data
	switch cfg.Layout {
	case layoutNCHW:
		m.dim, m.rows, m.cols = s[1], s[2], s[3]
	case layoutNHWC:
		m.rows, m.cols = s[1], s[2]
	case layoutNLC:
		side := int(math.Sqrt(float64(max(s[1]-cfg.Skip, 0))) + 0.5)
		if side*side != s[1]-cfg.Skip {
			return bad(fmt.Sprintf("a square grid behind %d tokens to skip", cfg.Skip))
		}
		m.rows, m.cols = side, side
		data = data[min(cfg.Skip*m.dim, len(data)):]
	}
	if m.rows <= 0 || m.cols <= 0 || m.dim <= 0 || len(data) != m.rows*m.cols*m.dim {
		return bad("at least one cell and feature")
	}
	m.data = data // ours: results of a run are not shared
	if cfg.Layout == layoutNCHW {
		m.data = make([]float32, len(data))
		cells := m.rows * m.cols
		for c := range m.dim {
			for cell, v := range data[c*cells : (c+1)*cells] {
				m.data[cell*m.dim+c] = v
			}
		}
	}
	power(m.data, cfg.Power)
	return m, nil
}

// average writes to dst the mean of the cells under b (fractions of the map), each weighted by the share of it
// that b covers. Of a box without area, or outside, it is the nearest cell.
func (m featureMap) average(dst []float32, b box64) {
	y0, y1 := span(b.y0, b.y1, m.rows)
	x0, x1 := span(b.x0, b.x1, m.cols)
	clear(dst)
	var total float64
	for y := int(y0); y < m.rows && float64(y) < y1; y++ {
		wy := min(y1, float64(y+1)) - max(y0, float64(y))
		for x := int(x0); x < m.cols && float64(x) < x1; x++ {
			w := wy * (min(x1, float64(x+1)) - max(x0, float64(x)))
			total += w
			weight := float32(w)
			cell := m.data[(y*m.cols+x)*m.dim:][:len(dst)]
			for j, v := range cell {
				dst[j] += float32(weight * v)
			}
		}
	}
	scale := float32(1 / total)
	for j := range dst {
		dst[j] *= scale
	}
}

// span cuts lo…hi (fractions) at the ends of n cells and gives it in cells. It is never empty.
func span(lo, hi float64, n int) (from, to float64) {
	const least = 1e-3 // of a cell
	from, to = snap(lo*float64(n)), snap(hi*float64(n))
	from, to = max(from, 0), min(to, float64(n))
	if to-from < least {
		from = min(max((lo+hi)/2*float64(n)-least/2, 0), float64(n)-least)
		to = from + least
	}
	return from, to
}

// snap rounds what is a whole number but for rounding, so that a grid of the map's own size gives its cells.
func snap(v float64) float64 {
	if r := math.Round(v); math.Abs(v-r) < 1e-5 {
		return r
	}
	return v
}

// power replaces every x by sign(x)·|x|^p; 0 and 1 leave it.
func power(values []float32, p float64) {
	switch p {
	case 0, 1:
	case 0.5:
		for i, v := range values {
			values[i] = float32(math.Copysign(math.Sqrt(math.Abs(float64(v))), float64(v)))
		}
	default:
		for i, v := range values {
			values[i] = float32(math.Copysign(math.Pow(math.Abs(float64(v)), p), float64(v)))
		}
	}
}

// normalise scales values to length 1; zeros stay.
func normalise(values []float32) {
	var sum float64
	for _, v := range values {
		sum += float64(v) * float64(v)
	}
	if sum == 0 {
		return
	}
	scale := float32(1 / math.Sqrt(sum))
	for i := range values {
		values[i] *= scale
	}
}
