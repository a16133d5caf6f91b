package vision

import (
	"encoding/binary"
	"image"
)

// A chunk of a RIFF file: id and payload.
type chunk struct {
	id   string
	data []byte
}

// riffChunks lists the chunks of b (the part behind a RIFF header), as far as they are whole.
func riffChunks(b []byte) []chunk {
	var out []chunk
	for len(b) >= 8 {
		n := int64(binary.LittleEndian.Uint32(b[4:]))
		if n > int64(len(b)-8) {
			break
		}
		out = append(out, chunk{string(b[:4]), b[8 : 8+n]})
		b = b[min(8+n+n&1, int64(len(b))):]
	}
	return out
}

const webpHeader = 12 // "RIFF", size, "WEBP"

// firstFrame rewrites an animated WebP as a still one of its first frame, since the decoder knows
// only still ones; at is the frame's place on the canvas. Other files are returned as they are.
func firstFrame(data []byte) (still []byte, at image.Point, err error) {
	const animated, alpha = 1 << 1, 1 << 4
	chunks := riffChunks(data[webpHeader:])
	if len(chunks) == 0 || chunks[0].id != "VP8X" || len(chunks[0].data) < 10 || chunks[0].data[0]&animated == 0 {
		return data, at, nil
	}
	for _, c := range chunks {
		if c.id != "ANMF" {
			continue
		}
		if len(c.data) < 16 {
			return nil, at, fail(ErrFormat, "WebP frame header of %d bytes", len(c.data))
		}
		at = image.Pt(2*uint24(c.data), 2*uint24(c.data[3:]))
		body := c.data[16:]
		head := make([]byte, 0, webpHeader+18)
		head = append(head, "RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00"...)
		if len(body) >= 4 && string(body[:4]) == "ALPH" {
			head[webpHeader+8] = alpha
		}
		head = append(head, c.data[6:12]...)
		binary.LittleEndian.PutUint32(head[4:], uint32(len(head)-8+len(body)))
		canvas := chunks[0].data
		if at.X+uint24(c.data[6:])+1 > uint24(canvas[4:])+1 || at.Y+uint24(c.data[9:])+1 > uint24(canvas[7:])+1 {
			return nil, at, fail(ErrFormat, "WebP frame lies outside its canvas")
		}
		return append(head, body...), at, nil
	}
	return nil, at, fail(ErrTruncated, "animated WebP without a whole frame in %d bytes", len(data))
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
