package picture

import (
	"context"
	"image/color"
	"io"
)

// wide says whether a colour model has 16 bits a channel.
func wide(m color.Model) bool {
	switch m {
	case color.RGBA64Model, color.NRGBA64Model, color.Gray16Model:
		return true
	}
	return false
}

// tiffBlock is the file itself as a TIFF block, as far as orientation needs it.
func (in *input) tiffBlock() []byte {
	b, _ := in.part(0, min(in.size, maxExif))
	return b
}

// tiffCodec reads TIFF files and, of the raw files of cameras, which have the same form, the largest JPEG in
// them.
var tiffCodec = &codec{
	header: func(f *File) (header, error) {
		b, dirs := readTIFF(f.in, f.in.size)
		if f.Kind != Raw && !isRaw(b, dirs) {
			return tiffImage.header(f)
		}
		f.Kind = Raw
		var best *File
		for _, s := range previews(b, dirs) {
			p := &File{Kind: JPEG, opts: f.opts, in: &input{io.NewSectionReader(f.in, s.at, s.n), s.n}}
			var err error
			if p.header, err = jpegCodec.header(p); err != nil {
				continue
			}
			if p.header.turn == upright && len(dirs) > 0 {
				if o := dirs[0].find(tagOrientation).number(b.order, 0); o >= 1 && o <= 8 {
					p.header.turn = turn(o)
				}
			}
			if p.W, p.H = p.header.turn.size(p.header.w, p.header.h); best == nil || p.W*p.H > best.W*best.H {
				best = p
			}
		}
		if best == nil {
			return header{}, fail(ErrFormat, "camera raw without a JPEG preview")
		}
		f.raw = best
		return best.header, nil
	},
	cost: func(f *File) int64 {
		if f.raw != nil {
			f.raw.opts = f.opts
			return jpegCodec.cost(f.raw)
		}
		return tiffImage.cost(f)
	},
	decode: func(ctx context.Context, f *File) (*Picture, error) {
		if f.raw == nil {
			return tiffImage.decode(ctx, f)
		}
		f.raw.opts = f.opts
		return jpegCodec.decode(ctx, f.raw)
	},
}

// isRaw says whether a TIFF holds what a camera's sensor saw.
func isRaw(b *tiffBlock, dirs []directory) bool {
	for i := range dirs {
		d := &dirs[i]
		const filterArray, linear = 32803, 34892
		p := d.find(tagPhotometric).number(b.order, 0)
		if p == filterArray || p == linear || d.find(tagDNGVersion) != nil {
			return true
		}
	}
	return false
}

// previews are the places of what may be JPEG files.
func previews(b *tiffBlock, dirs []directory) []segment {
	var out []segment
	add := func(at, n int64) {
		if p := b.part(at, 3); n > 0 && at+n <= b.size && p != nil && Sniff(p) == JPEG {
			out = append(out, segment{at: at, n: n})
		}
	}
	for i := range dirs {
		d := &dirs[i]
		number := func(tag uint16) int64 { return d.find(tag).number(b.order, 0) }
		add(number(tagJPEGOffset), number(tagJPEGLength))
		const oldJPEG, newJPEG = 6, 7
		if c := number(tagCompression); c == oldJPEG || c == newJPEG {
			if e := d.find(tagStripOffsets); e != nil && e.numbers() == 1 {
				add(number(tagStripOffsets), number(tagStripCounts))
			}
		}
		if e := d.find(tagRW2JPEG); e != nil {
			add(e.at, e.count)
		}
	}
	return out
}
