package picture

import (
	"context"
	"encoding/binary"
	"image"
	"io"
)

// A Codec decodes HEIC or AVIF, formats whose decoders are too large for every program.
type Codec struct {
	// Decode decodes the primary picture of a file of w×h pixels in at most Bytes(w·h) bytes.
	Decode func(r io.Reader, size int64, w, h int) (image.Image, error)
	Bytes  func(pixels int64) int64
	// Turns says that Decode turns pictures upright as the file's properties say.
	Turns bool
}

// Register makes a format readable, before any file is opened.
func Register(k Kind, c Codec) {
	codecs[k] = &codec{
		header: func(f *File) (header, error) {
			h, err := f.in.heifHeader()
			if err != nil {
				return h, err
			}
			if c.Turns {
				h.w, h.h = h.turn.size(h.w, h.h)
				h.turn = upright
			}
			return h, nil
		},
		cost: func(f *File) int64 {
			fx, fy := f.wholeReduction()
			return c.Bytes(int64(f.header.w)*int64(f.header.h)) + reducedBytes(f.header.w, f.header.h, fx, fy, 3, false)
		},
		decode: func(ctx context.Context, f *File) (*Picture, error) {
			h := f.header
			if n := c.Bytes(int64(h.w) * int64(h.h)); n > Budget {
				return nil, fail(ErrTooLarge, "%s of %d×%d pixels, which can only be decoded as a whole (%d bytes, limit %d)", f.Kind, h.w, h.h, n, int64(Budget))
			}
			return abandonable(ctx, f, func() (*Picture, error) {
				r := f.in.reader(ctx)
				img, err := c.Decode(r, f.in.size, h.w, h.h)
				if err != nil {
					return nil, f.failed(r, "pixels", err)
				}
				if b := img.Bounds(); b.Dx() != h.w || b.Dy() != h.h {
					return nil, fail(ErrFormat, "%s of %d×%d pixels has %d×%d", f.Kind, h.w, h.h, b.Dx(), b.Dy())
				}
				if m, ok := img.(*image.YCbCr); ok && h.studio {
					fullRange(m)
				}
				return fromImage(img, f), nil
			})
		},
	}
}

// A box of an ISO media file.
type box struct {
	kind    string
	at, end int64 // of its body
}

// boxes are those between two offsets, as far as they are whole, and no more than a file needs.
func (in *input) boxes(at, end int64) []box {
	const most = 4096
	var out []box
	for len(out) < most && at+8 <= end {
		b, err := in.part(at, 8)
		if err != nil || b == nil {
			break
		}
		n, head := int64(binary.BigEndian.Uint32(b)), int64(8)
		switch n {
		case 0:
			n = end - at
		case 1:
			long, err := in.part(at+8, 8)
			if err != nil || long == nil {
				return out
			}
			n, head = int64(binary.BigEndian.Uint64(long)), 16
		}
		if n < head || n > end-at {
			break
		}
		out = append(out, box{string(b[4:]), at + head, at + n})
		at += n
	}
	return out
}

// inside is the first box of a kind among some, or an empty one.
func inside(all []box, kind string) box {
	for _, b := range all {
		if b.kind == kind {
			return b
		}
	}
	return box{}
}

// maxProperties bounds the table of which properties an item has.
const maxProperties = 1 << 20

// heifHeader finds the size of the primary picture and how it lies.
func (in *input) heifHeader() (header, error) {
	bad := func(what string) (header, error) { return header{}, fail(ErrFormat, "HEIF without %s", what) }
	meta := inside(in.boxes(0, in.size), "meta")
	if meta.kind == "" {
		return bad("its description")
	}
	parts := in.boxes(meta.at+4, meta.end)
	primary, properties := inside(parts, "pitm"), in.boxes(inside(parts, "iprp").at, inside(parts, "iprp").end)
	b, err := in.part(primary.at, min(primary.end-primary.at, 8))
	if err != nil || len(b) < 6 {
		return bad("a primary picture")
	}
	id := uint32(binary.BigEndian.Uint16(b[4:]))
	if b[0] != 0 && len(b) >= 8 {
		id = binary.BigEndian.Uint32(b[4:])
	}
	container := inside(properties, "ipco")
	all := in.boxes(container.at, container.end)
	h := header{turn: upright}
	angle, mirror := 0, -1
	for _, i := range in.propertiesOf(properties, id) {
		if i < 1 || i > len(all) {
			continue
		}
		p := all[i-1]
		v, err := in.part(p.at, min(p.end-p.at, 12))
		if err != nil {
			return h, err
		}
		switch {
		case p.kind == "ispe" && len(v) >= 12:
			w, t := binary.BigEndian.Uint32(v[4:]), binary.BigEndian.Uint32(v[8:])
			if w > 1<<20 || t > 1<<20 {
				return h, fail(ErrTooLarge, "HEIF of %d×%d pixels", w, t)
			}
			h.w, h.h = int(w), int(t)
		case p.kind == "colr" && len(v) >= 11 && string(v[:4]) == "nclx":
			h.studio = v[10]>>7 == 0
		case p.kind == "irot" && len(v) >= 1:
			angle = int(v[0] & 3)
		case p.kind == "imir" && len(v) >= 1:
			mirror = int(v[0] & 1)
		}
	}
	// First turned to the left by quarters, then mirrored: 0 exchanges top and bottom, 1 left and right.
	h.turn = [3][4]turn{
		{upright, toTurnLeft, upsideDown, toTurnRight},
		{mirroredUpsideDown, transposed, mirrored, transposedAcross},
		{mirrored, transposedAcross, mirroredUpsideDown, transposed},
	}[mirror+1][angle]
	if h.w == 0 || h.h == 0 {
		return bad("a size")
	}
	return h, nil
}

// propertiesOf are the places of an item's properties in their container, from 1.
func (in *input) propertiesOf(properties []box, id uint32) (out []int) {
	for _, table := range properties {
		if table.kind != "ipma" || table.end-table.at > maxProperties {
			continue
		}
		b, err := in.part(table.at, table.end-table.at)
		if err != nil || len(b) < 8 {
			return out
		}
		wideIDs, wideIndex := b[0] > 0, b[3]&1 == 1
		b = b[8:]
		for {
			item, n := uint32(0), 3
			if wideIDs {
				n = 5
			}
			if len(b) < n {
				break
			}
			if wideIDs {
				item = binary.BigEndian.Uint32(b)
			} else {
				item = uint32(binary.BigEndian.Uint16(b))
			}
			count := int(b[n-1])
			b = b[n:]
			size := 1
			if wideIndex {
				size = 2
			}
			if len(b) < count*size {
				break
			}
			for i := range count {
				if item != id {
					break
				}
				if wideIndex {
					out = append(out, int(binary.BigEndian.Uint16(b[2*i:])&0x7fff))
				} else {
					out = append(out, int(b[i]&0x7f))
				}
			}
			b = b[count*size:]
		}
	}
	return out
}
