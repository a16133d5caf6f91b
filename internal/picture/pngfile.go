package picture

import (
	"bufio"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// A pngHeader is the IHDR chunk.
type pngHeader struct {
	w, h       int
	depth      int
	colour     byte
	interlaced bool
	// asWritten: see Options.Alpha. Only alpha channels become a plane; colours that the palette or a key makes
	// transparent stay what they are.
	asWritten bool
}

// Colour types of PNG.
const (
	pngGrey      = 0
	pngRGB       = 2
	pngPalette   = 3
	pngGreyAlpha = 4
	pngRGBA      = 6
)

const (
	pngSignature = 8
	pngIHDR      = pngSignature + 8 // where its body begins
)

var pngCodec = &codec{
	header: func(f *File) (header, error) {
		b, err := f.in.part(0, pngIHDR+13+4)
		if err != nil {
			return header{}, err
		}
		if b == nil {
			return header{}, fail(ErrTruncated, "PNG header ends after %d bytes", f.in.size)
		}
		body := b[pngIHDR:]
		w, h := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
		p := &pngHeader{w: int(w), h: int(h), depth: int(body[8]), colour: body[9], interlaced: body[12] == 1, asWritten: f.opts.Alpha}
		depths := map[byte]string{pngGrey: "\x01\x02\x04\x08\x10", pngRGB: "\x08\x10", pngPalette: "\x01\x02\x04\x08", pngGreyAlpha: "\x08\x10", pngRGBA: "\x08\x10"}[p.colour]
		switch {
		case string(b[pngSignature:pngIHDR]) != "\x00\x00\x00\x0dIHDR":
			return header{}, fail(ErrFormat, "PNG without a header")
		case w == 0 || h == 0 || w > 1<<31-1 || h > 1<<31-1:
			return header{}, fail(ErrFormat, "PNG of %d×%d pixels", w, h)
		case crc32.ChecksumIEEE(b[pngSignature+4:pngIHDR+13]) != binary.BigEndian.Uint32(body[13:]):
			return header{}, fail(ErrFormat, "PNG header with a wrong checksum")
		case !contains(depths, body[8]) || body[10] != 0 || body[11] != 0 || body[12] > 1:
			return header{}, fail(ErrFormat, "PNG of colour type %d, depth %d, compression %d, filter %d, interlace %d", body[9], body[8], body[10], body[11], body[12])
		}
		f.png = p
		return header{w: p.w, h: p.h, turn: exifOrientation(f.in.pngExif())}, nil
	},
	cost: func(f *File) int64 {
		fx, fy := f.pngReduction()
		return f.png.bytes(fx, fy)
	},
	decode: func(ctx context.Context, f *File) (*Picture, error) { return f.decodePNG(ctx) },
}

func contains(s string, b byte) bool {
	for i := range len(s) {
		if s[i] == b {
			return true
		}
	}
	return false
}

// channels is how many planes are kept.
func (p *pngHeader) channels() int {
	if p.asWritten && (p.colour == pngGreyAlpha || p.colour == pngRGBA) {
		return 4
	}
	if p.colour == pngGrey || p.colour == pngGreyAlpha {
		return 1
	}
	return 3
}

// pngSamples is how many samples a pixel has.
var pngSamples = [7]int{pngGrey: 1, pngRGB: 3, pngPalette: 1, pngGreyAlpha: 2, pngRGBA: 4}

// bits is how many a pixel takes in the file.
func (p *pngHeader) bits() int { return p.depth * pngSamples[p.colour] }

// rowBytes is for a row of n pixels.
func (p *pngHeader) rowBytes(n int) int64 { return (int64(n)*int64(p.bits()) + 7) / 8 }

// bytes is what decoding takes if blocks of fx×fy pixels become one.
func (p *pngHeader) bytes(fx, fy int) int64 {
	return p.rowBytes(p.w) + reducedBytes(p.w, p.h, fx, fy, p.channels(), p.interlaced)
}

func (f *File) pngReduction() (fx, fy int) {
	return reduceTo(f.png.w, f.png.h, f.reduction(), maxKept, f.png.bytes)
}

func (f *File) decodePNG(ctx context.Context) (*Picture, error) {
	fx, fy := f.pngReduction()
	if n := f.png.bytes(fx, fy); n > maxKept {
		return nil, fail(ErrTooLarge, "PNG of %d×%d pixels: its rows take %d bytes (limit %d)", f.png.w, f.png.h, n, maxKept)
	}
	r := f.in.reader(ctx)
	d := &pngDecoder{
		pngHeader: f.png, ctx: ctx, in: &pngChunkReader{r: bufio.NewReaderSize(r, 32<<10)},
		out: newReducer(f.png.w, f.png.h, fx, fy, f.png.channels(), f.png.interlaced),
	}
	err := d.run()
	if r.failed != nil {
		return nil, r.failed
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	p := d.out.picture(f)
	if err != nil {
		const late = 8 // an eighth may be missing
		if d.rows == 0 || (d.h-d.rows)*late > d.h {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, fail(ErrTruncated, "PNG pixels end after %d bytes", f.in.size)
			}
			var ours *fault
			if errors.As(err, &ours) {
				return nil, err
			}
			return nil, fail(ErrFormat, "PNG pixels: %v", err)
		}
		p.Note = missingRows(d.rows, d.h)
		d.out.repeatRow(d.rows)
	} else if d.damaged {
		p.Note = "a part of it may be damaged"
	}
	return p, nil
}

// A pngDecoder makes planes of 8 bits, of which each pixel may stand for a block of many.
type pngDecoder struct {
	*pngHeader
	ctx     context.Context
	in      *pngChunkReader
	out     *reducer
	palette [256][4]uint8
	key     [3]uint16 // the colour that is transparent
	hasKey  bool
	rows    int // that are there
	damaged bool
	line    [4][]uint8 // a few pixels, alpha the last
}

// pngRun is how many pixels are converted at a time.
const pngRun = 4096

func (d *pngDecoder) run() error {
	if err := d.prepare(); err != nil {
		return err
	}
	for i := range d.line {
		d.line[i] = make([]uint8, pngRun)
	}
	z, err := zlib.NewReader(d.in)
	if err != nil {
		return err
	}
	defer z.Close()
	rows := bufio.NewReaderSize(z, 32<<10)
	if err := d.passes(rows); err != nil {
		return err
	}
	// The checksum comes last.
	if _, err := rows.ReadByte(); err != nil && err != io.EOF {
		d.damaged = true
	}
	return nil
}

// prepare reads the chunks before the pixels.
func (d *pngDecoder) prepare() error {
	for i := range d.palette {
		d.palette[i] = [4]uint8{0, 0, 0, 255}
	}
	if _, err := d.in.r.Discard(pngSignature); err != nil {
		return err
	}
	havePalette := false
	for range maxSegments {
		name, n, err := d.in.next()
		if err != nil {
			return err
		}
		const most = 3 * 256
		switch name {
		case "IDAT":
			if d.colour == pngPalette && !havePalette {
				return fail(ErrFormat, "PNG without its palette")
			}
			d.in.left = n
			return nil
		case "IEND":
			return fail(ErrFormat, "PNG without pixels")
		case "PLTE", "tRNS":
			if n > most {
				return fail(ErrFormat, "PNG chunk %s of %d bytes", name, n)
			}
			var b [most]byte
			if _, err := io.ReadFull(d.in.r, b[:n]); err != nil {
				return err
			}
			if name == "PLTE" {
				havePalette = true
				for i := range int(n) / 3 {
					copy(d.palette[i][:3], b[3*i:])
				}
			} else {
				d.transparency(b[:n])
			}
			n = 0
		}
		if _, err := io.CopyN(io.Discard, d.in.r, n+4); err != nil { // its checksum too: what is not pixels may be damaged
			return err
		}
	}
	return fail(ErrFormat, "PNG without pixels among its first chunks")
}

func (d *pngDecoder) transparency(b []byte) {
	switch {
	case d.colour == pngPalette:
		for i, a := range b[:min(len(b), 256)] {
			d.palette[i][3] = a
		}
	case d.colour == pngGrey && len(b) >= 2:
		d.key[0], d.hasKey = binary.BigEndian.Uint16(b), true
	case d.colour == pngRGB && len(b) >= 6:
		for i := range d.key {
			d.key[i] = binary.BigEndian.Uint16(b[2*i:])
		}
		d.hasKey = true
	}
}

// adam7 are the passes of an interlaced picture: first pixel and step, along x and y.
var adam7 = [7][4]int{{0, 8, 0, 8}, {4, 8, 0, 8}, {0, 4, 4, 8}, {2, 4, 0, 4}, {0, 2, 2, 4}, {1, 2, 0, 2}, {0, 1, 1, 2}}

func (d *pngDecoder) passes(z *bufio.Reader) error {
	all := adam7[:]
	if !d.interlaced {
		all = [][4]int{{0, 1, 0, 1}}
	}
	row := make([]byte, d.rowBytes(d.w))
	buf := make([]byte, 32<<10)
	for _, p := range all {
		x0, dx, y0, dy := p[0], p[1], p[2], p[3]
		w := (d.w - x0 + dx - 1) / dx
		if w <= 0 || y0 >= d.h {
			continue
		}
		row := row[:d.rowBytes(w)]
		clear(row)
		for y := y0; y < d.h; y += dy {
			if err := d.ctx.Err(); err != nil {
				return err
			}
			if err := d.unfilter(z, row, buf); err != nil {
				return err
			}
			for x := 0; x < w; x += pngRun {
				d.convert(row, x, min(x+pngRun, w))
				for c := range d.out.planes {
					d.out.put(c, x0+x*dx, dx, y, d.line[c][:min(pngRun, w-x)])
				}
			}
			if !d.interlaced {
				d.rows = y + 1
				d.out.endRow(y)
			}
		}
	}
	if d.interlaced {
		d.rows = d.h
		d.out.end()
	}
	return nil
}

// unfilter reads a row in place of the one above, through buf.
func (d *pngDecoder) unfilter(z *bufio.Reader, row, buf []byte) error {
	filter, err := z.ReadByte()
	if err != nil {
		return err
	}
	if filter > 4 {
		return fail(ErrFormat, "PNG filter %d", filter)
	}
	n := max(d.bits()/8, 1)
	var left, corner [8]byte // of the pixel before: as it is now, and of the row above
	for len(row) > 0 {
		part := row[:min(len(row), len(buf)/24*24)] // whole pixels
		row = row[len(part):]
		in := buf[:len(part)]
		if _, err := io.ReadFull(z, in); err != nil {
			return err
		}
		switch filter {
		case 0:
			copy(part, in)
		case 2:
			for i, v := range in {
				part[i] += v
			}
		default:
			k := 0
			for i, v := range in {
				up := part[i]
				switch filter {
				case 1:
					v += left[k]
				case 3:
					v += byte((int(left[k]) + int(up)) / 2)
				case 4:
					v += paeth(left[k], up, corner[k])
				}
				part[i], left[k], corner[k] = v, v, up
				if k++; k == n {
					k = 0
				}
			}
		}
	}
	return nil
}

// paeth is the neighbour nearest to left + up − corner.
func paeth(left, up, corner byte) byte {
	a, b := int(up)-int(corner), int(left)-int(corner)
	c := a + b
	a, b, c = max(a, -a), max(b, -b), max(c, -c)
	switch {
	case a <= b && a <= c:
		return left
	case b <= c:
		return up
	}
	return corner
}

// convert makes samples of 8 bits on white of pixels from…to−1 of a row.
func (d *pngDecoder) convert(row []byte, from, to int) {
	r, g, b := d.line[0], d.line[1], d.line[2]
	step := 1 // bytes of a sample
	if d.depth == 16 {
		step = 2
	}
	sample := func(p []byte, i int) uint16 {
		if step == 2 {
			return binary.BigEndian.Uint16(p[2*i:])
		}
		return uint16(p[i])
	}
	switch d.colour {
	case pngGrey, pngPalette:
		scale := 255 / (1<<min(d.depth, 8) - 1)
		for k := range to - from {
			var v uint16
			if d.depth >= 8 {
				v = sample(row, from+k)
			} else {
				at := (from + k) * d.depth
				v = uint16(row[at/8]) >> (8 - d.depth - at%8) & (1<<d.depth - 1)
			}
			switch {
			case d.colour == pngPalette:
				c := &d.palette[v]
				r[k], g[k], b[k] = d.onWhite(c[0], c[3]), d.onWhite(c[1], c[3]), d.onWhite(c[2], c[3])
			case d.hasKey && v == d.key[0] && !d.asWritten:
				r[k] = 255
			case step == 2:
				r[k] = uint8(v >> 8)
			default:
				r[k] = uint8(int(v) * scale)
			}
		}
	case pngGreyAlpha:
		for k := range to - from {
			p := row[(from+k)*2*step:]
			if d.asWritten {
				r[k], g[k], b[k], d.line[3][k] = p[0], p[0], p[0], p[step]
				continue
			}
			r[k] = d.onWhite(p[0], p[step])
		}
	case pngRGB:
		for k := range to - from {
			p := row[(from+k)*3*step:]
			r[k], g[k], b[k] = p[0], p[step], p[2*step]
			if d.hasKey && !d.asWritten && sample(p, 0) == d.key[0] && sample(p, 1) == d.key[1] && sample(p, 2) == d.key[2] {
				r[k], g[k], b[k] = 255, 255, 255
			}
		}
	case pngRGBA:
		for k := range to - from {
			p := row[(from+k)*4*step:]
			a := p[3*step]
			r[k], g[k], b[k], d.line[3][k] = d.onWhite(p[0], a), d.onWhite(p[step], a), d.onWhite(p[2*step], a), a
		}
	}
}

func (d *pngDecoder) onWhite(v, alpha uint8) uint8 {
	if alpha == 255 || d.asWritten {
		return v
	}
	return uint8((uint32(v)*uint32(alpha) + 255*(255-uint32(alpha)) + 127) / 255)
}

// A pngChunkReader gives the bodies of the IDAT chunks.
type pngChunkReader struct {
	r    *bufio.Reader
	left int64 // of this chunk
}

// next reads the head of a chunk.
func (c *pngChunkReader) next() (name string, n int64, err error) {
	var b [8]byte
	if _, err := io.ReadFull(c.r, b[:]); err != nil {
		return "", 0, err
	}
	return string(b[4:]), int64(binary.BigEndian.Uint32(b[:])), nil
}

func (c *pngChunkReader) Read(p []byte) (int, error) {
	for c.left == 0 {
		if _, err := c.r.Discard(4); err != nil { // the checksum; that of all pixels comes at their end
			return 0, io.ErrUnexpectedEOF
		}
		name, n, err := c.next()
		if err != nil || name != "IDAT" {
			return 0, io.ErrUnexpectedEOF
		}
		c.left = n
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
