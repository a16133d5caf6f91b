package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// special are the tokens that BERT's tokenizer never cuts, wherever they stand in a text.
var special = [...]string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}

// A splitter is BERT's basic tokenization: it cuts a text into words and punctuation marks,
// cleaned, and lower-cased and without accents unless cased. Buffers are kept between words.
type splitter struct {
	cased bool
	// word is called for every word in order. named is the special token's name, or "" for a word
	// made of cs, which is valid during the call.
	word func(cs []char, start, end int, named string)

	raw, low, plain []char
}

func (s *splitter) split(text string) {
	var next [len(special)]int // where each special token occurs next; len(text) when nowhere
	for i := range next {
		next[i] = -1
	}
	for pos := 0; pos <= len(text); {
		at, which := len(text), -1
		for i, name := range special {
			if next[i] < pos { // searched again only when passed, so the whole search is linear
				if j := strings.Index(text[pos:], name); j < 0 {
					next[i] = len(text)
				} else {
					next[i] = pos + j
				}
			}
			if next[i] < at {
				at, which = next[i], i
			}
		}
		s.segment(text[pos:at], pos)
		if which < 0 {
			return
		}
		pos = at + len(special[which])
		s.word(nil, at, pos, special[which])
	}
}

// segment splits a stretch of text without special tokens.
func (s *splitter) segment(text string, offset int) {
	s.raw = s.raw[:0]
	for i := 0; i < len(text); {
		r, n := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(text[i:])
		}
		c := char{r, offset + i, offset + i + n}
		i += n
		switch {
		case isSpace(r):
			s.flush()
		case r == 0 || r == utf8.RuneError || isControl(r):
			// removed: what stands around it becomes one word
		case isCJK(r):
			s.flush()
			s.raw = append(s.raw, c)
			s.flush()
		default:
			s.raw = append(s.raw, c)
		}
	}
	s.flush()
}

// flush lower-cases the word collected in raw and cuts it at its punctuation.
func (s *splitter) flush() {
	w := s.raw
	s.raw = s.raw[:0]
	if len(w) == 0 {
		return
	}
	if !s.cased && !isSpecial(w) {
		s.low = lower(s.low[:0], w)
		s.plain = stripAccents(s.plain[:0], s.low)
		w = s.plain
	}
	from := 0
	for i, c := range w {
		if !isPunctuation(c.r) {
			continue
		}
		s.emit(w[from:i])
		s.emit(w[i : i+1])
		from = i + 1
	}
	s.emit(w[from:])
}

func (s *splitter) emit(w []char) {
	if len(w) > 0 {
		s.word(w, w[0].start, w[len(w)-1].end, "")
	}
}

// isSpecial reports a special token that only appeared when control characters were removed. The
// original keeps its case and yet cuts it at the brackets.
func isSpecial(w []char) bool {
	if w[0].r != '[' {
		return false
	}
	for _, name := range special {
		if equal(w, name) {
			return true
		}
	}
	return false
}

func isSpace(r rune) bool {
	switch r {
	case ' ', '\t', '\n', '\r':
		return true
	case '\u2028', '\u2029': // no white space to BERT, but Python's split takes them as such
		return true
	}
	return r >= utf8.RuneSelf && unicode.Is(unicode.Zs, r)
}

// isControl is every category that starts with C: controls, format characters, surrogates, private
// use and unassigned code points. Tab, newline and carriage return never get here.
func isControl(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z)
}

func isCJK(r rune) bool {
	return 0x4E00 <= r && r <= 0x9FFF || 0x3400 <= r && r <= 0x4DBF ||
		0x20000 <= r && r <= 0x2A6DF || 0x2A700 <= r && r <= 0x2B73F ||
		0x2B740 <= r && r <= 0x2B81F || 0x2B820 <= r && r <= 0x2CEAF ||
		0xF900 <= r && r <= 0xFAFF || 0x2F800 <= r && r <= 0x2FA1F
}

func isPunctuation(r rune) bool {
	if r < utf8.RuneSelf { // every ASCII sign, also those that Unicode calls symbols
		return '!' <= r && r <= '/' || ':' <= r && r <= '@' || '[' <= r && r <= '`' || '{' <= r && r <= '~'
	}
	return unicode.Is(unicode.P, r)
}
