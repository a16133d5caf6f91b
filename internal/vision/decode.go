package vision

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"os"

	"golang.org/x/image/webp"

	"github.com/aladin-go/aladin/internal/vision/pixel"
)

// Limits bound what Decode accepts. They are checked before any memory is taken for pixels.
type Limits struct {
	MaxPixels int64 // width × height; 0 means 100 million
	MaxBytes  int64 // of the file; 0 means 256 MiB
}

func (l *Limits) orDefault() Limits {
	out := Limits{MaxPixels: 100_000_000, MaxBytes: 256 << 20}
	if l != nil && l.MaxPixels > 0 {
		out.MaxPixels = l.MaxPixels
	}
	if l != nil && l.MaxBytes > 0 {
		out.MaxBytes = l.MaxBytes
	}
	return out
}

// DecodeFile reads the picture at path; see [Decode]. Its errors name the file.
func DecodeFile(path string, limits *Limits) (image.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("vision: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("vision: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s: is %s, not a file", ErrFormat, path, kindOf(st.Mode()))
	}
	if l := limits.orDefault(); st.Size() > l.MaxBytes {
		return nil, fmt.Errorf("%w: %s: file of %d bytes (limit %d)", ErrTooLarge, path, st.Size(), l.MaxBytes)
	}
	img, err := Decode(f, limits)
	if err != nil {
		return nil, named(path, err)
	}
	return img, nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	default:
		return "a special file"
	}
}

// named puts the file's name between the sentinel and the particulars of a decodeError.
func named(path string, err error) error {
	var d *decodeError
	if errors.As(err, &d) {
		return fmt.Errorf("%w: %s: %s", d.class, path, d.what)
	}
	return fmt.Errorf("vision: %s: %w", path, err)
}

// decodeError is one of the sentinels with its particulars.
type decodeError struct {
	class error
	what  string
}

func (e *decodeError) Error() string { return e.class.Error() + ": " + e.what }
func (e *decodeError) Unwrap() error { return e.class }

func fail(class error, format string, args ...any) error {
	return &decodeError{class, fmt.Sprintf(format, args...)}
}

// Decode reads one picture: JPEG (also grey, CMYK and progressive), PNG, GIF (first frame) or WebP
// (first frame). EXIF orientation is applied, transparency laid on white, and only 8 bits a channel
// are kept, so that the result is an *image.YCbCr, *image.Gray or opaque *image.RGBA with its upper
// left corner at 0,0. Colour profiles are not applied. Pictures that end early are errors
// ([ErrTruncated]), never half-grey pictures.
func Decode(r io.Reader, limits *Limits) (img image.Image, err error) {
	l := limits.orDefault()
	data, err := io.ReadAll(io.LimitReader(r, l.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("vision: %w", err)
	}
	if int64(len(data)) > l.MaxBytes {
		return nil, fail(ErrTooLarge, "more than %d bytes", l.MaxBytes)
	}
	if len(data) == 0 {
		return nil, fail(ErrTruncated, "the file is empty")
	}
	c := sniff(data)
	if c == nil {
		return nil, fail(ErrFormat, "neither JPEG, PNG, GIF nor WebP (begins with %q)", data[:min(len(data), 12)])
	}
	// The decoders are other people's code fed with anybody's bytes.
	defer func() {
		if p := recover(); p != nil {
			img, err = nil, fail(ErrFormat, "%s decoder gave up: %v", c.name, p)
		}
	}()
	return c.read(data, l)
}

// A codec reads one format.
type codec struct {
	name   string
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
	exif   func(data []byte) []byte // the TIFF block in the file, or nil
}

var (
	jpegCodec = &codec{"JPEG", jpeg.DecodeConfig, jpeg.Decode, jpegExif}
	pngCodec  = &codec{"PNG", png.DecodeConfig, png.Decode, pngExif}
	gifCodec  = &codec{"GIF", gif.DecodeConfig, decodeGIF, func([]byte) []byte { return nil }}
	webpCodec = &codec{"WebP", webp.DecodeConfig, webp.Decode, webpExif}
)

// sniff tells the format by its first bytes; file names mean nothing.
func sniff(data []byte) *codec {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		return jpegCodec
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		return pngCodec
	case bytes.HasPrefix(data, []byte("GIF87a")), bytes.HasPrefix(data, []byte("GIF89a")):
		return gifCodec
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		return webpCodec
	}
	return nil
}

func (c *codec) read(data []byte, l Limits) (image.Image, error) {
	src := &source{data: data}
	cfg, err := c.config(src)
	if err != nil {
		return nil, c.failed(src, "header", err)
	}
	if n := int64(cfg.Width) * int64(cfg.Height); n > l.MaxPixels {
		return nil, fail(ErrTooLarge, "%s of %d×%d pixels (limit %d)", c.name, cfg.Width, cfg.Height, l.MaxPixels)
	}
	if cfg.Width <= 0 || cfg.Height <= 0 {
		return nil, fail(ErrFormat, "%s of %d×%d pixels", c.name, cfg.Width, cfg.Height)
	}
	orientation := exifOrientation(c.exif(data))
	var at image.Point
	if c == webpCodec {
		if data, at, err = firstFrame(data); err != nil {
			return nil, err
		}
	}
	src = &source{data: data}
	img, err := c.decode(src)
	if err != nil {
		return nil, c.failed(src, "pixels", err)
	}
	if m, ok := img.(*image.YCbCr); ok && c == webpCodec {
		fullRange(m)
	} else if m, ok := img.(*image.NYCbCrA); ok {
		fullRange(&m.YCbCr)
	}
	if b := img.Bounds(); b.Dx() != cfg.Width || b.Dy() != cfg.Height || at != (image.Point{}) {
		// An animation's frame may cover only a part of its canvas.
		canvas := image.NewNRGBA(image.Rect(0, 0, cfg.Width, cfg.Height))
		draw.Draw(canvas, b.Sub(b.Min).Add(at).Add(b.Min), img, b.Min, draw.Src)
		img = canvas
	}
	return orient(pixel.Flatten(img), orientation), nil
}

// failed classifies a decoder's complaint: one that asked for bytes behind the end is a cut-off file.
func (c *codec) failed(src *source, part string, err error) error {
	if src.overrun {
		return fail(ErrTruncated, "%s %s end after %d bytes", c.name, part, len(src.data))
	}
	return fail(ErrFormat, "%s %s: %v", c.name, part, err)
}

// decodeGIF is the first frame; its bounds say where on the canvas it lies.
func decodeGIF(r io.Reader) (image.Image, error) { return gif.Decode(r) }

// source is a reader that remembers whether more was wanted than there is. It has no ReadByte on
// purpose: the decoders then buffer for themselves.
type source struct {
	data    []byte
	pos     int
	overrun bool
}

func (s *source) Read(p []byte) (int, error) {
	if s.pos == len(s.data) {
		s.overrun = true
		return 0, io.EOF
	}
	n := copy(p, s.data[s.pos:])
	s.pos += n
	return n, nil
}
