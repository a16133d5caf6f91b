package featurecache

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"sync"
	"unicode/utf8"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/region"
)

// appendChunk appends a chunk with its head.
func (s Shape) appendChunk(b []byte, set *region.Set) []byte {
	le := binary.LittleEndian
	start := len(b)
	b = append(b, make([]byte, chunkHead)...)
	b = le.AppendUint32(b, uint32(set.Len()))
	b = le.AppendUint32(b, uint32(set.Width))
	b = le.AppendUint32(b, uint32(set.Height))
	for _, box := range set.Boxes {
		for _, v := range box {
			b = le.AppendUint32(b, math.Float32bits(v))
		}
	}
	for _, v := range set.Features {
		b = le.AppendUint16(b, elem.ToHalf(min(max(v, -elem.MaxHalf), elem.MaxHalf))) // larger ones are written as the largest
	}
	b = appendStrings(b, set.Labels)
	b = appendStrings(b, set.Tags)
	body := b[start+chunkHead:]
	le.PutUint32(b[start:], uint32(len(body)))
	le.PutUint32(b[start+4:], crc32.Checksum(body, table))
	return b
}

func appendStrings(b []byte, all []string) []byte {
	if all == nil {
		return binary.AppendUvarint(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(all))+1)
	for _, s := range all {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return b
}

// chunk cuts the body of a chunk out of b, which begins with its head, and checks it.
func chunk(b []byte) ([]byte, error) {
	if len(b) < chunkHead {
		return nil, fmt.Errorf("%w: it ends early", ErrCorrupt)
	}
	n := binary.LittleEndian.Uint32(b)
	if n > maxChunk || int64(n) > int64(len(b)-chunkHead) {
		return nil, fmt.Errorf("%w: %d bytes in the place of %d", ErrCorrupt, len(b)-chunkHead, n)
	}
	body := b[chunkHead : chunkHead+int(n)]
	if crc32.Checksum(body, table) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, fmt.Errorf("%w: wrong checksum", ErrCorrupt)
	}
	return body, nil
}

// halves are the values of all float16 numbers: looking one up takes a fifth of the time of computing it.
var halves = sync.OnceValue(func() *[1 << 16]float32 {
	var t [1 << 16]float32
	for i := range t {
		t[i] = elem.FromHalf(uint16(i))
	}
	return &t
})

// expand reads float16 numbers.
func expand(dst []float32, b []byte) {
	t := halves()
	b = b[:2*len(dst)]
	for i := range dst {
		dst[i] = t[binary.LittleEndian.Uint16(b[2*i:])]
	}
}

// parse reads the body of a chunk. The set shares nothing with b.
func (s Shape) parse(b []byte) (*region.Set, error) {
	if len(b) < 12 {
		return nil, fmt.Errorf("%w: no room for sizes", ErrCorrupt)
	}
	le := binary.LittleEndian
	n := int64(le.Uint32(b))
	set := &region.Set{Dim: s.Dim, Width: int(le.Uint32(b[4:])), Height: int(le.Uint32(b[8:]))}
	b = b[12:]
	const size = 2 // of a feature
	// A division, since n regions of any size cannot be trusted to be a small number.
	if n > int64(len(b))/(16+size*int64(s.Dim)) {
		return nil, fmt.Errorf("%w: %d regions in %d bytes", ErrCorrupt, n, len(b))
	}
	set.Boxes = make([]region.Box, n)
	for i := range set.Boxes {
		for k := range set.Boxes[i] {
			set.Boxes[i][k] = math.Float32frombits(le.Uint32(b[16*i+4*k:]))
		}
	}
	b = b[16*n:]
	end := n * size * int64(s.Dim)
	set.Features = make([]float32, n*int64(s.Dim))
	expand(set.Features, b[:end])
	var err error
	if set.Labels, b, err = takeStrings(b[end:]); err != nil {
		return nil, err
	}
	if set.Tags, b, err = takeStrings(b); err != nil {
		return nil, err
	}
	if len(b) != 0 || set.Labels != nil && len(set.Labels) != len(set.Boxes) {
		return nil, fmt.Errorf("%w: %d labels for %d regions, %d bytes left", ErrCorrupt, len(set.Labels), n, len(b))
	}
	return set, nil
}

func takeStrings(b []byte) ([]string, []byte, error) {
	count, k := binary.Uvarint(b)
	if k <= 0 || count > uint64(len(b)) {
		return nil, nil, fmt.Errorf("%w: number of labels or tags", ErrCorrupt)
	}
	b = b[k:]
	if count == 0 {
		return nil, b, nil
	}
	out := make([]string, 0, count-1)
	for range count - 1 {
		n, k := binary.Uvarint(b)
		if k <= 0 || n > uint64(len(b)-k) || !utf8.Valid(b[k:k+int(n)]) {
			return nil, nil, fmt.Errorf("%w: a label or tag", ErrCorrupt)
		}
		out, b = append(out, string(b[k:k+int(n)])), b[k+int(n):]
	}
	return out, b, nil
}
