package container

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/aladin-go/aladin/format"
)

const (
	magic    = "\x89ALADIN\n"
	metaSize = 64
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum is the CRC-32C used throughout the file.
func Checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// Meta is the content of a meta slot: which commit is current and where its
// manifest lies.
type Meta struct {
	Version    uint32
	Generation uint64
	Manifest   Extent
	End        int64
}

// Extent is a run of bytes with its checksum.
type Extent struct {
	Offset, Length int64
	CRC            uint32
}

func (e Extent) end() int64 { return e.Offset + e.Length }

func slotOffset(generation uint64) int64 { return int64(generation%2) * format.MetaPage }

func (m Meta) encode() []byte {
	b := make([]byte, metaSize)
	copy(b, magic)
	le := binary.LittleEndian
	le.PutUint32(b[8:], m.Version)
	le.PutUint64(b[16:], m.Generation)
	le.PutUint64(b[24:], uint64(m.Manifest.Offset))
	le.PutUint64(b[32:], uint64(m.Manifest.Length))
	le.PutUint64(b[40:], uint64(m.End))
	le.PutUint32(b[48:], m.Manifest.CRC)
	le.PutUint32(b[60:], Checksum(b[:60]))
	return b
}

// slotState tells what a slot's bytes are.
type slotState int

const (
	slotEmpty slotState = iota // never written: zeros
	slotTorn                   // no magic or a wrong checksum: a write that did not finish, or damage
	slotBad                    // checksum right, content impossible: never what a crash leaves
	slotGood
)

// decodeMeta checks magic, version, checksum and bounds, in this order, each
// with its own error.
func decodeMeta(b []byte, slot int, fileSize int64) (m Meta, state slotState, err error) {
	if allZero(b[:metaSize]) {
		return Meta{}, slotEmpty, nil
	}
	at := slot * format.MetaPage
	if string(b[:8]) != magic {
		return Meta{}, slotTorn, fmt.Errorf("meta slot %d at offset %d has no magic: %w", slot, at, format.ErrNotIndex)
	}
	le := binary.LittleEndian
	if le.Uint32(b[60:]) != Checksum(b[:60]) {
		return Meta{}, slotTorn, fmt.Errorf("meta slot %d at offset %d: bad checksum: %w", slot, at, format.ErrCorrupt)
	}
	m.Version = le.Uint32(b[8:])
	if m.Version < format.MinReadVersion || m.Version > format.Version {
		return Meta{}, slotBad, fmt.Errorf("meta slot %d: format version %d, this program reads %d to %d: %w",
			slot, m.Version, format.MinReadVersion, format.Version, format.ErrVersion)
	}
	m.Generation = le.Uint64(b[16:])
	off, length, end := le.Uint64(b[24:]), le.Uint64(b[32:]), le.Uint64(b[40:])
	m.Manifest.CRC = le.Uint32(b[48:])
	switch {
	case m.Generation == 0 || m.Generation%2 != uint64(slot):
		err = fmt.Errorf("generation %d cannot be in slot %d", m.Generation, slot)
	case end > uint64(fileSize):
		err = fmt.Errorf("commit %d ends at %d but the file has %d bytes (cut short?)", m.Generation, end, fileSize)
	case end%format.Alignment != 0 || off%format.Alignment != 0:
		err = fmt.Errorf("end %d or manifest offset %d not aligned to %d", end, off, format.Alignment)
	case off < format.DataStart || off > end || length > end-off || length > format.MaxManifest || end-off-length >= format.Alignment:
		err = fmt.Errorf("manifest [%d, +%d) does not end the commit at %d", off, length, end)
	}
	if err != nil {
		return Meta{}, slotBad, fmt.Errorf("meta slot %d: %v: %w", slot, err, format.ErrCorrupt)
	}
	m.Manifest.Offset, m.Manifest.Length, m.End = int64(off), int64(length), int64(end)
	return m, slotGood, nil
}

// readMeta returns the current commit of a file: the valid slot with the highest
// generation. One torn slot is what a crash leaves, so it is no error as long as
// the other is good. A slot that is whole but impossible (a file cut short, a
// newer version) is: falling back to the older commit would hide a loss.
func readMeta(f format.File) (Meta, error) {
	size, err := f.Size()
	if err != nil {
		return Meta{}, err
	}
	if size < format.DataStart {
		return Meta{}, fmt.Errorf("%d bytes, shorter than the two meta slots: %w", size, format.ErrNotIndex)
	}
	var slots [2][metaSize]byte
	for i := range slots {
		if err := readFull(f, slots[i][:], int64(i)*format.MetaPage); err != nil {
			return Meta{}, fmt.Errorf("meta slot %d: %w", i, err)
		}
	}
	// The size again, after the slots: a commit may have come in between, and
	// would seem cut short by the size before it.
	if size, err = f.Size(); err != nil {
		return Meta{}, err
	}
	var best Meta
	var torn error
	for slot := range slots {
		m, state, err := decodeMeta(slots[slot][:], slot, size)
		switch state {
		case slotBad:
			return Meta{}, err
		case slotTorn:
			if torn == nil || !errors.Is(err, format.ErrNotIndex) {
				torn = err
			}
		case slotGood:
			if m.Generation > best.Generation {
				best = m
			}
		}
	}
	switch {
	case best.Generation > 0:
		return best, nil
	case torn != nil:
		return Meta{}, torn
	}
	return Meta{}, fmt.Errorf("no commit in it: %w", format.ErrNotIndex)
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
