package picture

// A reducer makes planes of 8 bits of a picture that comes row by row. Of a large picture blocks of fx×fy
// pixels become one, so that never more than the result is in memory.
type reducer struct {
	w, h   int // of the picture
	fx, fy int
	ow, oh int // of the planes
	planes [][]uint8
	sums   []uint32 // of blocks: of one row of them, or of all where pixels come in no order
	all    bool
}

func newReducer(w, h, fx, fy, channels int, all bool) *reducer {
	r := &reducer{w: w, h: h, fx: fx, fy: fy, ow: (w + fx - 1) / fx, oh: (h + fy - 1) / fy, all: all}
	for range channels {
		r.planes = append(r.planes, make([]uint8, r.ow*r.oh))
	}
	if fx > 1 || fy > 1 {
		n := r.ow
		if all {
			n *= r.oh
		}
		r.sums = make([]uint32, n*channels)
	}
	return r
}

// reducedBytes is what a reducer takes.
func reducedBytes(w, h, fx, fy, channels int, all bool) int64 {
	row := int64((w + fx - 1) / fx)
	kept := row * int64((h+fy-1)/fy)
	n := kept * int64(channels)
	switch {
	case fx == 1 && fy == 1:
	case all:
		n += kept * int64(channels) * 4
	default:
		n += row * int64(channels) * 4
	}
	return n
}

// reduceTo is the size of the blocks of pixels that become one: f on both sides, and more, along the longer
// side first, as long as the picture takes more than limit bytes.
func reduceTo(w, h, f int, limit int64, bytes func(fx, fy int) int64) (fx, fy int) {
	const most = 1 << 24 // pixels of a block, whose sum fits 32 bits
	fx, fy = min(f, 1<<11), min(f, 1<<11)
	for bytes(fx, fy) > limit && fx*fy < most {
		if w/fx >= h/fy {
			fx *= 2
		} else {
			fy *= 2
		}
	}
	return fx, fy
}

// put adds pixels of row y, those at x, x+dx, …
func (r *reducer) put(c, x, dx, y int, line []uint8) {
	if r.sums == nil {
		row := r.planes[c][y*r.ow:][:r.ow]
		if dx == 1 {
			copy(row[x:], line)
			return
		}
		for k, v := range line {
			row[x+k*dx] = v
		}
		return
	}
	sums := r.sums[c*len(r.sums)/len(r.planes):]
	if r.all {
		sums = sums[y/r.fy*r.ow:]
	}
	for k, v := range line {
		sums[(x+k*dx)/r.fx] += uint32(v)
	}
}

// endRow finishes a row of blocks, if row y is its last.
func (r *reducer) endRow(y int) {
	if r.sums == nil || r.all || (y+1)%r.fy != 0 && y+1 != r.h {
		return
	}
	r.average(y/r.fy, 0, y%r.fy+1)
	clear(r.sums)
}

// end finishes a picture whose pixels came in no order.
func (r *reducer) end() {
	if r.sums != nil && r.all {
		for y := range r.oh {
			r.average(y, y*r.ow, min(r.fy, r.h-y*r.fy))
		}
	}
}

// average writes row y of the planes from the sums at an offset, of blocks of so many rows.
func (r *reducer) average(y, at, rows int) {
	for c, pix := range r.planes {
		means(pix[y*r.ow:(y+1)*r.ow], r.sums[c*len(r.sums)/len(r.planes)+at:][:r.ow], r.w, r.fx, rows)
	}
}

// repeatRow fills the rows from so many of the picture's on.
func (r *reducer) repeatRow(rows int) {
	from := rows / r.fy
	if from == 0 {
		return
	}
	for _, pix := range r.planes {
		last := pix[(from-1)*r.ow : from*r.ow]
		for y := from; y < r.oh; y++ {
			copy(pix[y*r.ow:], last)
		}
	}
}

// picture is what has come.
func (r *reducer) picture(f *File) *Picture {
	p := &Picture{W: f.W, H: f.H, turn: f.header.turn, colour: rgb}
	if len(r.planes) == 1 {
		p.colour = grey
	}
	for _, pix := range r.planes {
		p.planes = append(p.planes, plane{pix: pix, stride: r.ow, w: r.ow, h: r.oh, sx: 1 / float64(r.fx), sy: 1 / float64(r.fy)})
	}
	if len(p.planes) == 4 {
		p.planes, p.alpha = p.planes[:3], p.planes[3]
	}
	return p
}
