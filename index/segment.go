package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"sort"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/container"
	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/vector"
)

// segment is a view of one segment of a mapped file. The lengths of its sections
// are checked when it is opened; what they say is checked when it is used, so
// that opening touches next to nothing.
type segment struct {
	n     int
	store *store
	info  *container.Segment

	kinds     []byte
	idOffsets []uint32
	idBytes   []byte
	idOrder   []uint32 // nil: rows are in order of id
	cellStart []uint32 // nil: no cells

	rows    vector.Rows
	rescore *vector.Rows  // bits only; nil when only bits are kept
	signs   *vector.Signs // of rows in cells; nil in older segments

	tokenFirst  []uint32
	tokenOffset []uint64
	tokenBlocks []byte
	weights     []float32
	boxes       []uint16
	labels      []uint16
	labelNames  stringTable

	tags    stringTable
	tagRows []byte

	dead *roaring.Bitmap // nil: none
	live []uint64        // bit set of rows; nil: all live

	recordIndex []uint64
	recordBytes []byte

	states rowTable
	edited rowTable // records and states that replace the older ones
}

// sectionReader hands out a segment's sections, checking their lengths.
type sectionReader struct {
	r   *container.Reader
	seg *container.Segment
	err error
}

// bytes returns the section of a kind, which must have size bytes; -1 is any.
func (sr *sectionReader) bytes(k format.Kind, size int64, must bool) []byte {
	s, ok := sr.seg.Section(k)
	if sr.err != nil || !ok && !must {
		return nil
	}
	switch {
	case !ok:
		sr.err = fmt.Errorf("%v missing: %w", k, ErrCorrupt)
	case size >= 0 && s.Length != size:
		sr.err = fmt.Errorf("%v of %d bytes at offset %d, expected %d: %w", k, s.Length, s.Offset, size, ErrCorrupt)
	default:
		return sr.r.Bytes(s)
	}
	return nil
}

func openSegment(r *container.Reader, st *store, info *container.Segment) (*segment, error) {
	s := &segment{n: info.Items, store: st, info: info}
	sr := &sectionReader{r: r, seg: info}
	n := int64(s.n)
	s.kinds = sr.bytes(format.KindItem, n, true)
	ids := sr.bytes(format.KindID, -1, true)
	if sr.err == nil && int64(len(ids)) < 4*(n+1) {
		sr.err = fmt.Errorf("ids of %d bytes for %d items: %w", len(ids), n, ErrCorrupt)
	}
	if sr.err != nil {
		return nil, sr.err
	}
	s.idOffsets, s.idBytes = elem.Load[uint32](ids[:4*(n+1)]), ids[4*(n+1):]
	s.idOrder = elem.Load[uint32](sr.bytes(format.KindIDOrder, 4*n, false))
	s.openMatch(sr)
	s.openTokens(sr)
	s.openRecords(sr)
	s.openTags(sr)
	s.openRowTables(sr)
	s.openTombstones(sr)
	return s, sr.err
}

func (s *segment) openMatch(sr *sectionReader) {
	dim, n := s.store.dim, int64(s.n)
	rows := func(codec Codec, kind, scaleKind format.Kind) vector.Rows {
		r := vector.Rows{Codec: codec, Dim: dim, N: s.n, Codes: sr.bytes(kind, n*int64(vector.RowBytes(codec, dim)), true)}
		if vector.HasScale(codec) {
			r.Scales = elem.Load[float32](sr.bytes(scaleKind, 4*n, true))
		}
		return r
	}
	s.rows = rows(s.store.opts.Match, format.KindMatch, format.KindMatchScale)
	if s.store.rescores() {
		r := rows(Int8, format.KindRescore, format.KindRescoreScale)
		s.rescore = &r
	}
	if s.store.cells != nil {
		s.cellStart = elem.Load[uint32](sr.bytes(format.KindCellStart, 4*int64(s.store.cells.n+1), false))
		s.openSigns(sr)
	}
	if sr.err == nil {
		if err := s.rows.Validate(); err != nil {
			sr.err = fmt.Errorf("matching vectors: %v: %w", err, ErrCorrupt)
		}
	}
}

func (s *segment) openSigns(sr *sectionReader) {
	if s.store.cells.lengths == nil || s.cellStart == nil {
		return
	}
	codes := sr.bytes(format.KindSign, int64(s.n)*int64(vector.RowBytes(vector.Bits, s.store.dim)), false)
	if codes != nil {
		s.signs = &vector.Signs{Dim: s.store.dim, N: s.n, Codes: codes,
			Factors: elem.Load[float32](sr.bytes(format.KindSignFactor, 4*int64(s.n), true))}
	}
}

// fine are the best codes of the matching vectors.
func (s *segment) fine() *vector.Rows {
	if s.rescore != nil {
		return s.rescore
	}
	return &s.rows
}

func (s *segment) openTokens(sr *sectionReader) {
	if s.store.tokens == nil {
		return
	}
	n, t := int64(s.n), s.info.Tokens
	s.tokenBlocks = sr.bytes(format.KindToken, -1, t > 0)
	if s.tokenBlocks == nil {
		return
	}
	s.tokenFirst = elem.Load[uint32](sr.bytes(format.KindTokenFirst, 4*(n+1), true))
	s.tokenOffset = elem.Load[uint64](sr.bytes(format.KindTokenOffset, 8*n, true))
	s.weights = elem.Load[float32](sr.bytes(format.KindTokenWeight, 4*t, false))
	s.boxes = elem.Load[uint16](sr.bytes(format.KindBox, 8*t, false))
	s.labels = elem.Load[uint16](sr.bytes(format.KindLabel, 2*t, false))
	if names := sr.bytes(format.KindLabelName, -1, s.labels != nil); names != nil && sr.err == nil {
		s.labelNames, sr.err = readStringTable(names)
	}
}

func (s *segment) openRecords(sr *sectionReader) {
	blocks := int64(s.n+format.RecordsPerBlock-1) / format.RecordsPerBlock
	s.recordBytes = sr.bytes(format.KindRecord, -1, false)
	if s.recordBytes != nil {
		s.recordIndex = elem.Load[uint64](sr.bytes(format.KindRecordIndex, 8*(blocks+1), true))
	}
}

func (s *segment) openRowTables(sr *sectionReader) {
	for kind, t := range map[format.Kind]*rowTable{format.KindState: &s.states, format.KindEdit: &s.edited} {
		if b := sr.bytes(kind, -1, false); b != nil && sr.err == nil {
			*t, sr.err = readRowTable(b)
		}
	}
}

// edit returns the record and the state of a row whose item was updated, as views of the file.
func (s *segment) edit(row int) (record, state []byte, ok bool, err error) {
	b, ok, err := s.edited.find(row)
	if ok && err == nil {
		record, state, err = splitEdit(b)
	}
	return record, state, ok, err
}

// state returns what an item's State is, as a view of the file.
func (s *segment) state(row int) ([]byte, error) {
	if _, state, ok, err := s.edit(row); ok || err != nil {
		return state, err
	}
	b, _, err := s.states.find(row)
	return b, err
}

func (s *segment) openTags(sr *sectionReader) {
	names := sr.bytes(format.KindTag, -1, false)
	if names == nil || sr.err != nil {
		return
	}
	if s.tags, sr.err = readStringTable(names); sr.err != nil {
		return
	}
	s.tagRows = sr.bytes(format.KindTagRows, -1, true)
	if sr.err == nil && len(s.tagRows) < 8*(s.tags.len()+1) {
		sr.err = fmt.Errorf("tag rows of %d bytes for %d tags: %w", len(s.tagRows), s.tags.len(), ErrCorrupt)
	}
}

func (s *segment) openTombstones(sr *sectionReader) {
	b := sr.bytes(format.KindTombstone, -1, s.info.Deleted > 0)
	if b == nil {
		return
	}
	dead, err := readRows(b, s.n)
	if err != nil {
		sr.err = fmt.Errorf("tombstones: %w", err)
		return
	}
	if dead.GetCardinality() != uint64(s.info.Deleted) {
		sr.err = fmt.Errorf("%d tombstones, the manifest says %d: %w", dead.GetCardinality(), s.info.Deleted, ErrCorrupt)
		return
	}
	s.dead = dead
	s.live = newRowSet(s.n, true)
	for it := dead.Iterator(); it.HasNext(); {
		row := it.Next()
		s.live[row/64] &^= 1 << (row % 64)
	}
}

// readRows decodes a bitmap of rows below n, trusting nothing: the library's
// reader can panic on bytes that are no bitmap.
func readRows(b []byte, n int) (rows *roaring.Bitmap, err error) {
	defer func() {
		if p := recover(); p != nil {
			if isFault(p) {
				panic(p)
			}
			err = fmt.Errorf("bitmap of %d bytes: %v: %w", len(b), p, ErrCorrupt)
		}
	}()
	rows = roaring.New()
	if _, err := rows.ReadFrom(bytes.NewReader(b)); err != nil {
		return nil, fmt.Errorf("bitmap of %d bytes: %v: %w", len(b), err, ErrCorrupt)
	}
	if err := rows.Validate(); err != nil && !rows.IsEmpty() {
		return nil, fmt.Errorf("bitmap of %d bytes: %v: %w", len(b), err, ErrCorrupt)
	}
	if !rows.IsEmpty() && rows.Maximum() >= uint32(n) {
		return nil, fmt.Errorf("bitmap names row %d of %d: %w", rows.Maximum(), n, ErrCorrupt)
	}
	return rows, nil
}

// newRowSet makes a bit set for n rows, as the filters of scans are.
func newRowSet(n int, full bool) []uint64 {
	set := make([]uint64, (n+63)/64)
	if full {
		for i := range set {
			set[i] = ^uint64(0)
		}
		if n%64 != 0 {
			set[len(set)-1] = 1<<(n%64) - 1
		}
	}
	return set
}

func (s *segment) isLive(row uint32) bool {
	return s.live == nil || s.live[row/64]>>(row%64)&1 == 1
}

func (s *segment) liveCount() int { return s.n - s.info.Deleted }

// id returns a row's id as a view of the file.
func (s *segment) id(row int) ([]byte, error) {
	from, to := s.idOffsets[row], s.idOffsets[row+1]
	if from > to || uint64(to) > uint64(len(s.idBytes)) {
		return nil, fmt.Errorf("id of row %d spans %d to %d of %d bytes: %w", row, from, to, len(s.idBytes), ErrCorrupt)
	}
	return s.idBytes[from:to], nil
}

// byID returns the row that is i-th in order of id.
func (s *segment) byID(i int) (int, error) {
	if s.idOrder == nil {
		return i, nil
	}
	row := int(s.idOrder[i])
	if row >= s.n {
		return 0, fmt.Errorf("id order names row %d of %d: %w", row, s.n, ErrCorrupt)
	}
	return row, nil
}

// find looks up the row of an id, deleted ones included. A segment holds an id at
// most once: replacing an item ends the segment.
func (s *segment) find(id string) (uint32, bool, error) {
	var fail error
	at := func(i int) (int, []byte) {
		row, err := s.byID(i)
		var b []byte
		if err == nil {
			b, err = s.id(row)
		}
		if err != nil && fail == nil {
			fail = err
		}
		return row, b
	}
	i := sort.Search(s.n, func(i int) bool {
		_, b := at(i)
		return string(b) >= id
	})
	if fail != nil || i == s.n {
		return 0, false, fail
	}
	row, b := at(i)
	return uint32(row), string(b) == id && fail == nil, fail
}

// matching fills dst with what is stored of a row's matching vector.
func (s *segment) matching(dst []float32, row int) {
	switch {
	case s.rescore != nil:
		s.rescore.Decode(dst, row)
	case s.rows.Codec == vector.Bits:
		// Signs around the centre, at a distance that makes up a unit vector: as a
		// query, it has the row's bits.
		s.rows.Decode(dst, row)
		scale := float32(1 / math.Sqrt(float64(len(dst))))
		for i := range dst {
			dst[i] = float32(dst[i]*scale) + s.store.centre[i]
		}
	default:
		s.rows.Decode(dst, row)
	}
}

func (s *segment) kind(row int) Kind { return Kind(s.kinds[row]) }

// block returns the token block of a row and the number of its first token.
func (s *segment) block(row int) (block []byte, first, count int, err error) {
	if s.tokenFirst == nil {
		return nil, 0, 0, nil
	}
	a, b, off := s.tokenFirst[row], s.tokenFirst[row+1], s.tokenOffset[row]
	if a > b || int64(b) > s.info.Tokens {
		return nil, 0, 0, fmt.Errorf("tokens of row %d are %d to %d of %d: %w", row, a, b, s.info.Tokens, ErrCorrupt)
	}
	size := uint64(b-a) * uint64(s.store.tokens.TokenBytes())
	if off > uint64(len(s.tokenBlocks)) || size > uint64(len(s.tokenBlocks))-off {
		return nil, 0, 0, fmt.Errorf("token block of row %d at %d exceeds its section: %w", row, off, ErrCorrupt)
	}
	return s.tokenBlocks[off : off+size : off+size], int(a), int(b - a), nil
}

// weight returns the weight of token t of a row: whether it takes part is in its block.
func (s *segment) weight(row int, block []byte, first, t int) float32 {
	switch {
	case s.weights != nil:
		return s.weights[first+t]
	case s.kind(row) == Image && !s.store.tokens.TakesPart(block, t):
		return 0
	}
	return 1
}

// label returns the label of token t, copied.
func (s *segment) label(t int) (string, error) {
	if s.labels == nil || s.labels[t] == noLabel {
		return "", nil
	}
	if int(s.labels[t]) >= s.labelNames.len() {
		return "", fmt.Errorf("label %d of %d: %w", s.labels[t], s.labelNames.len(), ErrCorrupt)
	}
	b, err := s.labelNames.at(int(s.labels[t]))
	return string(b), err
}

func (s *segment) box(t int) Box {
	if s.boxes == nil {
		return Box{}
	}
	return unpackBox(s.boxes[4*t : 4*t+4])
}

// tagged returns the rows with tag i.
func (s *segment) tagged(i int) (*roaring.Bitmap, error) {
	head := 8 * (s.tags.len() + 1)
	from, to := binary.LittleEndian.Uint64(s.tagRows[8*i:]), binary.LittleEndian.Uint64(s.tagRows[8*i+8:])
	if from > to || to > uint64(len(s.tagRows)-head) {
		return nil, fmt.Errorf("rows of tag %d span %d to %d of %d bytes: %w", i, from, to, len(s.tagRows)-head, ErrCorrupt)
	}
	return readRows(s.tagRows[head+int(from):head+int(to)], s.n)
}

// findTag returns the number of a tag, or -1.
func (s *segment) findTag(tag string) (int, error) {
	var fail error
	n := s.tags.len()
	i := sort.Search(n, func(i int) bool {
		b, err := s.tags.at(i)
		if err != nil && fail == nil {
			fail = err
		}
		return string(b) >= tag
	})
	if fail != nil || i == n {
		return -1, fail
	}
	if b, err := s.tags.at(i); err != nil || string(b) != tag {
		return -1, err
	}
	return i, nil
}

// recordBlock returns the compressed bytes of a block, nil when there are no records.
func (s *segment) recordBlock(i int) ([]byte, error) {
	if s.recordBytes == nil {
		return nil, nil
	}
	from, to := s.recordIndex[i], s.recordIndex[i+1]
	if from > to || to > uint64(len(s.recordBytes)) {
		return nil, fmt.Errorf("record block %d spans %d to %d of %d bytes: %w", i, from, to, len(s.recordBytes), ErrCorrupt)
	}
	return s.recordBytes[from:to], nil
}
