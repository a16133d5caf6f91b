package picture

// A plane is one channel of a picture: byte (x, y) lies at pix[y*stride+x].
type plane struct {
	pix    []uint8
	stride int
	w, h   int
	sx, sy float64 // plane pixels per picture pixel
}

// shrink averages blocks of fx×fy. The last block of a row or column may be smaller.
func (p plane) shrink(fx, fy int) plane {
	w, h := (p.w+fx-1)/fx, (p.h+fy-1)/fy
	out := plane{pix: make([]uint8, w*h), stride: w, w: w, h: h, sx: p.sx / float64(fx), sy: p.sy / float64(fy)}
	sums := make([]uint32, w)
	for y := range h {
		clear(sums)
		y0, y1 := y*fy, min((y+1)*fy, p.h)
		for sy := y0; sy < y1; sy++ {
			addBlocks(sums, p.pix[sy*p.stride:][:p.w], fx)
		}
		means(out.pix[y*w:(y+1)*w], sums, p.w, fx, y1-y0)
	}
	return out
}

// addBlocks adds to sums the f pixels of each block in a row.
func addBlocks(sums []uint32, row []uint8, f int) {
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

// means divides the sums of blocks of f×rows pixels, the last of which end with the row of w pixels.
func means(out []uint8, sums []uint32, w, f, rows int) {
	for x := range out {
		n := uint32(min(f, w-x*f) * rows)
		out[x] = uint8((sums[x] + n/2) / n)
	}
}

// resample writes the part r (in the plane's own pixels) to dst as w×h, with either axis reversed if asked.
// tmp is scratch memory, returned grown.
func (p plane) resample(dst []float32, w, h int, r Rect, flipX, flipY bool, f Filter, tmp []float32) []float32 {
	across := newTaps(w, r.X0, r.X1, p.w, f)
	down := newTaps(h, r.Y0, r.Y1, p.h, f)
	if flipX {
		across.reverse()
	}
	if flipY {
		down.reverse()
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
