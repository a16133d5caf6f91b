package tokenizer

import (
	"fmt"
	"unicode"
)

// A splitStep cuts normalized text into the parts that a model takes one at a time.
type splitStep struct {
	Type string `json:"type"`
	// CLIP: tokens that its pattern names; IgnoreCase as the original's regular expression has it.
	Specials   []addedToken `json:"specials,omitempty"`
	IgnoreCase bool         `json:"ignore_case,omitempty"`
	// Split: at this string, MergedWithPrevious.
	Pattern string `json:"pattern,omitempty"`
	// Metaspace.
	Prepend string `json:"prepend,omitempty"` // always, first or never
	Whole   bool   `json:"whole,omitempty"`   // blanks are written, but nothing is cut
}

// Kinds of splitStep.
const (
	splitCLIP      = "CLIP"
	splitString    = "Split"
	splitMetaspace = "Metaspace"
)

// clipPattern is CLIP's as tokenizer.json writes it.
const clipPattern = `'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`

// A part is a stretch that the model cuts by itself, or a token that the splitter named (id ≥ 0).
type part struct {
	cs []char
	id int
}

// split appends the parts of p. first: nothing of the text stands before it.
func (s *splitStep) split(dst []part, p part, first bool) []part {
	if p.id >= 0 {
		return append(dst, p)
	}
	switch s.Type {
	case splitCLIP:
		for cs := p.cs; len(cs) > 0; {
			n, id := s.clipPart(cs)
			if n == 0 {
				cs = cs[1:]
				continue
			}
			dst = append(dst, part{cs[:n], id})
			cs = cs[n:]
		}
		return dst
	case splitString:
		pattern := []rune(s.Pattern)
		from := 0
		for i := 0; i+len(pattern) <= len(p.cs); {
			if !begins(p.cs[i:], pattern) {
				i++
				continue
			}
			i += len(pattern)
			dst = append(dst, part{p.cs[from:i], -1})
			from = i
		}
		if from < len(p.cs) {
			dst = append(dst, part{p.cs[from:], -1})
		}
		return dst
	}
	return s.metaspace(dst, p.cs, first)
}

func begins(cs []char, with []rune) bool {
	for i, r := range with {
		if i >= len(cs) || cs[i].r != r {
			return false
		}
	}
	return true
}

// metaspace writes spaces as ▁ and cuts in front of each.
func (s *splitStep) metaspace(dst []part, cs []char, first bool) []part {
	if len(cs) == 0 {
		return dst
	}
	out := make([]char, 0, len(cs)+1)
	if cs[0].r != blank && cs[0].r != ' ' && (s.Prepend == "always" || s.Prepend == "first" && first) {
		out = append(out, char{blank, cs[0].start, cs[0].start})
	}
	from := 0
	for _, c := range cs {
		if c.r == ' ' {
			c = char{blank, c.end, c.end}
		}
		if c.r == blank && !s.Whole && len(out) > from {
			dst = append(dst, part{out[from:len(out):len(out)], -1})
			from = len(out)
		}
		out = append(out, c)
	}
	return append(dst, part{out[from:], -1})
}

// check refuses what split would not do.
func (s *splitStep) check() error {
	switch s.Type {
	case splitCLIP:
		return nil
	case splitString:
		if s.Pattern == "" {
			return fmt.Errorf("%w: a Split pre-tokenizer has no pattern", ErrVocabulary)
		}
		return nil
	case splitMetaspace:
		switch s.Prepend {
		case "always", "first", "never":
			return nil
		}
		return fmt.Errorf("%w: a Metaspace pre-tokenizer has the prepend_scheme %q", ErrVocabulary, s.Prepend)
	}
	return fmt.Errorf("%w: the pre-tokenizer %q is not supported", ErrVocabulary, s.Type)
}

// clipPart is the length of the part that CLIP's pattern matches at the start of cs, 0 on white space:
//
//	SPECIALS|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+
//
// and the id of a special token, else −1. The original ignores case; in text that is lower-cased already that leaves
// ſ, which matches s.
func (s *splitStep) clipPart(cs []char) (n, id int) {
	kind := s.clipKind(cs[0].r)
	switch kind {
	case space:
		return 0, -1
	case number:
		return 1, -1
	}
	for _, t := range s.Specials {
		if s.has(cs, t.Content) {
			return len(t.Content), t.ID
		}
	}
	if cs[0].r == '\'' {
		for _, ending := range [...]string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
			if s.has(cs, ending) {
				return len(ending), -1
			}
		}
	}
	n = 1
	for n < len(cs) && s.clipKind(cs[n].r) == kind {
		n++
	}
	return n, -1
}

// has compares with an ASCII string of lower case.
func (s *splitStep) has(cs []char, str string) bool {
	if len(cs) < len(str) {
		return false
	}
	for i := range len(str) {
		if r := cs[i].r; r != rune(str[i]) && !(s.IgnoreCase && r == 'ſ' && str[i] == 's') {
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

func (s *splitStep) clipKind(r rune) int {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r), s.IgnoreCase && r == '\u0345':
		// Where case is ignored, that mark is neither a letter nor the opposite to the original's
		// regular expressions: it is lost.
		return space
	}
	return other
}
