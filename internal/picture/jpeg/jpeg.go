// Package jpeg decodes JPEG photos within stated bounds: baseline, extended sequential and progressive, 8 bits
// a sample, Huffman coded, in grey, YCbCr, RGB, CMYK and YCCK.
//
// Unlike image/jpeg it can leave out what nobody will look at: [Decode] reconstructs each block of 8×8 samples
// as 8×8, 4×4, 2×2 or 1×1 from the frequencies that such a block has. It gives the planes as they are stored,
// chroma at its own resolution; at full scale their samples are those of libjpeg's accurate inverse transform.
// Pictures that are cut off or damaged near their end are decoded as far as they go.
//
// Memory is bounded by [Header.Bytes] and a constant. Work is bounded by the number of passes over the picture
// that its scans may make.
package jpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
)

var (
	// ErrFormat is returned for bytes that are no JPEG, damaged ones, and kinds that are not decoded.
	ErrFormat = errors.New("jpeg: damaged or not supported")
	// ErrTruncated is returned for a picture whose data end before enough of it is there.
	ErrTruncated = errors.New("jpeg: cut off")
	// ErrWork is returned for a picture that asks for more work or memory than any photo.
	ErrWork = errors.New("jpeg: too much work")
)

// maxPasses bounds how often the scans of a picture may visit each of its blocks. Encoders make some ten.
const maxPasses = 32

// A Colour says what the components of a picture are.
type Colour uint8

// Colours.
const (
	Grey Colour = iota
	YCbCr
	RGB
	CMYK // the share of light that each ink lets through, 0…255
	YCCK // as CMYK, with its first three turned into YCbCr
)

// A Header is what comes before the pixels.
type Header struct {
	W, H        int
	Progressive bool

	components []component
}

// A component is one channel.
type component struct {
	id     byte
	h, v   int // sampling factors
	table  byte
	bw, bh int // blocks, in whole MCUs
	uw, uh int // blocks that a scan of this component alone has
	w, hh  int // samples
}

// A Plane is the samples of one component at the scale asked for: the one at x, y lies at Pix[y*Stride+x].
type Plane struct {
	Pix          []uint8
	Stride, W, H int
	SX, SY       float64 // samples per pixel of the whole picture
}

// An Image is a decoded picture.
type Image struct {
	Colour Colour
	Planes []Plane
	Note   string // what is missing of it; "" is nothing
}

// ReadHeader reads as far as the frame header.
func ReadHeader(r io.Reader) (*Header, error) {
	d := &decoder{ctx: context.Background(), in: input{r: r}}
	for {
		if marker, err := d.segment(); err != nil {
			return nil, d.in.cause(err)
		} else if isFrame(marker) {
			return d.header, nil
		}
	}
}

// Bytes is how many bytes [Decode] takes at a scale, for what it keeps and gives.
func (h *Header) Bytes(scale int) int64 {
	var blocks int64
	for _, c := range h.components {
		blocks += int64(c.bw) * int64(c.bh)
	}
	n := int64(scale * scale)
	if h.Progressive {
		return blocks * (n + 2*n + 8) // samples, coefficients, and which of all are not zero
	}
	return blocks * n
}

// Decode decodes a picture at a scale of 8, 4, 2 or 1 eighths that takes at most limit bytes. It ends with ctx.
func Decode(ctx context.Context, r io.Reader, scale int, limit int64) (*Image, error) {
	d := &decoder{ctx: ctx, in: input{r: r}, scale: scale, limit: limit}
	err := d.run()
	if err != nil && d.in.err != nil && d.in.err != io.EOF {
		return nil, d.in.err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return d.finish(err)
}

type decoder struct {
	ctx     context.Context
	in      input
	header  *Header
	scale   int
	adobe   int // colour transform of an APP14 segment; −1: there is none
	jfif    bool
	quant   [4][64]uint16 // in zigzag order
	hasQ    [4]bool
	huff    [2][4]*huffman
	restart int
	work    int64
	limit   int64
	damaged bool       // something in the middle is missing
	state   []progress // of every component
	buf     [65536]byte
}

// progress is what has been decoded of a component.
type progress struct {
	plane Plane
	coef  []int16  // progressive: scale² of each block
	set   []uint64 // progressive: which of the 64 coefficients are not 0
	rows  int      // sequential: rows of blocks that are there
	dc    bool     // progressive: the first scan of the DC coefficients is whole
	ac    bool     // progressive: a scan of AC coefficients is whole
}

// Markers.
const (
	sof0, sof1, sof2   = 0xc0, 0xc1, 0xc2
	dht, jpg, dac      = 0xc4, 0xc8, 0xcc
	rst0, rst7         = 0xd0, 0xd7
	soi, eoi, sos, dqt = 0xd8, 0xd9, 0xda, 0xdb
	dri                = 0xdd
	app0, app14        = 0xe0, 0xee
)

func isFrame(m byte) bool { return m >= sof0 && m <= 0xcf && m != dht && m != jpg && m != dac }

// run decodes all scans.
func (d *decoder) run() error {
	for {
		marker, err := d.segment()
		if err != nil {
			return err
		}
		switch {
		case marker == eoi:
			return nil
		case marker == sos:
			if err := d.scan(); err != nil {
				return err
			}
		}
	}
}

// segment reads the next marker and what belongs to it, except the data behind SOS, whose header is left in
// d.buf.
func (d *decoder) segment() (marker byte, err error) {
	if d.header == nil && !d.in.begun {
		d.in.begun, d.adobe = true, -1
		if a, b := d.in.byte(), d.in.byte(); a != 0xff || b != soi {
			return 0, fmt.Errorf("%w: no start", ErrFormat)
		}
	}
	marker, err = d.in.marker()
	if err != nil || marker == eoi || marker == soi || marker >= rst0 && marker <= rst7 || marker == 1 {
		return marker, err
	}
	n := int(d.in.byte())<<8 | int(d.in.byte())
	if d.in.err != nil {
		return 0, d.in.err
	}
	if n < 2 {
		return 0, fmt.Errorf("%w: segment %#x of %d bytes", ErrFormat, marker, n)
	}
	b := d.buf[:n-2]
	if err := d.in.read(b); err != nil {
		return 0, err
	}
	switch {
	case isFrame(marker):
		err = d.frame(marker, b)
	case marker == dht:
		err = d.huffmanTables(b)
	case marker == dqt:
		err = d.quantTables(b)
	case marker == dri:
		if len(b) < 2 {
			return 0, fmt.Errorf("%w: restart interval", ErrFormat)
		}
		d.restart = int(b[0])<<8 | int(b[1])
	case marker == app0:
		d.jfif = d.jfif || len(b) >= 5 && string(b[:5]) == "JFIF\x00"
	case marker == app14:
		if len(b) >= 12 && string(b[:5]) == "Adobe" {
			d.adobe = int(b[11])
		}
	case marker == dac:
		return 0, fmt.Errorf("%w: arithmetic coding", ErrFormat)
	}
	return marker, err
}

// frame reads the size and the components.
func (d *decoder) frame(marker byte, b []byte) error {
	switch {
	case marker > sof2:
		return fmt.Errorf("%w: lossless, hierarchical or arithmetic coding (frame %#x)", ErrFormat, marker)
	case d.header != nil:
		return fmt.Errorf("%w: two frames", ErrFormat)
	case len(b) < 6 || len(b) < 6+3*int(b[5]):
		return fmt.Errorf("%w: frame header of %d bytes", ErrFormat, len(b))
	case b[0] != 8:
		return fmt.Errorf("%w: %d bits a sample", ErrFormat, b[0])
	}
	h := &Header{H: int(b[1])<<8 | int(b[2]), W: int(b[3])<<8 | int(b[4]), Progressive: marker == sof2}
	n := int(b[5])
	if n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("%w: %d components", ErrFormat, n)
	}
	if h.W == 0 || h.H == 0 {
		return fmt.Errorf("%w: %d×%d pixels", ErrFormat, h.W, h.H)
	}
	hmax, vmax := 1, 1
	for i := range n {
		c := component{id: b[6+3*i], h: int(b[7+3*i] >> 4), v: int(b[7+3*i] & 15), table: b[8+3*i]}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.table > 3 {
			return fmt.Errorf("%w: component %d", ErrFormat, i)
		}
		if n == 1 {
			c.h, c.v = 1, 1 // a single component is never interleaved
		}
		hmax, vmax = max(hmax, c.h), max(vmax, c.v)
		h.components = append(h.components, c)
	}
	up := func(a, b int) int { return (a + b - 1) / b }
	mx, my := up(h.W, 8*hmax), up(h.H, 8*vmax)
	for i := range h.components {
		c := &h.components[i]
		c.w, c.hh = up(h.W*c.h, hmax), up(h.H*c.v, vmax)
		c.bw, c.bh = mx*c.h, my*c.v
		c.uw, c.uh = up(c.w, 8), up(c.hh, 8)
	}
	d.header = h
	if d.scale == 0 {
		return nil // only the header is wanted
	}
	if n := h.Bytes(d.scale); n > d.limit {
		return fmt.Errorf("%w: %d bytes", ErrWork, n)
	}
	d.state = make([]progress, n)
	for i, c := range h.components {
		s := &d.state[i]
		k := d.scale
		s.plane = Plane{
			Pix: make([]uint8, c.bw*k*c.bh*k), Stride: c.bw * k, W: up(c.w*k, 8), H: up(c.hh*k, 8),
			SX: float64(c.h*k) / float64(hmax*8), SY: float64(c.v*k) / float64(vmax*8),
		}
		if h.Progressive {
			s.coef, s.set = make([]int16, c.bw*c.bh*k*k), make([]uint64, c.bw*c.bh)
		}
	}
	return nil
}

func (d *decoder) quantTables(b []byte) error {
	for len(b) > 0 {
		wide, id := b[0]>>4, b[0]&15
		n := 64 * (1 + int(wide))
		if wide > 1 || id > 3 || len(b) < 1+n {
			return fmt.Errorf("%w: quantisation table", ErrFormat)
		}
		for i := range 64 {
			if wide == 0 {
				d.quant[id][i] = uint16(b[1+i])
			} else {
				d.quant[id][i] = uint16(b[1+2*i])<<8 | uint16(b[2+2*i])
			}
		}
		d.hasQ[id] = true
		b = b[1+n:]
	}
	return nil
}

// colour tells what the components mean, as libjpeg does.
func (d *decoder) colour() Colour {
	c := d.header.components
	switch {
	case len(c) == 1:
		return Grey
	case len(c) == 4 && d.adobe == 2:
		return YCCK
	case len(c) == 4:
		return CMYK
	case d.jfif:
		return YCbCr
	case d.adobe == 0 || d.adobe < 0 && c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B':
		return RGB
	}
	return YCbCr
}

// finish gives what has been decoded when run ended with err.
func (d *decoder) finish(err error) (*Image, error) {
	if err != nil && !errors.Is(err, ErrFormat) && err != io.EOF && err != errOverrun {
		return nil, err
	}
	whole := err
	if err == io.EOF || err == errOverrun {
		whole = fmt.Errorf("%w after %d bytes", ErrTruncated, d.in.taken)
	}
	if d.header == nil || d.state == nil {
		if whole == nil {
			whole = fmt.Errorf("%w: there is no frame", ErrFormat)
		}
		return nil, whole
	}
	img := &Image{Colour: d.colour()}
	missing := 0 // rows of blocks, in 64ths of the picture
	for i := range d.state {
		s, c := &d.state[i], &d.header.components[i]
		if d.header.Progressive {
			if !s.dc || i == 0 && !s.ac && err != nil {
				return nil, orMissing(whole)
			}
			continue
		}
		const late = 8 // an eighth may be missing
		lost := c.uh - min(s.rows, c.uh)
		if s.rows == 0 || lost*late > c.uh {
			return nil, orMissing(whole)
		}
		missing = max(missing, 1000*lost/c.uh)
		s.repeatLastRow(c, d.scale)
	}
	if d.header.Progressive {
		if err := d.reconstruct(); err != nil {
			return nil, err
		}
	}
	for i := range d.state {
		img.Planes = append(img.Planes, d.state[i].plane)
	}
	switch {
	case err == nil && !d.damaged:
	case missing > 0:
		img.Note = fmt.Sprintf("the lower %.1f %% are missing", float64(missing)/10)
	case err == nil || errors.Is(err, ErrFormat):
		img.Note = "a part of it is damaged"
	default:
		img.Note = "its end is missing"
	}
	if d.adobe < 0 && img.Colour == CMYK { // ink, where Adobe's programs store what it lets through
		for _, p := range img.Planes {
			for i, v := range p.Pix {
				p.Pix[i] = 255 - v
			}
		}
	}
	return img, nil
}

// orMissing is the error of a picture that lacks too much.
func orMissing(err error) error {
	if err == nil {
		return fmt.Errorf("%w: a component has no scan", ErrFormat)
	}
	return err
}

// repeatLastRow fills the rows that are missing.
func (s *progress) repeatLastRow(c *component, k int) {
	p := &s.plane
	from := s.rows * k
	if from >= len(p.Pix)/p.Stride {
		return
	}
	last := p.Pix[(from-1)*p.Stride : from*p.Stride]
	for y := from; y < len(p.Pix)/p.Stride; y++ {
		copy(p.Pix[y*p.Stride:], last)
	}
}
