// Package featurecache keeps the regions of photos, because extracting them takes minutes and training reads them a hundred
// times. They are found by what a photo holds and by the extractor, whatever the set of photos or the command that asks.
//
// A [Store] is a folder of packs, files of up to 256 MB that records are appended to. Between Open and Freeze one goroutine
// finds and adds photos; after Freeze the packs are memory-mapped, and Load is safe for concurrent use. Processes share a
// folder: one at a time extracts for an extractor, and finds what the others did before it. Stopped at any moment, the next
// one goes on behind the last whole record. The folder is held within a number of bytes: the packs that were not used for
// longest go first, but none that the store itself has found something in.
//
// # A pack
//
// Its name is a hash of the extractor and a number. All numbers are little-endian, all checksums CRC-32C.
//
//	header   52 bytes: "ALADINFP", version u32, features a region u32, views u32, extractor 32 bytes
//	records  one a photo: length u32 of the chunks, checksum u32 of the other 68 bytes of this head, content 32 bytes (a hash
//	         of the file), stamp 32 bytes (a hash of its path, size and time), chunks
//	chunks   one a view: length u32, checksum u32, then that many bytes: regions u32, width u32, height u32, boxes
//	         regions × 4 float32, features regions × dim float16, labels, tags; these are a count+1 as varint (0: none are
//	         known) and, for each, a length as varint and UTF-8
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
//	1  a file for each set of photos
//	2  packs
const Version = 2

const (
	magic      = "ALADINFP"
	oldMagic   = "ALADINFC" // of version 1
	headerSize = 52
	recordHead = 72
	chunkHead  = 8
	maxChunk   = 1 << 30
)

var (
	// ErrCorrupt is returned when a pack is damaged. Removing the file mends it.
	ErrCorrupt = errors.New("kept regions are damaged; remove the file and run again")
	// ErrInvalid is returned when what is to be kept does not fit the store's shape.
	ErrInvalid = errors.New("featurecache: photo does not fit")
)

// A Key is a hash: of an extractor, of a photo's content or of its stamp.
type Key [32]byte

// Shape is what the regions of all photos of an extractor have in common.
type Shape struct {
	Views int
	Dim   int // features a region
}

var table = crc32.MakeTable(crc32.Castagnoli)

func (s Shape) check() error {
	if s.Views < 1 || s.Views > 1<<10 || s.Dim < 1 || s.Dim > 1<<24 {
		return fmt.Errorf("%w: %d views with %d features", ErrInvalid, s.Views, s.Dim)
	}
	return nil
}

// header begins a pack.
func (s Shape) header(extractor Key) []byte {
	le := binary.LittleEndian
	b := append(make([]byte, 0, headerSize), magic...)
	b = le.AppendUint32(b, Version)
	b = le.AppendUint32(b, uint32(s.Dim))
	b = le.AppendUint32(b, uint32(s.Views))
	return append(b, extractor[:]...)
}

// recordHeader begins a record with n bytes of chunks.
func recordHeader(b []byte, n int, content, stamp Key) {
	le := binary.LittleEndian
	le.PutUint32(b, uint32(n))
	copy(b[8:], content[:])
	copy(b[40:], stamp[:])
	le.PutUint32(b[4:], recordSum(b))
}

func recordSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:4], table), table, b[8:recordHead])
}

// parseRecordHeader reads what recordHeader wrote, and whether it is whole.
func parseRecordHeader(b []byte) (n int64, content, stamp Key, ok bool) {
	le := binary.LittleEndian
	if recordSum(b) != le.Uint32(b[4:]) {
		return 0, Key{}, Key{}, false
	}
	return int64(le.Uint32(b)), Key(b[8:40]), Key(b[40:recordHead]), true
}
