package index

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/aladin-go/aladin/internal/vector"
)

// Packed is an item as a Layout stores it in an engine.
type Packed struct {
	ID   string
	Kind Kind
	Tags []string

	// Matching is what the codec left of the matching vector: what an engine recalls by. It is not needed to rank.
	Matching []float32

	// Codes are what candidates are ranked by, and Rest is all else. What is in them is the Layout's affair.
	Codes []byte
	Rest  []byte
}

// Codes are, in this order:
//
//	matching vector   RowBytes
//	tokens            n × TokenBytes, as package vector lays out blocks
//	weights           n × float32, if the last byte is 1; else they are what the block says
//	scale             float32, if the codec of matching vectors has one
//	last byte         0 or 1
const (
	packedWeights = 1
	restVersion   = 1
)

// codes are the parts of Packed.Codes, as views.
type codes struct {
	row     []byte
	scale   float32
	block   []byte
	weights []float32
	n       int
}

// split takes codes apart that an engine returned, trusting nothing.
func (l *Layout) split(b []byte) (c codes, err error) {
	bad := func() (codes, error) {
		return codes{}, fmt.Errorf("codes of %d bytes are none of %v vectors of %d values and %v tokens of %d: %w",
			len(b), l.spec.Match, l.spec.Dim, l.spec.Regions, l.spec.TokenDim, ErrCorrupt)
	}
	row, tail, token := vector.RowBytes(l.spec.Match, l.spec.Dim), 1, 0
	if vector.HasScale(l.spec.Match) {
		tail += 4
	}
	if l.tokens != nil {
		token = l.tokens.TokenBytes()
	}
	rest := len(b) - row - tail
	if rest < 0 || b[len(b)-1] > packedWeights {
		return bad()
	}
	size := token
	if b[len(b)-1] == packedWeights {
		size += 4
	}
	if rest > 0 {
		if token == 0 || rest%size != 0 || rest/size > maxTokens {
			return bad()
		}
		c.n = rest / size
	}
	c.row, b = b[:row:row], b[row:]
	c.block, b = b[:c.n*token:c.n*token], b[c.n*token:]
	if size > token && c.n > 0 {
		c.weights = make([]float32, c.n)
		for i := range c.weights {
			w := math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
			if !(w >= 0) || w-w != 0 {
				return codes{}, fmt.Errorf("token %d weighs %v: %w", i, w, ErrCorrupt)
			}
			c.weights[i] = w
		}
		b = b[4*c.n:]
	}
	if vector.HasScale(l.spec.Match) {
		c.scale = math.Float32frombits(binary.LittleEndian.Uint32(b))
	}
	return c, nil
}

// join is the inverse of split.
func (c *codes) join(l *Layout) []byte {
	b := make([]byte, 0, len(c.row)+len(c.block)+4*len(c.weights)+5)
	b = append(append(b, c.row...), c.block...)
	for _, w := range c.weights {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(w))
	}
	if vector.HasScale(l.spec.Match) {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(c.scale))
	}
	if len(c.weights) > 0 {
		return append(b, packedWeights)
	}
	return append(b, 0)
}

// Pack packs an item of the layout's model.
func (l *Layout) Pack(it *Item) (*Packed, error) {
	if err := it.check(l.spec.Dim, l.spec.TokenDim); err != nil {
		return nil, err
	}
	e := it.Encoding
	if e.Model != l.spec.Model {
		return nil, fmt.Errorf("item %q: %w", it.ID, modelMismatch(e.Model, l.spec.Model))
	}
	c := codes{row: make([]byte, vector.RowBytes(l.spec.Match, l.spec.Dim))}
	c.scale = vector.EncodeRow(l.spec.Match, c.row, e.Matching, nil)
	rec := record{text: e.Text, meta: it.Meta}
	r := rest{state: it.State}
	if n := e.N(); n > 0 && l.tokens != nil {
		var err error
		if c.block, err = appendBlock(nil, l.tokens, e, nil); err != nil {
			return nil, fmt.Errorf("item %q: %w: %v", it.ID, ErrInvalid, err)
		}
		c.n, rec.words = n, e.Words
		for i := range n {
			if w := e.weight(i); beyondBlock(e.Kind, w) {
				c.weights = e.Weights
			}
			if e.Boxes != nil {
				box := packBox(e.Boxes[i])
				r.boxes = append(r.boxes, box[:]...)
			}
		}
		r.trim()
		if slices.ContainsFunc(e.Labels, func(s string) bool { return s != "" }) {
			r.labels = e.Labels
		}
	}
	r.record = rec.encode()
	p := &Packed{ID: it.ID, Kind: e.Kind, Tags: slices.Compact(slices.Sorted(slices.Values(it.Tags))), Codes: c.join(l), Rest: r.append(nil)}
	p.Matching = l.matching(&c)
	return p, nil
}

// matching decodes a matching vector.
func (l *Layout) matching(c *codes) []float32 {
	v := make([]float32, l.spec.Dim)
	vector.DecodeRow(l.spec.Match, v, c.row, c.scale)
	return v
}

// packRow packs the row of a file, whose codes stay what they are.
func (l *Layout) packRow(sn *snapshot, cur *cursor) (*Packed, error) {
	s, row := cur.s, cur.row
	rows := &s.rows
	if s.rescore != nil {
		rows = s.rescore
	}
	size := vector.RowBytes(rows.Codec, rows.Dim)
	c := codes{row: rows.Codes[row*size : (row+1)*size]}
	if rows.Scales != nil {
		c.scale = rows.Scales[row]
	}
	block, first, n, err := s.block(row)
	if err != nil {
		return nil, err
	}
	c.block, c.n = block, n
	r := rest{}
	for t := first; t < first+n; t++ {
		if s.weights != nil && beyondBlock(s.kind(row), s.weights[t]) {
			c.weights = s.weights[first : first+n]
		}
		if s.boxes != nil {
			r.boxes = append(r.boxes, s.boxes[4*t:4*t+4]...)
		}
		label, err := s.label(t)
		if err != nil {
			return nil, err
		}
		if label != "" && r.labels == nil {
			r.labels = make([]string, n)
		}
		if label != "" {
			r.labels[t-first] = label
		}
	}
	r.trim()
	if r.record, err = sn.rawRecord(cur.seg, row); err != nil {
		return nil, err
	}
	if r.state, err = s.state(row); err != nil {
		return nil, err
	}
	p := &Packed{ID: string(cur.id), Kind: s.kind(row), Codes: c.join(l), Rest: r.append(nil)}
	p.Matching = l.matching(&c)
	return p, nil
}

// Unpack makes the item again, as the codecs left it.
func (l *Layout) Unpack(p *Packed) (*Item, error) {
	fail := func(err error) (*Item, error) { return nil, fmt.Errorf("item %.100q: %w", p.ID, err) }
	c, err := l.split(p.Codes)
	if err != nil {
		return fail(err)
	}
	r, rec, err := readRest(p.Rest)
	if err != nil {
		return fail(err)
	}
	e := &Encoding{Kind: p.Kind, Model: l.spec.Model, Text: rec.text, Matching: l.matching(&c)}
	if c.n > 0 {
		d := l.spec.TokenDim
		e.Tokens, e.Weights = make([]float32, c.n*d), make([]float32, c.n)
		for i := range c.n {
			takesPart := l.tokens.Decode(e.Tokens[i*d:(i+1)*d], c.block, i)
			switch {
			case !takesPart:
			case c.weights != nil:
				e.Weights[i] = c.weights[i]
			default:
				e.Weights[i] = 1
			}
		}
		if len(rec.words) == c.n {
			e.Words = rec.words
		}
		if p.Kind == Image {
			e.Boxes, e.Labels = make([]Box, c.n), make([]string, c.n)
			for i := range c.n {
				e.Boxes[i], e.Labels[i] = r.region(i)
			}
		}
	}
	return &Item{ID: p.ID, Encoding: e, Tags: p.Tags, Meta: rec.meta, State: r.state}, nil
}

// Fields unpacks what is stored of an item besides its encoding. Codes and Matching are not looked at.
func (l *Layout) Fields(p *Packed) (*Fields, error) {
	r, rec, err := readRest(p.Rest)
	if err != nil {
		return nil, fmt.Errorf("item %.100q: %w", p.ID, err)
	}
	return &Fields{Kind: p.Kind, Text: rec.text, Meta: rec.meta, Tags: p.Tags, State: r.state}, nil
}

// Update changes what is stored of an item besides its encoding, as [Writer.Update] does: p.Tags and p.Rest.
func (l *Layout) Update(p *Packed, change func(*Fields)) error {
	r, rec, err := readRest(p.Rest)
	if err != nil {
		return fmt.Errorf("item %.100q: %w", p.ID, err)
	}
	f := Fields{Kind: p.Kind, Text: rec.text, Meta: slices.Clone(rec.meta), Tags: slices.Clone(p.Tags), State: slices.Clone(r.state)}
	change(&f)
	if err := f.check(); err != nil {
		return fmt.Errorf("item %q: %w", p.ID, err)
	}
	if p.Kind == Image {
		rec.text = f.Text // a caption's words are places in its text
	}
	rec.meta, r.state = f.Meta, f.State
	r.record = rec.encode()
	p.Tags, p.Rest = slices.Compact(slices.Sorted(slices.Values(f.Tags))), r.append(nil)
	return nil
}

// rest is what is in Packed.Rest: a version, the record, boxes (4 values each), labels, and the state.
type rest struct {
	record []byte
	boxes  []uint16
	labels []string
	state  []byte
}

// trim leaves out boxes that say nothing.
func (r *rest) trim() {
	if !slices.ContainsFunc(r.boxes, func(v uint16) bool { return v != 0 }) {
		r.boxes = nil
	}
}

func (r *rest) append(b []byte) []byte {
	b = append(b, restVersion)
	b = appendString(b, string(r.record))
	b = binary.AppendUvarint(b, uint64(len(r.boxes)/4))
	for _, v := range r.boxes {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	b = binary.AppendUvarint(b, uint64(len(r.labels)))
	for _, s := range r.labels {
		b = appendString(b, s)
	}
	return appendString(b, string(r.state))
}

// readRest decodes what append wrote, trusting nothing, and copies all it returns.
func readRest(b []byte) (r rest, rec record, err error) {
	in := recordReader{b: b}
	if len(b) == 0 || b[0] != restVersion {
		return r, rec, fmt.Errorf("the rest of an item of %d bytes is of no version that is known: %w", len(b), ErrCorrupt)
	}
	in.b = in.b[1:]
	r.record = in.bytes(in.uvarint())
	if n := in.uvarint(); n <= maxTokens {
		boxes := in.bytes(8 * n)
		for ; len(boxes) > 1; boxes = boxes[2:] {
			r.boxes = append(r.boxes, binary.LittleEndian.Uint16(boxes))
		}
	} else {
		in.bad = true
	}
	if n := in.uvarint(); n <= maxTokens && n <= uint64(len(in.b)) {
		for range n {
			r.labels = append(r.labels, string(in.bytes(in.uvarint())))
		}
	} else {
		in.bad = in.bad || n > 0
	}
	r.state = slices.Clone(in.bytes(in.uvarint()))
	if in.bad || len(in.b) > 0 || len(r.state) > maxState {
		return rest{}, rec, fmt.Errorf("the rest of an item of %d bytes does not decode: %w", len(b), ErrCorrupt)
	}
	if len(r.state) == 0 {
		r.state = nil
	}
	rec, err = decodeRecord(r.record)
	return r, rec, err
}

// region is what is known of a region: nothing of one that r does not have.
func (r *rest) region(i int) (box Box, label string) {
	if 4*i+4 <= len(r.boxes) {
		box = unpackBox(r.boxes[4*i : 4*i+4])
	}
	if i < len(r.labels) {
		label = r.labels[i]
	}
	return box, label
}
