package picture

import (
	"encoding/binary"
	"iter"
)

// A segment is a named part of a file: a marker segment of a JPEG, a chunk of a PNG or of a RIFF file.
type segment struct {
	name   string
	at, n  int64 // of its payload
	marker byte  // of a JPEG
}

// maxSegments bounds how many parts of a file are looked at.
const maxSegments = 1 << 16

// jpegSegments are the marker segments before the first scan, as far as they are whole.
func (in *input) jpegSegments() iter.Seq[segment] {
	return func(yield func(segment) bool) {
		at := int64(2)
		for range maxSegments {
			b, err := in.part(at, 4)
			if err != nil || b == nil || b[0] != 0xff {
				return
			}
			const fill, sos = 0xff, 0xda
			if b[1] == fill {
				at++
				continue
			}
			n := int64(binary.BigEndian.Uint16(b[2:])) // counts its own two bytes
			if b[1] == sos || n < 2 || at+2+n > in.size || !yield(segment{marker: b[1], at: at + 4, n: n - 2}) {
				return
			}
			at += 2 + n
		}
	}
}

// pngChunks are the chunks as far as they are whole.
func (in *input) pngChunks() iter.Seq[segment] {
	return func(yield func(segment) bool) {
		const signature, overhead = 8, 12 // length, type, CRC
		at := int64(signature)
		for range maxSegments {
			b, err := in.part(at, 8)
			if err != nil || b == nil {
				return
			}
			n := int64(binary.BigEndian.Uint32(b))
			if at+overhead+n > in.size || !yield(segment{name: string(b[4:8]), at: at + 8, n: n}) {
				return
			}
			at += overhead + n
		}
	}
}

const riffHeader = 12 // "RIFF", size, form

// riffChunks are the chunks of a RIFF file, as far as they are whole.
func (in *input) riffChunks() iter.Seq[segment] { return in.riffChunksIn(riffHeader, in.size) }

// riffChunksIn are those between two offsets.
func (in *input) riffChunksIn(at, end int64) iter.Seq[segment] {
	return func(yield func(segment) bool) {
		for range maxSegments {
			b, err := in.part(at, 8)
			if err != nil || b == nil {
				return
			}
			n := int64(binary.LittleEndian.Uint32(b[4:]))
			if at+8+n > end || !yield(segment{name: string(b[:4]), at: at + 8, n: n}) {
				return
			}
			at += 8 + n + n&1
		}
	}
}
