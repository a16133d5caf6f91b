package tokenizer

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A char is a code point on its way from the text to a token, with the bytes it came from.
type char struct {
	r          rune
	start, end int
}

// lower appends the lower case of word to dst as Python's str.lower defines it: the full Unicode
// mapping, in which İ becomes two code points and Σ depends on what surrounds it.
func lower(dst, word []char) []char {
	for i, c := range word {
		switch {
		case c.r < utf8.RuneSelf:
			if 'A' <= c.r && c.r <= 'Z' {
				c.r += 'a' - 'A'
			}
		case c.r == 'İ':
			dst = append(dst, char{'i', c.start, c.end})
			c.r = '\u0307'
		case c.r == 'Σ':
			c.r = 'σ'
			if finalSigma(word, i) {
				c.r = 'ς'
			}
		default:
			c.r = unicode.ToLower(c.r)
		}
		dst = append(dst, c)
	}
	return dst
}

// finalSigma tells whether the sigma at word[i] ends a word: a cased letter before it and none
// after it, where case-ignorable characters do not count. Between two sigmas a stretch is looked at
// at most twice, so lower stays linear.
func finalSigma(word []char, i int) bool {
	j := i - 1
	for j >= 0 && caseIgnorable(word[j].r) {
		j--
	}
	if j < 0 || !cased(word[j].r) {
		return false
	}
	j = i + 1
	for j < len(word) && caseIgnorable(word[j].r) {
		j++
	}
	return j == len(word) || !cased(word[j].r)
}

func cased(r rune) bool {
	return unicode.IsLower(r) || unicode.IsUpper(r) || unicode.IsTitle(r) ||
		unicode.In(r, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

func caseIgnorable(r rune) bool {
	switch r {
	case '\'', '.', ':', '·', '\u0387', '\u055f', '\u05f4', '‘', '’', '․', '‧',
		'\ufe13', '\ufe52', '\ufe55', '\uff07', '\uff0e', '\uff1a':
		return true
	}
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk)
}

// stripAccents appends word to dst in canonical decomposition (NFD), without its non-spacing
// marks. The range of a mark that is dropped goes to the character kept before it.
//
// norm.NFD itself is not used because it keeps no offsets and breaks up long runs of marks
// (stream-safe text), which the original does not.
func stripAccents(dst, word []char) []char {
	first := len(dst)
	marks := first // start of the current run of characters with a combining class
	var parts [8]rune
	for _, c := range word {
		if c.r < 0xC0 { // nothing below decomposes, and nothing is a mark
			dst = append(dst, c)
			marks = len(dst)
			continue
		}
		for _, r := range decompose(parts[:0], c.r) {
			class := combiningClass(r)
			if class == 0 {
				marks = len(dst)
			}
			if unicode.Is(unicode.Mn, r) {
				if len(dst) > first {
					last := &dst[len(dst)-1]
					last.end = max(last.end, c.end)
				}
				continue
			}
			dst = append(dst, char{r, c.start, c.end})
			// A handful of spacing marks have a class, and canonical order sorts them by it. That the
			// non-spacing ones are dropped first does not change their order among themselves. The
			// ranges stay where they are, so that they never run backwards.
			i := len(dst) - 1
			for stop := max(marks, i-maxMarks); class > 0 && i > stop && combiningClass(dst[i-1].r) > class; i-- {
				dst[i].r, dst[i-1].r = dst[i-1].r, dst[i].r
			}
		}
	}
	return dst
}

// maxMarks bounds the sorting of spacing marks after one base character: no writing has so many,
// and sorting a hostile run of them would be quadratic.
const maxMarks = 64

// decompose appends the full canonical decomposition of r.
func decompose(dst []rune, r rune) []rune {
	const base, l, v, t, vCount, tCount = 0xAC00, 0x1100, 0x1161, 0x11A7, 21, 28
	if s := r - base; 0 <= s && s < 19*vCount*tCount { // Hangul syllables, by arithmetic
		dst = append(dst, l+s/(vCount*tCount), v+s%(vCount*tCount)/tCount)
		if s%tCount != 0 {
			dst = append(dst, t+s%tCount)
		}
		return dst
	}
	var buf [utf8.UTFMax]byte
	d := norm.NFD.Properties(buf[:utf8.EncodeRune(buf[:], r)]).Decomposition()
	if d == nil {
		return append(dst, r)
	}
	for len(d) > 0 {
		r, n := utf8.DecodeRune(d)
		dst, d = append(dst, r), d[n:]
	}
	return dst
}

func combiningClass(r rune) uint8 {
	var buf [utf8.UTFMax]byte
	return norm.NFD.Properties(buf[:utf8.EncodeRune(buf[:], r)]).CCC()
}

// chars are the code points of s with their places; offset is where s starts in the original text.
func chars(s string, offset int) []char {
	cs := make([]char, 0, len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		cs = append(cs, char{r, offset + i, offset + i + n})
		i += n
	}
	return cs
}

// pythonSpace is what str.split and str.strip treat as white space.
func pythonSpace(r rune) bool {
	return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f
}

// equal compares code points with an ASCII string.
func equal(cs []char, s string) bool {
	return len(cs) == len(s) && slices.EqualFunc(cs, []byte(s), func(c char, b byte) bool { return c.r == rune(b) })
}
