package pixel

import "sync"

var scratch = sync.Pool{New: func() any { return new([]float32) }}

// Sample resizes the part r of the picture to w×h and writes it to dst as three planes of red,
// green and blue, 0…255, row by row; flip mirrors left and right. dst holds at least 3·w·h values.
// Parts of r beyond the picture repeat its edge. Filters may look at pixels just outside r.
func (s *Source) Sample(dst []float32, w, h int, r Rect, flip bool, f Filter) {
	n := w * h
	if n == 0 || s.W == 0 || s.H == 0 {
		return
	}
	s.load()
	tmp := scratch.Get().(*[]float32)
	for i := range s.planes {
		p := s.prepared(i, w, h, r)
		pr := Rect{r.X0 * p.sx, r.Y0 * p.sy, r.X1 * p.sx, r.Y1 * p.sy}
		*tmp = p.resample(dst[i*n:(i+1)*n], w, h, pr, flip, f, *tmp)
	}
	scratch.Put(tmp)
	switch {
	case s.ycc:
		yccToRGB(dst[:n], dst[n:2*n], dst[2*n:3*n])
		return
	case len(s.planes) == 1:
		clampBytes(dst[:n])
		copy(dst[n:2*n], dst[:n])
		copy(dst[2*n:3*n], dst[:n])
	default:
		clampBytes(dst[:3*n])
	}
}

// prepared is plane i, shrunk by a whole factor where much is to be shrunk.
func (s *Source) prepared(i, w, h int, r Rect) plane {
	p := s.planes[i]
	scale := min(r.W()*p.sx/float64(w), r.H()*p.sy/float64(h))
	// The last block of a line may be smaller than the others; at most a 32nd part of the picture is off.
	// (The sums of shrink hold 2048² bytes.)
	f := min(int(scale/3), p.w/32, p.h/32, 2048)
	if f < 2 {
		return p
	}
	key := shrinkKey{i, f}
	s.mu.Lock()
	defer s.mu.Unlock()
	if q, ok := s.shrunk[key]; ok {
		return q
	}
	if s.shrunk == nil {
		s.shrunk = make(map[shrinkKey]plane)
	}
	q := p.shrink(f)
	s.shrunk[key] = q
	return q
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
