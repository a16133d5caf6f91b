package index

import (
	"encoding/binary"
	"fmt"

	"github.com/aladin-go/aladin/internal/elem"
)

// stringTable is a view of `count uint32, count+1 × uint32 offsets, bytes`.
type stringTable struct {
	offsets []uint32
	bytes   []byte
}

func appendStringTable(b []byte, ss []string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ss)))
	at := uint32(0)
	for _, s := range ss {
		b = binary.LittleEndian.AppendUint32(b, at)
		at += uint32(len(s))
	}
	b = binary.LittleEndian.AppendUint32(b, at)
	for _, s := range ss {
		b = append(b, s...)
	}
	return b
}

func readStringTable(b []byte) (stringTable, error) {
	if len(b) < 8 {
		return stringTable{}, fmt.Errorf("string table of %d bytes: %w", len(b), ErrCorrupt)
	}
	n := int64(binary.LittleEndian.Uint32(b))
	if 4+4*(n+1) > int64(len(b)) {
		return stringTable{}, fmt.Errorf("string table of %d bytes cannot hold %d strings: %w", len(b), n, ErrCorrupt)
	}
	return stringTable{offsets: elem.Load[uint32](b[4 : 4+4*(n+1)]), bytes: b[4+4*(n+1):]}, nil
}

func (t stringTable) len() int { return max(len(t.offsets)-1, 0) }

// at returns string i as a view of the file.
func (t stringTable) at(i int) ([]byte, error) {
	from, to := t.offsets[i], t.offsets[i+1]
	if from > to || uint64(to) > uint64(len(t.bytes)) {
		return nil, fmt.Errorf("string %d spans %d to %d of %d bytes: %w", i, from, to, len(t.bytes), ErrCorrupt)
	}
	return t.bytes[from:to], nil
}
