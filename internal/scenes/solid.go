package scenes

import "math"

// Geometry is in integers throughout, so that every machine draws the same picture: floating
// point would let a compiler fuse a multiplication and an addition on one CPU and not on another.
//
// Picture coordinates count 1/65536 of the picture's width, x to the right and y down. A solid's
// own coordinates count 1/4096 of its half extent.
const (
	unit  = 1 << 16 // width of the picture
	one   = 1 << 12 // half extent of a solid
	trig  = 1 << 14 // sine of 90°
	unitN = 1 << 8  // length of a normal
)

// A normal points away from a surface: x right, y down, z towards the viewer, of length unitN.
type normal struct{ x, y, z int32 }

// A hit is what a ray through the picture meets on a solid.
type hit struct {
	n      normal
	tu, tv int // coordinates on the surface, for patterns
	tone   tone
}

// A tone marks parts of a solid that do not take the material's plain colour.
type tone uint8

const (
	toneBody   tone = iota
	toneInside      // the dark inside of a mug
	toneCap         // the cap of a bottle
)

// A face is a flat part of a solid: a parallelogram (|a|, |b| ≤ one) or triangle (a, b ≥ 0,
// a+b ≤ one) in the coordinates that the matrix m gives for a point of the picture.
type face struct {
	x, y     int
	m        [4]int // row-major, scaled by one
	triangle bool
	n        normal
	tx, ty   int // offset of the pattern
}

// A solid is a shape at a place in the picture.
type solid struct {
	shape    Shape
	x, y     int // centre
	half     int // half extent
	cos, sin int // turn in the picture's plane
	inv      int // one·unit / half
	squash   int // ring: height over width, of one
	mirror   bool
	faces    []face
}

// newSolid builds a shape around the origin; turn and yaw are in degrees.
func newSolid(shape Shape, half, turn, yaw, squash int, mirror bool) *solid {
	sin, cos := sincos(turn)
	s := &solid{shape: shape, half: half, cos: cos, sin: sin, inv: one * unit / half, squash: squash, mirror: mirror}
	switch shape {
	case Cube:
		s.faces = cubeFaces(yaw)
	case Pyramid:
		s.faces = pyramidFaces(yaw)
	case Star:
		s.faces = starFaces()
	}
	return s
}

// at is what the point x, y of the picture shows of the solid, if anything.
func (s *solid) at(x, y int) (hit, bool) {
	dx, dy := x-s.x, y-s.y
	if dx > s.half || dy > s.half || dx < -s.half || dy < -s.half {
		// The solid stays within its half extent, turned or not (see TestSolidsStayInside).
		return hit{}, false
	}
	u, v := s.turned(dx, dy)
	h, ok := s.local(u, v)
	if !ok {
		return h, false
	}
	if s.mirror {
		h.n.x = -h.n.x
	}
	nx, ny := int(h.n.x), int(h.n.y)
	h.n.x = int32((nx*s.cos - ny*s.sin) >> 14)
	h.n.y = int32((ny*s.cos + nx*s.sin) >> 14)
	return h, true
}

// turned takes an offset from the solid's centre to its own coordinates.
func (s *solid) turned(dx, dy int) (u, v int) {
	u = ((dx*s.cos + dy*s.sin) >> 14) * s.inv >> 16
	v = ((dy*s.cos - dx*s.sin) >> 14) * s.inv >> 16
	if s.mirror {
		u = -u
	}
	return u, v
}

func (s *solid) local(u, v int) (hit, bool) {
	switch s.shape {
	case Ball:
		return ballAt(u, v)
	case Cube, Pyramid, Star:
		return facesAt(s.faces, u, v)
	case Cylinder:
		return drumAt(u, v, drum{w: q(72), ry: q(24), top: -q(70), bottom: q(72)})
	case Cone:
		return coneAt(u, v)
	case Heart:
		return heartAt(u, v)
	case Ring:
		return torusAt(u, v*one/s.squash, q(68), q(30))
	case Mug:
		return mugAt(u, v)
	case Bottle:
		return bottleAt(u, v)
	case Moon:
		return moonAt(u, v)
	case Cross:
		return crossAt(u, v)
	}
	return hit{}, false
}

// q is hundredths of a solid's half extent.
func q(hundredths int) int { return hundredths * one / 100 }

// root is the integer square root; math.Sqrt is exact to the last bit on every machine.
func root(n int) int {
	if n <= 0 {
		return 0
	}
	return int(math.Sqrt(float64(n)))
}

// sincos is the sine and cosine of whole degrees, scaled by trig, to about 0.2 % (Bhāskara's formula).
func sincos(deg int) (sin, cos int) { return sine(deg), sine(deg + 90) }

func sine(deg int) int {
	deg = (deg%360 + 360) % 360
	sign := 1
	if deg >= 180 {
		deg, sign = deg-180, -1
	}
	p := deg * (180 - deg)
	return sign * (4 * p * trig) / (40500 - p)
}

// round tells the normal of a surface that turns away from the viewer as x/w goes to ±1,
// and how far (0…one) it faces them.
func round(x, w int) (nx int32, facing int) {
	r := x * one / w
	return int32(r >> 4), root(one*one - r*r)
}

// wrap stretches a coordinate across a round body so that a pattern bunches up at its sides.
func wrap(x int) int { return x + (x*x>>12)*x>>13 }

func ballAt(u, v int) (hit, bool) {
	const r = one - 8
	r2 := u*u + v*v
	if r2 > r*r {
		return hit{}, false
	}
	z := root(r*r - r2)
	k := one + r2>>13
	return hit{n: normal{int32(u >> 4), int32(v >> 4), int32(z >> 4)}, tu: u * k >> 12, tv: v * k >> 12}, true
}

// A drum is an upright cylinder seen from a little above.
type drum struct{ x, w, ry, top, bottom int }

func drumAt(u, v int, d drum) (hit, bool) {
	u -= d.x
	if u > d.w || u < -d.w {
		return hit{}, false
	}
	nx, facing := round(u, d.w)
	bulge := d.ry * facing >> 12
	if v >= d.top-bulge && v <= d.top+bulge {
		return hit{n: normal{0, -236, 100}, tu: u, tv: (v-d.top)*d.w/d.ry + q(30)}, true
	}
	if v < d.top || v > d.bottom+bulge {
		return hit{}, false
	}
	return hit{n: normal{nx, 0, int32(facing >> 4)}, tu: wrap(u), tv: v - bulge}, true
}

func coneAt(u, v int) (hit, bool) {
	const (
		tip  = -4000
		base = 72 * one / 100
		w    = 80 * one / 100
		ry   = 25 * one / 100
	)
	if v < tip {
		return hit{}, false
	}
	wide := w
	if v < base {
		wide = w * (v - tip) / (base - tip)
	}
	if u > wide || u < -wide || wide == 0 {
		return hit{}, false
	}
	nx, facing := round(u, wide)
	bulge := ry * wide / w * facing >> 12
	if v > base+bulge {
		return hit{}, false
	}
	return hit{n: normal{nx * 15 / 16, -84, int32(facing >> 4 * 15 / 16)}, tu: wrap(u), tv: v - bulge}, true
}

func bottleAt(u, v int) (hit, bool) {
	const (
		body   = 46 * one / 100
		neck   = 17 * one / 100
		ry     = 12 * one / 100
		lid    = -98 * one / 100
		collar = -76 * one / 100
		throat = -50 * one / 100
		should = -18 * one / 100
		bottom = 85 * one / 100
	)
	wide, ny, t := body, int32(0), toneBody
	switch {
	case v < lid:
		return hit{}, false
	case v < collar:
		wide, t = neck+q(5), toneCap
	case v < throat:
		wide = neck
	case v < should:
		f := (v - throat) * one / (should - throat)
		f = f * (2*one - f) >> 12 // quick at first, then upright: a rounded shoulder
		wide, ny = neck+(body-neck)*f>>12, -120
	}
	if u > wide || u < -wide {
		return hit{}, false
	}
	nx, facing := round(u, wide)
	bulge := ry * facing >> 12
	if v > bottom+bulge {
		return hit{}, false
	}
	return hit{n: normal{nx, ny, int32(facing >> 4)}, tu: wrap(u), tv: v - bulge, tone: t}, true
}

func mugAt(u, v int) (hit, bool) {
	d := drum{x: -q(24), w: q(64), ry: q(20), top: -q(62), bottom: q(64)}
	if h, ok := drumAt(u, v, d); ok {
		x, y := (u-d.x)*one/d.w, (v-d.top)*one/d.ry
		switch r2 := x*x + y*y; {
		case r2 < one*one*76/100:
			h.tone = toneInside
			h.n = normal{int32(-x >> 5), 0, 220}
		case r2 <= one*one && v < d.top+d.ry:
			h.n = normal{0, -160, 200} // the rim
		}
		return h, true
	}
	if u < d.x {
		return hit{}, false
	}
	return torusAt(u-q(48), v-q(4), q(34), q(13))
}

// torusAt is a ring of radius r and thickness ±t that faces the viewer.
func torusAt(u, v, r, t int) (hit, bool) {
	dist := root(u*u + v*v)
	d := dist - r
	if d > t || d < -t {
		return hit{}, false
	}
	nd, facing := round(d, t)
	dist = max(dist, 1)
	return hit{
		n:  normal{int32(int(nd) * u / dist), int32(int(nd) * v / dist), int32(facing >> 4)},
		tu: u, tv: v,
	}, true
}

// cushion is the normal of a flat shape whose edge is rounded off over the distance bevel: d is the
// distance to the edge and gx, gy (length one) the way there.
func cushion(u, v, d, gx, gy, bevel int) normal {
	// A slight dome keeps the middle from looking like cardboard.
	nx, ny := u>>6, v>>6
	if d < bevel {
		slope := (bevel - d) * unitN * 9 / 10 / bevel
		nx, ny = nx+gx*slope>>12, ny+gy*slope>>12
	}
	return normal{int32(nx), int32(ny), int32(root(unitN*unitN - min(nx*nx+ny*ny, unitN*unitN)))}
}

func heartAt(u, v int) (hit, bool) {
	const (
		cx, cy = 42 * one / 100, -34 * one / 100 // middle of a lobe
		r      = 45 * one / 100
		tip    = 84 * one / 100
		lx, ly = 759 * one / 1000, 651 * one / 1000 // outward normal of the straight side, tangent to the lobe
	)
	x, side := u, 1
	if u < 0 {
		x, side = -u, -1
	}
	px, py := x-cx, v-cy
	var d, gx, gy int
	if -px*ly+py*lx > 0 {
		d, gx, gy = -(x*lx+(v-tip)*ly)>>12, lx, ly
	} else {
		l := max(root(px*px+py*py), 1)
		d, gx, gy = r-l, px*one/l, py*one/l
	}
	if d < 0 {
		return hit{}, false
	}
	return hit{n: cushion(u, v, d, side*gx, gy, q(34)), tu: u, tv: v}, true
}

func moonAt(u, v int) (hit, bool) {
	const (
		r, cut = 96 * one / 100, 74 * one / 100
		cx     = 50 * one / 100
	)
	l := max(root(u*u+v*v), 1)
	px := u - cx
	k := max(root(px*px+v*v), 1)
	d, gx, gy := r-l, u*one/l, v*one/l
	if in := k - cut; in < d {
		d, gx, gy = in, -px*one/k, -v*one/k
	}
	if d < 0 {
		return hit{}, false
	}
	return hit{n: cushion(u, v, d, gx, gy, q(22)), tu: u, tv: v}, true
}

func crossAt(u, v int) (hit, bool) {
	const arm, end = 33 * one / 100, 88 * one / 100
	x, y := max(u, -u), max(v, -v)
	if x > end || y > end || (x > arm && y > arm) {
		return hit{}, false
	}
	sx, sy := one, one
	if u < 0 {
		sx = -one
	}
	if v < 0 {
		sy = -one
	}
	// The nearest edge of the arm that the point lies on; in the middle there is none near.
	d, gx, gy := one, 0, 0
	switch {
	case x > arm:
		if d, gy = arm-y, sy; end-x < d {
			d, gx, gy = end-x, sx, 0
		}
	case y > arm:
		if d, gx = arm-x, sx; end-y < d {
			d, gx, gy = end-y, 0, sy
		}
	}
	return hit{n: cushion(u, v, d, gx, gy, q(16)), tu: u, tv: v}, true
}

// crack is how far faces reach over their edges, so that rounding opens no gap between two.
const crack = 8

func facesAt(faces []face, u, v int) (hit, bool) {
	for i := range faces {
		f := &faces[i]
		x, y := u-f.x, v-f.y
		a, b := (x*f.m[0]+y*f.m[1])>>12, (x*f.m[2]+y*f.m[3])>>12
		if f.triangle {
			if a >= -crack && b >= -crack && a+b <= one+crack {
				return hit{n: f.n, tu: u + f.tx, tv: v + f.ty}, true
			}
			continue
		}
		if a >= -one-crack && a <= one+crack && b >= -one-crack && b <= one+crack {
			return hit{n: f.n, tu: (a * 5 >> 3) + f.tx, tv: (b * 5 >> 3) + f.ty}, true
		}
	}
	return hit{}, false
}

// newFace is the face at x, y that the edges a and b span.
func newFace(x, y, ax, ay, bx, by int, triangle bool, n normal) face {
	det := ax*by - ay*bx
	if det == 0 {
		det = 1
	}
	const s = one * one
	return face{
		x: x, y: y, triangle: triangle, n: n,
		m: [4]int{by * s / det, -bx * s / det, -ay * s / det, ax * s / det},
	}
}

// The camera looks down on cubes and pyramids by about 25°.
const (
	pitchSin = 42 * one / 100
	pitchCos = 91 * one / 100
)

// ground projects a point of the ground plane (x right, z towards the viewer before the yaw).
func ground(x, z, sin, cos int) (px, py int) {
	return (x*cos - z*sin) >> 14, ((x*sin + z*cos) >> 14) * pitchSin >> 12
}

func cubeFaces(yaw int) []face {
	const e = 66 * one / 100
	sin, cos := sincos(yaw)
	xx, xy := ground(e, 0, sin, cos)
	zx, zy := ground(0, e, sin, cos)
	yy := -e * pitchCos >> 12
	n := func(deep, side int) normal { // of an upright face; deep is how far it faces the viewer
		return normal{int32(side >> 6), int32(deep * pitchSin >> 18), int32(deep * pitchCos >> 18)}
	}
	f := []face{
		newFace(0, yy, xx, xy, zx, zy, false, normal{0, -233, 108}),
		newFace(xx, xy, zx, zy, 0, yy, false, n(sin, cos)),
		newFace(zx, zy, xx, xy, 0, yy, false, n(cos, -sin)),
	}
	f[1].tx, f[2].ty = q(25), q(15)
	return f
}

func pyramidFaces(yaw int) []face {
	const e, lift, tip = 67 * one / 100, 48 * one / 100, -94 * one / 100
	sin, cos := sincos(yaw)
	fx, fy := ground(e, e, sin, cos)
	rx, ry := ground(e, -e, sin, cos)
	lx, ly := ground(-e, e, sin, cos)
	tri := func(x, y, deep, side int) face {
		n := normal{int32(side * 92 / 100 >> 6), int32(deep*pitchSin>>18 - 80), int32(deep * pitchCos >> 18)}
		return newFace(0, tip, fx, fy+lift-tip, x, y+lift-tip, true, n)
	}
	return []face{tri(rx, ry, sin, cos), tri(lx, ly, cos, -sin)}
}

// starFaces cuts a five-pointed star into ten triangles that rise to its middle.
func starFaces() []face {
	const r, notch = 98 * one / 100, 43 * one / 100
	var f []face
	for k := range 10 {
		var p [2][2]int
		for j := range p {
			sin, cos := sincos((k+j)*36 - 90)
			length := r
			if (k+j)%2 == 1 {
				length = notch
			}
			p[j] = [2]int{cos * length >> 14, sin * length >> 14}
		}
		// Outward normal of the outer edge, which the triangle leans towards.
		ex, ey := p[1][0]-p[0][0], p[1][1]-p[0][1]
		l := root(ex*ex + ey*ey)
		n := normal{int32(ey * 150 / l), int32(-ex * 150 / l), 207}
		f = append(f, newFace(0, 0, p[0][0], p[0][1], p[1][0], p[1][1], true, n))
	}
	return f
}
