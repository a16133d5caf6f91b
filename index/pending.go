package index

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/scorer"
)

const (
	noLabel        = 1<<16 - 1
	maxSegmentRows = 1 << 24
)

// pending is a segment in the making. Items come in any order; their tokens go
// straight to the file, everything else waits here until finish has sorted the
// items by id.
type pending struct {
	fw    *format.Writer
	store *store
	bytes int // memory taken

	ids    []string
	kinds  []Kind
	match  []byte // codes in the order of arrival, as all else
	scales []float32
	coarse []byte // bits, when match holds the int8 codes to rescore with

	tokens    *format.SectionWriter
	tokenEnd  int64
	tokenAt   []uint64
	counts    []uint32
	weights   []float32
	anyWeight bool // some weight is not 1
	boxes     []uint16
	anyBox    bool
	labels    []uint16
	anyLabel  bool
	labelIDs  map[string]uint16

	tags    map[string][]uint32
	records [][]byte
	anyText bool
	block   []byte // reused
}

func newPending(fw *format.Writer, s *store) *pending {
	return &pending{fw: fw, store: s, labelIDs: make(map[string]uint16), tags: make(map[string][]uint32)}
}

// full says that the next item should begin a new segment.
func (p *pending) full() bool {
	return p.bytes >= p.store.opts.SegmentBytes || len(p.ids) >= maxSegmentRows || len(p.labelIDs) > noLabel/2
}

func (p *pending) add(it *Item) error {
	e := it.Encoding
	s := p.store
	row := uint32(len(p.ids))
	if e.N() > 0 && s.tokens != nil {
		if err := p.addTokens(e); err != nil {
			return err
		}
	} else {
		p.tokenAt = append(p.tokenAt, uint64(p.tokenEnd))
		p.counts = append(p.counts, 0)
	}
	p.addMatch(e.Matching)
	p.ids = append(p.ids, it.ID)
	p.kinds = append(p.kinds, e.Kind)
	for _, t := range it.Tags {
		if rows := p.tags[t]; len(rows) == 0 || rows[len(rows)-1] != row {
			p.tags[t] = append(rows, row)
		}
	}
	rec := record{text: e.Text, meta: it.Meta}
	if s.tokens != nil {
		rec.words = e.Words
	}
	var b []byte
	if !rec.empty() {
		b = rec.append(nil)
		p.anyText = true
	}
	p.records = append(p.records, b)
	p.bytes += len(it.ID) + len(b) + s.rowBytes + 64 + 8*len(it.Tags) + e.N()*14
	return nil
}

func (p *pending) addMatch(v []float32) {
	s := p.store
	codec := scorer.Codec(s.opts.Match)
	if s.opts.Match == Bits {
		at := len(p.coarse)
		p.coarse = append(p.coarse, make([]byte, scorer.Bits.RowBytes(s.dim))...)
		scorer.Bits.EncodeRow(p.coarse[at:], v, s.centre)
		codec = scorer.Int8
	}
	at := len(p.match)
	p.match = append(p.match, make([]byte, codec.RowBytes(s.dim))...)
	scale := codec.EncodeRow(p.match[at:], v, nil)
	if codec.HasScale() {
		p.scales = append(p.scales, scale)
	}
}

func (p *pending) addTokens(e *Encoding) error {
	n := e.N()
	if p.tokens == nil {
		var err error
		if p.tokens, err = p.fw.Begin(format.KindToken, p.store.opts.Regions); err != nil {
			return err
		}
	}
	var err error
	if p.block, err = p.store.tokens.AppendBlock(p.block[:0], e.Tokens, e.Weights); err != nil {
		return err
	}
	for len(p.block)%format.Alignment != 0 {
		p.block = append(p.block, 0)
	}
	if _, err := p.tokens.Write(p.block); err != nil {
		return err
	}
	p.tokenAt = append(p.tokenAt, uint64(p.tokenEnd))
	p.tokenEnd += int64(len(p.block))
	p.counts = append(p.counts, uint32(n))
	for i := range n {
		w := e.weight(i)
		p.weights = append(p.weights, w)
		p.anyWeight = p.anyWeight || w != 1
		var box [4]uint16
		if e.Boxes != nil {
			box = packBox(e.Boxes[i])
			p.anyBox = true
		}
		p.boxes = append(p.boxes, box[:]...)
		label := uint16(noLabel)
		if e.Labels != nil && e.Labels[i] != "" {
			label = p.label(e.Labels[i])
			p.anyLabel = true
		}
		p.labels = append(p.labels, label)
	}
	return nil
}

// label numbers a label. A segment that runs out of numbers (one item can bring
// maxTokens of them) gives up the rest; full ends it before that.
func (p *pending) label(s string) uint16 {
	id, ok := p.labelIDs[s]
	if !ok {
		if len(p.labelIDs) >= noLabel {
			return noLabel
		}
		id = uint16(len(p.labelIDs))
		p.labelIDs[strings.Clone(s)] = id
		p.bytes += len(s) + 48
	}
	return id
}

// finish writes the segment's sections and returns it, with the row that each
// item, in the order of arrival, has got.
func (p *pending) finish() (format.Segment, []uint32, error) {
	n := len(p.ids)
	seg := format.Segment{Items: n}
	add := func(kind format.Kind, codec Codec, b []byte) error {
		if len(b) == 0 {
			return nil
		}
		s, err := p.fw.Append(kind, codec, b)
		if err != nil {
			return err
		}
		seg.Sections = append(seg.Sections, s)
		return nil
	}
	if p.tokens != nil {
		s, err := p.tokens.Close()
		if err != nil {
			return seg, nil, err
		}
		seg.Sections = append(seg.Sections, s)
	}
	order, cells := p.order() // order[row] = arrival
	rowOf := make([]uint32, n)
	for row, a := range order {
		rowOf[a] = uint32(row)
	}
	for _, c := range p.counts {
		seg.Tokens += int64(c)
	}
	if seg.Tokens > 1<<32-1 {
		return seg, nil, fmt.Errorf("segment of %d tokens: %w", seg.Tokens, format.ErrTooLarge)
	}
	for _, w := range []func() error{
		func() error { return p.writeIDs(order, cells, add) },
		func() error { return p.writeMatch(order, add) },
		func() error { return p.writeTokenTables(order, add) },
		func() error { return p.writeTags(rowOf, add) },
		func() error { return p.writeRecords(order, add) },
	} {
		if err := w(); err != nil {
			return seg, nil, err
		}
	}
	return seg, rowOf, nil
}

type addSection func(format.Kind, Codec, []byte) error

// order sorts the items into rows: by cell, then by id.
func (p *pending) order() (order []uint32, cells []uint32) {
	order = make([]uint32, len(p.ids))
	for i := range order {
		order[i] = uint32(i)
	}
	cells = p.store.assignCells(p)
	slices.SortFunc(order, func(a, b uint32) int {
		if cells != nil && cells[a] != cells[b] {
			return int(cells[a]) - int(cells[b])
		}
		return strings.Compare(p.ids[a], p.ids[b])
	})
	return order, cells
}

func (p *pending) writeIDs(order, cells []uint32, add addSection) error {
	n := len(order)
	kinds := make([]uint8, n)
	offsets := make([]uint32, n+1)
	var ids []byte
	for row, a := range order {
		kinds[row] = uint8(p.kinds[a])
		ids = append(ids, p.ids[a]...)
		offsets[row+1] = uint32(len(ids))
	}
	if err := add(format.KindItem, 0, kinds); err != nil {
		return err
	}
	if err := add(format.KindID, 0, append(slices.Clone(format.Bytes(offsets)), ids...)); err != nil {
		return err
	}
	if cells == nil {
		return nil
	}
	byID := make([]uint32, n)
	starts := make([]uint32, p.store.cellCount()+1)
	for row, a := range order {
		byID[row] = uint32(row)
		starts[cells[a]+1]++
	}
	for c := range p.store.cellCount() {
		starts[c+1] += starts[c]
	}
	slices.SortFunc(byID, func(a, b uint32) int { return strings.Compare(p.ids[order[a]], p.ids[order[b]]) })
	if err := add(format.KindIDOrder, 0, format.Bytes(byID)); err != nil {
		return err
	}
	return add(format.KindCellStart, 0, format.Bytes(starts))
}

func (p *pending) writeMatch(order []uint32, add addSection) error {
	s := p.store
	kind, scaleKind, codec := format.KindMatch, format.KindMatchScale, s.opts.Match
	if codec == Bits {
		if err := add(kind, Bits, permuteRows(p.coarse, scorer.Bits.RowBytes(s.dim), order)); err != nil {
			return err
		}
		kind, scaleKind, codec = format.KindRescore, format.KindRescoreScale, Int8
	}
	if err := add(kind, codec, permuteRows(p.match, scorer.Codec(codec).RowBytes(s.dim), order)); err != nil {
		return err
	}
	if p.scales == nil {
		return nil
	}
	scales := make([]float32, len(order))
	for row, a := range order {
		scales[row] = p.scales[a]
	}
	return add(scaleKind, 0, format.Bytes(scales))
}

// permuteRows brings rows of equal size from the order of arrival into that of
// rows.
func permuteRows(b []byte, size int, order []uint32) []byte {
	out := make([]byte, 0, len(b))
	for _, a := range order {
		out = append(out, b[int(a)*size:(int(a)+1)*size]...)
	}
	return out
}

func (p *pending) writeTokenTables(order []uint32, add addSection) error {
	if p.tokens == nil {
		return nil
	}
	n := len(order)
	arrival := make([]uint32, n+1) // first token of each item in order of arrival
	for i, c := range p.counts {
		arrival[i+1] = arrival[i] + c
	}
	first := make([]uint32, n+1)
	at := make([]uint64, n)
	for row, a := range order {
		first[row+1] = first[row] + p.counts[a]
		at[row] = p.tokenAt[a]
	}
	if err := add(format.KindTokenFirst, 0, format.Bytes(first)); err != nil {
		return err
	}
	if err := add(format.KindTokenOffset, 0, format.Bytes(at)); err != nil {
		return err
	}
	if p.anyWeight {
		if err := add(format.KindTokenWeight, 0, format.Bytes(permuteRuns(p.weights, 1, arrival, order))); err != nil {
			return err
		}
	}
	if p.anyBox {
		if err := add(format.KindBox, 0, format.Bytes(permuteRuns(p.boxes, 4, arrival, order))); err != nil {
			return err
		}
	}
	if !p.anyLabel {
		return nil
	}
	if err := add(format.KindLabel, 0, format.Bytes(permuteRuns(p.labels, 1, arrival, order))); err != nil {
		return err
	}
	names := make([]string, len(p.labelIDs))
	for s, id := range p.labelIDs {
		names[id] = s
	}
	return add(format.KindLabelName, 0, appendStringTable(nil, names))
}

// permuteRuns is permuteRows for runs of different lengths, of width values a token.
func permuteRuns[T any](v []T, width int, first []uint32, order []uint32) []T {
	out := make([]T, 0, len(v))
	for _, a := range order {
		out = append(out, v[int(first[a])*width:int(first[a+1])*width]...)
	}
	return out
}

func (p *pending) writeTags(rowOf []uint32, add addSection) error {
	if len(p.tags) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(p.tags))
	if err := add(format.KindTag, 0, appendStringTable(nil, names)); err != nil {
		return err
	}
	offsets := make([]uint64, len(names)+1)
	var maps []byte
	for i, name := range names {
		rows := roaring.New()
		for _, a := range p.tags[name] {
			rows.Add(rowOf[a])
		}
		b, err := rowsToBytes(rows)
		if err != nil {
			return err
		}
		maps = append(maps, b...)
		offsets[i+1] = uint64(len(maps))
	}
	return add(format.KindTagRows, 0, append(slices.Clone(format.Bytes(offsets)), maps...))
}

func rowsToBytes(rows *roaring.Bitmap) ([]byte, error) {
	rows.RunOptimize()
	return rows.ToBytes()
}

func (p *pending) writeRecords(order []uint32, add addSection) error {
	if !p.anyText {
		return nil
	}
	if err := p.store.trainDictionary(p.fw, p.records); err != nil {
		return err
	}
	var out, raw []byte
	index := []uint64{0}
	for row := 0; row < len(order); row += format.RecordsPerBlock {
		raw = raw[:0]
		for _, a := range order[row:min(row+format.RecordsPerBlock, len(order))] {
			raw = appendString(raw, string(p.records[a]))
		}
		out = p.store.records.appendBlock(out, raw)
		index = append(index, uint64(len(out)))
	}
	if err := add(format.KindRecordIndex, 0, format.Bytes(index)); err != nil {
		return err
	}
	return add(format.KindRecord, 0, out)
}

func packBox(b Box) (u [4]uint16) {
	for i, x := range b {
		// The negated test sends a value that is not a number to 0.
		if !(x > 0) {
			continue
		}
		u[i] = uint16(min(x, 1)*65535 + 0.5)
	}
	return u
}

func unpackBox(u []uint16) (b Box) {
	for i := range b {
		b[i] = float32(u[i]) / 65535
	}
	return b
}
