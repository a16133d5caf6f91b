package tokenizer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"unsafe"
)

// A stored tokenizer is one file whatever it was imported from, and quick to read: half a million merges take some
// ten milliseconds, where their tokenizer.json takes a second. All numbers are little-endian.
//
//	magic     8 bytes "ALADINTK"
//	version   uint32
//	recipe    uint32 length, JSON
//	pieces    uint32 number, then the end of each in the text as uint32, then the text
//	merges    uint32 number, then left, right and joined id of each as uint32, by rank
//	scores    uint32 number, then each as float64
const (
	storeMagic   = "ALADINTK"
	storeVersion = 1
)

// maxStored bounds the file and its numbers.
const (
	maxStored = 256 << 20
	maxMerges = 1 << 22
)

// Write stores the tokenizer as [Load] reads it.
func (s *Subword) Write(w io.Writer) error {
	head, err := json.Marshal(s.recipe)
	if err != nil {
		return fmt.Errorf("tokenizer: %w", err)
	}
	b := bufio.NewWriter(w)
	put := func(x int) {
		var buf [4]byte
		binary.LittleEndian.PutUint32(buf[:], uint32(x))
		b.Write(buf[:]) // errors stay until Flush
	}
	b.WriteString(storeMagic)
	put(storeVersion)
	put(len(head))
	b.Write(head)
	put(len(s.pieces))
	end := 0
	for _, p := range s.pieces {
		end += len(p)
		put(end)
	}
	for _, p := range s.pieces {
		b.WriteString(p)
	}
	var merges [][4]int32 // rank, left, right, joined
	if s.merges != nil {
		for i, key := range s.merges.keys {
			if key != 0 {
				m := s.merges.vals[i]
				merges = append(merges, [4]int32{m.rank, int32(uint32(key>>32)) - 1, int32(uint32(key)) - 1, m.id})
			}
		}
		slices.SortFunc(merges, func(a, b [4]int32) int { return int(a[0]) - int(b[0]) })
	}
	put(len(merges))
	for _, m := range merges {
		put(int(m[1]))
		put(int(m[2]))
		put(int(m[3]))
	}
	put(len(s.scores))
	for _, x := range s.scores {
		var buf [8]byte
		binary.LittleEndian.PutUint64(buf[:], math.Float64bits(x))
		b.Write(buf[:])
	}
	return b.Flush()
}

// Load reads a tokenizer that [Subword.Write] stored.
func Load(path string) (*Subword, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxStored+1))
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	s, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Parse is Load for bytes, which must not be changed afterwards.
func Parse(b []byte) (*Subword, error) {
	if len(b) > maxStored {
		return nil, fmt.Errorf("%w: larger than %d MB", ErrVocabulary, maxStored>>20)
	}
	if !bytes.HasPrefix(b, []byte(storeMagic)) {
		return nil, fmt.Errorf("%w: offset 0: it does not begin with %q", ErrVocabulary, storeMagic)
	}
	p := storeReader{b: b, at: len(storeMagic)}
	if v := p.number("version", math.MaxInt32); p.err == nil && v != storeVersion {
		return nil, fmt.Errorf("%w: version %d; this program reads %d", ErrVocabulary, v, storeVersion)
	}
	var (
		r recipe
		v lexicon
	)
	head := p.bytes("recipe", p.number("recipe", maxStored), 1)
	if p.err == nil {
		if err := decodeJSON(head, &r); err != nil {
			return nil, fmt.Errorf("recipe: %w", err)
		}
	}
	v.pieces = p.pieces()
	n := p.number("merges", maxMerges)
	list := p.bytes("merges", n, 12)
	if p.err == nil && n > 0 {
		v.merges = newMergeTable(n)
		for i := range n {
			var id [3]int32
			for k := range id {
				id[k] = int32(binary.LittleEndian.Uint32(list[12*i+4*k:]))
				if id[k] < 0 || int(id[k]) >= len(v.pieces) {
					return nil, fmt.Errorf("%w: merge %d names the piece %d of %d", ErrVocabulary, i, id[k], len(v.pieces))
				}
			}
			v.merges.set(id[0], id[1], bpMerge{int32(i), id[2]})
		}
	}
	n = p.number("scores", maxPieces)
	list = p.bytes("scores", n, 8)
	if p.err != nil {
		return nil, p.err
	}
	for i := range n {
		v.scores = append(v.scores, math.Float64frombits(binary.LittleEndian.Uint64(list[8*i:])))
	}
	if p.at != len(b) {
		return nil, fmt.Errorf("%w: offset %d: %d bytes too many", ErrVocabulary, p.at, len(b)-p.at)
	}
	if v.merges == nil && v.scores == nil { // a vocabulary of single bytes
		v.merges = newMergeTable(0)
	}
	return newSubword(r, v)
}

// A storeReader reads on until something is wrong.
type storeReader struct {
	b   []byte
	at  int
	err error
}

func (p *storeReader) number(what string, most int) int {
	b := p.bytes(what, 4, 1)
	if p.err != nil {
		return 0
	}
	n := binary.LittleEndian.Uint32(b)
	if int64(n) > int64(most) {
		p.err = fmt.Errorf("%w: offset %d: %s: %d is more than %d", ErrVocabulary, p.at-4, what, n, most)
		return 0
	}
	return int(n)
}

func (p *storeReader) bytes(what string, n, size int) []byte {
	if p.err != nil {
		return nil
	}
	if int64(n)*int64(size) > int64(len(p.b)-p.at) {
		p.err = fmt.Errorf("%w: offset %d: the file ends within %s", ErrVocabulary, p.at, what)
		return nil
	}
	b := p.b[p.at : p.at+n*size]
	p.at += n * size
	return b
}

func (p *storeReader) pieces() []string {
	n := p.number("pieces", maxPieces)
	ends := p.bytes("pieces", n, 4)
	if p.err != nil || n == 0 {
		return nil
	}
	from := p.at
	text := p.bytes("pieces", int(binary.LittleEndian.Uint32(ends[4*(n-1):])), 1)
	if p.err != nil {
		return nil
	}
	// The pieces are parts of one string, and that is the file.
	all := unsafe.String(unsafe.SliceData(text), len(text))
	pieces := make([]string, n)
	start := 0
	for i := range pieces {
		end := int(binary.LittleEndian.Uint32(ends[4*i:]))
		if end < start || end > len(all) {
			p.err = fmt.Errorf("%w: offset %d: piece %d ends at %d of %d", ErrVocabulary, from, i, end, len(all))
			return nil
		}
		pieces[i], start = all[start:end], end
	}
	return pieces
}
