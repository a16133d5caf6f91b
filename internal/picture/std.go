package picture

import (
	"context"
	"image"
	"image/draw"
	"image/gif"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// maxWhole bounds the bytes of pictures whose decoders can only give all of their pixels at once.
const maxWhole = 192 << 20

// A decoder of a library gives all pixels at once.
type decoder struct {
	config func(io.Reader) (image.Config, error)
	decode func(ctx context.Context, f *File) (image.Image, image.Point, error) // and its place on the canvas
	exif   func(in *input) []byte
	// bytes is what the decoder takes for a pixel.
	bytes func(f *File) int64
}

// wholeCodec makes a codec of a decoder.
func wholeCodec(d decoder) *codec {
	cost := func(f *File) int64 { return d.bytes(f) * int64(f.header.w) * int64(f.header.h) }
	return &codec{
		header: func(f *File) (header, error) {
			r := f.in.reader(context.Background())
			c, err := d.config(r)
			if err != nil {
				return header{}, f.failed(r, "header", err)
			}
			f.model = c.ColorModel
			h := header{w: c.Width, h: c.Height, turn: upright}
			if d.exif != nil {
				h.turn = exifOrientation(d.exif(f.in))
			}
			return h, nil
		},
		cost: func(f *File) int64 {
			fx, fy := f.wholeReduction()
			return cost(f) + reducedBytes(f.header.w, f.header.h, fx, fy, 3, false)
		},
		decode: func(ctx context.Context, f *File) (*Picture, error) {
			if n := cost(f); n > maxWhole {
				return nil, fail(ErrTooLarge, "%s of %d×%d pixels, which can only be decoded as a whole (%d bytes, limit %d)", f.Kind, f.header.w, f.header.h, n, maxWhole)
			}
			return abandonable(ctx, f, func() (*Picture, error) {
				img, at, err := d.decode(ctx, f)
				if err != nil {
					return nil, err
				}
				return f.onCanvas(img, at), nil
			})
		},
	}
}

// abandonable returns when ctx ends, though a library's decoder that has all of its bytes goes on until it
// is through.
func abandonable(ctx context.Context, f *File, decode func() (*Picture, error)) (*Picture, error) {
	type result struct {
		p   *Picture
		err error
	}
	done := make(chan result, 1)
	f.running = make(chan struct{})
	go func() {
		defer close(f.running)
		var r result
		defer func() {
			if p := recover(); p != nil {
				r = result{nil, fail(ErrFormat, "%s decoder gave up: %v", f.Kind, p)}
			}
			done <- r
		}()
		r.p, r.err = decode()
	}()
	select {
	case r := <-done:
		return r.p, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// wholeReduction is for pictures that are decoded as a whole and then reduced.
func (f *File) wholeReduction() (fx, fy int) {
	return reduceTo(f.header.w, f.header.h, f.reduction(), maxKept/2, func(fx, fy int) int64 {
		return reducedBytes(f.header.w, f.header.h, fx, fy, 3, false)
	})
}

var (
	gifCodec = wholeCodec(decoder{
		config: gif.DecodeConfig,
		decode: library(gif.Decode), // its first frame; what comes behind may be broken
		bytes:  func(*File) int64 { return 1 + canvasBytes },
	})
	bmpCodec = wholeCodec(decoder{
		config: bmp.DecodeConfig,
		decode: library(bmp.Decode),
		bytes:  func(*File) int64 { return 4 },
	})
	webpCodec = wholeCodec(decoder{
		config: webpConfig,
		decode: func(ctx context.Context, f *File) (image.Image, image.Point, error) { return f.webp(ctx) },
		exif:   (*input).webpExif,
		bytes:  (*File).webpBytes,
	})
	tiffImage = wholeCodec(decoder{
		config: tiff.DecodeConfig,
		decode: library(tiff.Decode),
		exif:   (*input).tiffBlock,
		bytes: func(f *File) int64 { // and the strips as they are stored
			const eight, sixteen = 8, 16
			if wide(f.model) {
				return sixteen
			}
			return eight
		},
	})
)

// library makes a decoder of a library's function.
func library(decode func(io.Reader) (image.Image, error)) func(context.Context, *File) (image.Image, image.Point, error) {
	return func(ctx context.Context, f *File) (image.Image, image.Point, error) {
		r := f.in.reader(ctx)
		img, err := decode(r)
		if err != nil {
			return nil, image.Point{}, f.failed(r, "pixels", err)
		}
		return img, image.Point{}, nil
	}
}

// canvasBytes is what onCanvas takes for a pixel.
const canvasBytes = 4

// onCanvas is the picture of an image that may cover only a part of its canvas, which is white.
func (f *File) onCanvas(img image.Image, at image.Point) *Picture {
	h := f.header
	if b := img.Bounds(); b.Dx() != h.w || b.Dy() != h.h || at != (image.Point{}) {
		canvas := image.NewNRGBA(image.Rect(0, 0, h.w, h.h))
		draw.Draw(canvas, b.Sub(b.Min).Add(at).Add(b.Min), img, b.Min, draw.Src)
		img = canvas
	}
	return fromImage(img, f)
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
