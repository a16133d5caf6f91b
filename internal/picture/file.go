package picture

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"io"
	"io/fs"
	"os"

	"github.com/aladin-go/aladin/internal/picture/jpeg"
)

// DefaultMaxPixels is what Options.MaxPixels means where it is 0. It admits photos of 200 megapixels.
const DefaultMaxPixels = 1 << 28

// Options bound what is decoded. Nil and zero values are the defaults.
type Options struct {
	MaxPixels int64 // width × height; 0 is DefaultMaxPixels
	MaxBytes  int64 // of the file; 0 is 1 GiB
	// Detail is the longest side in pixels that the picture will be sampled at; 0 keeps as many pixels as
	// the bounds allow. Pictures of many times as many pixels are then decoded to fewer, which is faster
	// and takes less memory.
	Detail int
	// Alpha keeps transparency for those who have a use for it: colours are as they are written, and Image has the
	// alpha of a PNG with an alpha channel, and of others that are transparent. Without it transparent pixels lie
	// on white.
	Alpha bool
}

func (o *Options) orDefault() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.MaxPixels <= 0 {
		out.MaxPixels = DefaultMaxPixels
	}
	if out.MaxBytes <= 0 {
		out.MaxBytes = 1 << 30
	}
	return out
}

// A File is a picture whose header has been read.
type File struct {
	Kind Kind
	W, H int // upright

	name   string
	opts   Options
	in     *input
	header header
	closer io.Closer
	ready  *Picture // of an image in memory
	jpeg   *jpeg.Header
	png    *pngHeader
	model  color.Model // as a library's decoder says
	raw    *File       // the preview in a camera's raw file

	running chan struct{} // closed when a decoder that was left behind is through
}

// A header is what a format's first bytes say.
type header struct {
	w, h int // as stored
	turn turn
	// studio says that luma is 16…235 and chroma 16…240.
	studio bool
}

// A codec reads one format. Its functions return errors of this package or those of reading.
type codec struct {
	header func(f *File) (header, error)
	cost   func(f *File) int64 // bytes that decoding, and the picture, take at most
	decode func(ctx context.Context, f *File) (*Picture, error)
}

var codecs = map[Kind]*codec{
	JPEG: jpegCodec,
	PNG:  pngCodec,
	GIF:  gifCodec,
	WebP: webpCodec,
	TIFF: tiffCodec,
	Raw:  tiffCodec,
	BMP:  bmpCodec,
}

// OpenFile opens the picture at path; see [Open]. Errors, also those of its methods, name the file.
func OpenFile(path string, o *Options) (*File, error) {
	// Looked at before it is opened: opening a pipe would wait for its writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fail(ErrFormat, "%s: is %s, not a file", path, kindOf(info.Mode()))
	}
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	f, err := open(path, r, o)
	if err != nil {
		r.Close()
		return nil, err
	}
	f.closer = r
	return f, nil
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

// Open reads a picture's header. Files and readers of bytes in memory are read where they lie, as long as
// the File is used; of others everything is read at once. Closing the File closes r, if r can be closed.
func Open(r io.Reader, o *Options) (*File, error) {
	f, err := open("", r, o)
	if err == nil {
		f.closer, _ = r.(io.Closer)
	}
	return f, err
}

// OpenImage wraps a picture in memory. Of o only Alpha counts.
func OpenImage(img image.Image, o *Options) (*File, error) {
	p, err := newPicture(img, o)
	if err != nil {
		return nil, err
	}
	return &File{W: p.W, H: p.H, ready: p}, nil
}

func open(name string, r io.Reader, o *Options) (_ *File, err error) {
	defer func() { err = named(name, err) }()
	f := &File{name: name, opts: o.orDefault()}
	if f.in, err = newInput(r, f.opts.MaxBytes); err != nil {
		return nil, err
	}
	head, err := f.in.head(sniffed)
	if err != nil {
		return nil, err
	}
	f.Kind = Sniff(head)
	c := codecs[f.Kind]
	switch {
	case c != nil:
	case f.Kind == HEIC || f.Kind == AVIF:
		return nil, fail(ErrFormat, "%s, which this program does not read; it would have to import github.com/aladin-go/aladin/heif", f.Kind)
	default:
		return nil, fail(ErrFormat, "none of the formats that are read (begins with %q)", head[:min(len(head), 12)])
	}
	if f.header, err = c.header(f); err != nil {
		return nil, err
	}
	h := f.header
	if h.w <= 0 || h.h <= 0 {
		return nil, fail(ErrFormat, "%s of %d×%d pixels", f.Kind, h.w, h.h)
	}
	if int64(h.w) > f.opts.MaxPixels/int64(h.h) {
		return nil, fail(ErrTooLarge, "%s of %d×%d pixels (limit %d)", f.Kind, h.w, h.h, f.opts.MaxPixels)
	}
	f.W, f.H = h.turn.size(h.w, h.h)
	return f, nil
}

// Close closes what the pixels are read from.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Decode reads the pixels. Callers that keep several pictures, or work on several at a time, [Reserve] the
// memory first.
func (f *File) Decode(ctx context.Context) (p *Picture, err error) {
	if f.ready != nil {
		return f.ready, ctx.Err()
	}
	// Some decoders are other people's code fed with anybody's bytes.
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fail(ErrFormat, "%s decoder gave up: %v", f.Kind, r)
		}
		err = named(f.name, err)
	}()
	return codecs[f.Kind].decode(ctx, f)
}

// Decode opens and decodes one picture within the process's budget of memory.
func Decode(ctx context.Context, r io.Reader, o *Options) (*Picture, error) {
	f, err := Open(r, o)
	if err != nil {
		return nil, err
	}
	return f.decodeAlone(ctx)
}

// DecodeFile is Decode for the file at path.
func DecodeFile(ctx context.Context, path string, o *Options) (*Picture, error) {
	f, err := OpenFile(path, o)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.decodeAlone(ctx)
}

func (f *File) decodeAlone(ctx context.Context) (*Picture, error) {
	release, err := Reserve(ctx, f)
	if err != nil {
		return nil, err
	}
	defer release()
	return f.Decode(ctx)
}

// Cost is how many bytes decoding the file and keeping its picture take at most.
func (f *File) Cost() int64 {
	if f.ready != nil {
		return 0
	}
	const buffers = 1 << 20
	return buffers + codecs[f.Kind].cost(f)
}

// maxKept bounds the bytes that decoding one picture takes, for its pixels and what they are made of. A
// picture that would take more is kept at a lower resolution, where its format allows, and refused where not.
const maxKept = 96 << 20

// reduction is by how much the picture may be reduced for the detail that is wanted: the filter that makes it
// as small as that still gets three pixels for each of its own.
func (f *File) reduction() int {
	if f.opts.Detail <= 0 {
		return 1
	}
	return max(1, min(f.header.w, f.header.h)/(3*f.opts.Detail))
}

// Reads says whether pictures of a kind can be decoded by this program; for some an import is needed.
func Reads(k Kind) bool { return codecs[k] != nil }
