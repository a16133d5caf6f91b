package shelve

import (
	"encoding/binary"
	"fmt"
	"math"
)

// GNU dbm's file begins with a header that tells where the directory lies, a table of the offsets of hash buckets, in
// which a bucket may be listed many times. A bucket has a list of free blocks, which are of no interest here, and its
// elements: the hash of a key, where key and value lie one after the other, and how long they are.
//
// Files of 64-bit systems have offsets of eight bytes, those of 32-bit systems offsets of four; the magic number tells
// which, and by its byte order that of the machine.

// A layout is where the parts of a gdbm file lie.
type layout struct {
	order  binary.ByteOrder
	offset int // bytes of an offset
	// In the header:
	dir, dirSize, bucketSize, bucketElems int
	// In a bucket:
	elements int // of its table
	element  int // size of one
	pointer  int // in an element; the two sizes follow it
}

// Magic numbers by size of offsets. Those of files with crash tolerance are one more, those of the first format neither.
var (
	magic32 = []uint32{0x13579acd, 0x13579ad0}
	magic64 = []uint32{0x13579acf, 0x13579ad1}
)

const oldMagic = 0x13579ace

func layoutOf(data []byte) (l layout, err error) {
	if len(data) < 64 {
		return l, fmt.Errorf("%w: neither of GNU dbm nor, with .dir and .dat, of dbm.dumb", ErrUnsupported)
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch m := order.Uint32(data); m {
		case magic64[0], magic64[1], oldMagic:
			return layout{order: order, offset: 8, dir: 8, dirSize: 16, bucketSize: 24, bucketElems: 28, elements: 112, element: 24, pointer: 8}, nil
		case magic32[0], magic32[1]:
			return layout{order: order, offset: 4, dir: 8, dirSize: 12, bucketSize: 20, bucketElems: 24, elements: 60, element: 20, pointer: 8}, nil
		}
	}
	return l, fmt.Errorf("%w: neither of GNU dbm nor, with .dir and .dat, of dbm.dumb", ErrUnsupported)
}

// readGNU lists the entries of a gdbm file.
func readGNU(data []byte) ([]entry, error) {
	l, err := layoutOf(data)
	if err != nil {
		return nil, err
	}
	number := func(at int) int { return int(int32(l.order.Uint32(data[at:]))) }
	offset := func(at int) uint64 {
		if l.offset == 4 {
			return uint64(l.order.Uint32(data[at:]))
		}
		return l.order.Uint64(data[at:])
	}
	// span is a part of the file, if it lies inside.
	span := func(what string, from uint64, length int) (int, error) {
		if length < 0 || from > uint64(len(data)) || uint64(length) > uint64(len(data))-from || from > math.MaxInt {
			return 0, fmt.Errorf("%w: %s at %d, of %d bytes, lies outside the file", ErrFormat, what, from, length)
		}
		return int(from), nil
	}
	size, elems := number(l.bucketSize), number(l.bucketElems)
	if elems < 1 || elems > (size-l.elements)/l.element {
		return nil, fmt.Errorf("%w: buckets of %d bytes with %d elements", ErrFormat, size, elems)
	}
	dir, err := span("the directory", offset(l.dir), number(l.dirSize))
	if err != nil {
		return nil, err
	}
	var entries []entry
	looked, held := 0, 0 // bytes of elements and of keys and values: nothing overlaps in an honest file
	seen := map[uint64]bool{}
	for at := dir; at+l.offset <= dir+number(l.dirSize); at += l.offset {
		where := offset(at)
		if seen[where] {
			continue
		}
		seen[where] = true
		bucket, err := span("a bucket", where, size)
		if err != nil {
			return nil, err
		}
		if looked += elems * l.element; looked > len(data) {
			return nil, fmt.Errorf("%w: buckets overlap", ErrFormat)
		}
		for i := range elems {
			e := bucket + l.elements + i*l.element
			if number(e) == -1 {
				continue
			}
			keySize, valueSize := number(e+l.pointer+l.offset), number(e+l.pointer+l.offset+4)
			if keySize < 0 || valueSize < 0 {
				return nil, fmt.Errorf("%w: a key of %d bytes and a value of %d", ErrFormat, keySize, valueSize)
			}
			from, err := span("a value", offset(e+l.pointer), keySize+valueSize)
			if err != nil {
				return nil, err
			}
			if held += keySize + valueSize; held > len(data) {
				return nil, fmt.Errorf("%w: values overlap", ErrFormat)
			}
			entries = append(entries, entry{string(data[from:][:keySize]), from + keySize, from + keySize + valueSize})
		}
	}
	return entries, nil
}
