package picturetest

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
)

// A PNG describes a file to write.
type PNG struct {
	W, H       int
	Depth      int  // bits a sample
	Colour     byte // type: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA
	Interlaced bool
	Row        func(pass, y int, row []byte) // fills a row of a pass; nil leaves zeros
	Filter     func(y int) byte              // of a row; nil is none
	Before     []byte                        // chunks between header and pixels
}

// Chunk is a chunk of a PNG with its checksum.
func Chunk(kind string, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(append(b, kind...), body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// Adam7 are the passes of an interlaced picture: first pixel and step, along x and y.
var Adam7 = [7][4]int{{0, 8, 0, 8}, {4, 8, 0, 8}, {0, 4, 4, 8}, {2, 4, 0, 4}, {0, 2, 2, 4}, {1, 2, 0, 2}, {0, 1, 1, 2}}

// PNGHeader is the beginning of a file.
func PNGHeader(w, h, depth int, colour byte) []byte { return header(w, h, depth, colour, false) }

func header(w, h, depth int, colour byte, interlaced bool) []byte {
	head := binary.BigEndian.AppendUint32(nil, uint32(w))
	head = append(binary.BigEndian.AppendUint32(head, uint32(h)), byte(depth), colour, 0, 0, 0)
	if interlaced {
		head[12] = 1
	}
	return append([]byte("\x89PNG\r\n\x1a\n"), Chunk("IHDR", head)...)
}

// Encode writes the file.
func (p *PNG) Encode() []byte {
	out := header(p.W, p.H, p.Depth, p.Colour, p.Interlaced)
	out = append(out, p.Before...)
	var data bytes.Buffer
	z, _ := zlib.NewWriterLevel(&data, zlib.BestSpeed)
	rows := bufio.NewWriterSize(z, 64<<10)
	passes := Adam7[:]
	if !p.Interlaced {
		passes = [][4]int{{0, 1, 0, 1}}
	}
	bits := p.Depth * map[byte]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[p.Colour]
	for pass, a := range passes {
		w := (p.W - a[0] + a[1] - 1) / a[1]
		if w <= 0 {
			continue
		}
		row, above := make([]byte, (w*bits+7)/8), make([]byte, (w*bits+7)/8)
		for y := a[2]; y < p.H; y += a[3] {
			if p.Row != nil {
				p.Row(pass, y, row)
			}
			var f byte
			if p.Filter != nil {
				f = p.Filter(y)
			}
			rows.WriteByte(f)
			rows.Write(filtered(f, row, above, max(bits/8, 1)))
			copy(above, row)
		}
	}
	rows.Flush()
	z.Close()
	for b := data.Bytes(); len(b) > 0; { // several chunks, as most encoders write
		n := min(len(b), 8<<10)
		out = append(out, Chunk("IDAT", b[:n])...)
		b = b[n:]
	}
	return append(out, Chunk("IEND", nil)...)
}

func filtered(f byte, row, above []byte, n int) []byte {
	if f == 0 {
		return row
	}
	out := make([]byte, len(row))
	for i, v := range row {
		var left, corner byte
		if i >= n {
			left, corner = row[i-n], above[i-n]
		}
		up := above[i]
		switch f {
		case 1:
			v -= left
		case 2:
			v -= up
		case 3:
			v -= byte((int(left) + int(up)) / 2)
		case 4:
			best, least := byte(0), 1<<10
			for _, c := range []byte{left, up, corner} {
				d := int(left) + int(up) - int(corner) - int(c)
				if d = max(d, -d); d < least {
					best, least = c, d
				}
			}
			v -= best
		}
		out[i] = v
	}
	return out
}
