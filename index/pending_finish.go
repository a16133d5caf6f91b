package index

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/container"
	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/vector"
)

// finish writes the segment's sections and returns it, with the row that each
// item, in the order of arrival, has got.
func (p *pending) finish(ctx context.Context) (container.Segment, []uint32, error) {
	n := len(p.ids)
	seg := container.Segment{Items: n}
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
	order, cells, err := p.order(ctx) // order[row] = arrival
	if err != nil {
		return seg, nil, err
	}
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
		func() error { return p.writeMatch(ctx, order, cells, add) },
		func() error { return p.writeTokenTables(order, add) },
		func() error { return p.writeTags(rowOf, add) },
		func() error { return p.writeRecords(order, add) },
		func() error { return p.writeStates(rowOf, add) },
	} {
		if err := w(); err != nil {
			return seg, nil, err
		}
	}
	return seg, rowOf, nil
}

type addSection func(format.Kind, Codec, []byte) error

// order sorts the items into rows: by cell, then by id.
func (p *pending) order(ctx context.Context) (order, cells []uint32, err error) {
	order = make([]uint32, len(p.ids))
	for i := range order {
		order[i] = uint32(i)
	}
	if p.store.cells != nil {
		if cells, err = p.assignCells(ctx); err != nil {
			return nil, nil, err
		}
	}
	slices.SortFunc(order, func(a, b uint32) int {
		if cells != nil && cells[a] != cells[b] {
			return cmp.Compare(cells[a], cells[b])
		}
		return strings.Compare(p.ids[a], p.ids[b])
	})
	return order, cells, nil
}

// assignCells finds the cell of each item.
func (p *pending) assignCells(ctx context.Context) ([]uint32, error) {
	rows := vector.Rows{Codec: vector.Int8, Dim: p.store.dim, N: len(p.ids), Codes: p.match, Scales: p.scales}
	if p.scales == nil { // f16, f32
		given := vector.Rows{Codec: p.store.opts.Match, Dim: p.store.dim, N: len(p.ids), Codes: p.match}
		rows = int8Rows(&given, nil)
	}
	nearest := make([]uint32, rows.N)
	return nearest, p.store.cells.assigner().Assign(ctx, &rows, nearest, 0)
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
	if err := add(format.KindID, 0, append(slices.Clone(elem.Bytes(offsets)), ids...)); err != nil {
		return err
	}
	if cells == nil {
		return nil
	}
	byID := make([]uint32, n)
	starts := make([]uint32, p.store.cells.n+1)
	for row, a := range order {
		byID[row] = uint32(row)
		starts[cells[a]+1]++
	}
	for c := range p.store.cells.n {
		starts[c+1] += starts[c]
	}
	slices.SortFunc(byID, func(a, b uint32) int { return strings.Compare(p.ids[order[a]], p.ids[order[b]]) })
	if err := add(format.KindIDOrder, 0, elem.Bytes(byID)); err != nil {
		return err
	}
	return add(format.KindCellStart, 0, elem.Bytes(starts))
}

func (p *pending) writeMatch(ctx context.Context, order, cells []uint32, add addSection) error {
	s := p.store
	kind, scaleKind, codec := format.KindMatch, format.KindMatchScale, s.opts.Match
	if codec == Bits {
		if err := add(kind, Bits, permuteRows(p.coarse, vector.RowBytes(vector.Bits, s.dim), order)); err != nil {
			return err
		}
		if s.opts.NoRescore {
			return nil
		}
		kind, scaleKind, codec = format.KindRescore, format.KindRescoreScale, Int8
	}
	rows := vector.Rows{Codec: codec, Dim: s.dim, N: len(order), Codes: permuteRows(p.match, vector.RowBytes(codec, s.dim), order)}
	if err := add(kind, codec, rows.Codes); err != nil {
		return err
	}
	if p.scales != nil {
		rows.Scales = make([]float32, len(order))
		for row, a := range order {
			rows.Scales[row] = p.scales[a]
		}
		if err := add(scaleKind, 0, elem.Bytes(rows.Scales)); err != nil {
			return err
		}
	}
	if cells == nil || s.cells.lengths == nil {
		return nil
	}
	signs, err := s.cells.signs(ctx, &rows, func(row int) int { return int(cells[order[row]]) })
	return cmp.Or(err, add(format.KindSign, Bits, signs.Codes), add(format.KindSignFactor, 0, elem.Bytes(signs.Factors)))
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
	if err := add(format.KindTokenFirst, 0, elem.Bytes(first)); err != nil {
		return err
	}
	if err := add(format.KindTokenOffset, 0, elem.Bytes(at)); err != nil {
		return err
	}
	if p.anyWeight {
		if err := add(format.KindTokenWeight, 0, elem.Bytes(permuteRuns(p.weights, 1, arrival, order))); err != nil {
			return err
		}
	}
	if p.anyBox {
		if err := add(format.KindBox, 0, elem.Bytes(permuteRuns(p.boxes, 4, arrival, order))); err != nil {
			return err
		}
	}
	if !p.anyLabel {
		return nil
	}
	if err := add(format.KindLabel, 0, elem.Bytes(permuteRuns(p.labels, 1, arrival, order))); err != nil {
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
	tags := make(map[string]*roaring.Bitmap, len(p.tags))
	for name, arrivals := range p.tags {
		rows := roaring.New()
		for _, a := range arrivals {
			rows.Add(rowOf[a])
		}
		tags[name] = rows
	}
	names, rows, err := encodeTags(tags)
	if err != nil {
		return err
	}
	return cmp.Or(add(format.KindTag, 0, names), add(format.KindTagRows, 0, rows))
}

// encodeTags returns what KindTag and KindTagRows hold; nothing when no row has a tag.
func encodeTags(tags map[string]*roaring.Bitmap) (table, rows []byte, err error) {
	var names []string
	var bitmaps []byte
	offsets := []uint64{0}
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		if tags[name].IsEmpty() {
			continue
		}
		b, err := rowsToBytes(tags[name])
		if err != nil {
			return nil, nil, err
		}
		names = append(names, name)
		bitmaps = append(bitmaps, b...)
		offsets = append(offsets, uint64(len(bitmaps)))
	}
	if names == nil {
		return nil, nil, nil
	}
	return appendStringTable(nil, names), append(slices.Clone(elem.Bytes(offsets)), bitmaps...), nil
}

func (p *pending) writeStates(rowOf []uint32, add addSection) error {
	byRow := make(map[uint32][]byte, len(p.states))
	for a, state := range p.states {
		byRow[rowOf[a]] = state
	}
	return add(format.KindState, 0, appendRowTable(nil, byRow))
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
	if err := add(format.KindRecordIndex, 0, elem.Bytes(index)); err != nil {
		return err
	}
	return add(format.KindRecord, 0, out)
}
