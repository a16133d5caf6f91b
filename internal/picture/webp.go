package picture

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"io"

	"golang.org/x/image/webp"
)

// webpConfig reads the size of the canvas from the first chunk.
func webpConfig(r io.Reader) (c image.Config, err error) {
	var b [30]byte
	n, err := io.ReadFull(r, b[:])
	if err != nil && !(err == io.ErrUnexpectedEOF && n >= 25) {
		return c, err
	}
	body := b[20:]
	switch string(b[12:16]) {
	case "VP8X":
		c.Width, c.Height = uint24(body[4:])+1, uint24(body[7:])+1
	case "VP8L":
		bits := binary.LittleEndian.Uint32(body[1:])
		c.Width, c.Height = int(bits&(1<<14-1))+1, int(bits>>14&(1<<14-1))+1
	case "VP8 ":
		const size = 1<<14 - 1 // the upper bits are scales
		c.Width, c.Height = int(binary.LittleEndian.Uint16(body[6:])&size), int(binary.LittleEndian.Uint16(body[8:])&size)
	default:
		return c, errors.New("the first chunk is no picture")
	}
	return c, nil
}

// webp reads a still picture, or the first frame of an animation.
func (f *File) webp(ctx context.Context) (image.Image, image.Point, error) {
	r := f.in.reader(ctx)
	r.r = bufio.NewReader(r.r) // x/image/webp reads some bytes at a time
	frame, at, err := f.firstFrame()
	if err != nil {
		return nil, at, err
	}
	if frame != nil {
		r.r = bufio.NewReader(frame)
	}
	img, err := webp.Decode(r)
	if err != nil {
		return nil, at, f.failed(r, "pixels", err)
	}
	switch m := img.(type) {
	case *image.YCbCr:
		fullRange(m)
	case *image.NYCbCrA:
		fullRange(&m.YCbCr)
	}
	return img, at, nil
}

// webpBytes is what x/image/webp takes for a pixel.
func (f *File) webpBytes() int64 {
	const lossy, lossless = 3, 5
	for c := range f.in.riffChunks() {
		switch c.name {
		case "VP8 ":
			return lossy
		case "VP8L", "ALPH": // alpha may be stored as a lossless picture
			return lossless
		case "ANMF": // a frame may be smaller than its canvas
			return lossless + canvasBytes
		}
	}
	return lossless
}

// firstFrame is the first frame of an animated WebP as a still one, since the decoder knows only those; at
// is the frame's place on the canvas. It is nil for other files.
func (f *File) firstFrame() (still io.Reader, at image.Point, err error) {
	const animated, alpha = 1 << 1, 1 << 4
	var canvas []byte
	for c := range f.in.riffChunks() {
		if canvas == nil {
			canvas, err = f.in.part(c.at, min(c.n, 10))
			if err != nil || c.name != "VP8X" || len(canvas) < 10 || canvas[0]&animated == 0 {
				return nil, at, err
			}
			continue
		}
		if c.name != "ANMF" {
			continue
		}
		const frameHeader = 16
		b, err := f.in.part(c.at, min(c.n, frameHeader+4))
		if err != nil {
			return nil, at, err
		}
		if len(b) < frameHeader {
			return nil, at, fail(ErrFormat, "WebP frame header of %d bytes", len(b))
		}
		at = image.Pt(2*uint24(b), 2*uint24(b[3:]))
		if at.X+uint24(b[6:])+1 > uint24(canvas[4:])+1 || at.Y+uint24(b[9:])+1 > uint24(canvas[7:])+1 {
			return nil, at, fail(ErrFormat, "WebP frame lies outside its canvas")
		}
		body := c.n - frameHeader
		head := []byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00")
		if string(b[frameHeader:]) == "ALPH" {
			head[riffHeader+8] = alpha
		}
		head = append(head, b[6:12]...)
		binary.LittleEndian.PutUint32(head[4:], uint32(int64(len(head)-8)+body))
		return io.MultiReader(bytes.NewReader(head), io.NewSectionReader(f.in, c.at+frameHeader, body)), at, nil
	}
	if canvas == nil {
		return nil, at, nil
	}
	return nil, at, fail(ErrTruncated, "animated WebP without a whole frame in %d bytes", f.in.size)
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// fullRange stretches VP8's studio-range colours (luma 16…235, chroma 16…240) to the full range
// that image.YCbCr stands for; x/image/webp leaves that to its callers.
func fullRange(m *image.YCbCr) {
	var luma, chroma [256]uint8
	for i := range 256 {
		luma[i] = stretched(i-16, 219, 0)
		chroma[i] = stretched(i-128, 224, 128)
	}
	for i, v := range m.Y {
		m.Y[i] = luma[v]
	}
	for i, v := range m.Cb {
		m.Cb[i] = chroma[v]
	}
	for i, v := range m.Cr {
		m.Cr[i] = chroma[v]
	}
}

// stretched is v·255/span + zero, rounded and clamped.
func stretched(v, span, zero int) uint8 {
	x := (v*255*2 + span) / (2 * span)
	if v < 0 {
		x = (v*255*2 - span) / (2 * span)
	}
	return uint8(min(max(x+zero, 0), 255))
}
