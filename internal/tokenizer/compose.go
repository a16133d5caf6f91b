package tokenizer

import (
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalForm is one of Unicode's normalization forms with the places kept. x/text's own keeps none and breaks up
// long runs of marks (stream-safe text), which the originals do not.
func normalForm(cs []char, compat, composed bool) []char {
	plain := true
	for _, c := range cs {
		if c.r >= 0xA0 {
			plain = false
			break
		}
	}
	if plain {
		return cs
	}
	out := make([]char, 0, len(cs)+len(cs)/4)
	marks := 0 // start of the current run of characters with a combining class
	var parts [32]rune
	for _, c := range cs {
		if c.r < 0xA0 {
			sortMarks(out[marks:])
			out = append(out, c)
			marks = len(out)
			continue
		}
		d := parts[:0]
		if compat {
			d = decomposeCompat(d, c.r)
		} else {
			d = decompose(d, c.r)
		}
		for _, r := range d {
			if combiningClass(r) == 0 {
				sortMarks(out[marks:])
				marks = len(out) + 1
			}
			out = append(out, char{r, c.start, c.end})
		}
	}
	if marks < len(out) {
		sortMarks(out[marks:])
	}
	if composed {
		out = compose(out)
	}
	return out
}

// sortMarks puts a run of marks into canonical order. The ranges stay where they are, so that they never run
// backwards.
func sortMarks(run []char) {
	if len(run) < 2 {
		return
	}
	rs := make([]rune, len(run))
	for i, c := range run {
		rs[i] = c.r
	}
	slices.SortStableFunc(rs, func(a, b rune) int { return int(combiningClass(a)) - int(combiningClass(b)) })
	for i := range run {
		run[i].r = rs[i]
	}
}

// decomposeCompat appends the full compatibility decomposition of r.
func decomposeCompat(dst []rune, r rune) []rune {
	var buf [utf8.UTFMax]byte
	d := norm.NFKD.Properties(buf[:utf8.EncodeRune(buf[:], r)]).Decomposition()
	if d == nil {
		return decompose(dst, r)
	}
	for len(d) > 0 {
		r, n := utf8.DecodeRune(d)
		dst, d = append(dst, r), d[n:]
	}
	return dst
}

// compose joins what decomposition took apart, in place. What is joined has the range of both.
func compose(cs []char) []char {
	out := cs[:0]
	starter := -1 // the last character of class 0 in out
	last := uint8(0)
	for _, c := range cs {
		class := combiningClass(c.r)
		adjacent := starter == len(out)-1
		if starter >= 0 && (adjacent || last < class) {
			if r, ok := composePair(out[starter].r, c.r); ok {
				out[starter].r = r
				out[starter].end = max(out[starter].end, c.end)
				continue
			}
		}
		if class == 0 {
			starter = len(out)
		}
		last = class
		out = append(out, c)
	}
	return out
}

// composePair is the primary composite of two characters.
func composePair(a, b rune) (rune, bool) {
	var buf [2 * utf8.UTFMax]byte
	n := utf8.EncodeRune(buf[:], b)
	if b < 0x300 || norm.NFC.Properties(buf[:n]).BoundaryBefore() {
		return 0, false
	}
	n = utf8.EncodeRune(buf[:], a)
	n += utf8.EncodeRune(buf[n:], b)
	var to [4 * utf8.UTFMax]byte
	s := norm.NFC.Append(to[:0], buf[:n]...)
	r, size := utf8.DecodeRune(s)
	return r, size == len(s)
}
