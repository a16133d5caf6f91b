package picture

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean is a text from a file as people may read it: valid, without control characters, and trimmed.
func clean(s string) string {
	if !utf8.ValidString(s) {
		r := make([]rune, 0, len(s)) // what is no UTF-8 is mostly Latin-1
		for i := range len(s) {
			r = append(r, rune(s[i]))
		}
		s = string(r)
	}
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}
