package index

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/RoaringBitmap/roaring/v2"
)

// Filter is a condition on an item's tags. Make one with Tag, And, Or and Not,
// or parse it. A nil Filter passes every item. A Filter is never modified and may be shared.
type Filter struct {
	op   filterOp
	tag  string
	args []*Filter
}

type filterOp uint8

const (
	opTag filterOp = iota
	opAnd
	opOr
	opNot
)

// Tag passes items that have all of the tags; it is nil, which passes every item, for no tags.
func Tag(tags ...string) *Filter {
	switch len(tags) {
	case 0:
		return nil
	case 1:
		return &Filter{op: opTag, tag: tags[0]}
	}
	f := And()
	for _, t := range tags {
		f.args = append(f.args, Tag(t))
	}
	return f
}

// And passes items that all of fs pass; with none, every item.
func And(fs ...*Filter) *Filter { return &Filter{op: opAnd, args: slices.Clone(fs)} }

// Or passes items that any of fs passes; with none, no item.
func Or(fs ...*Filter) *Filter { return &Filter{op: opOr, args: slices.Clone(fs)} }

// Not passes items that f does not pass.
func Not(f *Filter) *Filter { return &Filter{op: opNot, args: []*Filter{f}} }

// String gives the filter in the form that ParseFilter reads.
func (f *Filter) String() string {
	if f == nil {
		f = And()
	}
	switch f.op {
	case opTag:
		if f.tag != "" && !strings.ContainsFunc(f.tag, func(r rune) bool { return !wordRune(r) }) && !isKeyword(f.tag) {
			return f.tag
		}
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(f.tag) + `"`
	case opNot:
		return "not " + f.args[0].String()
	}
	word, none := " and ", "not ()"
	if f.op == opOr {
		word, none = " or ", "()"
	}
	if len(f.args) == 0 {
		return none
	}
	parts := make([]string, len(f.args))
	for i, a := range f.args {
		parts[i] = a.String()
	}
	return "(" + strings.Join(parts, word) + ")"
}

// FilterForms say what the forms of a Filter become elsewhere, such as in an engine's language of conditions.
type FilterForms[T any] struct {
	Tag     func(tag string) T
	And, Or func(args []T) T // of no arguments: every item, and none
	Not     func(arg T) T
}

// TranslateFilter translates a filter from the inside out. A nil one is And of nothing.
func TranslateFilter[T any](f *Filter, to FilterForms[T]) T {
	if f == nil {
		f = And()
	}
	if f.op == opTag {
		return to.Tag(f.tag)
	}
	args := make([]T, len(f.args))
	for i, a := range f.args {
		args[i] = TranslateFilter(a, to)
	}
	switch f.op {
	case opAnd:
		return to.And(args)
	case opOr:
		return to.Or(args)
	}
	return to.Not(args[0])
}

// rows returns the rows of a segment that pass. The bitmap is the caller's.
func (f *Filter) rows(s *segment) (*roaring.Bitmap, error) {
	if f == nil {
		f = And()
	}
	switch f.op {
	case opTag:
		i, err := s.findTag(f.tag)
		if err != nil || i < 0 {
			return roaring.New(), err
		}
		return s.tagged(i)
	case opNot:
		r, err := f.args[0].rows(s)
		if err != nil {
			return nil, err
		}
		r.Flip(0, uint64(s.n))
		return r, nil
	}
	out := roaring.New()
	if f.op == opAnd {
		out.AddRange(0, uint64(s.n))
	}
	for _, a := range f.args {
		r, err := a.rows(s)
		if err != nil {
			return nil, err
		}
		if f.op == opAnd {
			out.And(r)
		} else {
			out.Or(r)
		}
	}
	return out, nil
}

// ParseFilter reads a condition on tags: tags joined by "and", "or" and "not" with
// parentheses; "not" binds tightest, then "and". A tag with spaces or other signs,
// or one that is such a word, stands in double quotes.
func ParseFilter(s string) (*Filter, error) {
	p := &filterParser{in: s}
	p.next()
	f, err := p.or()
	if err == nil && p.tok != "" {
		err = p.fail("expected and, or, or the end")
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

const maxFilterDepth = 100

type filterParser struct {
	in     string
	at     int // where tok ends
	from   int // where tok starts
	tok    string
	quoted bool
	depth  int
}

func wordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || strings.ContainsRune("_-.:/@#+", r)
}

func isKeyword(s string) bool {
	switch strings.ToLower(s) {
	case "and", "or", "not":
		return true
	}
	return false
}

func (p *filterParser) fail(what string) error {
	return fmt.Errorf("%w tag filter %q at byte %d: %s", ErrInvalid, p.in, p.from, what)
}

// next reads a token: a parenthesis, a word, or a quoted tag. An empty one that is
// not quoted is the end, or a sign that fits nowhere (which at tells apart).
func (p *filterParser) next() {
	rest := strings.TrimLeftFunc(p.in[p.at:], unicode.IsSpace)
	p.from = len(p.in) - len(rest)
	p.at, p.tok, p.quoted = p.from, "", false
	switch {
	case rest == "":
	case rest[0] == '(' || rest[0] == ')':
		p.tok, p.at = rest[:1], p.from+1
	case rest[0] == '"':
		var b strings.Builder
		for i := 1; i < len(rest); i++ {
			switch {
			case rest[i] == '"':
				p.tok, p.quoted, p.at = b.String(), true, p.from+i+1
				return
			case rest[i] == '\\' && i+1 < len(rest):
				i++
			}
			b.WriteByte(rest[i])
		}
		p.tok, p.at = `"`, len(p.in) // no closing quote: fits nowhere
	default:
		n := strings.IndexFunc(rest, func(r rune) bool { return !wordRune(r) })
		if n < 0 {
			n = len(rest)
		}
		if n == 0 {
			n = 1
		}
		p.tok, p.at = rest[:n], p.from+n
	}
}

func (p *filterParser) keyword(w string) bool {
	if p.quoted || !strings.EqualFold(p.tok, w) {
		return false
	}
	p.next()
	return true
}

func (p *filterParser) or() (*Filter, error)  { return p.chain("or", opOr, p.and) }
func (p *filterParser) and() (*Filter, error) { return p.chain("and", opAnd, p.not) }

func (p *filterParser) chain(word string, op filterOp, arg func() (*Filter, error)) (*Filter, error) {
	f, err := arg()
	if err != nil {
		return nil, err
	}
	args := []*Filter{f}
	for p.keyword(word) {
		if f, err = arg(); err != nil {
			return nil, err
		}
		args = append(args, f)
	}
	if len(args) == 1 {
		return f, nil
	}
	return &Filter{op: op, args: args}, nil
}

func (p *filterParser) not() (*Filter, error) {
	if p.depth++; p.depth > maxFilterDepth {
		return nil, p.fail("nested too deeply")
	}
	defer func() { p.depth-- }()
	switch {
	case p.keyword("not"):
		f, err := p.not()
		if err != nil {
			return nil, err
		}
		return Not(f), nil
	case !p.quoted && p.tok == "(":
		p.next()
		if !p.quoted && p.tok == ")" {
			p.next()
			return Or(), nil
		}
		f, err := p.or()
		if err != nil {
			return nil, err
		}
		if p.quoted || p.tok != ")" {
			return nil, p.fail("expected )")
		}
		p.next()
		return f, nil
	case p.quoted || p.tok != "" && !isKeyword(p.tok) && wordRune([]rune(p.tok)[0]):
		f := Tag(p.tok)
		p.next()
		return f, nil
	}
	return nil, p.fail("expected a tag")
}

// allowed returns the rows of a segment that a search may return, nil meaning all,
// and their number.
func (o *SearchOptions) allowed(s *segment) ([]uint64, int, error) {
	if o.Tags == nil && o.IDs == nil && o.Exclude == nil && o.Kinds == nil {
		return s.live, s.liveCount(), nil
	}
	rows := roaring.New()
	if o.IDs == nil {
		rows.AddRange(0, uint64(s.n))
	}
	for _, id := range o.IDs {
		row, ok, err := s.find(id)
		if err != nil {
			return nil, 0, err
		}
		if ok {
			rows.Add(row)
		}
	}
	for _, id := range o.Exclude {
		row, ok, err := s.find(id)
		if err != nil {
			return nil, 0, err
		}
		if ok {
			rows.Remove(row)
		}
	}
	if o.Tags != nil && !rows.IsEmpty() {
		tagged, err := o.Tags.rows(s)
		if err != nil {
			return nil, 0, err
		}
		rows.And(tagged)
	}
	set := newRowSet(s.n, false)
	n := 0
	for it := rows.ManyIterator(); ; {
		var buf [256]uint32
		got := it.NextMany(buf[:])
		if got == 0 {
			break
		}
		for _, row := range buf[:got] {
			if s.isLive(row) && (o.Kinds == nil || slices.Contains(o.Kinds, s.kind(int(row)))) {
				set[row/64] |= 1 << (row % 64)
				n++
			}
		}
	}
	return set, n, nil
}
