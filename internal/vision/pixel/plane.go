package pixel

// A plane is one channel of a picture: byte (x, y) lies at pix[y*stride+x].
type plane struct {
	pix    []uint8
	stride int
	w, h   int
	sx, sy float64 // plane pixels per picture pixel
}

// shrink averages f×f blocks. The last block of a row or column may be smaller.
func (p plane) shrink(f int) plane {
	w, h := (p.w+f-1)/f, (p.h+f-1)/f
	out := plane{pix: make([]uint8, w*h), stride: w, w: w, h: h, sx: p.sx / float64(f), sy: p.sy / float64(f)}
	sums := make([]uint32, w)
	for y := range h {
		clear(sums)
		y0, y1 := y*f, min((y+1)*f, p.h)
		for sy := y0; sy < y1; sy++ {
			p.addBlocks(sums, sy, f)
		}
		row := out.pix[y*w : (y+1)*w]
		for x := range row {
			n := uint32((min((x+1)*f, p.w) - x*f) * (y1 - y0))
			row[x] = uint8((sums[x] + n/2) / n)
		}
	}
	return out
}

// addBlocks adds to sums the f pixels of each block in row y.
func (p plane) addBlocks(sums []uint32, y, f int) {
	row := p.pix[y*p.stride:][:p.w]
	for x := range sums {
		n := min(f, len(row))
		var s uint32
		for _, v := range row[:n] {
			s += uint32(v)
		}
		sums[x] += s
		row = row[n:]
	}
}

// resample writes the part r (in the plane's own pixels) to dst as w×h. tmp is scratch memory,
// returned grown.
func (p plane) resample(dst []float32, w, h int, r Rect, flip bool, f Filter, tmp []float32) []float32 {
	across := newTaps(w, r.X0, r.X1, p.w, f)
	down := newTaps(h, r.Y0, r.Y1, p.h, f)
	if flip {
		across.reverse()
	}
	top, bottom := down.span()
	if n := (bottom - top) * w; cap(tmp) < n {
		tmp = make([]float32, n)
	} else {
		tmp = tmp[:n]
	}
	for y := top; y < bottom; y++ {
		across.row(tmp[(y-top)*w:(y-top+1)*w], p.pix[y*p.stride:][:p.w])
	}
	for y := range h {
		out := dst[y*w : (y+1)*w]
		clear(out)
		first, weights := down.at(y)
		down.columns(out, tmp[(first-top)*w:], weights)
	}
	return tmp
}
