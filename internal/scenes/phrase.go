package scenes

import (
	"fmt"
	"math/bits"
	"strings"
)

// name writes the noun phrase of a party ("a small striped red ball") and adds its term.
func (w *writer) name(i int, article string) {
	p := &w.cast.parties[i]
	t := w.describe(p)
	w.termOf[i] = len(w.form.Terms)
	w.form.Terms = append(w.form.Terms, t)

	before, after := w.adjectives(&t)
	n := pick(w.r, nouns[t.Shape])
	word := n.one
	if p.plural() {
		word = n.many
		count := numberWords[t.Count]
		switch w.r.weighted(70, 10, 20) {
		case 1:
			count = fmt.Sprint(t.Count)
		case 2:
			if t.Count == 2 && article == "a" {
				count = pick(w.r, []string{"a pair of", "a couple of"})
			}
		}
		if article == "the" {
			count = "the " + count
		}
		before = append([]string{count}, before...)
	} else if article != "" {
		first := word
		if len(before) > 0 {
			first = before[0]
		}
		if article == "a" && strings.IndexByte("aeiou", first[0]) >= 0 {
			article = "an"
		}
		before = append([]string{article}, before...)
	}
	for _, b := range before {
		w.say(b + " ")
	}
	w.mention(word, w.termOf[i], p.plural())
	if after != "" {
		w.say(" " + after)
	}
}

// mention writes a noun and remembers where.
func (w *writer) mention(word string, term int, plural bool) {
	start := len(w.text)
	w.say(word)
	w.mentions = append(w.mentions, Mention{Start: start, End: len(w.text), Plural: plural})
	w.terms = append(w.terms, term)
}

// describe chooses the attributes to tell. People tell colours most; and they tell more where
// something else in the picture would fit the description too.
func (w *writer) describe(p *party) Term {
	r, t := w.r, p.term
	o := &w.s.Objects[p.first()]
	same := func(get func(*Object) uint8) bool { // in all of a group
		for m := p.objects; m != 0; m &= m - 1 {
			if get(&w.s.Objects[bits.TrailingZeros8(uint8(m))]) != get(o) {
				return false
			}
		}
		return true
	}
	colour := func() {
		if same(func(o *Object) uint8 { return uint8(o.Colour) }) {
			t.Colour = o.Colour
		}
	}
	material := func() {
		if same(func(o *Object) uint8 { return uint8(o.Material) }) && (o.Material != Matte || r.percent(12)) {
			t.Material = o.Material
		}
	}
	size := func() {
		// "A big ball that is bigger than a cube" says it twice.
		if same(func(o *Object) uint8 { return uint8(o.Size) }) && o.Size != Medium && w.cast.kind != Bigger {
			t.Size = o.Size
		}
	}
	if r.percent(84) {
		colour()
	}
	if r.percent(48) {
		material()
	}
	if r.percent(42) {
		size()
	}
	for _, tell := range []func(){colour, material, size} {
		if w.x.alike(&t)&^p.objects != 0 && r.percent(85) {
			tell()
		}
	}
	return t
}

// adjectives puts a term's attributes into words before and after the noun.
func (w *writer) adjectives(t *Term) (before []string, after string) {
	r := w.r
	if t.Size != 0 {
		before = append(before, pick(r, sizeWords[t.Size]))
	}
	hue := ""
	if t.Colour != 0 {
		hue = pick(r, colourWords[t.Colour])
	}
	if t.Material == 0 {
		if hue != "" {
			before = append(before, hue)
		}
		return before, ""
	}
	look := pick(r, materialWords[t.Material])
	if !t.Material.patterned() {
		before = append(before, look)
		if hue != "" {
			before = append(before, hue)
		}
		return before, ""
	}
	switch {
	case t.Count == 0 && r.percent(30):
		other := ""
		if hue != "" {
			before = append(before, hue)
			if r.percent(60) {
				other = t.Colour.second().String() + " "
			}
		}
		after = fmt.Sprintf(pick(r, patternTails[t.Material]), other)
	case hue == "":
		before = append(before, look)
	case r.percent(35):
		before = append(before, hue+" and "+t.Colour.second().String(), look)
	case r.percent(50):
		before = append(before, hue, look)
	default:
		before = append(before, look, hue)
	}
	return before, after
}

// mixedNoun writes the plural of a group whose two objects differ in colour.
func (w *writer) mixedNoun() {
	p := &w.cast.parties[0]
	w.form.Terms = append(w.form.Terms, p.term)
	w.mention(pick(w.r, nouns[p.term.Shape]).many, 0, true)
}

// hues writes "one red and one blue" and adds what it claims.
func (w *writer) hues() {
	p := &w.cast.parties[0]
	a, b := w.s.Objects[p.first()].Colour, w.s.Objects[p.last()].Colour
	if w.r.percent(50) {
		a, b = b, a
	}
	for _, c := range []Colour{a, b} {
		w.form.Terms = append(w.form.Terms, Term{Shape: p.term.Shape, Colour: c})
	}
	one := pick(w.r, []string{"one %s and one %s", "one %s, one %s", "one %s and the other %s"})
	w.say(fmt.Sprintf(one, pick(w.r, colourWords[a]), pick(w.r, colourWords[b])))
}
