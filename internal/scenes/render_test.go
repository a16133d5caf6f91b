package scenes

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// paintUpTo renders the objects up to k, with the shadows of all, before noise is added.
func (s *Scene) paintUpTo(k, size int) []rgb {
	r := newStream(s.looks)
	l := newLight(r)
	canvas := make([]rgb, size*size)
	for i, so := range s.solids {
		f := newFinish(&s.Objects[i], so, r)
		s.shadow(canvas, size, i, &l)
		if i <= k {
			so.draw(canvas, size, &f, &l)
		}
	}
	return canvas
}

// The pixels that change when one object alone changes its colour are the pixels that show it:
// fully where the nearer objects make no difference to the change.
func TestBoxesMatchPixels(t *testing.T) {
	const size = 160
	g := New(31, nil)
	checked, off := 0, 0
	for i := range 40 {
		s := g.Describe(i)
		for k := range s.Objects {
			// Matte, so that no pixel has the same colour in both.
			s.Objects[k].Material = Matte
		}
		last := len(s.Objects) - 1
		for k := range s.Objects {
			o := &s.Objects[k]
			was := o.Colour
			o.Colour = Black
			alone, among := s.paintUpTo(k, size), s.paintUpTo(last, size)
			o.Colour = White
			alone2, among2 := s.paintUpTo(k, size), s.paintUpTo(last, size)
			o.Colour = was

			x1, y1, x2, y2, n := size, size, 0, 0, 0
			for y := range size {
				for x := range size {
					p := y*size + x
					full := alone2[p][0] - alone[p][0]
					if seen := among2[p][0] - among[p][0]; full > 8 && seen*2 >= full {
						x1, y1, x2, y2 = min(x1, x), min(y1, y), max(x2, x+1), max(y2, y+1)
						n++
					}
				}
			}
			require.Positive(t, n, "%s: object %d is nowhere", s.ID, k)
			for side, want := range [4]float32{float32(x1) / size, float32(y1) / size, float32(x2) / size, float32(y2) / size} {
				if side == 1 && o.Shape == Bottle {
					continue // its cap keeps its colour
				}
				checked++
				if abs(o.Box[side]-want) > 2.01/size {
					t.Logf("%s: object %d: side %d is at %v, painted at %v", s.ID, k, side, o.Box[side], want)
					off++
				}
			}
		}
	}
	assert.Greater(t, checked, 400)
	// Slivers narrower than a pixel, as between two nearer objects, fall to one side or the other.
	assert.Less(t, off*100, checked, "at least 99 % of the sides match")
}

// solid.at turns points away early by the half extent; no shape may reach beyond it.
func TestSolidsStayInside(t *testing.T) {
	r := newStream(8)
	for shape := Ball; shape <= shapes; shape++ {
		for range 6 {
			o := Object{Shape: shape, Size: Large}
			s := build(&o, r)
			seen, outside := 0, 0
			for y := -s.half * 3 / 2; y <= s.half*3/2; y += s.half / 40 {
				for x := -s.half * 3 / 2; x <= s.half*3/2; x += s.half / 40 {
					u, v := s.turned(x, y)
					if _, ok := s.local(u, v); !ok {
						continue
					}
					seen++
					if max(x, -x, y, -y) > s.half {
						outside++
					}
				}
			}
			assert.Greater(t, seen, 500, shape.String())
			assert.Zero(t, outside, shape.String())
		}
	}
}

func TestNormalsHaveUnitLength(t *testing.T) {
	r := newStream(9)
	for shape := Ball; shape <= shapes; shape++ {
		o := Object{Shape: shape, Size: Large}
		s := build(&o, r)
		for y := -s.half; y <= s.half; y += s.half / 30 {
			for x := -s.half; x <= s.half; x += s.half / 30 {
				if h, ok := s.at(x, y); ok {
					n := h.n
					l := root(int(n.x*n.x + n.y*n.y + n.z*n.z))
					require.InDelta(t, unitN, l, unitN/5, "%s at %d,%d: %v", shape, x, y, n)
				}
			}
		}
	}
}

func TestSincos(t *testing.T) {
	for deg, want := range map[int][2]int{0: {0, trig}, 90: {trig, 0}, 180: {0, -trig}, 270: {-trig, 0}, -90: {-trig, 0}, 30: {trig / 2, 14189}} {
		s, c := sincos(deg)
		assert.InDelta(t, want[0], s, trig/400, deg)
		assert.InDelta(t, want[1], c, trig/400, deg)
	}
}
