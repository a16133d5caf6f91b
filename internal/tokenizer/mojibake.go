package tokenizer

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/language"
)

// The cleaning that CLIP's own tokenizers begin with is the Python library ftfy's ("fixes text for you", version
// 6.3): text that was decoded with the wrong encoding is decoded again with the right one, entities are resolved,
// curly quotes made straight, ligatures and full-width letters plain, control characters removed, the rest composed
// (NFC). What is decided here is decided as there, so that the same texts change in the same way.

// maxRounds bounds how often a text is mended until it stays the same. ftfy has no bound; texts that need more were
// made to cost time.
const maxRounds = 64

// maxLine is where ftfy cuts longer lines.
const maxLine = 1_000_000

// fixText mends a text line by line.
func fixText(cs []char) []char {
	if !suspicious(cs) {
		return cs
	}
	out := make([]char, 0, len(cs))
	entities := true
	for len(cs) > 0 {
		n := slices.IndexFunc(cs, func(c char) bool { return c.r == '\n' }) + 1
		if n == 0 {
			n = len(cs)
		}
		n = min(n, maxLine)
		line := cs[:n:n]
		cs = cs[n:]
		// What has a < is HTML, in which entities are meant; from there on they stay.
		entities = entities && !slices.ContainsFunc(line, func(c char) bool { return c.r == '<' })
		if suspicious(line) {
			line = fixLine(line, entities)
		}
		out = append(out, line...)
	}
	return out
}

// suspicious tells whether there is anything but plain ASCII without entities.
func suspicious(cs []char) bool {
	return slices.ContainsFunc(cs, func(c char) bool {
		return c.r >= 0x7F || c.r == '&' || c.r < ' ' && c.r != '\n' && c.r != '\t'
	})
}

func fixLine(cs []char, entities bool) []char {
	for range maxRounds {
		before := text(cs)
		if entities {
			cs = fixEntities(cs)
		}
		cs = normalForm(plainCharacters(fixEncoding(cs)), false, true)
		if text(cs) == before {
			break
		}
	}
	return cs
}

var entityPattern = regexp.MustCompile(`&#?[0-9A-Za-z]{1,24};`)

// fixEntities resolves the entities that end in a semicolon, also those of letters written in capitals.
func fixEntities(cs []char) []char {
	return substitute(cs, matches(entityPattern), func(m []char) ([]char, bool) {
		name := text(m)
		value := name
		switch lower := strings.ToLower(name); {
		case name[1] == '#':
			v := unescape(m)
			if slices.ContainsFunc(v, func(c char) bool { return c.r == ';' }) {
				return nil, false
			}
			value = text(v)
		case knownEntity(name):
			value = html.UnescapeString(name)
		case name == strings.ToUpper(name) && html.UnescapeString(name) == name && knownEntity(lower):
			value = cases.Upper(language.Und).String(html.UnescapeString(lower))
		}
		if value == name {
			return nil, false
		}
		return appendText(nil, value, m), true
	})
}

// knownEntity tells whether the whole of it is the name of an entity.
func knownEntity(name string) bool {
	s := html.UnescapeString(name)
	return s != name && (!strings.HasSuffix(s, ";") || name == "&semi;")
}

var terminalEscape = regexp.MustCompile(`\x1b\[[\p{Nd};]*[a-zA-Z]`)

// plainCharacters makes of characters that look like others those others, and removes controls.
func plainCharacters(cs []char) []char {
	plain := true
	for _, c := range cs {
		if c.r >= 0x7F || c.r < ' ' && c.r != '\n' && c.r != '\t' {
			plain = false
			break
		}
	}
	if plain {
		return cs
	}
	out := make([]char, 0, len(cs))
	for i, c := range cs {
		r := c.r
		if 0x80 <= r && r <= 0x9F {
			r = encodings[1].chars[r]
		}
		if s, ok := ligatures[r]; ok {
			out = appendText(out, s, cs[i:i+1])
			continue
		}
		switch {
		case r == 0x3000:
			r = ' '
		case 0xFF01 <= r && r < 0xFFF0:
			out = append(out, normalForm([]char{{r, c.start, c.end}}, true, true)...)
			continue
		case r == '\r' && i+1 < len(cs) && cs[i+1].r == '\n':
			continue
		case r == '\r', r == '\u2028', r == '\u2029', r == '\u0085':
			r = '\n'
		}
		out = append(out, char{straight(r), c.start, c.end})
	}
	out = substitute(out, matches(terminalEscape), func([]char) ([]char, bool) { return nil, true })
	return slices.DeleteFunc(out, func(c char) bool { return dropped(c.r) })
}

func straight(r rune) rune {
	switch {
	case r == 'ʼ', '‘' <= r && r <= '‛':
		return '\''
	case '“' <= r && r <= '‟':
		return '"'
	}
	return r
}

// dropped are the controls that nobody means.
func dropped(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\f' && r != '\r' || r == 0x7F ||
		0x206A <= r && r <= 0x206F || r == 0xFEFF || 0xFFF9 <= r && r <= 0xFFFC
}

var ligatures = map[rune]string{
	'Ĳ': "IJ", 'ĳ': "ij", 'ŉ': "ʼn", 'Ǳ': "DZ", 'ǲ': "Dz", 'ǳ': "dz", 'Ǆ': "DŽ", 'ǅ': "Dž", 'ǆ': "dž",
	'Ǉ': "LJ", 'ǈ': "Lj", 'ǉ': "lj", 'Ǌ': "NJ", 'ǋ': "Nj", 'ǌ': "nj",
	'ﬀ': "ff", 'ﬁ': "fi", 'ﬂ': "fl", 'ﬃ': "ffi", 'ﬄ': "ffl", 'ﬅ': "ſt", 'ﬆ': "st",
}

// An encoding has a character for every byte.
type encoding struct {
	name   string
	sloppy bool // bytes without a character are those of Latin-1, and 1A is U+FFFD
	chars  [256]rune
	bytes  map[rune]byte
}

// encodings are those that text is wrongly decoded with, in the order of trying.
var encodings = func() []*encoding {
	list := []*encoding{{name: "latin-1"}}
	list[0].fill(charmap.ISO8859_1)
	for _, e := range []struct {
		name string
		from *charmap.Charmap
	}{
		{"windows-1252", charmap.Windows1252}, {"windows-1251", charmap.Windows1251}, {"windows-1250", charmap.Windows1250},
		{"windows-1253", charmap.Windows1253}, {"windows-1254", charmap.Windows1254}, {"windows-1257", charmap.Windows1257},
	} {
		to := &encoding{name: e.name, sloppy: true}
		to.fill(e.from)
		list = append(list, to)
	}
	for _, e := range []struct {
		name string
		from *charmap.Charmap
	}{{"iso-8859-2", charmap.ISO8859_2}, {"macroman", charmap.Macintosh}, {"cp437", charmap.CodePage437}} {
		to := &encoding{name: e.name}
		to.fill(e.from)
		list = append(list, to)
	}
	return list
}()

func (e *encoding) fill(from *charmap.Charmap) {
	e.bytes = make(map[rune]byte, 256)
	for b := range 256 {
		r := from.DecodeByte(byte(b))
		if r == utf8.RuneError || b < 0x80 {
			r = rune(b)
		}
		if e.sloppy && b == 0x1A {
			r = utf8.RuneError
		}
		e.chars[b] = r
		e.bytes[r] = byte(b)
	}
}

// A run of bytes with the characters that they were.
type spelling struct {
	b    []byte
	from []char
}

// encode spells a text in the encoding's bytes, if it can.
func (e *encoding) encode(cs []char) (spelling, bool) {
	s := spelling{make([]byte, len(cs)), cs}
	for i, c := range cs {
		b, ok := e.bytes[c.r]
		if !ok {
			return s, false
		}
		s.b[i] = b
	}
	return s, true
}

// fixEncoding decodes again what was decoded with the wrong encoding, as often as that was done.
func fixEncoding(cs []char) []char {
	for range maxRounds {
		next, changed := fixEncodingOnce(cs)
		if !changed {
			break
		}
		cs = next
	}
	return cs
}

func fixEncodingOnce(cs []char) (fixed []char, changed bool) {
	if !slices.ContainsFunc(cs, func(c char) bool { return c.r >= 0x80 }) {
		return cs, false
	}
	before := text(cs)
	if !bad(before) {
		return cs, false
	}
	latin := false
	for i, e := range encodings {
		s, ok := e.encode(cs)
		if !ok {
			continue
		}
		latin = latin || i == 0
		if e.name != "macroman" {
			s = s.restoreSpaces()
		}
		if e.sloppy {
			s = s.replaceLost()
		}
		if fixed, ok := s.decode(); ok {
			return fixed, text(fixed) != before
		}
	}
	if fixed := fixInside(cs); text(fixed) != before {
		return fixed, true
	}
	if latin { // meant as Windows-1252, where Latin-1 has controls
		fixed, ok := make([]char, len(cs)), true
		for i, c := range cs {
			fixed[i] = char{encodings[1].chars[c.r], c.start, c.end}
			ok = ok && !undefined1252(c.r)
		}
		if ok && text(fixed) != before {
			return fixed, true
		}
	}
	fixed = slices.Clone(cs)
	for i, c := range fixed {
		if 0x80 <= c.r && c.r <= 0x9F {
			fixed[i].r = encodings[1].chars[c.r]
		}
	}
	return fixed, text(fixed) != before
}

// undefined1252 are the bytes that Windows-1252 has no character for. (1A is one to the sloppy table only.)
func undefined1252(r rune) bool {
	switch r {
	case 0x81, 0x8D, 0x8F, 0x90, 0x9D:
		return true
	}
	return false
}

// Patterns over bytes; they are matched with strings that have a character up to U+00FF for each.
var (
	// UTF-8 but for a no-break space that has become a space.
	alteredUTF8 = regexp.MustCompile(`[\xc2\xc3\xc5\xce\xd0\xd9] ` +
		`|[\xe2\xe3] [\x80-\x84\x86-\x9f\xa1-\xbf]` +
		`|[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf] ` +
		`|\xf0 [\x80-\xbf][\x80-\xbf]` +
		`|\xf0[\x80-\xbf] [\x80-\xbf]` +
		`|\xf0[\x80-\xbf][\x80-\xbf] `)
	// UTF-8 and CESU-8 of which bytes were lost: 1A, or one question mark.
	lossyUTF8 = regexp.MustCompile(`[\xc2-\xdf]\x1a` +
		`|[\xc2-\xc3]\?` +
		`|\xed[\xa0-\xaf][\x1a?]\xed[\xb0-\xbf][\x1a?\x80-\xbf]` +
		`|\xed[\xa0-\xaf][\x1a?\x80-\xbf]\xed[\xb0-\xbf][\x1a?]` +
		`|[\xe0-\xef][\x1a?][\x1a\x80-\xbf]` +
		`|[\xe0-\xef][\x1a\x80-\xbf][\x1a?]` +
		`|[\xf0-\xf4][\x1a?][\x1a\x80-\xbf][\x1a\x80-\xbf]` +
		`|[\xf0-\xf4][\x1a\x80-\xbf][\x1a?][\x1a\x80-\xbf]` +
		`|[\xf0-\xf4][\x1a\x80-\xbf][\x1a\x80-\xbf][\x1a?]` +
		`|\x1a`)
)

// replace puts what f makes of it in place of every match.
func (s spelling) replace(re *regexp.Regexp, f func(spelling) spelling) spelling {
	rs := make([]rune, len(s.b))
	for i, b := range s.b {
		rs[i] = rune(b)
	}
	str := string(rs)
	found := re.FindAllStringIndex(str, -1)
	if found == nil {
		return s
	}
	var out spelling
	i, at := 0, 0
	step := func(to int) (from int) {
		for from = i; at < to; i++ {
			at += utf8.RuneLen(rs[i])
		}
		return from
	}
	add := func(p spelling) { out.b, out.from = append(out.b, p.b...), append(out.from, p.from...) }
	for _, m := range found {
		from := step(m[0])
		add(spelling{s.b[from:i], s.from[from:i]})
		from = step(m[1])
		add(f(spelling{s.b[from:i], s.from[from:i]}))
	}
	add(spelling{s.b[i:], s.from[i:]})
	return out
}

// restoreSpaces makes spaces that were no-break spaces again what they were.
func (s spelling) restoreSpaces() spelling {
	rs := make([]rune, len(s.b))
	for i, b := range s.b {
		rs[i] = rune(b)
	}
	if !alteredUTF8.MatchString(string(rs)) {
		return s
	}
	s = s.fixGrave()
	return s.replace(alteredUTF8, func(m spelling) spelling {
		b := slices.Clone(m.b)
		for i := range b {
			if b[i] == ' ' {
				b[i] = 0xA0
			}
		}
		return spelling{b, m.from}
	})
}

// fixGrave writes "à " for "Ã " unless that begins a word which had "à" in front.
func (s spelling) fixGrave() spelling {
	out := spelling{make([]byte, 0, len(s.b)), make([]char, 0, len(s.b))}
	for i, b := range s.b {
		out.b, out.from = append(out.b, b), append(out.from, s.from[i])
		if b != 0xC3 || i+1 >= len(s.b) || s.b[i+1] != ' ' {
			continue
		}
		rest := string(s.b[i+2 : min(len(s.b), i+8)])
		if !slices.ContainsFunc([]string{" ", "quele", "quela", "quilo", "s "}, func(w string) bool { return strings.HasPrefix(rest, w) }) {
			out.b, out.from = append(out.b, 0xA0), append(out.from, s.from[i])
		}
	}
	return out
}

// replaceLost makes characters of which bytes were lost U+FFFD.
func (s spelling) replaceLost() spelling {
	return s.replace(lossyUTF8, func(m spelling) spelling {
		c := char{utf8.RuneError, m.from[0].start, m.from[len(m.from)-1].end}
		return spelling{[]byte("\uFFFD"), []char{c, c, c}}
	})
}

// decode reads bytes as UTF-8, with surrogates written as two characters and a zero written as two bytes.
func (s spelling) decode() ([]char, bool) {
	out := make([]char, 0, len(s.b))
	for i := 0; i < len(s.b); {
		r, n := utf8.DecodeRune(s.b[i:])
		if r == utf8.RuneError && n <= 1 {
			switch rest := s.b[i:]; {
			case len(rest) >= 2 && rest[0] == 0xC0 && rest[1] == 0x80:
				r, n = 0, 2
			case len(rest) >= 6 && surrogates(rest):
				r = rune(rest[1]&0x0F)<<16 + rune(rest[2]&0x3F)<<10 + rune(rest[4]&0x0F)<<6 + rune(rest[5]&0x3F) + 0x10000
				n = 6
			default:
				return nil, false
			}
		}
		out = append(out, char{r, s.from[i].start, s.from[i+n-1].end})
		i += n
	}
	return out, true
}

// surrogates tells whether b begins with a pair in CESU-8.
func surrogates(b []byte) bool {
	tail := func(x byte) bool { return x&0xC0 == 0x80 }
	return b[0] == 0xED && b[1]&0xF0 == 0xA0 && tail(b[2]) && b[3] == 0xED && b[4]&0xF0 == 0xB0 && tail(b[5])
}

// roles are what a character may be in UTF-8 that was decoded wrongly.
type role uint8

const (
	firstOf2 role = 1 << iota
	firstOf3
	firstOf4
	continuation
	continuationStrict // not a dash, quote, bullet or ellipsis, which stand in good text, too
)

var roles = sync.OnceValue(func() map[rune]role {
	m := map[rune]role{' ': continuation}
	for _, e := range encodings[:7] {
		for b := 0x80; b < 0x100; b++ {
			r := e.chars[b]
			switch {
			case b < 0xC0:
				m[r] |= continuation
				if !strings.ContainsRune("–—―‘’‚“”„•…", r) {
					m[r] |= continuationStrict
				}
			case 0xC2 <= b && b < 0xE0:
				m[r] |= firstOf2
			case b == 0xF0 || b == 0xF3:
				m[r] |= firstOf4
			case 0xE0 <= b && b < 0xF0:
				m[r] |= firstOf3
			}
		}
	}
	return m
})

// fixInside mends the stretches of a text that look like UTF-8 each by itself.
func fixInside(cs []char) []char {
	is := roles()
	has := func(i int, want role) bool { return i < len(cs) && is[cs[i].r]&want != 0 }
	tail := func(i, n int) bool {
		for k := 1; k <= n; k++ {
			if !has(i+k, continuation) {
				return false
			}
		}
		return true
	}
	out := make([]char, 0, len(cs))
	for i := 0; i < len(cs); {
		j := i
		if i == 0 || !has(i-1, continuationStrict) {
			for more := true; more; {
				switch {
				case has(j, firstOf2) && tail(j, 1):
					j += 2
				case has(j, firstOf3) && tail(j, 2):
					j += 3
				case has(j, firstOf4) && tail(j, 3):
					j += 4
				default:
					more = false
				}
			}
		}
		if j == i {
			out = append(out, cs[i])
			i++
			continue
		}
		part := cs[i:j:j]
		if len(part) < len(cs) && bad(text(part)) {
			part = fixEncoding(part)
		}
		out = append(out, part...)
		i = j
	}
	return out
}
