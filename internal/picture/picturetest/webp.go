package picturetest

import (
	"encoding/binary"
	"image/color"
)

// FlatWebP is a lossless w×h WebP of one colour.
func FlatWebP(w, h int, c color.NRGBA) []byte {
	return RIFF(WebPChunk("VP8L", vp8l(w, h, c)))
}

func vp8l(w, h int, c color.NRGBA) []byte {
	var bits bitWriter
	bits.lsb(w-1, 14)
	bits.lsb(h-1, 14)
	bits.lsb(1, 1) // alpha
	bits.lsb(0, 3+1+1+1)
	for _, symbol := range []uint8{c.G, c.R, c.B, c.A, 0} { // one-symbol codes take no bits a pixel
		bits.lsb(0b101, 3)
		bits.lsb(int(symbol), 8)
	}
	return append([]byte{0x2f}, bits.reversed()...)
}

// AnimatedWebP has a canvas of w×h and one frame of fw×fh at x, y (even numbers).
func AnimatedWebP(w, h, x, y, fw, fh int, c color.NRGBA) []byte {
	le24 := func(v int) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16)} }
	canvas := append([]byte{1<<1 | 1<<4, 0, 0, 0}, append(le24(w-1), le24(h-1)...)...)
	var frame []byte
	for _, v := range []int{x / 2, y / 2, fw - 1, fh - 1, 100} {
		frame = append(frame, le24(v)...)
	}
	frame = append(frame, 0)
	frame = append(frame, WebPChunk("VP8L", vp8l(fw, fh, c))...)
	return RIFF(append(append(WebPChunk("VP8X", canvas), WebPChunk("ANIM", make([]byte, 6))...), WebPChunk("ANMF", frame)...))
}

// WebPChunk is a chunk of a RIFF file.
func WebPChunk(id string, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(id), uint32(len(body)))
	b = append(b, body...)
	if len(body)%2 == 1 {
		b = append(b, 0)
	}
	return b
}

// RIFF is a WebP file of chunks.
func RIFF(chunks []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(chunks)+4))
	return append(append(b, "WEBP"...), chunks...)
}

// bitWriter collects bits, one a byte.
type bitWriter struct{ bits []byte }

func (w *bitWriter) lsb(v, n int) {
	for i := range n {
		w.bits = append(w.bits, byte(v>>i&1))
	}
}

func (w *bitWriter) reversed() []byte {
	out := make([]byte, (len(w.bits)+7)/8)
	for i, b := range w.bits {
		out[i/8] |= b << (i % 8)
	}
	return out
}
