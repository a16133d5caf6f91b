package hostile

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/gif"

	"github.com/aladin-go/aladin/internal/picture/picturetest"
)

// Pictures are files that claim or are to be pictures.
func Pictures() []Case {
	png := func(name string, p picturetest.PNG) Case {
		return Case{"PNG " + name, func() []byte { return p.Encode() }}
	}
	return []Case{
		png("1×64,000,000", picturetest.PNG{W: 1, H: 64_000_000, Depth: 8}),
		png("64,000,000×1", picturetest.PNG{W: 64_000_000, H: 1, Depth: 8}),
		png("1×1,000,000", picturetest.PNG{W: 1, H: 1_000_000, Depth: 8}),
		png("1×1,000,000, interlaced", picturetest.PNG{W: 1, H: 1_000_000, Depth: 8, Interlaced: true}),
		png("63×500,000 RGBA", picturetest.PNG{W: 63, H: 500_000, Depth: 8, Colour: 6}),
		png("8000×8000 RGBA of 16 bits", picturetest.PNG{W: 8000, H: 8000, Depth: 16, Colour: 6}),
		png("8000×8000 RGBA of 16 bits, interlaced", picturetest.PNG{W: 8000, H: 8000, Depth: 16, Colour: 6, Interlaced: true}),
		png("16000×16000 grey", picturetest.PNG{W: 16000, H: 16000, Depth: 8}),
		png("16000×16000 of 1 bit, interlaced", picturetest.PNG{W: 16000, H: 16000, Depth: 1, Interlaced: true}),
		{"PNG 250,000,000×1 of 16 bits", func() []byte {
			return append(picturetest.PNGHeader(250_000_000, 1, 16, 6), tail(8, 8)...)
		}},
		{"PNG of 50,000×50,000 without pixels", func() []byte { return picturetest.PNGHeader(50_000, 50_000, 8, 6) }},
		{"PNG of 2³¹−1 squared", func() []byte { return picturetest.PNGHeader(1<<31-1, 1<<31-1, 8, 6) }},
		{"PNG of two million empty chunks", func() []byte {
			b := picturetest.PNGHeader(8, 8, 8, 2)
			return append(b, bytes.Repeat(picturetest.Chunk("tEXt", nil), 2_000_000)...)
		}},
		{"PNG of two million empty IDATs", func() []byte {
			b := picturetest.PNGHeader(8, 8, 8, 2)
			return append(b, bytes.Repeat(picturetest.Chunk("IDAT", nil), 2_000_000)...)
		}},
		{"PNG with a long text", func() []byte {
			p := picturetest.PNG{W: 8, H: 8, Depth: 8, Before: picturetest.Chunk("iTXt", bytes.Repeat([]byte("XML:com.adobe.xmp\x00"), 1<<20))}
			return p.Encode()
		}},
		{"PNG of zlib data behind its pixels", func() []byte {
			return append(picturetest.PNGHeader(8, 8, 8, 2), tail(1000, 100_000)...)
		}},

		{"JPEG of 100 end-of-band scans over 8000²", func() []byte { return scans(8000, 100, 0x22, 0x11, 0x11) }},
		{"JPEG of 5000 scans over 8000²", func() []byte { return scans(8000, 5000, 0x11) }},
		{"JPEG of 30 scans over 16000²", func() []byte { return scans(16000, 30, 0x11, 0x11, 0x11) }},
		{"JPEG of 65500² without pixels", func() []byte { return picturetest.NewJPEG(0xc0, 65500, 65500, 1, 0x22, 0x11, 0x11).End() }},
		{"JPEG of 16000² without pixels", func() []byte {
			j := picturetest.NewJPEG(0xc2, 16000, 16000, 1, 0x44, 0x44, 0x44)
			j.Scan(0, 0, 0, 0, 1)
			return j.End()
		}},
		{"JPEG of refinements", refinements},
		{"JPEG 1×65500", func() []byte { return baseline(1, 65500, 0x42, 0x11, 0x11) }},
		{"JPEG 65500×1", func() []byte { return baseline(65500, 1, 0x42, 0x11, 0x11) }},
		{"JPEG of 200 megapixels", func() []byte { return baseline(16320, 12240, 0x22, 0x11, 0x11) }},
		{"JPEG of 2000×65500", func() []byte { return baseline(2000, 65500, 0x11) }},
		{"JPEG of odd samplings", func() []byte { return baseline(5000, 5000, 0x11, 0x42, 0x11) }},
		{"JPEG of 15000², CMYK", func() []byte { return baseline(15000, 15000, 0x11, 0x11, 0x11, 0x11) }},
		{"JPEG of 15000², progressive", progressive},
		{"JPEG of a million segments", func() []byte {
			return append(append([]byte{0xff, 0xd8}, bytes.Repeat([]byte{0xff, 0xe1, 0, 2}, 1_000_000)...), baseline(8, 8, 0x11)[2:]...)
		}},
		{"JPEG of ten million fill bytes", func() []byte {
			return append(append([]byte{0xff, 0xd8}, bytes.Repeat([]byte{0xff}, 10_000_000)...), baseline(8, 8, 0x11)[3:]...)
		}},
		{"JPEG whose EXIF directories point at each other", func() []byte { return withExif(loop()) }},
		{"JPEG whose EXIF has 64 directories of 1024 long values", func() []byte { return withExif(longValues()) }},
		{"JPEG with a large restart interval", func() []byte {
			j := picturetest.NewJPEG(0xc0, 100, 100, 1, 0x11)
			j.Segment(0xdd, 0, 1)
			j.Scan(0, 63, 0, 0, 1)
			for range 10_000 {
				j.Write([]byte{0xff, 0xd0})
			}
			return j.End()
		}},

		{"GIF of 65,535×65,535", func() []byte { return gifOf(65535, 65535, 1) }},
		{"GIF of 12,000×12,000 in one byte", func() []byte { return gifOf(12000, 12000, 1) }},
		{"GIF of 5000×5000", func() []byte { return wholeGIF(5000, 5000, 1) }},
		{"GIF of 200 frames", func() []byte { return wholeGIF(1000, 1000, 200) }},
		{"GIF whose second frame is broken", func() []byte { b := wholeGIF(100, 100, 2); return append(b[:len(b)-100], 0xff, 0xff) }},

		{"WebP of 16,383², lossless", func() []byte { return picturetest.FlatWebP(16383, 16383, color.NRGBA{1, 2, 3, 255}) }},
		{"WebP of 5000², lossless", func() []byte { return picturetest.FlatWebP(5000, 5000, color.NRGBA{1, 2, 3, 200}) }},
		{"WebP of 16,383², lossy", func() []byte { return lossy(16383, 16383) }},
		{"WebP of 9000², lossy", func() []byte { return lossy(9000, 9000) }},
		{"WebP animated, of a frame on 16,000²", func() []byte {
			return picturetest.AnimatedWebP(16000, 16000, 0, 0, 2, 2, color.NRGBA{1, 2, 3, 255})
		}},
		{"WebP of a million chunks", func() []byte {
			return picturetest.RIFF(bytes.Repeat([]byte("ABCD\x00\x00\x00\x00"), 1_000_000))
		}},

		{"BMP of 30,000²", func() []byte { return bmp(30_000, 30_000, 100) }},
		{"BMP of 2,000,000×1", func() []byte { return bmp(2_000_000, 1, 6_000_000) }},
		{"TIFF of 30,000²", func() []byte { return tiff(30_000, 30_000, 30_000, 1<<31) }},
		{"TIFF of a strip for each row", func() []byte { return tiff(4, 1<<20, 1, 4) }},
		{"TIFF of one huge strip", func() []byte { return tiff(4000, 4000, 4000, 1<<31) }},
		{"TIFF whose directories point at each other", loop},
		{"TIFF of 64 directories of 1024 long values", longValues},
		{"raw file whose preview is itself", func() []byte {
			b := tiffFile([][3]uint32{{0x0106, 3, 32803}, {0x0201, 4, 8}, {0x0202, 4, 0xffff}})
			return b
		}},

		{"nothing", func() []byte { return []byte{} }},
		{"one byte", func() []byte { return []byte{0xff} }},
		{"text", func() []byte { return bytes.Repeat([]byte("photo "), 1<<20) }},
		{"zeros", func() []byte { return make([]byte, 64<<20) }},
	}
}

// tail is what follows the header of a grey PNG.
func tail(w, h int) []byte {
	p := picturetest.PNG{W: w, H: h, Depth: 8}
	return p.Encode()[len(picturetest.PNGHeader(w, h, 8, 0)):]
}

// scans is a progressive JPEG of n scans, of a few bytes each, that visit every block.
func scans(side, n int, sampling ...byte) []byte {
	j := picturetest.NewJPEG(0xc2, side, side, 1, sampling...)
	emptyScans(j, side, n)
	return j.End()
}

func emptyScans(j *picturetest.JPEG, side, n int) {
	blocks := (side + 7) / 8 * ((side + 7) / 8)
	for range n {
		j.Scan(1, 63, 0, 0, 1)
		for left := blocks; left > 0; left -= 32767 {
			j.Symbol(0xe0) // an end of band for 32,767 blocks
			j.Bits(0x3fff, 14)
		}
		j.EndScan()
	}
}

// progressive is a large JPEG that is as it should be, and flat.
func progressive() []byte {
	const side = 15000
	j := picturetest.NewJPEG(0xc2, side, side, 1, 0x22, 0x11, 0x11)
	j.Scan(0, 0, 0, 0, 1, 2, 3)
	for range (side + 15) / 16 * ((side + 15) / 16) * 6 {
		j.DC(0)
	}
	j.EndScan()
	emptyScans(j, side, 12)
	return j.End()
}

// refinements is a JPEG all of whose coefficients are refined again and again.
func refinements() []byte {
	const side = 1024
	j := picturetest.NewJPEG(0xc2, side, side, 1, 0x11)
	var block [64]int
	for z := range block {
		block[z] = 1 << 13
	}
	j.Scan(0, 0, 0, 13, 1)
	for i := range side / 8 * side / 8 {
		j.DC(max(0, 1-i))
	}
	j.EndScan()
	j.Scan(1, 63, 0, 13, 1)
	for range side / 8 * side / 8 {
		j.AC(&block, 1, 63, 13)
	}
	j.EndScan()
	for al := 12; al >= 0; al-- {
		j.Scan(1, 63, byte(al+1), byte(al), 1)
		for range side / 8 * side / 8 {
			j.Refine(&block, 1, 63, uint(al))
		}
		j.EndScan()
	}
	return j.End()
}

// baseline is a grey JPEG, two bytes a block.
func baseline(w, h int, sampling ...byte) []byte {
	j := picturetest.NewJPEG(0xc0, w, h, 1, sampling...)
	components := make([]byte, len(sampling))
	hmax, vmax, each := 1, 1, 0
	for i, s := range sampling {
		components[i] = byte(i + 1)
		if len(sampling) > 1 {
			hmax, vmax = max(hmax, int(s>>4)), max(vmax, int(s&15))
		}
		each += int(s>>4) * int(s&15)
	}
	if len(sampling) == 1 {
		each = 1
	}
	j.Scan(0, 63, 0, 0, components...)
	for range (w + 8*hmax - 1) / (8 * hmax) * ((h + 8*vmax - 1) / (8 * vmax)) * each {
		j.DC(0)
		j.Symbol(0)
	}
	j.EndScan()
	return j.End()
}

func withExif(block []byte) []byte {
	b := baseline(64, 64, 0x11)
	body := append([]byte("Exif\x00\x00"), block...)
	body = body[:min(len(body), 0xfffd)]
	head := append([]byte{0xff, 0xd8, 0xff, 0xe1, byte((len(body) + 2) >> 8), byte(len(body) + 2)}, body...)
	return append(head, b[2:]...)
}

// loop is a TIFF block of two directories that point at each other.
func loop() []byte {
	b := append([]byte("II*\x00"), 8, 0, 0, 0)
	for _, next := range []uint32{26, 8} {
		b = append(b, 1, 0, 0x69, 0x87, 4, 0, 1, 0, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, next)
		b = binary.LittleEndian.AppendUint32(b, next)
	}
	return b
}

// longValues is a TIFF block whose many values are all the same long one.
func longValues() []byte {
	b := append([]byte("II*\x00"), 8, 0, 0, 0)
	for d := range 64 {
		b = binary.LittleEndian.AppendUint16(b, 1024)
		for i := range 1024 {
			b = binary.LittleEndian.AppendUint16(b, uint16(0x8000+i))
			b = binary.LittleEndian.AppendUint16(b, 1)
			b = binary.LittleEndian.AppendUint32(b, 256<<10)
			b = binary.LittleEndian.AppendUint32(b, 8)
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(8+(d+1)*(2+1024*12+4)))
	}
	return append(b, make([]byte, 256<<10)...)
}

// tiffFile is a TIFF of one directory with values that fit their entries.
func tiffFile(tags [][3]uint32) []byte {
	b := append([]byte("II*\x00"), 8, 0, 0, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(tags)))
	for _, t := range tags {
		b = binary.LittleEndian.AppendUint16(b, uint16(t[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(t[1]))
		b = binary.LittleEndian.AppendUint32(b, 1)
		b = binary.LittleEndian.AppendUint32(b, t[2])
	}
	return append(b, make([]byte, 64)...)
}

func tiff(w, h, rows, count uint32) []byte {
	return tiffFile([][3]uint32{
		{0x0100, 4, w}, {0x0101, 4, h}, {0x0102, 3, 8}, {0x0103, 3, 1}, {0x0106, 3, 1}, {0x0111, 4, 8},
		{0x0115, 3, 1}, {0x0116, 4, rows}, {0x0117, 4, count},
	})
}

func bmp(w, h, n int) []byte {
	b := append([]byte("BM"), make([]byte, 8)...)
	b = binary.LittleEndian.AppendUint32(b, 54)
	b = binary.LittleEndian.AppendUint32(b, 40)
	b = binary.LittleEndian.AppendUint32(b, uint32(w))
	b = binary.LittleEndian.AppendUint32(b, uint32(h))
	b = append(b, 1, 0, 24, 0)
	return append(append(b, make([]byte, 24)...), make([]byte, n)...)
}

// gifOf is a GIF that claims a size, with a little data.
func gifOf(w, h, n int) []byte {
	b := append([]byte("GIF89a"), byte(w), byte(w>>8), byte(h), byte(h>>8), 0x80, 0, 0, 0, 0, 0, 255, 255, 255)
	b = append(b, 0x2c, 0, 0, 0, 0, byte(w), byte(w>>8), byte(h), byte(h>>8), 0, 2)
	return append(append(b, byte(n)), make([]byte, n)...)
}

func wholeGIF(w, h, frames int) []byte {
	var g gif.GIF
	for range frames {
		g.Image = append(g.Image, image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.Black, color.White}))
		g.Delay = append(g.Delay, 0)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &g); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// lossy is a WebP of a lossy frame whose data are zeros.
func lossy(w, h int) []byte {
	part := make([]byte, 1<<20)
	frame := []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, byte(w), byte(w >> 8), byte(h), byte(h >> 8)}
	size := uint32(len(part) / 2)
	head := uint32(frame[0]) | size<<5
	frame[0], frame[1], frame[2] = byte(head), byte(head>>8), byte(head>>16)
	return picturetest.RIFF(picturetest.WebPChunk("VP8 ", append(frame, part...)))
}
