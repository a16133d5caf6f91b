package tokenizer

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"strings"
)

// CLIPLength is the number of positions of CLIP's text tower.
const CLIPLength = 77

// clipMerges is how many merges of OpenAI's file CLIP uses; the file holds five times as many.
const clipMerges = 49152 - 256 - 2

// maxMergesBytes bounds a merges file after decompression; OpenAI's is 3 MB.
const maxMergesBytes = 16 << 20

const clipStart, clipEnd = "<|startoftext|>", "<|endoftext|>"

// wordEnd ends the last piece of a word.
const wordEnd = "</w>"

// CLIP is the byte-level BPE tokenizer of OpenAI's CLIP as its own code has it: wrongly decoded text mended (as
// ftfy does), HTML entities resolved, white space collapsed, lower-cased, split by CLIP's pattern, each part merged
// as the file says.
type CLIP struct {
	*Subword
	list [][2]string // of merges, as the file has them
}

// LoadCLIP reads CLIP's merges: OpenAI's bpe_simple_vocab_16e6.txt.gz or Hugging Face's
// merges.txt, packed with gzip or not.
func LoadCLIP(path string) (*CLIP, error) {
	merges, err := loadMerges(path)
	if err != nil {
		return nil, err
	}
	c, err := newCLIP(merges)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// ReadCLIP is LoadCLIP for an open file.
func ReadCLIP(r io.Reader) (*CLIP, error) {
	merges, err := readMerges(r)
	if err != nil {
		return nil, err
	}
	return newCLIP(merges)
}

func loadMerges(path string) ([][2]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: CLIP merges: %w", err)
	}
	defer f.Close()
	merges, err := readMerges(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return merges, nil
}

func readMerges(r io.Reader) ([][2]string, error) {
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
	return merges, nil
}

// WriteMerges writes the merges as ReadCLIP reads them.
func (c *CLIP) WriteMerges(w io.Writer) error {
	b := bufio.NewWriter(w)
	b.WriteString("#version: 0.2\n") // errors stay until Flush
	for _, m := range c.list {
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

func newCLIP(merges [][2]string) (*CLIP, error) {
	r, v, err := mergesRecipe(merges, clipStart, clipEnd)
	if err != nil {
		return nil, err
	}
	r.Clean = CleanOpenCLIP
	s, err := newSubword(r, v)
	if err != nil {
		return nil, err
	}
	return &CLIP{s, merges}, nil
}

// mergesRecipe numbers the pieces: 256 bytes, 256 bytes that end a word, one per merge, two specials.
func mergesRecipe(merges [][2]string, start, end string) (r recipe, v lexicon, err error) {
	if len(merges) == 0 {
		return r, v, fmt.Errorf("%w: no merges", ErrVocabulary)
	}
	for _, b := range byteOrder() {
		v.pieces = append(v.pieces, string(byteRune(b)))
	}
	for i := range 256 {
		v.pieces = append(v.pieces, v.pieces[i]+wordEnd)
	}
	for _, m := range merges {
		v.pieces = append(v.pieces, m[0]+m[1])
	}
	first := len(v.pieces)
	v.pieces = append(v.pieces, start, end)
	if v.merges, err = resolveMerges(numbers(v.pieces), merges); err != nil {
		return r, v, err
	}
	return recipe{
		Kind:  KindCLIP,
		Split: []splitStep{{Type: splitCLIP, IgnoreCase: true, Specials: []addedToken{{ID: first, Content: start}, {ID: first + 1, Content: end}}}},
		Model: modelRecipe{Unknown: -1, ByteLevel: true, Suffix: wordEnd, Waves: true},
		Frame: Frame{Before: []int{first}, After: []int{first + 1}},
	}, v, nil
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

// Start and End are the ids of <|startoftext|> and <|endoftext|>.
func (c *CLIP) Start() int { return c.recipe.Frame.Before[0] }
func (c *CLIP) End() int   { return c.recipe.Frame.After[0] }

// Encode is Tokenize between start and end token, cut to length (0: [CLIPLength]) with the end token
// kept, as the text tower reads it; pad ids with 0. Words of the pieces are as in Tokenize;
// start and end token have empty ranges and are of no word.
func (c *CLIP) Encode(text string, length int) []Token {
	if length <= 0 {
		length = CLIPLength
	}
	return Encode(c, text, length).Tokens
}
