package picture

import (
	"encoding/binary"
	"io"
	"math"
	"strings"
)

// Tags of TIFF and EXIF that are read.
const (
	tagSubfile      = 0x00fe
	tagCompression  = 0x0103
	tagPhotometric  = 0x0106
	tagDescription  = 0x010e
	tagStripOffsets = 0x0111
	tagOrientation  = 0x0112
	tagStripCounts  = 0x0117
	tagDateTime     = 0x0132
	tagSubIFDs      = 0x014a
	tagJPEGOffset   = 0x0201
	tagJPEGLength   = 0x0202
	tagXMP          = 0x02bc
	tagIPTC         = 0x83bb
	tagExifIFD      = 0x8769
	tagGPSIFD       = 0x8825
	tagOriginalTime = 0x9003
	tagTimeOffset   = 0x9011
	tagDNGVersion   = 0xc612
	tagRW2JPEG      = 0x002e
)

// Bounds of a walk through directories. Cameras write some ten directories of some fifty entries.
const (
	maxDirectories = 64
	maxEntries     = 1024
	maxValue       = 256 << 10
	maxValues      = 2 << 20 // of a whole block
)

// A tiffBlock is the bytes of a TIFF file, or of an EXIF block, which has the same form.
type tiffBlock struct {
	r     io.ReaderAt
	size  int64
	order binary.ByteOrder
	read  int64 // bytes of values
}

// An entry is a tag of a directory.
type entry struct {
	tag, kind uint16
	count     int64
	value     []byte // nil where it is too long or not there
	at        int64  // where a value lies that is not in the entry itself
}

// A directory is a list of tags.
type directory struct {
	group   uint16 // the tag that leads to it; 0 for those in the main chain
	entries []entry
}

// readTIFF reads all directories that can be reached, each once.
func readTIFF(r io.ReaderAt, size int64) (b *tiffBlock, all []directory) {
	b = &tiffBlock{r: r, size: size}
	head := b.part(0, 8)
	if head == nil {
		return b, nil
	}
	switch string(head[:2]) {
	case "II":
		b.order = binary.LittleEndian
	case "MM":
		b.order = binary.BigEndian
	default:
		return b, nil
	}
	type link struct {
		at    int64
		group uint16
	}
	queue := []link{{int64(b.order.Uint32(head[4:])), 0}}
	seen := map[int64]bool{}
	for len(queue) > 0 && len(all) < maxDirectories {
		l := queue[0]
		queue = queue[1:]
		if seen[l.at] || l.at == 0 {
			continue
		}
		seen[l.at] = true
		d, next := b.directory(l.at)
		d.group = l.group
		all = append(all, d)
		if l.group == 0 {
			queue = append(queue, link{next, 0})
		}
		for _, e := range d.entries {
			switch e.tag {
			case tagSubIFDs, tagExifIFD, tagGPSIFD:
				for i := range min(e.numbers(), 16) {
					queue = append(queue, link{e.number(b.order, i), e.tag})
				}
			}
		}
	}
	return b, all
}

// part is n bytes from an offset, nil where there are not so many.
func (b *tiffBlock) part(at, n int64) []byte {
	p, err := (&input{b.r, b.size}).part(at, n)
	if err != nil {
		return nil
	}
	return p
}

// directory reads the entries of one and the offset of the next, as far as they are there.
func (b *tiffBlock) directory(at int64) (d directory, next int64) {
	head := b.part(at, 2)
	if head == nil {
		return d, 0
	}
	n := int64(b.order.Uint16(head))
	if n > maxEntries {
		return d, 0
	}
	const size = 12
	at += 2
	for range n {
		p := b.part(at, size)
		if p == nil {
			return d, 0
		}
		at += size
		e := entry{tag: b.order.Uint16(p), kind: b.order.Uint16(p[2:]), count: int64(b.order.Uint32(p[4:]))}
		length := e.count * kindSize(e.kind)
		switch {
		case length <= 0:
		case length <= 4:
			e.value = p[8 : 8+length]
		default:
			if e.at = int64(b.order.Uint32(p[8:])); length <= maxValue && b.read+length <= maxValues {
				e.value = b.part(e.at, length)
				b.read += int64(len(e.value))
			}
		}
		d.entries = append(d.entries, e)
	}
	if p := b.part(at, 4); p != nil {
		next = int64(b.order.Uint32(p))
	}
	return d, next
}

// kindSize is the bytes of a value of one of TIFF's types, 0 for those that do not exist.
func kindSize(kind uint16) int64 {
	sizes := [...]int64{0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4}
	if int(kind) >= len(sizes) {
		return 0
	}
	return sizes[kind]
}

// find is the entry of a tag, or nil.
func (d *directory) find(tag uint16) *entry {
	for i := range d.entries {
		if d.entries[i].tag == tag {
			return &d.entries[i]
		}
	}
	return nil
}

// number is value i of an entry of whole numbers; −1 where there is none.
func (e *entry) number(order binary.ByteOrder, i int) int64 {
	if e == nil {
		return -1
	}
	n := kindSize(e.kind)
	if int64(i+1)*n > int64(len(e.value)) {
		return -1
	}
	p := e.value[int64(i)*n:]
	switch e.kind {
	case 1, 7:
		return int64(p[0])
	case 3:
		return int64(order.Uint16(p))
	case 4, 13:
		return int64(order.Uint32(p))
	}
	return -1
}

// numbers is how many values there are.
func (e *entry) numbers() int {
	if n := kindSize(e.kind); n > 0 {
		return int(int64(len(e.value)) / n)
	}
	return 0
}

// rational is value i of an entry of fractions; NaN where there is none.
func (e *entry) rational(order binary.ByteOrder, i int) float64 {
	const unsigned, size = 5, 8
	if e == nil || e.kind != unsigned || (i+1)*size > len(e.value) {
		return math.NaN()
	}
	p := e.value[i*size:]
	return float64(order.Uint32(p)) / float64(order.Uint32(p[4:]))
}

// text is a string of ASCII or, as many write, UTF-8.
func (e *entry) text() string {
	const ascii = 2
	if e == nil || e.kind != ascii {
		return ""
	}
	s, _, _ := strings.Cut(string(e.value), "\x00")
	return clean(s)
}
