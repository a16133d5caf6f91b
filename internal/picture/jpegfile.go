package picture

import (
	"context"
	"errors"
	"fmt"

	"github.com/aladin-go/aladin/internal/picture/jpeg"
)

var jpegCodec = &codec{
	header: func(f *File) (header, error) {
		h, err := jpeg.ReadHeader(f.in.reader(context.Background()))
		if err != nil {
			return header{}, f.jpegError(err)
		}
		f.jpeg = h
		return header{w: h.W, h: h.H, turn: exifOrientation(f.in.jpegExif())}, nil
	},
	cost: func(f *File) int64 { return f.jpeg.Bytes(f.jpegScale()) },
	decode: func(ctx context.Context, f *File) (*Picture, error) {
		k := f.jpegScale()
		img, err := jpeg.Decode(ctx, f.in.reader(ctx), k, f.jpeg.Bytes(k))
		if err != nil {
			return nil, f.jpegError(err)
		}
		p := &Picture{W: f.W, H: f.H, turn: f.header.turn, Note: img.Note}
		for _, q := range img.Planes {
			p.planes = append(p.planes, plane{pix: q.Pix, stride: q.Stride, w: q.W, h: q.H, sx: q.SX, sy: q.SY})
		}
		switch img.Colour {
		case jpeg.YCbCr:
			p.colour = ycc
		case jpeg.RGB:
			p.colour = rgb
		case jpeg.CMYK, jpeg.YCCK:
			p.uninked(img.Colour == jpeg.YCCK)
		}
		return p, nil
	},
}

// jpegScale is the largest scale, in eighths, at which the picture fits its bounds, and no larger than what
// the detail that is wanted needs.
func (f *File) jpegScale() int {
	k := 8
	for k > 1 && (f.reduction()*k >= 16 || f.jpeg.Bytes(k) > maxKept) {
		k /= 2
	}
	return k
}

func (f *File) jpegError(err error) error {
	for _, c := range []struct{ of, class error }{{jpeg.ErrTruncated, ErrTruncated}, {jpeg.ErrWork, ErrTooLarge}, {jpeg.ErrFormat, ErrFormat}} {
		if errors.Is(err, c.of) {
			return fail(c.class, "%v", err)
		}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("picture: %w", err)
}

// uninked makes red, green and blue of the light that four inks let through.
func (p *Picture) uninked(ycck bool) {
	p.colour = rgb
	full := p.planes[0]
	ups := make([]*upsampler, 4)
	var line [4][]uint8
	for i, q := range p.planes {
		ups[i], line[i] = newUpsampler(q, full), make([]uint8, full.w)
	}
	out := make([]plane, 3)
	for i := range out {
		out[i] = p.planes[i]
		if q := p.planes[i]; q.w != full.w || q.h != full.h {
			out[i] = full
			out[i].pix = make([]uint8, len(full.pix))
		}
	}
	for y := range full.h {
		for i, u := range ups {
			u.row(line[i], y)
		}
		if ycck {
			yccToRGB8(line[0], line[1], line[2])
			for i := range 3 {
				for x, v := range line[i] {
					line[i][x] = 255 - v
				}
			}
		}
		for i := range out {
			row := out[i].pix[y*out[i].stride:][:full.w]
			for x, k := range line[3] {
				row[x] = uint8((int(line[i][x])*int(k) + 127) / 255)
			}
		}
	}
	p.planes = out
}
