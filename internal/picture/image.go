package picture

import "image"

// Image is the picture upright, pixel by pixel as it was kept, in the colours that libjpeg gives: chroma that
// JPEG stores at half the resolution is interpolated by a triangle filter. It is opaque but for what Options.Alpha has
// kept.
func (p *Picture) Image() *image.NRGBA {
	p = p.bounded()
	w, h := p.planes[0].w, p.planes[0].h
	uw, uh := p.turn.size(w, h)
	out := image.NewNRGBA(image.Rect(0, 0, uw, uh))
	for i := 3; i < len(out.Pix); i += 4 {
		out.Pix[i] = 255
	}
	start, dx, dy := p.turn.steps(w, h, 4, out.Stride)
	rows, alpha := p.rows(), p.alpha.pix
	var line [3][]uint8
	for i := range line {
		line[i] = make([]uint8, w)
	}
	for y := range h {
		rows(y, line)
		at := start + y*dy
		r, g, b := line[0], line[1][:w], line[2][:w]
		for x, v := range r {
			out.Pix[at], out.Pix[at+1], out.Pix[at+2] = v, g[x], b[x]
			if alpha != nil {
				out.Pix[at+3] = alpha[y*p.alpha.stride+x]
			}
			at += dx
		}
	}
	return out
}

// maxImage bounds the pixels of an Image, which has four bytes for each.
const maxImage = 16 << 20

// bounded is the picture with so few pixels. Of what Options.Detail asks for, only pictures of extreme shapes
// have more.
func (p *Picture) bounded() *Picture {
	fx, fy := 1, 1
	for w, h := p.planes[0].w, p.planes[0].h; (w/fx)*(h/fy) > maxImage; {
		if w/fx > 1 {
			fx *= 2
		}
		if h/fy > 1 {
			fy *= 2
		}
	}
	if fx == 1 && fy == 1 {
		return p
	}
	small := &Picture{W: p.W, H: p.H, Note: p.Note, colour: p.colour, turn: p.turn}
	for _, q := range p.planes {
		small.planes = append(small.planes, q.shrink(fx, fy))
	}
	if p.alpha.pix != nil {
		small.alpha = p.alpha.shrink(fx, fy)
	}
	return small
}

// steps says where the pixels of a stored picture of w×h belong in the upright one, whose pixels are size and
// whose rows are stride bytes apart: (x, y) at start + x·dx + y·dy.
func (o turn) steps(w, h, size, stride int) (start, dx, dy int) {
	dx, dy = size, stride
	if o.swaps() {
		dx, dy = dy, dx
	}
	x, y := o.mirrors()
	if x {
		start, dx = start+(w-1)*dx, -dx
	}
	if y {
		start, dy = start+(h-1)*dy, -dy
	}
	return start, dx, dy
}

// rows gives the stored rows in red, green and blue, from the first to the last.
func (p *Picture) rows() func(y int, out [3][]uint8) {
	plain := func(q plane, y int) []uint8 { return q.pix[y*q.stride:][:q.w] }
	switch p.colour {
	case grey:
		return func(y int, out [3][]uint8) {
			for i := range out {
				copy(out[i], plain(p.planes[0], y))
			}
		}
	case rgb:
		var ups [3]*upsampler
		for i := range ups {
			ups[i] = newUpsampler(p.planes[i], p.planes[0])
		}
		return func(y int, out [3][]uint8) {
			for i, u := range ups {
				u.row(out[i], y)
			}
		}
	}
	cb, cr := newUpsampler(p.planes[1], p.planes[0]), newUpsampler(p.planes[2], p.planes[0])
	return func(y int, out [3][]uint8) {
		cb.row(out[1], y)
		cr.row(out[2], y)
		copy(out[0], plain(p.planes[0], y))
		yccToRGB8(out[0], out[1], out[2])
	}
}

// An upsampler makes rows of a full plane from one of fewer pixels.
type upsampler struct {
	plane
	full   plane
	halfX  bool // interpolated
	halfY  bool
	factor struct{ x, y float64 }
	sums   []int32
}

func newUpsampler(p, full plane) *upsampler {
	u := &upsampler{plane: p, full: full, sums: make([]int32, p.w)}
	u.factor.x, u.factor.y = p.sx/full.sx, p.sy/full.sy
	const narrow = 2 // planes up to which libjpeg only repeats
	u.halfX = u.factor.x == 0.5 && p.w > narrow
	u.halfY = u.factor.y == 0.5 && (u.halfX || u.factor.x == 1)
	return u
}

// row writes row y of the full plane. Of two stored rows or columns the nearer counts three quarters.
func (u *upsampler) row(out []uint8, y int) {
	at := func(y int) []uint8 { return u.pix[min(max(y, 0), u.h-1)*u.stride:][:u.w] }
	near := at(int((float64(y) + 0.5) * u.factor.y))
	if u.factor.x == 1 && !u.halfY {
		copy(out, near)
		return
	}
	if !u.halfX && !u.halfY {
		for x := range out {
			out[x] = near[min(int((float64(x)+0.5)*u.factor.x), u.w-1)]
		}
		return
	}
	sums := u.sums
	if u.halfY {
		far := at(y/2 - 1 + y%2*2)
		for x, v := range near {
			sums[x] = 3*int32(v) + int32(far[x])
		}
	} else {
		for x, v := range near {
			sums[x] = int32(v)
		}
	}
	// libjpeg rounds alternate pixels up and down.
	if !u.halfX {
		bias := int32(1 + y%2)
		for x := range out {
			out[x] = uint8((sums[x] + bias) >> 2)
		}
		return
	}
	shift, up, down := 2, int32(1), int32(2)
	if u.halfY {
		shift, up, down = 4, 8, 7
	}
	for x, s := range sums {
		left, right := s, s
		if x > 0 {
			left = sums[x-1]
		}
		if x < len(sums)-1 {
			right = sums[x+1]
		}
		out[2*x] = uint8((3*s + left + up) >> shift)
		if 2*x+1 < len(out) {
			out[2*x+1] = uint8((3*s + right + down) >> shift)
		}
	}
}

// yccToRGB8 converts JFIF's full-range colours in place, with libjpeg's rounding.
func yccToRGB8(a, b, c []uint8) {
	b, c = b[:len(a)], c[:len(a)]
	const half = 1 << 15
	for i, v := range a {
		y, cb, cr := int32(v), int32(b[i])-128, int32(c[i])-128
		a[i] = byteOf(y + (91881*cr+half)>>16)
		b[i] = byteOf(y + (-22554*cb-46802*cr+half)>>16)
		c[i] = byteOf(y + (116130*cb+half)>>16)
	}
}

func byteOf(v int32) uint8 { return uint8(min(max(v, 0), 255)) }
