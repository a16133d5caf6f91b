package index

import (
	"slices"
	"strings"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/container"
	"github.com/aladin-go/aladin/internal/vector"
)

const (
	noLabel        = 1<<16 - 1
	maxSegmentRows = 1 << 24
)

// pending is a segment in the making. Items come in any order; their tokens go
// straight to the file, everything else waits here until finish has sorted the
// items by id.
type pending struct {
	fw    *container.Writer
	store *store
	bytes int // memory taken

	ids    []string
	kinds  []Kind
	match  []byte // codes in the order of arrival, as all else
	scales []float32
	coarse []byte // bits, when match holds the int8 codes to rescore with

	tokens    *container.SectionWriter
	tokenEnd  int64
	tokenAt   []uint64
	counts    []uint32
	weights   []float32
	anyWeight bool // some weight is not what its block says
	boxes     []uint16
	anyBox    bool
	labels    []uint16
	anyLabel  bool
	labelIDs  map[string]uint16

	tags    map[string][]uint32
	copied  map[*segment][]uint32 // by row of an older segment: 1 + arrival; 0 = not copied
	records [][]byte
	states  map[uint32][]byte // by arrival
	anyText bool
	block   []byte // reused
}

func newPending(fw *container.Writer, s *store) *pending {
	return &pending{fw: fw, store: s, labelIDs: make(map[string]uint16), tags: make(map[string][]uint32), states: make(map[uint32][]byte)}
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
	p.tag(row, it.Tags)
	rec := record{text: e.Text, meta: it.Meta}
	if s.tokens != nil {
		rec.words = e.Words
	}
	p.addRecord(rec.encode(), it.State)
	p.bytes += len(it.ID) + s.rowBytes + 64 + 8*len(it.Tags) + e.N()*14
	return nil
}

// tag gives the item that arrived as row-th its tags.
func (p *pending) tag(row uint32, tags []string) {
	for _, t := range tags {
		if rows := p.tags[t]; len(rows) == 0 || rows[len(rows)-1] != row {
			p.tags[t] = append(rows, row)
		}
	}
}

// addRecord notes the record, which it keeps, and the state of the latest item.
func (p *pending) addRecord(b, state []byte) {
	p.anyText = p.anyText || len(b) > 0
	if len(state) > 0 {
		p.states[uint32(len(p.records))] = slices.Clone(state)
	}
	p.records = append(p.records, b)
	p.bytes += len(b) + len(state)
}

func (p *pending) addMatch(v []float32) {
	s := p.store
	codec := s.opts.Match
	if s.opts.Match == Bits {
		at := len(p.coarse)
		p.coarse = append(p.coarse, make([]byte, vector.RowBytes(vector.Bits, s.dim))...)
		vector.EncodeRow(vector.Bits, p.coarse[at:], v, s.centre)
		if s.opts.NoRescore {
			return
		}
		codec = vector.Int8
	}
	at := len(p.match)
	p.match = append(p.match, make([]byte, vector.RowBytes(codec, s.dim))...)
	scale := vector.EncodeRow(codec, p.match[at:], v, nil)
	if vector.HasScale(codec) {
		p.scales = append(p.scales, scale)
	}
}

func (p *pending) addTokens(e *Encoding) error {
	var err error
	if p.block, err = p.store.tokens.AppendBlock(p.block[:0], e.Tokens, e.Weights); err != nil {
		return err
	}
	if err := p.addBlock(e.N()); err != nil {
		return err
	}
	for i := range e.N() {
		w := e.weight(i)
		p.addWeight(e.Kind, w)
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

func (p *pending) addWeight(kind Kind, w float32) {
	p.weights = append(p.weights, w)
	p.anyWeight = p.anyWeight || beyondBlock(kind, w)
}

// beyondBlock says that a token's weight is not what its block says. That a region takes part or not, 1 or 0, is
// there already; words are summed up by their weights without a look at the block.
func beyondBlock(kind Kind, w float32) bool { return w != 1 && (w != 0 || kind != Image) }

// addBlock writes p.block, which holds n tokens.
func (p *pending) addBlock(n int) (err error) {
	if p.tokens == nil {
		if p.tokens, err = p.fw.Begin(format.KindToken, p.store.opts.Regions); err != nil {
			return err
		}
	}
	align := format.Alignment
	if residual(p.store.opts.Regions) {
		align = 4 // what alignment gains there is less than the bytes it takes
	}
	for len(p.block)%align != 0 {
		p.block = append(p.block, 0)
	}
	if _, err := p.tokens.Write(p.block); err != nil {
		return err
	}
	p.tokenAt = append(p.tokenAt, uint64(p.tokenEnd))
	p.tokenEnd += int64(len(p.block))
	p.counts = append(p.counts, uint32(n))
	return nil
}

// copy adds row of an older segment as it is: codes stay what they are.
func (p *pending) copy(src *segment, row int, record, state []byte) error {
	id, err := src.id(row)
	if err != nil {
		return err
	}
	if p.copied == nil {
		p.copied = make(map[*segment][]uint32)
	}
	if p.copied[src] == nil {
		p.copied[src] = make([]uint32, src.n)
	}
	p.copied[src][row] = uint32(len(p.ids)) + 1
	return p.copyAs(string(id), src, row, record, state)
}

// copyAs is copy under another id and without tags.
func (p *pending) copyAs(id string, src *segment, row int, record, state []byte) error {
	block, first, n, err := src.block(row)
	if err != nil {
		return err
	}
	if n > 0 {
		p.block = append(p.block[:0], block...)
		if err := p.addBlock(n); err != nil {
			return err
		}
	} else {
		p.tokenAt, p.counts = append(p.tokenAt, uint64(p.tokenEnd)), append(p.counts, 0)
	}
	for t := first; t < first+n; t++ {
		w := float32(1)
		if src.weights != nil {
			w = src.weights[t]
		}
		p.addWeight(src.kind(row), w)
		var box [4]uint16
		if src.boxes != nil {
			copy(box[:], src.boxes[4*t:])
			p.anyBox = true
		}
		p.boxes = append(p.boxes, box[:]...)
		name, err := src.label(t)
		if err != nil {
			return err
		}
		label := uint16(noLabel)
		if name != "" {
			label, p.anyLabel = p.label(name), true
		}
		p.labels = append(p.labels, label)
	}
	p.copyMatch(src, row)
	p.ids = append(p.ids, id)
	p.kinds = append(p.kinds, src.kind(row))
	p.addRecord(slices.Clone(record), state)
	p.bytes += len(id) + p.store.rowBytes + 64 + n*14
	return nil
}

func (p *pending) copyMatch(src *segment, row int) {
	rows := &src.rows
	if rows.Codec == vector.Bits {
		size := vector.RowBytes(rows.Codec, rows.Dim)
		p.coarse = append(p.coarse, rows.Codes[row*size:(row+1)*size]...)
		if rows = src.rescore; rows == nil {
			return
		}
	}
	size := vector.RowBytes(rows.Codec, rows.Dim)
	p.match = append(p.match, rows.Codes[row*size:(row+1)*size]...)
	if rows.Scales != nil {
		p.scales = append(p.scales, rows.Scales[row])
	}
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

func packBox(b Box) (u [4]uint16) {
	for i, x := range b {
		// The negated test sends a value that is not a number to 0.
		if !(x > 0) {
			continue
		}
		u[i] = uint16(float32(min(x, 1)*65535) + 0.5) // not fused: same bytes everywhere
	}
	return u
}

func unpackBox(u []uint16) (b Box) {
	for i := range b {
		b[i] = float32(u[i]) / 65535
	}
	return b
}
