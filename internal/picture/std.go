package picture

import (
	"context"
	"image"
	"image/draw"
	"image/gif"
	"io"

	"golang.org/x/image/webp"
)

var (
	gifCodec = &codec{
		cost:   perPixel(5),
		header: func(f *File) (header, error) { return f.config(gif.DecodeConfig, nil) },
		decode: func(ctx context.Context, f *File) (*Picture, error) { return f.whole(ctx, gif.Decode) },
	}
)

// perPixel is the cost of a decoder that takes so many bytes for a pixel, its picture included.
func perPixel(n int64) func(*File) int64 {
	return func(f *File) int64 { return n * int64(f.W) * int64(f.H) }
}

// config reads a header with another's decoder.
func (f *File) config(read func(io.Reader) (image.Config, error), exif func() []byte) (header, error) {
	r := f.in.reader(context.Background())
	c, err := read(r)
	if err != nil {
		return header{}, f.failed(r, "header", err)
	}
	h := header{w: c.Width, h: c.Height, turn: upright}
	if exif != nil {
		h.turn = exifOrientation(exif())
	}
	return h, nil
}

// whole reads all pixels with another's decoder.
func (f *File) whole(ctx context.Context, read func(io.Reader) (image.Image, error)) (*Picture, error) {
	r := f.in.reader(ctx)
	img, err := read(r)
	if err != nil {
		return nil, f.failed(r, "pixels", err)
	}
	return f.onCanvas(img, image.Point{}), nil
}

// onCanvas is the picture of an image that may cover only a part of its canvas, which is white.
func (f *File) onCanvas(img image.Image, at image.Point) *Picture {
	h := f.header
	if b := img.Bounds(); b.Dx() != h.w || b.Dy() != h.h || at != (image.Point{}) {
		canvas := image.NewNRGBA(image.Rect(0, 0, h.w, h.h))
		draw.Draw(canvas, b.Sub(b.Min).Add(at).Add(b.Min), img, b.Min, draw.Src)
		img = canvas
	}
	return fromImage(img, h.turn)
}

// failed classifies a decoder's complaint: one that asked for bytes behind the end is a cut-off file.
func (f *File) failed(r *reader, part string, err error) error {
	if r.failed != nil {
		return r.failed
	}
	if r.overrun {
		return fail(ErrTruncated, "%s %s end after %d bytes", f.Kind, part, f.in.size)
	}
	return fail(ErrFormat, "%s %s: %v", f.Kind, part, err)
}

var webpCodec = &codec{
	cost:   perPixel(8),
	header: func(f *File) (header, error) { return f.config(webp.DecodeConfig, f.in.webpExif) },
	decode: func(ctx context.Context, f *File) (*Picture, error) { return f.webp(ctx) },
}
