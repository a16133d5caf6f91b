package tokenizer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// blank is how SentencePiece and its kin write a space.
const blank = '▁'

// A normalStep is a step of normalization as tokenizer.json names it.
type normalStep struct {
	Type    string `json:"type"`
	Pattern string `json:"pattern,omitempty"` // Replace: a string,
	Regex   string `json:"regex,omitempty"`   // or a regular expression
	Content string `json:"content,omitempty"` // Replace, Prepend
	Left    bool   `json:"left,omitempty"`    // Strip
	Right   bool   `json:"right,omitempty"`
	Table   []byte `json:"table,omitempty"` // Precompiled
}

// maxPattern bounds a regular expression; Go's need time linear in the text, times its length.
const maxPattern = 1 << 10

// compile makes the function of a step.
func (s normalStep) compile() (func([]char) []char, error) {
	switch s.Type {
	case "NFC", "NFD", "NFKC", "NFKD":
		compat, composed := s.Type[2] == 'K', strings.HasSuffix(s.Type, "C")
		return func(cs []char) []char { return normalForm(cs, compat, composed) }, nil
	case "Lowercase":
		return lowerEach, nil
	case "Strip":
		return func(cs []char) []char {
			for s.Left && len(cs) > 0 && unicode.IsSpace(cs[0].r) {
				cs = cs[1:]
			}
			for s.Right && len(cs) > 0 && unicode.IsSpace(cs[len(cs)-1].r) {
				cs = cs[:len(cs)-1]
			}
			return cs
		}, nil
	case "Prepend":
		return func(cs []char) []char {
			if len(cs) == 0 {
				return cs
			}
			return slices.Concat(replacement(s.Content, cs[:1], true), cs)
		}, nil
	case "Precompiled":
		m, err := parseCharsmap(s.Table)
		if err != nil {
			return nil, err
		}
		return m.applyGraphemes, nil
	case "Replace":
		return s.compileReplace()
	}
	return nil, fmt.Errorf("%w: the normalizer %q is not supported", ErrVocabulary, s.Type)
}

func (s normalStep) compileReplace() (func([]char) []char, error) {
	var find func(string) [][]int
	if s.Regex != "" {
		re, err := unicodeRegexp(s.Regex)
		if err != nil {
			return nil, err
		}
		find = matches(re)
	} else {
		if s.Pattern == "" {
			return nil, fmt.Errorf("%w: a Replace normalizer has no pattern", ErrVocabulary)
		}
		find = func(text string) (found [][]int) {
			for at := 0; ; {
				i := strings.Index(text[at:], s.Pattern)
				if i < 0 {
					return found
				}
				found = append(found, []int{at + i, at + i + len(s.Pattern)})
				at += i + len(s.Pattern)
			}
		}
	}
	return func(cs []char) []char {
		return substitute(cs, find, func(m []char) ([]char, bool) { return replacement(s.Content, m, false), len(m) > 0 })
	}, nil
}

// matches finds what a regular expression matches.
func matches(re *regexp.Regexp) func(string) [][]int {
	return func(text string) [][]int { return re.FindAllStringIndex(text, -1) }
}

// substitute replaces what find finds by what f makes of it, if it wants to.
func substitute(cs []char, find func(string) [][]int, f func([]char) ([]char, bool)) []char {
	found := find(text(cs))
	if len(found) == 0 {
		return cs
	}
	out := make([]char, 0, len(cs))
	i, at := 0, 0 // the character and its place
	step := func(to int) (from int) {
		for from = i; at < to; i++ {
			at += utf8.RuneLen(cs[i].r)
		}
		return from
	}
	for _, m := range found {
		from := step(m[0])
		out = append(out, cs[from:i]...)
		from = step(m[1])
		if v, ok := f(cs[from:i]); ok {
			out = append(out, v...)
		} else {
			out = append(out, cs[from:i]...)
		}
	}
	return append(out, cs[i:]...)
}

// replacement is what stands for the characters from. Blanks cover no text: a word is its letters. What stands in
// front of them covers none either.
func replacement(s string, from []char, front bool) []char {
	start, end := from[0].start, from[len(from)-1].end
	if front {
		end = start
	} else if strings.Trim(s, string(blank)) == "" {
		start = end
	}
	var out []char
	for _, r := range s {
		out = append(out, char{r, start, end})
	}
	return out
}

// unicodeRegexp compiles a pattern of tokenizer.json, in which \s means white space in all scripts. What
// Go's regular expressions lack (looking around) is refused.
func unicodeRegexp(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("%w: a pattern of %d characters", ErrVocabulary, len(pattern))
	}
	const space = `\t-\r\x{85}\p{Z}`
	var b strings.Builder
	class := false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			i++
			switch next := pattern[i]; {
			case next == 's' && class:
				b.WriteString(space)
			case next == 's':
				b.WriteString("[" + space + "]")
			case next >= utf8.RuneSelf || strings.IndexByte("!\"#%&',/:;<=>@_`~ -", next) >= 0:
				if class && next == '-' {
					b.WriteString(`\-`)
				} else {
					b.WriteByte(next) // needless backslashes, which Go does not take
				}
			default:
				b.WriteByte(c)
				b.WriteByte(next)
			}
		default:
			if c == '[' && !class {
				class = true
			} else if c == ']' && class {
				class = false
			}
			b.WriteByte(c)
		}
	}
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, fmt.Errorf("%w: the pattern %q is not supported: %w", ErrVocabulary, clip(pattern, 80), err)
	}
	return re, nil
}

// lowerEach is lower case one character at a time: a sigma does not look at what surrounds it.
func lowerEach(cs []char) []char {
	out := make([]char, 0, len(cs))
	for i := range cs {
		if cs[i].r == 'Σ' {
			out = append(out, char{'σ', cs[i].start, cs[i].end})
			continue
		}
		out = lower(out, cs[i:i+1])
	}
	return out
}
