package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/aladin-go/aladin/internal/picture/picturetest"
)

// Pictures for the tests, made here byte by byte where the standard library has no encoder.

// flatJPEG is a w×h JPEG of one colour: components are stored as given, adobe is the colour
// transform of an APP14 marker (−1: none). sof is 0xc0 (baseline) or 0xc2 (progressive).
func flatJPEG(sof byte, w, h, adobe int, components ...byte) []byte {
	var b bytes.Buffer
	segment := func(marker byte, body ...byte) {
		b.Write([]byte{0xff, marker, byte((len(body) + 2) >> 8), byte(len(body) + 2)})
		b.Write(body)
	}
	b.Write([]byte{0xff, 0xd8})
	if adobe >= 0 {
		segment(0xee, append([]byte("Adobe\x00\x64\x00\x00\x00\x00"), byte(adobe))...)
	}
	segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...)
	frame := []byte{8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), byte(len(components))}
	scan := []byte{byte(len(components))}
	for i := range components {
		frame = append(frame, byte(i+1), 0x11, 0)
		scan = append(scan, byte(i+1), 0x00)
	}
	segment(sof, frame...)
	// DC: categories 0…11 as codes of four bits. AC: end of block as one bit.
	segment(0xc4, 0x00, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
	segment(0xc4, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	last := byte(63)
	if sof == 0xc2 {
		last = 0 // the only scan is that of the DC values
	}
	segment(0xda, append(scan, 0, last, 0)...)
	var bits bitWriter
	previous := make([]int, len(components))
	for range (w + 7) / 8 * ((h + 7) / 8) {
		for i, v := range components {
			dc := 8 * (int(v) - 128)
			diff := dc - previous[i]
			previous[i] = dc
			size := 0
			for m := max(diff, -diff); m > 0; m >>= 1 {
				size++
			}
			bits.msb(size, 4)
			if diff < 0 {
				diff += 1<<size - 1
			}
			bits.msb(diff, size)
			if sof == 0xc0 {
				bits.msb(0, 1)
			}
		}
	}
	bits.msb(0x7f, 7) // padding
	for _, v := range bits.bytes() {
		b.WriteByte(v)
		if v == 0xff {
			b.WriteByte(0)
		}
	}
	b.Write([]byte{0xff, 0xd9})
	return b.Bytes()
}

// bitWriter collects bits, one a byte.
type bitWriter struct{ bits []byte }

func (w *bitWriter) msb(v, n int) {
	for n--; n >= 0; n-- {
		w.bits = append(w.bits, byte(v>>n&1))
	}
}

func (w *bitWriter) bytes() []byte {
	out := make([]byte, len(w.bits)/8)
	for i := range out {
		for j := range 8 {
			out[i] |= w.bits[8*i+j] << (7 - j)
		}
	}
	return out
}

// exifBlock is an EXIF block that holds only an orientation.
func exifBlock(order binary.AppendByteOrder, o int) []byte {
	b := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM\x00*")
	}
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 1)
	b = order.AppendUint16(b, 0x0112)
	b = order.AppendUint16(b, 3)
	b = order.AppendUint32(b, 1)
	b = order.AppendUint16(b, uint16(o))
	return order.AppendUint32(b, 0)[:26]
}

// withExif puts the block where a JPEG, PNG or WebP keeps it.
func withExif(data, block []byte) []byte {
	switch Sniff(data) {
	case JPEG:
		body := append([]byte("Exif\x00\x00"), block...)
		head := append([]byte{0xff, 0xd8, 0xff, 0xe1, byte((len(body) + 2) >> 8), byte(len(body) + 2)}, body...)
		return append(head, data[2:]...)
	case PNG:
		const ihdr = 8 + 25
		return append(append(bytes.Clone(data[:ihdr]), picturetest.Chunk("eXIf", block)...), data[ihdr:]...)
	default:
		return picturetest.RIFF(append(bytes.Clone(data[riffHeader:]), picturetest.WebPChunk("EXIF", block)...))
	}
}

// hugePNG is the header of a picture that would take 10 GB.
func hugePNG() []byte { return picturetest.PNGHeader(50_000, 50_000, 8, 2) }

func encodeJPEG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}))
	return b.Bytes()
}

func encodePNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	return b.Bytes()
}

func encodeTIFF(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, tiff.Encode(&b, img, &tiff.Options{Compression: tiff.Deflate, Predictor: true}))
	return b.Bytes()
}

func encodeBMP(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, bmp.Encode(&b, img))
	return b.Bytes()
}

// rawFile is a raw file of a camera with a JPEG in it, as the second of two previews.
func rawFile(jpeg []byte, orientation uint32) []byte {
	b := append([]byte("II*\x00"), 8, 0, 0, 0, 4, 0)
	put := func(tag uint16, value uint32) {
		b = binary.LittleEndian.AppendUint16(b, tag)
		b = append(b, 4, 0, 1, 0, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, value)
	}
	const main, next = 8 + 2 + 4*12 + 4, 2 + 3*12 + 4
	put(tagPhotometric, 32803)
	put(tagOrientation, orientation)
	put(tagJPEGOffset, 9) // of nothing
	put(tagJPEGLength, 100)
	b = binary.LittleEndian.AppendUint32(b, main)
	b = append(b, 3, 0)
	put(tagCompression, 6)
	put(tagStripOffsets, main+next)
	put(tagStripCounts, uint32(len(jpeg)))
	b = append(b, 0, 0, 0, 0)
	return append(b, jpeg...)
}

func quarters(w, h int) *image.RGBA { return picturetest.Quarters(w, h) }
