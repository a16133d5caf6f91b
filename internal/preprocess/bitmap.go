package preprocess

import (
	"image"
	"image/color"
)

// newBitmap takes the pixels of a picture: one channel of a grey one, else red, green and blue; with alpha as a fourth
// if wanted and there is any. Without, alpha is dropped: transparent pixels have the colour that is written there.
func newBitmap(m image.Image, alpha bool) *bitmap {
	b := m.Bounds()
	out := &bitmap{w: b.Dx(), h: b.Dy(), n: 3}
	switch m := m.(type) {
	case *image.Gray:
		out.n = 1
		out.pix = make([]uint8, out.w*out.h)
		for y := range out.h {
			copy(out.pix[y*out.w:(y+1)*out.w], m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):])
		}
		return out
	case *image.YCbCr:
		out.pix = make([]uint8, 3*out.w*out.h)
		i := 0
		for y := b.Min.Y; y < b.Max.Y; y++ {
			for x := b.Min.X; x < b.Max.X; x++ {
				c := m.COffset(x, y)
				out.pix[i], out.pix[i+1], out.pix[i+2] = color.YCbCrToRGB(m.Y[m.YOffset(x, y)], m.Cb[c], m.Cr[c])
				i += 3
			}
		}
		return out
	}
	if o, ok := m.(interface{ Opaque() bool }); alpha && (!ok || !o.Opaque()) {
		out.n = 4
	}
	out.pix = make([]uint8, out.n*out.w*out.h)
	if m, ok := m.(*image.NRGBA); ok {
		for y := range out.h {
			dst, src := out.pix[y*out.w*out.n:(y+1)*out.w*out.n], m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):][:4*out.w]
			if out.n == 4 {
				copy(dst, src)
				continue
			}
			for len(dst) >= 3 && len(src) >= 4 {
				dst[0], dst[1], dst[2] = src[0], src[1], src[2]
				dst, src = dst[3:], src[4:]
			}
		}
		return out
	}
	i := 0
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := plainColor(m.At(x, y))
			out.pix[i], out.pix[i+1], out.pix[i+2] = c.R, c.G, c.B
			if out.n == 4 {
				out.pix[i+3] = c.A
			}
			i += out.n
		}
	}
	return out
}

// plainColor is a colour without alpha multiplied in.
func plainColor(c color.Color) color.NRGBA {
	switch c := c.(type) {
	case color.NRGBA:
		return c
	case color.RGBA:
		if c.A == 255 {
			return color.NRGBA(c)
		}
	case color.NRGBA64: // as Pillow reads 16-bit PNGs: the upper bytes
		return color.NRGBA{uint8(c.R >> 8), uint8(c.G >> 8), uint8(c.B >> 8), uint8(c.A >> 8)}
	}
	return color.NRGBAModel.Convert(c).(color.NRGBA)
}

// premultiply multiplies alpha in, as Pillow does before it resizes a transparent picture.
func (m *bitmap) premultiply() {
	for i := 0; i < len(m.pix); i += 4 {
		a := uint32(m.pix[i+3])
		for c := range 3 {
			t := uint32(m.pix[i+c])*a + 128
			m.pix[i+c] = uint8((t>>8 + t) >> 8)
		}
	}
}

// opaque divides by alpha again and drops it.
func (m *bitmap) opaque() *bitmap {
	out := &bitmap{pix: make([]uint8, 3*m.w*m.h), w: m.w, h: m.h, n: 3}
	for i, k := 0, 0; i < len(m.pix); i, k = i+4, k+3 {
		a := uint32(m.pix[i+3])
		for c := range 3 {
			v := uint32(m.pix[i+c])
			if a != 0 && a != 255 {
				v = min(255*v/a, 255)
			}
			out.pix[k+c] = uint8(v)
		}
	}
	return out
}
