package picture

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

// A Picture is the pixels of one picture, upright. It is safe for concurrent use.
type Picture struct {
	// W and H are the sides of the picture as it is shown. Decoding may have kept fewer pixels (see
	// [Options.Detail]); coordinates are always those of the whole picture.
	W, H int
	// Note says what is missing of a damaged picture that is good enough to be used; "" is nothing.
	Note string

	colour colourSpace
	planes []plane // as stored, which is not upright
	alpha  plane   // Options.Alpha; no pixels: it is opaque
	turn   turn

	mu     sync.Mutex
	shrunk map[shrinkKey]plane
}

type colourSpace uint8

const (
	grey colourSpace = iota // one plane
	rgb
	ycc // JFIF's Y, Cb, Cr
)

type shrinkKey struct{ plane, fx, fy int }

// New makes a Picture of an image, which must not be changed as long as the Picture is used. The planes of
// *image.YCbCr and *image.Gray are used as they are.
func New(img image.Image) (*Picture, error) { return newPicture(img, nil) }

func newPicture(img image.Image, o *Options) (*Picture, error) {
	if img == nil || img.Bounds().Empty() {
		return nil, fail(ErrFormat, "it has no pixels")
	}
	b := img.Bounds()
	return fromImage(img, &File{W: b.Dx(), H: b.Dy(), opts: Options{Alpha: o != nil && o.Alpha}, header: header{w: b.Dx(), h: b.Dy(), turn: upright}}), nil
}

// fromImage makes the picture of a file of its image.
func fromImage(img image.Image, f *File) *Picture {
	b := img.Bounds()
	p := &Picture{W: f.W, H: f.H, turn: f.header.turn}
	switch m := img.(type) {
	case *image.YCbCr:
		if b.Min == (image.Point{}) {
			p.colour = ycc
			cw, ch, sx, sy := chroma(m)
			p.planes = []plane{
				{pix: m.Y, stride: m.YStride, w: b.Dx(), h: b.Dy(), sx: 1, sy: 1},
				{pix: m.Cb, stride: m.CStride, w: cw, h: ch, sx: sx, sy: sy},
				{pix: m.Cr, stride: m.CStride, w: cw, h: ch, sx: sx, sy: sy},
			}
			return p
		}
	case *image.Gray:
		p.planes = []plane{{pix: m.Pix[m.PixOffset(b.Min.X, b.Min.Y):], stride: m.Stride, w: b.Dx(), h: b.Dy(), sx: 1, sy: 1}}
		return p
	}
	fx, fy := f.wholeReduction()
	return apart(img, fx, fy, f.opts.Alpha).picture(f)
}

// apart copies the three colours of an image to planes of their own, which are much faster to filter, a few
// rows at a time. Transparent pixels are laid on white, or keep their colours and have a fourth plane.
func apart(img image.Image, fx, fy int, alpha bool) *reducer {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	opaque := false
	if o, ok := img.(interface{ Opaque() bool }); ok {
		opaque = o.Opaque()
	}
	if alpha && !opaque {
		return withAlpha(img, fx, fy)
	}
	r := newReducer(w, h, fx, fy, 3, false)
	var lines [3][]uint8
	for c := range lines {
		lines[c] = make([]uint8, w)
	}
	row := func(y int, pix []uint8) { // opaque RGBA
		red, green, blue := lines[0], lines[1][:w], lines[2][:w]
		for x := range red {
			p := pix[4*x : 4*x+3 : 4*x+3]
			red[x], green[x], blue[x] = p[0], p[1], p[2]
		}
		for c, line := range lines {
			r.put(c, 0, 1, y, line)
		}
		r.endRow(y)
	}
	if m, ok := img.(*image.RGBA); ok && opaque {
		for y := range h {
			row(y, m.Pix[y*m.Stride:])
		}
		return r
	}
	band := image.NewRGBA(image.Rect(0, 0, w, min(h, 1+(1<<16)/w)))
	for y := 0; y < h; y += band.Rect.Dy() {
		part := image.Rect(0, 0, w, min(band.Rect.Dy(), h-y))
		op := draw.Src
		if !opaque {
			draw.Draw(band, part, image.NewUniform(color.White), image.Point{}, draw.Src)
			op = draw.Over
		}
		draw.Draw(band, part, img, image.Pt(b.Min.X, b.Min.Y+y), op)
		for k := range part.Dy() {
			row(y+k, band.Pix[k*band.Stride:])
		}
	}
	return r
}

// withAlpha copies colours as they are written, and alpha.
func withAlpha(img image.Image, fx, fy int) *reducer {
	b := img.Bounds()
	w := b.Dx()
	r := newReducer(w, b.Dy(), fx, fy, 4, false)
	var lines [4][]uint8
	for c := range lines {
		lines[c] = make([]uint8, w)
	}
	at := func(x, y int) color.NRGBA { return color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA) }
	switch m := img.(type) {
	case *image.NRGBA:
		at = m.NRGBAAt
	case *image.NYCbCrA:
		at = func(x, y int) color.NRGBA {
			c := m.NYCbCrAAt(x, y)
			red, green, blue := color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
			return color.NRGBA{red, green, blue, c.A}
		}
	}
	for y := range b.Dy() {
		for x := range w {
			c := at(b.Min.X+x, b.Min.Y+y)
			lines[0][x], lines[1][x], lines[2][x], lines[3][x] = c.R, c.G, c.B, c.A
		}
		for c, line := range lines {
			r.put(c, 0, 1, y, line)
		}
		r.endRow(y)
	}
	return r
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

// Bounds is the whole picture.
func (p *Picture) Bounds() Rect { return Rect{0, 0, float64(p.W), float64(p.H)} }
