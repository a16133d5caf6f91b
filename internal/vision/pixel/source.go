// Package pixel turns any image.Image into float RGB planes of a wanted size, antialiased and fast.
//
// A [Source] wraps one picture; [Source.Sample] resizes any rectangle of it (with fractional edges,
// mirrored if asked) to w×h. JPEG's luma and chroma planes are resized separately and combined
// afterwards, at the small size: resizing is linear, so the order changes only rounding, chroma is
// interpolated rather than repeated, and most of the work is saved. Large pictures are first shrunk
// by a whole factor with a box filter, leaving at least a factor of three to the real filter.
//
// A Source keeps those shrunken planes for its next Sample. It is safe for concurrent use, as long
// as nobody writes to the picture.
package pixel

import (
	"image"
	"image/color"
	"image/draw"
	"sync"
)

// A Rect is a rectangle of a picture in pixels, X0,Y0 the upper left corner. Pixel (i, j) covers
// i…i+1 and j…j+1.
type Rect struct{ X0, Y0, X1, Y1 float64 }

// W and H are the sides.
func (r Rect) W() float64 { return r.X1 - r.X0 }
func (r Rect) H() float64 { return r.Y1 - r.Y0 }

// A Source is one picture to sample from.
type Source struct {
	W, H int

	load   func()  // once, at the first Sample
	planes []plane // 1: grey; 3: R, G, B or Y, Cb, Cr
	ycc    bool

	mu     sync.Mutex
	shrunk map[shrinkKey]plane
}

type shrinkKey struct{ plane, factor int }

// NewSource wraps img. The planes of *image.YCbCr and *image.Gray are used as they are; other kinds are
// converted at the first Sample (see [Flatten]).
func NewSource(img image.Image) *Source {
	s := &Source{W: img.Bounds().Dx(), H: img.Bounds().Dy()}
	s.load = sync.OnceFunc(func() { s.setPlanes(Flatten(img)) })
	return s
}

// Bounds is the whole picture.
func (s *Source) Bounds() Rect { return Rect{0, 0, float64(s.W), float64(s.H)} }

// setPlanes takes a flattened image.
func (s *Source) setPlanes(img image.Image) {
	switch m := img.(type) {
	case *image.YCbCr:
		cw, ch, sx, sy := chroma(m)
		s.ycc = true
		s.planes = []plane{
			{pix: m.Y, stride: m.YStride, w: s.W, h: s.H, sx: 1, sy: 1},
			{pix: m.Cb, stride: m.CStride, w: cw, h: ch, sx: sx, sy: sy},
			{pix: m.Cr, stride: m.CStride, w: cw, h: ch, sx: sx, sy: sy},
		}
	case *image.Gray:
		s.planes = []plane{{pix: m.Pix, stride: m.Stride, w: s.W, h: s.H, sx: 1, sy: 1}}
	case *image.RGBA:
		s.planes = apart(m)
	}
}

// apart copies the three colours to planes of their own, which are much faster to filter.
func apart(m *image.RGBA) []plane {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	all := make([]uint8, 3*w*h)
	red, green, blue := all[:w*h], all[w*h:2*w*h], all[2*w*h:]
	for y := range h {
		row := m.Pix[y*m.Stride:][:4*w]
		r, g, b := red[y*w:][:w], green[y*w:][:w], blue[y*w:][:w]
		for x := range r {
			p := row[4*x : 4*x+3 : 4*x+3]
			r[x], g[x], b[x] = p[0], p[1], p[2]
		}
	}
	out := make([]plane, 3)
	for i, pix := range [][]uint8{red, green, blue} {
		out[i] = plane{pix: pix, stride: w, w: w, h: h, sx: 1, sy: 1}
	}
	return out
}

// chroma is the size of m's colour planes and their pixels per picture pixel.
func chroma(m *image.YCbCr) (w, h int, sx, sy float64) {
	rx, ry := 1, 1
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		rx = 2
	case image.YCbCrSubsampleRatio420:
		rx, ry = 2, 2
	case image.YCbCrSubsampleRatio440:
		ry = 2
	case image.YCbCrSubsampleRatio411:
		rx = 4
	case image.YCbCrSubsampleRatio410:
		rx, ry = 4, 2
	}
	return (m.Rect.Dx() + rx - 1) / rx, (m.Rect.Dy() + ry - 1) / ry, 1 / float64(rx), 1 / float64(ry)
}

// Flatten returns img as one of the three kinds that Sources read: *image.YCbCr, *image.Gray or an
// opaque *image.RGBA, each with its upper left corner at 0,0. Transparent pixels lie on white.
// An image of such a kind is returned as it is.
func Flatten(img image.Image) image.Image {
	switch m := img.(type) {
	case *image.YCbCr:
		if m.Rect.Min == (image.Point{}) {
			return m
		}
	case *image.Gray:
		if m.Rect.Min == (image.Point{}) {
			return m
		}
	case *image.RGBA:
		if m.Rect.Min == (image.Point{}) && m.Opaque() {
			return m
		}
	}
	b := img.Bounds()
	r := image.Rect(0, 0, b.Dx(), b.Dy())
	dst := image.NewRGBA(r)
	if o, ok := img.(interface{ Opaque() bool }); ok && o.Opaque() {
		draw.Draw(dst, r, img, b.Min, draw.Src)
		return dst
	}
	draw.Draw(dst, r, image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(dst, r, img, b.Min, draw.Over)
	return dst
}
