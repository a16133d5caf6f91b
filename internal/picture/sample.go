package picture

import "sync"

var scratch = sync.Pool{New: func() any { return new([]float32) }}

// Sample resizes the part r of the picture to w×h and writes it to dst as three planes of red,
// green and blue, 0…255, row by row; flip mirrors left and right. dst holds at least 3·w·h values.
// Parts of r beyond the picture repeat its edge. Filters may look at pixels just outside r.
func (p *Picture) Sample(dst []float32, w, h int, r Rect, flip bool, f Filter) {
	n := w * h
	if n == 0 || p.W == 0 || p.H == 0 {
		return
	}
	r = p.turn.stored(r, float64(p.W), float64(p.H))
	flipX, flipY := p.turn.mirrors()
	sw, sh := p.turn.size(w, h)
	if flip {
		if p.turn.swaps() {
			flipY = !flipY
		} else {
			flipX = !flipX
		}
	}
	tmp := scratch.Get().(*[]float32)
	for i := range p.planes {
		q := p.prepared(i, sw, sh, r)
		part := Rect{r.X0 * q.sx, r.Y0 * q.sy, r.X1 * q.sx, r.Y1 * q.sy}
		*tmp = q.resample(dst[i*n:(i+1)*n], sw, sh, part, flipX, flipY, f, *tmp)
		if p.turn.swaps() {
			*tmp = transpose(dst[i*n:(i+1)*n], sw, sh, *tmp)
		}
	}
	scratch.Put(tmp)
	switch p.colour {
	case ycc:
		yccToRGB(dst[:n], dst[n:2*n], dst[2*n:3*n])
	case grey:
		clampBytes(dst[:n])
		copy(dst[n:2*n], dst[:n])
		copy(dst[2*n:3*n], dst[:n])
	default:
		clampBytes(dst[:3*n])
	}
}

// transpose makes columns of the rows of a w×h plane. tmp is scratch memory, returned grown.
func transpose(plane []float32, w, h int, tmp []float32) []float32 {
	tmp = append(tmp[:0], plane...)
	for x := range w {
		column := plane[x*h : (x+1)*h]
		for y := range column {
			column[y] = tmp[y*w+x]
		}
	}
	return tmp
}

// maxShrunk bounds the copies of planes that a Picture keeps.
const maxShrunk = 12

// prepared is plane i, shrunk by whole factors where much is to be shrunk: the long axis of an extreme
// shape as well as both of a large photo.
func (p *Picture) prepared(i, w, h int, r Rect) plane {
	q := p.planes[i]
	fx := shrinkFactor(r.W()*q.sx/float64(w), q.w)
	fy := shrinkFactor(r.H()*q.sy/float64(h), q.h)
	const most = 1 << 24 // the sums of shrink hold so many bytes
	fx = min(fx, most)
	fy = min(fy, most/fx)
	if fx < 2 && fy < 2 {
		return q
	}
	key := shrinkKey{i, fx, fy}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.shrunk[key]; ok {
		return s
	}
	if p.shrunk == nil || len(p.shrunk) >= maxShrunk {
		p.shrunk = make(map[shrinkKey]plane)
	}
	s := q.shrink(fx, fy)
	p.shrunk[key] = s
	return s
}

// shrinkFactor is for a line of n pixels that is to become scale times shorter. The last block of a line
// may be smaller than the others; at most a 32nd part of it is off.
func shrinkFactor(scale float64, n int) int {
	return max(1, min(int(min(scale/3, float64(n))), n/32))
}

// yccToRGB converts JFIF's full-range colours in place.
func yccToRGB(a, b, c []float32) {
	b, c = b[:len(a)], c[:len(a)]
	for i, y := range a {
		cb, cr := b[i]-128, c[i]-128
		a[i] = clampByte(y + float32(1.402*cr))
		b[i] = clampByte(y - float32(0.344136*cb) - float32(0.714136*cr))
		c[i] = clampByte(y + float32(1.772*cb))
	}
}

func clampBytes(v []float32) {
	for i, x := range v {
		v[i] = clampByte(x)
	}
}

func clampByte(x float32) float32 {
	if x < 0 {
		return 0
	}
	if x > 255 {
		return 255
	}
	return x
}
