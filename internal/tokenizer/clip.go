package tokenizer

import (
	"bufio"
	"compress/gzip"
	"container/heap"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CLIPLength is the number of positions of CLIP's text tower.
const CLIPLength = 77

// clipMerges is how many merges of OpenAI's file CLIP uses; the file holds five times as many.
const clipMerges = 49152 - 256 - 2

// maxMergesBytes bounds a merges file after decompression; OpenAI's is 3 MB.
const maxMergesBytes = 64 << 20

const clipStart, clipEnd = "<|startoftext|>", "<|endoftext|>"

// CLIP is the byte-level BPE tokenizer of OpenAI's CLIP: HTML entities resolved, white space
// collapsed, lower-cased, split by CLIP's pattern, each part merged as the file says.
//
// One step of the original is left out: ftfy's repair of wrongly decoded text ("Ã©"). It changes
// nothing in text that was read properly.
type CLIP struct {
	pieces []string             // with </w> where a piece ends a word, bytes as CLIP spells them
	pairs  map[[2]int32]bpMerge // what two neighbours become
	start  int                  // id of <|startoftext|>; <|endoftext|> follows
	merges [][2]string          // as the file has them
}

type bpMerge struct{ rank, id int32 }

// LoadCLIP reads CLIP's merges: OpenAI's bpe_simple_vocab_16e6.txt.gz or Hugging Face's
// merges.txt, packed with gzip or not.
func LoadCLIP(path string) (*CLIP, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: CLIP merges: %w", err)
	}
	defer f.Close()
	c, err := ReadCLIP(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// ReadCLIP is LoadCLIP for an open file.
func ReadCLIP(r io.Reader) (*CLIP, error) {
	br := bufio.NewReader(r)
	if magic, _ := br.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, fmt.Errorf("%w: gzip: %w", ErrVocabulary, err)
		}
		defer z.Close()
		br = bufio.NewReader(z)
	}
	lr := &io.LimitedReader{R: br, N: maxMergesBytes + 1}
	sc := bufio.NewScanner(lr)
	var merges [][2]string
	line := 0
	for sc.Scan() && len(merges) < clipMerges {
		line++
		text := sc.Text()
		if line == 1 && strings.Contains(text, "#version") || strings.TrimSpace(text) == "" {
			continue
		}
		f := strings.Fields(text)
		if len(f) != 2 {
			return nil, fmt.Errorf("%w: line %d: %q is not two pieces separated by a space", ErrVocabulary, line, clip(text, 40))
		}
		merges = append(merges, [2]string{f[0], f[1]})
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%w: line %d: %w", ErrVocabulary, line+1, err)
	}
	if lr.N == 0 {
		return nil, fmt.Errorf("%w: larger than %d MB", ErrVocabulary, maxMergesBytes>>20)
	}
	return newCLIP(merges)
}

// WriteMerges writes the merges as ReadCLIP reads them.
func (c *CLIP) WriteMerges(w io.Writer) error {
	b := bufio.NewWriter(w)
	b.WriteString("#version: 0.2\n") // errors stay until Flush
	for _, m := range c.merges {
		b.WriteString(m[0] + " " + m[1] + "\n")
	}
	return b.Flush()
}

// clip shortens s for a message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

// newCLIP numbers the pieces: 256 bytes, 256 bytes that end a word, one per merge, two specials.
func newCLIP(merges [][2]string) (*CLIP, error) {
	if len(merges) == 0 {
		return nil, fmt.Errorf("%w: no merges", ErrVocabulary)
	}
	c := &CLIP{pairs: make(map[[2]int32]bpMerge, len(merges)), merges: merges}
	for _, b := range byteOrder() {
		c.pieces = append(c.pieces, string(byteRune(b)))
	}
	for i := range 256 {
		c.pieces = append(c.pieces, c.pieces[i]+"</w>")
	}
	for _, m := range merges {
		c.pieces = append(c.pieces, m[0]+m[1])
	}
	c.start = len(c.pieces)
	c.pieces = append(c.pieces, clipStart, clipEnd)

	id := make(map[string]int32, len(c.pieces)) // of equal pieces the last counts, as in Python's dict
	for i, p := range c.pieces {
		id[p] = int32(i)
	}
	for rank, m := range merges {
		a, okA := id[m[0]]
		b, okB := id[m[1]]
		if !okA || !okB {
			return nil, fmt.Errorf("%w: merge %d joins %q and %q, which no earlier merge made", ErrVocabulary, rank+1, m[0], m[1])
		}
		c.pairs[[2]int32{a, b}] = bpMerge{int32(rank), id[m[0]+m[1]]}
	}
	return c, nil
}

// byteOrder lists the 256 bytes in the order of their ids: printable Latin-1 first, then the rest.
func byteOrder() []byte {
	var printable, rest []byte
	for b := range 256 {
		if plainByte(byte(b)) {
			printable = append(printable, byte(b))
		} else {
			rest = append(rest, byte(b))
		}
	}
	return append(printable, rest...)
}

// byteRune is the character that stands for a byte in a merges file.
func byteRune(b byte) rune {
	if plainByte(b) {
		return rune(b)
	}
	n := rune(0) // the unprintable ones are numbered from 256 in order
	for x := byte(0); x < b; x++ {
		if !plainByte(x) {
			n++
		}
	}
	return 256 + n
}

func plainByte(b byte) bool {
	return '!' <= b && b <= '~' || 0xA1 <= b && b <= 0xAC || 0xAE <= b
}

// byteID is the id of a byte as a piece by itself.
var byteID = func() (ids [256]int32) {
	for i, b := range byteOrder() {
		ids[b] = int32(i)
	}
	return ids
}()

// Size is the number of ids: 49408 for CLIP's own file.
func (c *CLIP) Size() int { return len(c.pieces) }

// Start and End are the ids of <|startoftext|> and <|endoftext|>.
func (c *CLIP) Start() int { return c.start }
func (c *CLIP) End() int   { return c.start + 1 }

// Piece is the text of an id as the merges file writes it ("cat</w>"), or "".
func (c *CLIP) Piece(id int) string {
	if id < 0 || id >= len(c.pieces) {
		return ""
	}
	return c.pieces[id]
}

// Tokenize cuts text into pieces without start and end. The two special tokens written out in the
// text become those tokens, as in the original.
func (c *CLIP) Tokenize(text string) []Token {
	cs := cleanCLIP(text)
	var (
		tokens []Token
		b      bpe
	)
	word := 0
	for i := 0; i < len(cs); {
		n := clipPart(cs[i:])
		if n == 0 {
			i++
			continue
		}
		part := cs[i : i+n]
		i += n
		switch start, end := part[0].start, part[n-1].end; {
		case equal(part, clipStart):
			tokens = append(tokens, Token{c.Start(), start, end, word})
		case equal(part, clipEnd):
			tokens = append(tokens, Token{c.End(), start, end, word})
		default:
			tokens = b.append(tokens, c.pairs, part, word)
		}
		word++
	}
	return tokens
}

// Encode is Tokenize between start and end token, cut to length (0: [CLIPLength]) with the end token
// kept, as the text tower reads it; pad ids with 0. Words of the pieces are as in Tokenize;
// start and end token have empty ranges and are of no word.
func (c *CLIP) Encode(text string, length int) []Token {
	if length <= 0 {
		length = CLIPLength
	}
	body := c.Tokenize(text)
	body = body[:min(len(body), max(0, length-2))]
	tokens := make([]Token, 0, len(body)+2)
	tokens = append(tokens, Token{ID: c.Start()})
	tokens = append(tokens, body...)
	tokens = append(tokens, Token{ID: c.End(), Start: len(text), End: len(text)})
	return tokens
}

// clipPart is the length of the part that CLIP's pattern matches at the start of cs, 0 on white space:
//
//	<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+
//
// It ignores case; in text that is lower-cased already that leaves ſ, which matches s.
func clipPart(cs []char) int {
	kind := clipKind(cs[0].r)
	switch kind {
	case space:
		return 0
	case number:
		return 1
	}
	if cs[0].r == '<' {
		for _, s := range [...]string{clipStart, clipEnd} {
			if hasFolded(cs, s) {
				return len(s)
			}
		}
	}
	if cs[0].r == '\'' {
		for _, s := range [...]string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
			if hasFolded(cs, s) {
				return len(s)
			}
		}
	}
	n := 1
	for n < len(cs) && clipKind(cs[n].r) == kind {
		n++
	}
	return n
}

func hasFolded(cs []char, s string) bool {
	if len(cs) < len(s) {
		return false
	}
	for i := range len(s) {
		if r := cs[i].r; r != rune(s[i]) && (r != 'ſ' || s[i] != 's') {
			return false
		}
	}
	return true
}

const (
	other = iota
	letter
	number
	space
)

func clipKind(r rune) int {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r), r == '\u0345':
		// Where case is ignored, that mark is neither a letter nor the opposite to the original's
		// regular expressions: it is lost.
		return space
	}
	return other
}

// bpe merges the bytes of one part. Its buffers are kept between parts.
type bpe struct {
	sym  []symbol
	heap pairHeap
	due  []pair
}

// A symbol is a run of bytes; dead ones were swallowed by the symbol to their left.
type symbol struct {
	id         int32
	start, end int // of the original text
	prev, next int32
	dead       bool
}

// append adds the tokens of part. Like the original it takes the pair of lowest rank and merges
// all its occurrences from left to right before it looks for the next; the heap makes that n log n.
func (b *bpe) append(tokens []Token, pairs map[[2]int32]bpMerge, part []char, word int) []Token {
	b.sym, b.heap = b.sym[:0], b.heap[:0]
	var buf [utf8.UTFMax]byte
	for _, c := range part {
		for _, x := range buf[:utf8.EncodeRune(buf[:], c.r)] {
			i := int32(len(b.sym))
			b.sym = append(b.sym, symbol{id: byteID[x], start: c.start, end: c.end, prev: i - 1, next: i + 1})
		}
	}
	last := len(b.sym) - 1
	b.sym[last].id += 256 // the byte that ends a word
	b.sym[last].next = -1

	find := func(i int32) (pair, bool) {
		if i < 0 || b.sym[i].next < 0 {
			return pair{}, false
		}
		l, r := b.sym[i].id, b.sym[b.sym[i].next].id
		m, ok := pairs[[2]int32{l, r}]
		return pair{m.rank, i, l, r, m.id}, ok
	}
	for i := range b.sym {
		if p, ok := find(int32(i)); ok {
			b.heap = append(b.heap, p)
		}
	}
	heap.Init(&b.heap)
	for len(b.heap) > 0 {
		b.due = b.due[:0]
		for rank := b.heap[0].rank; len(b.heap) > 0 && b.heap[0].rank == rank; {
			b.due = append(b.due, heap.Pop(&b.heap).(pair))
		}
		for _, p := range b.due {
			l := &b.sym[p.at]
			if l.dead || l.id != p.left || l.next < 0 || b.sym[l.next].id != p.right {
				continue // a merge since then has taken one of the two
			}
			r := &b.sym[l.next]
			r.dead = true
			l.id, l.end, l.next = p.id, r.end, r.next
			if l.next >= 0 {
				b.sym[l.next].prev = p.at
			}
			for _, at := range [...]int32{l.prev, p.at} {
				if p, ok := find(at); ok {
					heap.Push(&b.heap, p)
				}
			}
		}
	}
	for i := int32(0); i >= 0; i = b.sym[i].next {
		s := b.sym[i]
		tokens = append(tokens, Token{int(s.id), s.start, s.end, word})
	}
	return tokens
}

// A pair is a merge that was possible when it was found.
type pair struct {
	rank, at, left, right, id int32
}

// pairHeap orders by rank, then from left to right.
type pairHeap []pair

func (h pairHeap) Len() int      { return len(h) }
func (h pairHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h pairHeap) Less(i, j int) bool {
	return h[i].rank < h[j].rank || h[i].rank == h[j].rank && h[i].at < h[j].at
}
func (h *pairHeap) Push(x any) { *h = append(*h, x.(pair)) }
func (h *pairHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
