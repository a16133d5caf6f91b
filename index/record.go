package index

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/aladin-go/aladin/format"
)

// record is the part of an item that is compressed: its texts.
type record struct {
	text  string
	meta  json.RawMessage
	words []Word
}

func (r *record) empty() bool { return r.text == "" && len(r.meta) == 0 && len(r.words) == 0 }

// append encodes the record as the package documentation of format states.
func (r *record) append(b []byte) []byte {
	b = appendString(b, r.text)
	b = appendString(b, string(r.meta))
	b = binary.AppendUvarint(b, uint64(len(r.words)))
	for _, w := range r.words {
		b = binary.AppendUvarint(b, uint64(w.Start))
		b = binary.AppendUvarint(b, uint64(w.End-w.Start))
		if w.End <= len(r.text) && r.text[w.Start:w.End] == w.Text {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(w.Text))+1)
		b = append(b, w.Text...)
	}
	return b
}

// encode is append for a record of its own; nil for an empty one.
func (r *record) encode() []byte {
	if r.empty() {
		return nil
	}
	return r.append(nil)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// recordReader decodes what append wrote, trusting nothing.
type recordReader struct {
	b   []byte
	bad bool
}

func (r *recordReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *recordReader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// decodeRecord copies all it returns. No bytes are an empty record.
func decodeRecord(b []byte) (record, error) {
	if len(b) == 0 {
		return record{}, nil
	}
	r := recordReader{b: b}
	var rec record
	rec.text = string(r.bytes(r.uvarint()))
	if m := r.bytes(r.uvarint()); len(m) > 0 {
		rec.meta = append(json.RawMessage(nil), m...)
	}
	n := r.uvarint()
	if n > maxTokens || n > uint64(len(r.b)) { // a word takes at least 3 bytes
		r.bad = true
		n = 0
	}
	if n > 0 {
		rec.words = make([]Word, n)
	}
	for i := range rec.words {
		start, length, own := r.uvarint(), r.uvarint(), r.uvarint()
		if start > 1<<31 || length > 1<<31 {
			r.bad = true
			break
		}
		w := Word{Start: int(start), End: int(start + length)}
		switch {
		case own > 0:
			w.Text = string(r.bytes(own - 1))
		case w.End <= len(rec.text):
			w.Text = rec.text[w.Start:w.End]
		default:
			r.bad = true
		}
		rec.words[i] = w
	}
	if r.bad || len(r.b) > 0 {
		return record{}, fmt.Errorf("record of %d bytes does not decode: %w", len(b), ErrCorrupt)
	}
	return rec, nil
}

// Forms of a record block.
const (
	blockHead    = 12
	blockRaw     = 0
	blockZstd    = 1
	maxBlockRaw  = format.RecordsPerBlock * (maxText + maxMeta + 1<<22)
	maxExpansion = 64 // a block that shrinks more is stored raw, so that readers can refuse bombs
)
