package index

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/aladin-go/aladin/internal/elem"
)

// rowTable is a view of bytes for some rows:
// `count uint64, count+1 × uint64 offsets, count × uint32 rows in ascending order, bytes`.
type rowTable struct {
	offsets []uint64
	rows    []uint32
	bytes   []byte
}

// appendRowTable encodes what rows have; those with nothing are left out.
func appendRowTable(b []byte, of map[uint32][]byte) []byte {
	rows := slices.Sorted(maps.Keys(of))
	rows = slices.DeleteFunc(rows, func(row uint32) bool { return len(of[row]) == 0 })
	if len(rows) == 0 {
		return b
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(len(rows)))
	at := uint64(0)
	for _, row := range rows {
		b = binary.LittleEndian.AppendUint64(b, at)
		at += uint64(len(of[row]))
	}
	b = binary.LittleEndian.AppendUint64(b, at)
	for _, row := range rows {
		b = binary.LittleEndian.AppendUint32(b, row)
	}
	for _, row := range rows {
		b = append(b, of[row]...)
	}
	return b
}

func readRowTable(b []byte) (rowTable, error) {
	if len(b) < 16 {
		return rowTable{}, fmt.Errorf("row table of %d bytes: %w", len(b), ErrCorrupt)
	}
	n := binary.LittleEndian.Uint64(b)
	const entry = 8 + 4
	if n > uint64(len(b)-16)/entry {
		return rowTable{}, fmt.Errorf("row table of %d bytes cannot hold %d rows: %w", len(b), n, ErrCorrupt)
	}
	rows := 16 + 8*int(n)
	return rowTable{
		offsets: elem.Load[uint64](b[8:rows]), rows: elem.Load[uint32](b[rows : rows+4*int(n)]), bytes: b[rows+4*int(n):],
	}, nil
}

// find returns what a row has as a view of the file.
func (t *rowTable) find(row int) (b []byte, ok bool, err error) {
	i, ok := slices.BinarySearch(t.rows, uint32(row))
	if !ok {
		return nil, false, nil
	}
	b, err = t.at(i)
	return b, true, err
}

func (t *rowTable) at(i int) ([]byte, error) {
	from, to := t.offsets[i], t.offsets[i+1]
	if from > to || to > uint64(len(t.bytes)) {
		return nil, fmt.Errorf("row %d spans %d to %d of %d bytes: %w", t.rows[i], from, to, len(t.bytes), ErrCorrupt)
	}
	return t.bytes[from:to], nil
}
