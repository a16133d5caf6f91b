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

	tags    map[string][]uint32 // by arrival
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

// origin is where an item's codes lie already.
type origin struct {
	s   *segment
	row int
}

// match returns the codes of the matching vector, those that it is scored by.
func (o *origin) match() *vector.Rows {
	if o.s.rescore != nil {
		return o.s.rescore
	}
	return &o.s.rows
}

// add adds an item, with the codes of its origin where the file has the same codec.
func (p *pending) add(it *arrival) error {
	e := it.Encoding
	s := p.store
	if e.N() > 0 && s.tokens != nil {
		if err := p.addTokens(e, it.from); err != nil {
			return err
		}
	} else {
		p.noTokens()
	}
	p.addMatch(e.Matching, it.from)
	rec := record{text: e.Text, meta: it.Meta}
	if s.tokens != nil {
		rec.words = e.Words
	}
	p.note(it.ID, e.Kind, rec.encode(), it.State, it.Tags)
	return nil
}

// note notes of the latest item what is not its vectors. It keeps the record.
func (p *pending) note(id string, kind Kind, record, state []byte, tags []string) {
	n := uint32(len(p.ids))
	p.ids = append(p.ids, id)
	p.kinds = append(p.kinds, kind)
	p.records = append(p.records, record)
	p.anyText = p.anyText || len(record) > 0
	if len(state) > 0 {
		p.states[n] = slices.Clone(state)
	}
	for _, t := range tags {
		if rows := p.tags[t]; len(rows) == 0 || rows[len(rows)-1] != n {
			p.tags[t] = append(rows, n)
			p.bytes += 8
		}
	}
	p.bytes += len(id) + len(record) + len(state) + p.store.rowBytes + 64 + int(p.counts[n])*14
}

func (p *pending) addMatch(v []float32, from *origin) {
	s := p.store
	codec := s.opts.Match
	if codec == Bits {
		at := len(p.coarse)
		p.coarse = append(p.coarse, make([]byte, vector.RowBytes(vector.Bits, s.dim))...)
		vector.EncodeRow(vector.Bits, p.coarse[at:], roundMatch(v, from), s.centre)
		if s.opts.NoRescore {
			return
		}
		codec = vector.Int8
	}
	if from != nil && from.match().Codec == codec {
		p.copyMatch(from.match(), from.row)
		return
	}
	at := len(p.match)
	p.match = append(p.match, make([]byte, vector.RowBytes(codec, s.dim))...)
	scale := vector.EncodeRow(codec, p.match[at:], v, nil)
	if vector.HasScale(codec) {
		p.scales = append(p.scales, scale)
	}
}

func (p *pending) addTokens(e *Encoding, from *origin) (err error) {
	s := p.store
	if from != nil && from.s.store.opts.Regions == s.opts.Regions {
		block, _, _, err := from.s.block(from.row)
		if err != nil {
			return err
		}
		p.block = append(p.block[:0], block...)
	} else if p.block, err = appendBlock(p.block[:0], s.tokens, e, from); err != nil {
		return err
	}
	if err := p.addBlock(e.N()); err != nil {
		return err
	}
	for i := range e.N() {
		p.addWeight(e.Kind, e.weight(i))
		var box [4]uint16
		if e.Boxes != nil {
			box = packBox(e.Boxes[i])
		}
		p.addBox(box)
		label := ""
		if e.Labels != nil {
			label = e.Labels[i]
		}
		p.addLabel(label)
	}
	return nil
}

func (p *pending) noTokens() {
	p.tokenAt = append(p.tokenAt, uint64(p.tokenEnd))
	p.counts = append(p.counts, 0)
}

func (p *pending) addWeight(kind Kind, w float32) {
	p.weights = append(p.weights, w)
	p.anyWeight = p.anyWeight || beyondBlock(kind, w)
}

// beyondBlock says that a token's weight is not what its block says. That a region takes part or not, 1 or 0, is
// there already; words are summed up by their weights without a look at the block.
func beyondBlock(kind Kind, w float32) bool { return w != 1 && (w != 0 || kind != Image) }

func (p *pending) addBox(box [4]uint16) {
	p.boxes = append(p.boxes, box[:]...)
	p.anyBox = p.anyBox || box != [4]uint16{}
}

func (p *pending) addLabel(name string) {
	label := uint16(noLabel)
	if name != "" {
		label, p.anyLabel = p.label(name), true
	}
	p.labels = append(p.labels, label)
}

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

// copy adds a row of another segment, whose codecs are those of the file: codes stay what they are.
func (p *pending) copy(id string, from origin, record, state []byte, tags []string) error {
	src, row := from.s, from.row
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
		p.noTokens()
	}
	for t := range n {
		p.addWeight(src.kind(row), src.weight(row, block, first, t))
		var box [4]uint16
		if src.boxes != nil {
			copy(box[:], src.boxes[4*(first+t):])
		}
		p.addBox(box)
		name, err := src.label(first + t)
		if err != nil {
			return err
		}
		p.addLabel(name)
	}
	if src.rows.Codec == vector.Bits {
		size := vector.RowBytes(vector.Bits, src.rows.Dim)
		p.coarse = append(p.coarse, src.rows.Codes[row*size:(row+1)*size]...)
	}
	if from.match().Codec != vector.Bits {
		p.copyMatch(from.match(), row)
	}
	p.note(id, src.kind(row), slices.Clone(record), state, tags)
	return nil
}

func (p *pending) copyMatch(rows *vector.Rows, row int) {
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
