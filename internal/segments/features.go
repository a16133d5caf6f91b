package segments

import (
	"math"

	"github.com/aladin-go/aladin/internal/region"
)

// Sizes of the parts of a segment's features, in their order.
const (
	gradientSide  = 32 // pixels of the square that a box is resized to
	gradientCell  = 8  // pixels of a cell
	orientations  = 9  // of 0…180°
	cells         = gradientSide / gradientCell
	blocks        = cells - 1 // of 2×2 cells, a side
	gradientDim   = blocks * blocks * 4 * orientations
	outlineSide   = 10
	outlineDim    = outlineSide * outlineSide
	colourLevels  = 4
	histogramDim  = colourLevels * colourLevels * colourLevels
	statisticsDim = 6 // mean and spread of red, green, blue
	placeDim      = 8 // box, height, width, share of the box filled, log of the aspect ratio

	// Dim is the number of features of a region.
	Dim = gradientDim + outlineDim + histogramDim + statisticsDim + placeDim
)

// describe writes the features of the pixels in a box to row. No pixels means that all of the box is filled.
func describe(row []float32, p *Picture, box region.Box, pixels []int32) {
	gradients(row[:gradientDim], p, box)
	row = row[gradientDim:]
	outline(row[:outlineDim], p, box, pixels)
	row = row[outlineDim:]
	if pixels == nil {
		pixels = make([]int32, p.W*p.H)
		for i := range pixels {
			pixels[i] = int32(i)
		}
	}
	colours(row[:histogramDim], row[histogramDim:][:statisticsDim], p, pixels)
	row = row[histogramDim+statisticsDim:]
	w, h := region.Width(box), region.Height(box)
	bw, bh := w*float32(p.W), h*float32(p.H)
	copy(row, []float32{box[0], box[1], box[2], box[3], h, w, float32(len(pixels)) / (bw * bh), float32(math.Log(float64(bw / bh)))})
}

// gradients are histograms of oriented gradients over the box, resized to a square, with overlapping blocks of 2×2 cells
// normalised by L2-Hys. Of the three colours the one with the longest gradient counts in each pixel.
func gradients(out []float32, p *Picture, box region.Box) {
	const side = gradientSide + 2 // with a border, for differences
	var small [3][side * side]float32
	w, h := region.Width(box)*float32(p.W), region.Height(box)*float32(p.H)
	for y := range side {
		for x := range side {
			fx := box[0]*float32(p.W) + (float32(x)-0.5)*w/gradientSide
			fy := box[1]*float32(p.H) + (float32(y)-0.5)*h/gradientSide
			for c := range 3 {
				small[c][y*side+x] = p.mean(c, fx, fy, w/gradientSide, h/gradientSide)
			}
		}
	}
	var histogram [cells * cells * orientations]float32
	for y := range gradientSide {
		for x := range gradientSide {
			at := (y+1)*side + x + 1
			var dx, dy, longest float32
			for c := range 3 {
				gx, gy := small[c][at+1]-small[c][at-1], small[c][at+side]-small[c][at-side]
				if l := float32(gx*gx) + float32(gy*gy); l > longest {
					dx, dy, longest = gx, gy, l
				}
			}
			if longest == 0 {
				continue
			}
			angle := math.Atan2(float64(dy), float64(dx)) / math.Pi * orientations // −9…9
			if angle < 0 {
				angle += orientations
			}
			vote(&histogram, x, y, float32(angle), sqrt(longest))
		}
	}
	for by := range blocks {
		for bx := range blocks {
			block := out[(by*blocks+bx)*4*orientations:][:4*orientations]
			for k := range 4 {
				copy(block[k*orientations:][:orientations], histogram[((by+k/2)*cells+bx+k%2)*orientations:])
			}
			normalise(block)
			for i := range block {
				block[i] = min(block[i], 0.2)
			}
			normalise(block)
		}
	}
}

// vote spreads a gradient over the two nearest orientations and the four nearest cells.
func vote(histogram *[cells * cells * orientations]float32, x, y int, angle, length float32) {
	cx, cy := (float32(x)+0.5)/gradientCell-0.5, (float32(y)+0.5)/gradientCell-0.5
	ix, iy, ia := int(math.Floor(float64(cx))), int(math.Floor(float64(cy))), int(angle)
	fx, fy, fa := cx-float32(ix), cy-float32(iy), angle-float32(ia)
	for k := range 4 {
		gx, gy := ix+k%2, iy+k/2
		if gx < 0 || gy < 0 || gx >= cells || gy >= cells {
			continue
		}
		weight := length * share(fx, k%2) * share(fy, k/2)
		cell := histogram[(gy*cells+gx)*orientations:][:orientations]
		cell[ia%orientations] += float32(weight * (1 - fa))
		cell[(ia+1)%orientations] += float32(weight * fa)
	}
}

// share is how much of a value at the fraction f between two places the first (0) or second (1) gets.
func share(f float32, second int) float32 {
	if second == 1 {
		return f
	}
	return 1 - f
}

func normalise(v []float32) {
	var sum float32 = 1e-3
	for _, x := range v {
		sum += float32(x * x)
	}
	scale := 1 / sqrt(sum)
	for i := range v {
		v[i] *= scale
	}
}

// mean is plane c averaged over a w×h rectangle around x, y: one to sixteen bilinear samples.
func (p *Picture) mean(c int, x, y, w, h float32) float32 {
	nx, ny := samples(w), samples(h)
	var sum float32
	for j := range ny {
		for i := range nx {
			sum += p.bilinear(c, x+w*((float32(i)+0.5)/float32(nx)-0.5), y+h*((float32(j)+0.5)/float32(ny)-0.5))
		}
	}
	return sum / float32(nx*ny)
}

func samples(extent float32) int { return min(max(int(extent+0.5), 1), 4) }

// bilinear samples plane c; pixel centres lie at halves, and beyond the edges the outermost pixels go on.
func (p *Picture) bilinear(c int, x, y float32) float32 {
	x, y = min(max(x-0.5, 0), float32(p.W-1)), min(max(y-0.5, 0), float32(p.H-1))
	ix, iy := int(x), int(y)
	fx, fy := x-float32(ix), y-float32(iy)
	jx, jy := min(ix+1, p.W-1), min(iy+1, p.H-1)
	plane := p.plane(c)
	top := float32(plane[iy*p.W+ix]*(1-fx)) + float32(plane[iy*p.W+jx]*fx)
	bottom := float32(plane[jy*p.W+ix]*(1-fx)) + float32(plane[jy*p.W+jx]*fx)
	return float32(top*(1-fy)) + float32(bottom*fy)
}

// outline is the share of each cell of a grid over the box that the pixels fill. Every pixel is spread over the cells
// that it overlaps.
func outline(out []float32, p *Picture, box region.Box, pixels []int32) {
	if pixels == nil {
		for i := range out {
			out[i] = 1
		}
		return
	}
	x0, y0 := box[0]*float32(p.W), box[1]*float32(p.H)
	sx, sy := outlineSide/(region.Width(box)*float32(p.W)), outlineSide/(region.Height(box)*float32(p.H))
	for _, i := range pixels {
		ax, ay := (float32(int(i)%p.W)-x0)*sx, (float32(int(i)/p.W)-y0)*sy
		bx, by := min(ax+sx, outlineSide), min(ay+sy, outlineSide)
		for gy := int(max(ay, 0)); gy < outlineSide && float32(gy) < by; gy++ {
			height := min(by, float32(gy+1)) - max(ay, float32(gy))
			for gx := int(max(ax, 0)); gx < outlineSide && float32(gx) < bx; gx++ {
				width := min(bx, float32(gx+1)) - max(ax, float32(gx))
				out[gy*outlineSide+gx] += float32(width * height)
			}
		}
	}
}

// colours fills a histogram (the square roots of shares, each pixel spread over the nearest levels) and statistics of
// the pixels' colours.
func colours(histogram, statistics []float32, p *Picture, pixels []int32) {
	var sum, squares [3]float64
	for _, i := range pixels {
		var level [3]int
		var part [3]float32
		for c := range 3 {
			v := p.plane(c)[i] / 255
			sum[c] += float64(v)
			squares[c] += float64(v) * float64(v)
			f := min(max(v, 0), 1) * (colourLevels - 1)
			level[c] = min(int(f), colourLevels-2)
			part[c] = f - float32(level[c])
		}
		for k := range 8 {
			weight := share(part[0], k&1) * share(part[1], (k>>1)&1) * share(part[2], k>>2)
			histogram[((level[0]+(k&1))*colourLevels+level[1]+(k>>1&1))*colourLevels+level[2]+(k>>2)] += weight
		}
	}
	n := float64(len(pixels))
	for i := range histogram {
		histogram[i] = sqrt(histogram[i] / float32(n))
	}
	for c := range 3 {
		mean := sum[c] / n
		statistics[c] = float32(mean)
		statistics[3+c] = float32(math.Sqrt(max(squares[c]/n-mean*mean, 0)))
	}
}
