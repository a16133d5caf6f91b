package tokenizer

import (
	"html"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// repair is what OpenCLIP calls basic cleaning, but for the trimming: wrongly decoded text is mended, HTML entities are
// resolved, twice.
func repair(cs []char) []char { return unescape(unescape(fixText(cs))) }

// maxEntity is how far Python's html.unescape reads a name without meeting its semicolon.
const maxEntity = 32

// unescape replaces HTML entities the way Python's html.unescape does. What an entity becomes has
// the whole entity as its range.
func unescape(cs []char) []char {
	out := make([]char, 0, len(cs))
	for i := 0; i < len(cs); {
		if cs[i].r != '&' {
			out = append(out, cs[i])
			i++
			continue
		}
		n := entityLength(cs[i:])
		if n < 2 {
			out = append(out, cs[i])
			i++
			continue
		}
		name := make([]rune, n)
		for j := range name {
			name[j] = cs[i+j].r
		}
		var value []rune
		if name[1] == '#' {
			value = numericEntity(string(name))
		} else {
			value = []rune(html.UnescapeString(string(name)))
		}
		// "&ampx" is & and an x that was there before: what both end with is left as it is.
		same := 0
		for same < len(value) && same < n && value[len(value)-1-same] == name[n-1-same] {
			same++
		}
		if same == n {
			out = append(out, cs[i:i+n]...)
		} else {
			from, to := cs[i].start, cs[i+n-same-1].end
			for _, r := range value[:len(value)-same] {
				out = append(out, char{r, from, to})
			}
			out = append(out, cs[i+n-same:i+n]...)
		}
		i += n
	}
	return out
}

// entityLength matches &(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?) at the start of cs
// and returns its length, less than 2 for none.
func entityLength(cs []char) int {
	at := func(i int) rune {
		if i < len(cs) {
			return cs[i].r
		}
		return -1
	}
	n := 1
	if at(1) == '#' {
		digits := func(from int, is func(rune) bool) int {
			n := from
			for is(at(n)) {
				n++
			}
			if n == from {
				return 0
			}
			if at(n) == ';' {
				n++
			}
			return n
		}
		if at(2) == 'x' || at(2) == 'X' {
			return digits(3, func(r rune) bool {
				return '0' <= r && r <= '9' || 'a' <= r && r <= 'f' || 'A' <= r && r <= 'F'
			})
		}
		return digits(2, func(r rune) bool { return '0' <= r && r <= '9' })
	}
	for n <= maxEntity {
		switch r := at(n); r {
		case -1, '\t', '\n', '\f', ' ', '<', '&', '#':
			return n
		case ';':
			if n == 1 {
				return 0
			}
			return n + 1
		}
		n++
	}
	if at(n) == ';' {
		n++
	}
	return n
}

// numericEntity is the value of &#8364; or &#x20ac; with HTML's rules for code points that are none.
func numericEntity(s string) []rune {
	s, base := s[2:], 10
	if s[0] == 'x' || s[0] == 'X' {
		s, base = s[1:], 16
	}
	if s[len(s)-1] == ';' {
		s = s[:len(s)-1]
	}
	n, err := strconv.ParseUint(s, base, 32)
	switch {
	case err != nil || n == 0 || n > unicode.MaxRune || 0xD800 <= n && n <= 0xDFFF:
		return []rune{utf8.RuneError}
	case n == '\r':
		return []rune{'\r'}
	case 0x80 <= n && n <= 0x9F: // Windows-1252 written as if it were Latin-1
		return []rune(html.UnescapeString("&#" + strconv.FormatUint(n, 10) + ";"))
	case 1 <= n && n <= 8 || n == 0xB || 0xE <= n && n <= 0x1F || n == 0x7F || 0xFDD0 <= n && n <= 0xFDEF || n&0xFFFE == 0xFFFE:
		return nil // controls and noncharacters vanish
	}
	return []rune{rune(n)}
}
