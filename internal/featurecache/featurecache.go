// Package featurecache keeps the regions of a list of pictures in a file, because extracting them takes
// minutes and training reads them a hundred times.
//
// A [Writer] appends items in order; stopped at any moment, the next one goes on behind the last whole item.
// The file has its name only when it is complete. A [Cache] is such a file, memory-mapped; [Cache.Load] gives
// any item and is safe for concurrent use. A cache knows what it was made of by its [Key], and is made again
// when that changes.
//
// # The file
//
// All numbers are little-endian, all checksums CRC-32C.
//
//	header   64 bytes: "ALADINFC", version u32, codec u32 (1 float16, 2 float32), features a region u32,
//	         views u32, items u32, checksum u32 of the other 60 bytes, key 32 bytes
//	chunks   one for each view of each item, items in order: length u32, checksum u32, then that many bytes:
//	         regions u32, width u32, height u32, boxes regions × 4 float32, features regions × dim in the
//	         codec, labels, tags; these are a count+1 as varint (0: none are known) and, for each, a length as varint
//	         and UTF-8. A picture that could not be used has regions = 0 in each view, and the reason as only tag.
//	offsets  of every chunk, u64, and of their end
//	trailer  16 bytes: offset of the offsets u64, their checksum u32, "FEND"
//
// A bit that flips is found when the chunk is loaded. A file written on one machine can be read on any other.
package featurecache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Version is that of the files written; others are made again.
//
//	1  the first
const Version = 1

const (
	magic       = "ALADINFC"
	endMagic    = "FEND"
	headerSize  = 64
	trailerSize = 16
	chunkHead   = 8
	maxChunk    = 1 << 30
)

var (
	// ErrKey is returned when a cache was made of other pictures, another extractor, or by another version.
	ErrKey = errors.New("feature cache is of something else")
	// ErrNotCache is returned when a file is something else altogether, which must not be overwritten.
	ErrNotCache = errors.New("no feature cache")
	// ErrCorrupt is returned when a cache is damaged. Removing the file mends it.
	ErrCorrupt = errors.New("feature cache is damaged; remove it and run again")
	// ErrInvalid is returned when what is to be written does not fit the cache's shape.
	ErrInvalid = errors.New("featurecache: item does not fit")
)

// A Key identifies all that decides the content of a cache.
type Key [32]byte

// Shape is the size of a cache.
type Shape struct {
	Items, Views int
	Dim          int  // features a region
	Exact        bool // float32, not float16
}

var table = crc32.MakeTable(crc32.Castagnoli)

func (s Shape) header(key Key) []byte {
	le := binary.LittleEndian
	b := append(make([]byte, 0, headerSize), magic...)
	b = le.AppendUint32(b, Version)
	codec := uint32(1)
	if s.Exact {
		codec = 2
	}
	b = le.AppendUint32(b, codec)
	b = le.AppendUint32(b, uint32(s.Dim))
	b = le.AppendUint32(b, uint32(s.Views))
	b = le.AppendUint32(b, uint32(s.Items))
	b = le.AppendUint32(b, crc32.Update(crc32.Checksum(b, table), table, key[:]))
	return append(b, key[:]...)
}

// parseHeader reads what header wrote.
func parseHeader(b []byte) (Shape, Key, error) {
	le := binary.LittleEndian
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return Shape{}, Key{}, ErrNotCache
	}
	if len(b) < headerSize {
		return Shape{}, Key{}, fmt.Errorf("%w: %d bytes", ErrCorrupt, len(b))
	}
	if v := le.Uint32(b[8:]); v != Version {
		return Shape{}, Key{}, fmt.Errorf("%w: version %d, want %d", ErrKey, v, Version)
	}
	if crc32.Update(crc32.Checksum(b[:28], table), table, b[32:64]) != le.Uint32(b[28:]) {
		return Shape{}, Key{}, fmt.Errorf("%w: checksum of the header", ErrCorrupt)
	}
	s := Shape{Dim: int(le.Uint32(b[16:])), Views: int(le.Uint32(b[20:])), Items: int(le.Uint32(b[24:])), Exact: le.Uint32(b[12:]) == 2}
	return s, Key(b[32:64]), s.check()
}

func (s Shape) check() error {
	if s.Items < 0 || s.Items > 1<<30 || s.Views < 1 || s.Views > 1<<10 || s.Dim < 1 || s.Dim > 1<<24 {
		return fmt.Errorf("%w: %d items of %d views with %d features", ErrInvalid, s.Items, s.Views, s.Dim)
	}
	return nil
}
