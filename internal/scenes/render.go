package scenes

import "image"

// A light shines on the whole scene from above, the left or the right.
type light struct {
	dir     normal
	half    normal // between dir and the viewer, for highlights
	level   normal // half without its height, for upright walls, which would never show one
	ambient int32  // of 256
	// The picture's brightness changes across it: at its middle 256, towards the corners by
	// these slopes.
	slopeX, slopeY int
	warm           int32 // added to red, taken from blue, of 256
}

func newLight(r *stream) light {
	x := r.between(-150, 150)
	if x > -60 && x < 60 {
		x = x*2 + 61 // seldom straight from above
	}
	y := -r.between(120, 170)
	z := root(max(unitN*unitN-x*x-y*y, 80*80))
	return light{
		dir:     normal{int32(x), int32(y), int32(z)},
		half:    unitNormal(x, y, z+unitN),
		level:   unitNormal(x, 0, z+unitN),
		ambient: int32(r.between(110, 136)),
		slopeX:  -x * 60 / 150, slopeY: r.between(-40, 10),
		warm: int32(r.between(-10, 14)),
	}
}

func unitNormal(x, y, z int) normal {
	l := root(x*x + y*y + z*z)
	return normal{int32(x * unitN / l), int32(y * unitN / l), int32(z * unitN / l)}
}

// dot is the cosine of two normals, of 256.
func dot(a, b normal) int32 { return (a.x*b.x + a.y*b.y + a.z*b.z) >> 8 }

// A finish is how a solid takes the light.
type finish struct {
	base, other rgb
	material    Material
	period      int // of the pattern, in the solid's own units
	alongU      bool
	phase       int
	gloss       gloss
}

// A gloss is where a shiny solid shows its highlights.
type gloss uint8

const (
	glossRound   gloss = iota // a spot
	glossUpright              // a band from top to bottom
	glossFlat                 // a streak across its faces
)

func newFinish(o *Object, so *solid, r *stream) finish {
	f := finish{base: paint[o.Colour], other: paint[o.Colour.second()], material: o.Material}
	for k := range f.base {
		f.base[k] += int32(r.between(-9, 9))
	}
	// Patterns keep about the same scale in the picture, so that they stay visible on small objects.
	f.period = min(max((unit*5/100)*one/so.half, q(34)), q(62))
	f.alongU = r.percent(40)
	f.phase = r.intn(f.period)
	switch o.Shape {
	case Cylinder, Cone, Mug, Bottle:
		f.gloss = glossUpright
	case Cube, Pyramid, Star:
		f.gloss = glossFlat
	}
	return f
}

// shade is the colour that a hit has in a light.
func (f *finish) shade(h *hit, l *light) rgb {
	c := f.base
	switch {
	case h.tone == toneCap:
		c = rgb{70, 66, 64}
	case f.material.patterned() && f.marked(h.tu, h.tv):
		c = f.other
	}
	diffuse := max(dot(h.n, l.dir), 0)
	bright := l.ambient + diffuse*(290-l.ambient)>>8
	if h.tone == toneInside {
		bright = bright * 2 / 5
	}
	// Surfaces that face down see the floor, not the sky.
	if h.n.y > 0 {
		bright -= h.n.y >> 3
	}
	var glow int32
	if f.material == Shiny && h.tone != toneInside {
		bright = bright * 15 / 16
		toward := l.half
		if f.gloss == glossUpright {
			toward = l.level
		}
		s := max(dot(h.n, toward), 0)
		for range 4 { // to the sixteenth power
			s = s * s >> 8
		}
		glow = s * 200 >> 8
		if s > 190 {
			glow = 250
		}
		if f.gloss == glossFlat {
			// One soft streak, as of a window, from corner to corner.
			off := (h.tu+h.tv/2+8*one+f.phase)%q(230) - q(60)
			glow = min(glow, 50) + int32(max(150-max(off, -off)*150/q(50), 0))
		}
		// A rim of reflected sky, as glossy things have at grazing angles.
		if g := 110 - h.n.z; g > 0 && h.n.y < 40 {
			glow += g * 3 / 4
		}
	}
	for k := range c {
		v := c[k] * bright >> 8
		if glow > 0 {
			v += (255 - v) * min(glow, 256) >> 8
		}
		c[k] = min(v, 255)
	}
	return c
}

// marked tells whether a point of the surface has the pattern's second colour.
func (f *finish) marked(u, v int) bool {
	p := f.period
	u, v = u+64*p+f.phase, v+64*p+f.phase // positive
	switch f.material {
	case Striped:
		if f.alongU {
			v = u
		}
		return v%p < p*42/100
	case Dotted:
		p = p * 108 / 100
		if v/p&1 == 1 {
			u += p / 2
		}
		x, y := u%p-p/2, v%p-p/2
		return x*x+y*y < p*p*9/100
	default: // Checkered
		p = p * 68 / 100
		return (u/p+v/p)&1 == 0
	}
}

// Where in a pixel it is sampled, in eighths: a turned grid smooths upright edges as well as sloping ones.
var samples = [4][2]int{{3, 1}, {7, 3}, {1, 5}, {5, 7}}

// render draws the scene at a size.
func (s *Scene) render(size int) *image.RGBA {
	r := newStream(s.looks)
	l := newLight(r)
	canvas := make([]rgb, size*size)
	b := s.backdrop(r)
	for y := range size {
		b.row(canvas[y*size:(y+1)*size], (2*y+1)*unit/(2*size))
	}
	for i, so := range s.solids {
		f := newFinish(&s.Objects[i], so, r)
		s.shadow(canvas, size, i, &l)
		so.draw(canvas, size, &f, &l)
	}
	return develop(canvas, size, &l, r)
}

// draw paints a solid over the canvas.
func (s *solid) draw(canvas []rgb, size int, f *finish, l *light) {
	x1, y1, x2, y2 := s.cells(size)
	for y := y1; y < y2; y++ {
		for x := x1; x < x2; x++ {
			var sum rgb
			n := int32(0)
			for _, p := range samples {
				h, ok := s.at((8*x+p[0])*unit/(8*size), (8*y+p[1])*unit/(8*size))
				if !ok {
					continue
				}
				c := f.shade(&h, l)
				sum[0], sum[1], sum[2] = sum[0]+c[0], sum[1]+c[1], sum[2]+c[2]
				n++
			}
			if n == 0 {
				continue
			}
			p := &canvas[y*size+x]
			for k := range p {
				p[k] = (p[k]*(4-n) + sum[k]) / 4
			}
		}
	}
}

// shadow darkens the floor around an object's foot, more on the side away from the light.
func (s *Scene) shadow(canvas []rgb, size, i int, l *light) {
	o, so := &s.Objects[i], s.solids[i]
	e := so.extent()
	wide := (e.x2 - e.x1) * 58 / 100
	flat := max(wide*36/100, unit/40)
	cx := (e.x1+e.x2)/2 - int(l.dir.x)*wide/700
	cy := o.base - flat*30/100
	x1, x2 := max((cx-wide)*size>>16, 0), min((cx+wide)*size>>16+1, size)
	y1, y2 := max((cy-flat)*size>>16, 0), min((cy+flat)*size>>16+1, size)
	for y := y1; y < y2; y++ {
		dy := ((2*y+1)*unit/(2*size) - cy) * 1024 / flat
		for x := x1; x < x2; x++ {
			dx := ((2*x+1)*unit/(2*size) - cx) * 1024 / wide
			d := 1024*1024 - dx*dx - dy*dy
			if d <= 0 {
				continue
			}
			dark := min(int32(d>>12), 150) // of 256
			p := &canvas[y*size+x]
			for k := range p {
				p[k] -= p[k] * dark >> 8
			}
		}
	}
}

// develop adds what the camera does: uneven light, a tint and sensor noise.
func develop(canvas []rgb, size int, l *light, r *stream) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, size, size))
	seed := r.next()
	grain := int32(r.between(2, 6))
	tint := rgb{256 + l.warm, 256, 256 - l.warm}
	for y := range size {
		dy := y*256/size - 128
		for x := range size {
			dx := x*256/size - 128
			bright := int32(256 + dx*l.slopeX>>7 + dy*l.slopeY>>7 - (dx*dx+dy*dy)>>9)
			h := mix(seed + uint64(y*size+x))
			c := &canvas[y*size+x]
			p := img.Pix[y*img.Stride+4*x:][:4:4]
			for k := range c {
				// The sum of two uniform bytes is near enough to a bell curve.
				n := int32(h&255) + int32(h>>8&255) - 255
				h >>= 16
				v := c[k]*bright>>8*tint[k]>>8 + n*grain>>7
				p[k] = uint8(min(max(v, 0), 255))
			}
			p[3] = 255
		}
	}
	return img
}
