package picture

import (
	"bytes"
	"context"
	"encoding/base64"
	"image"
	"image/jpeg"
	"math"
)

// A Thumb is a small picture as a JPEG.
type Thumb struct {
	JPEG []byte
	W, H int
}

// Thumbnail decodes the file, within the process's budget of memory, to a JPEG whose longer side is at most
// side. It never grows.
func (f *File) Thumbnail(ctx context.Context, side, quality int) (*Thumb, error) {
	f.opts.Detail = side
	p, err := f.decodeAlone(ctx)
	if err != nil {
		return nil, err
	}
	img := p.resized(side)
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: quality}); err != nil {
		return nil, err
	}
	return &Thumb{buf.Bytes(), img.Rect.Max.X, img.Rect.Max.Y}, nil
}

// DataURI is the thumbnail as a page holds it.
func (t *Thumb) DataURI() string {
	return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(t.JPEG)
}

// resized is the picture with a longer side of at most side.
func (p *Picture) resized(side int) *image.RGBA {
	w, h := p.W, p.H
	if scale := float64(side) / float64(max(w, h)); scale < 1 {
		w = max(1, int(math.Round(float64(w)*scale)))
		h = max(1, int(math.Round(float64(h)*scale)))
	}
	n := w * h
	planes := make([]float32, 3*n)
	p.Sample(planes, w, h, p.Bounds(), false, Bicubic)
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range n {
		for c := range 3 {
			out.Pix[4*i+c] = uint8(planes[c*n+i] + 0.5)
		}
		out.Pix[4*i+3] = 255
	}
	return out
}
