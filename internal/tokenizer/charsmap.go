package tokenizer

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// A charsmap is SentencePiece's precompiled normalization: a double-array trie (darts-clone) of what is
// replaced, and the replacements, each ended by a zero byte. Nothing in it is trusted: every step is checked.
type charsmap struct {
	units []uint32
	text  string
}

// maxCharsmap bounds a table; nmt_nfkc's has 240 kB.
const maxCharsmap = 16 << 20

// parseCharsmap reads the table as it stands in spiece.model and in tokenizer.json. An empty one replaces
// nothing.
func parseCharsmap(b []byte) (*charsmap, error) {
	if len(b) == 0 {
		return &charsmap{}, nil
	}
	if len(b) > maxCharsmap {
		return nil, fmt.Errorf("%w: the normalization table is larger than %d MB", ErrVocabulary, maxCharsmap>>20)
	}
	if len(b) < 4 {
		return nil, fmt.Errorf("%w: the normalization table ends after %d bytes", ErrVocabulary, len(b))
	}
	n := binary.LittleEndian.Uint32(b)
	if n%4 != 0 || int64(n) > int64(len(b)-4) {
		return nil, fmt.Errorf("%w: the normalization table's trie has %d bytes of the %d there are", ErrVocabulary, n, len(b)-4)
	}
	m := &charsmap{units: make([]uint32, n/4), text: string(b[4+n:])}
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32(b[4+4*i:])
	}
	return m, nil
}

func trieOffset(unit uint32) uint32 { return unit >> 10 << ((unit & (1 << 9)) >> 6) }

// find looks for a key at the start of cs: the longest, or the shortest. n is its length in characters.
func (m *charsmap) find(cs []char, longest bool) (value uint32, n int, ok bool) {
	if len(m.units) == 0 {
		return 0, 0, false
	}
	at := trieOffset(m.units[0])
	var buf [utf8.UTFMax]byte
	for i, c := range cs {
		for _, b := range buf[:utf8.EncodeRune(buf[:], c.r)] {
			at ^= uint32(b)
			if int64(at) >= int64(len(m.units)) {
				return value, n, ok
			}
			unit := m.units[at]
			if unit&(1<<31|0xff) != uint32(b) {
				return value, n, ok
			}
			at ^= trieOffset(unit)
			if unit>>8&1 == 0 {
				continue
			}
			if int64(at) >= int64(len(m.units)) {
				return value, n, ok
			}
			// Keys are whole characters, so that only the last byte of one ends a key.
			value, n, ok = m.units[at]&(1<<31-1), i+1, true
			if !longest {
				return value, n, ok
			}
		}
	}
	return value, n, ok
}

// replacement is the text of a value.
func (m *charsmap) replacement(value uint32) string {
	if int64(value) >= int64(len(m.text)) {
		return ""
	}
	s := m.text[value:]
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	return s
}

// appendText appends s, which stands for the characters from.
func appendText(dst []char, s string, from []char) []char {
	start, end := from[0].start, from[len(from)-1].end
	for _, r := range s {
		dst = append(dst, char{r, start, end})
	}
	return dst
}

// apply normalizes as SentencePiece does: the longest key at every place.
func (m *charsmap) apply(cs []char) []char {
	out := make([]char, 0, len(cs))
	for i := 0; i < len(cs); {
		if v, n, ok := m.find(cs[i:], true); ok {
			out = appendText(out, m.replacement(v), cs[i:i+n])
			i += n
			continue
		}
		out = append(out, cs[i])
		i++
	}
	return out
}

// applyGraphemes normalizes as Hugging Face's tokenizers do, which go by grapheme clusters: one of less than six
// bytes that begins with a key is replaced whole by what the shortest such key becomes; else every character of it
// is looked up alone.
func (m *charsmap) applyGraphemes(cs []char) []char {
	var text strings.Builder
	for _, c := range cs {
		text.WriteRune(c.r)
	}
	out := make([]char, 0, len(cs))
	state, rest := -1, text.String()
	for i := 0; i < len(cs); {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		n := utf8.RuneCountInString(cluster)
		if n == 0 {
			break
		}
		if len(cluster) < 6 {
			if v, _, ok := m.find(cs[i:i+n], false); ok {
				out = appendText(out, m.replacement(v), cs[i:i+n])
				i += n
				continue
			}
		}
		for ; n > 0; n-- {
			if v, _, ok := m.find(cs[i:i+1], false); ok {
				out = appendText(out, m.replacement(v), cs[i:i+1])
			} else {
				out = append(out, cs[i])
			}
			i++
		}
	}
	return out
}
