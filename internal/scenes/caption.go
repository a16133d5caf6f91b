package scenes

import (
	"math/bits"
	"slices"
	"strings"
)

// caption writes the scene's captions.
func (s *Scene) caption(r *stream) {
	// Each caption takes one of these kinds of plan, so that a scene's captions differ in what
	// they dwell on; a plan that the scene does not allow gives way to a simpler one.
	slots := [CaptionsPerScene][]int{ // weights by plan
		{planRelation: 10},
		{planRelation: 5, planRelations: 3, planBetween: 8, planCompare: 2},
		{planPair: 6, planThree: 4, planMixed: 3},
		{planOne: 3, planPlace: 4, planPlaces: 3, planRelation: 3},
		{planScene: 3, planCount: 3, planRest: 2, planThree: 3, planPair: 2},
	}
	shuffle(r, slots[:])
	x := newFacts(s)
	s.Captions = make([]Caption, 0, CaptionsPerScene)
	for _, weights := range slots {
		for try := 0; ; try++ {
			p := plan(r.weighted(weights...))
			switch {
			case try > 60:
				p = planScene
			case try > 40:
				p = planOne
			case try > 20:
				p = planPair
			}
			c, ok := s.write(x, p, r)
			// The last resort may repeat itself in a scene of which little can be said.
			if ok && (try > 200 || !slices.ContainsFunc(s.Captions, func(o Caption) bool { return o.Text == c.Text })) {
				s.Captions = append(s.Captions, c)
				break
			}
		}
	}
}

// A party is one object or a group that a caption names with one noun.
type party struct {
	objects set
	term    Term // what the group has in common and its count; for one object only the shape
}

func (p *party) plural() bool { return p.term.Count > 0 }

// first is the nearest object of a party, whose shape and attributes stand for all where they agree.
func (p *party) first() int { return bits.TrailingZeros8(uint8(p.objects)) }

// parties lists what can be named: objects that can be seen well, and groups of a kind.
func (s *Scene) parties(x *facts) []party {
	var list []party
	for i := range s.Objects {
		if x.clear>>i&1 == 1 {
			list = append(list, party{objects: 1 << i, term: Term{Shape: s.Objects[i].Shape}})
		}
	}
	var seen []set
	for i := range s.Objects {
		o := &s.Objects[i]
		for _, t := range []Term{{Shape: o.Shape, Colour: o.Colour}, {Shape: o.Shape}} {
			m := x.alike(&t)
			t.Count = bits.OnesCount8(uint8(m))
			if t.Count < 2 || m&^x.clear != 0 || slices.Contains(seen, m) {
				continue
			}
			seen = append(seen, m)
			// A group is worth naming: it gets as many chances as two objects.
			list = append(list, party{m, t}, party{m, t})
		}
	}
	return list
}

// A cast is the parties of a caption and the relations between them.
type cast struct {
	parties     []party
	bond, bond2 *bond
	kind        Kind // where there is no bond to say it
}

// cast chooses whom a caption speaks of; not every scene allows every plan.
func (s *Scene) cast(x *facts, p plan, r *stream) (cast, bool) {
	list := s.parties(x)
	shuffle(r, list)
	need := [plans]int{
		planRelation: 2, planRelations: 3, planBetween: 3, planCompare: 2, planPair: 2, planThree: 3,
		planOne: 1, planPlace: 1, planPlaces: 2, planCount: 1, planRest: 1,
	}[p]
	var c cast
	var used set
	for _, q := range list {
		if len(c.parties) < need && q.objects&used == 0 {
			c.parties = append(c.parties, q)
			used |= q.objects
		}
	}
	if len(c.parties) < need {
		return c, false
	}
	relates := func(k Kind, a, b int) bool {
		bound := [maxTerms]set{c.parties[a].objects, c.parties[b].objects}
		return x.strict.relates(&Relation{Kind: k, A: 0, B: 1}, &bound)
	}
	choose := func(a, b int, static bool) *bond {
		var fit []*bond
		for i := range bonds {
			w := &bonds[i]
			from, to := a, b
			if w.inverse {
				from, to = b, a
			}
			if (w.static || !static) && relates(w.kind, from, to) {
				fit = append(fit, w)
			}
		}
		if len(fit) == 0 {
			return nil
		}
		return pick(r, fit)
	}
	switch p {
	case planRelation:
		c.bond = choose(0, 1, false)
		return c, c.bond != nil
	case planRelations:
		c.bond, c.bond2 = choose(0, 1, true), choose(0, 2, true)
		return c, c.bond != nil && c.bond2 != nil && c.bond != c.bond2
	case planBetween:
		c.kind = Between
		for range c.parties {
			bound := [maxTerms]set{c.parties[0].objects, c.parties[1].objects, c.parties[2].objects}
			if !c.parties[1].plural() && !c.parties[2].plural() && x.strict.relates(&Relation{Kind: Between, A: 0, B: 1, C: 2}, &bound) {
				return c, true
			}
			c.parties = append(c.parties[1:], c.parties[0]) // let another be in the middle
		}
		return c, false
	case planCompare:
		c.kind = Bigger
		return c, !c.parties[0].plural() && !c.parties[1].plural() && relates(Bigger, 0, 1)
	case planCount:
		return c, !c.parties[0].plural()
	case planMixed:
		for _, q := range list {
			if q.term.Count == 2 && q.term.Colour == 0 && s.Objects[q.first()].Colour != s.Objects[q.last()].Colour {
				c.parties = append(c.parties, q)
				return c, true
			}
		}
		return c, false
	}
	return c, true
}

func (p *party) last() int { return bits.Len8(uint8(p.objects)) - 1 }

// A writer composes one caption.
type writer struct {
	s    *Scene
	x    *facts
	r    *stream
	cast cast
	plan plan

	text     []byte
	form     Form
	termOf   [3]int // form term of each party; -1 until it is named
	mentions []Mention
	terms    []int // of each mention
	places   [2]Place
	failed   bool
}

// write makes one caption of a plan; false where the scene or the dice forbid it.
func (s *Scene) write(x *facts, p plan, r *stream) (Caption, bool) {
	c, ok := s.cast(x, p, r)
	if !ok {
		return Caption{}, false
	}
	w := &writer{s: s, x: x, r: r, cast: c, plan: p, termOf: [3]int{-1, -1, -1}}
	weights := make([]int, len(patterns[p]))
	for i, t := range patterns[p] {
		weights[i] = t.weight
	}
	w.fill(patterns[p][r.weighted(weights...)].text)
	w.relate()
	// "With dots with a star" is heavy going.
	if w.failed || strings.Count(string(w.text), " with ") > 1 {
		return Caption{}, false
	}
	text := w.finish()
	// The grammar means to tell the truth; this makes sure of it.
	if !w.form.holds(x, &x.strict) || w.confuses() {
		return Caption{}, false
	}
	for i := range w.mentions {
		w.mentions[i].Objects = w.meant(w.terms[i])
	}
	return Caption{Text: text, Mentions: w.mentions, Form: w.form}, true
}

// confuses tells whether the words for one party fit an object of another as well, as in "a ball
// and a red ball": true, but nobody would say so.
func (w *writer) confuses() bool {
	for i, term := range w.termOf {
		for j := range w.cast.parties {
			if i != j && term >= 0 && w.termOf[j] >= 0 && w.x.alike(&w.form.Terms[term])&w.cast.parties[j].objects != 0 {
				return true
			}
		}
	}
	return false
}

// meant lists the objects that a term can stand for when the caption is true.
func (w *writer) meant(term int) []int {
	var list []int
	for o := range w.s.Objects {
		bound, ok := w.form.bind(w.x, &w.x.strict, term, o)
		if ok && bound[term]>>o&1 == 1 {
			list = append(list, o)
		}
	}
	return list
}

// fill writes a pattern with its blanks filled.
func (w *writer) fill(text string) {
	for text != "" {
		open := strings.IndexByte(text, '{')
		if open < 0 {
			w.text = append(w.text, text...)
			return
		}
		w.text = append(w.text, text[:open]...)
		end := open + strings.IndexByte(text[open:], '}')
		w.blank(text[open+1 : end])
		text = text[end+1:]
	}
}

func (w *writer) say(words string) { w.text = append(w.text, words...) }

func (w *writer) blank(b string) {
	r, n := w.r, len(w.s.Objects)
	switch b {
	case "A", "B", "C":
		w.name(int(b[0]-'A'), "a")
	case "a", "b", "c":
		w.name(int(b[0]-'a'), "")
	case "tA", "tB":
		w.name(int(b[1]-'A'), "the")
	case "are":
		w.say(w.agree("is", "are"))
	case "is":
		w.say(w.posture())
	case "rel", "Rel":
		if b == "Rel" && !w.cast.bond.static {
			w.failed = true
		}
		w.say(pick(r, w.cast.bond.words))
	case "rel2":
		w.say(pick(r, w.cast.bond2.words))
	case "its":
		w.say(w.pronoun())
	case "place":
		w.place(0)
	case "place2":
		w.place(1)
	case "on":
		if r.percent(38) {
			w.surroundings(" ")
		}
	case "ON":
		w.surroundings(" ")
	case "On":
		w.surroundings("")
	case "N":
		w.form.Total = n
		w.say(numberWords[n])
	case "M":
		// "Two cubes and three other things" counts the things beside the party.
		rest := n - bits.OnesCount8(uint8(w.cast.parties[0].objects))
		w.form.Total = n
		if rest < 2 {
			w.failed = true
		}
		w.say(numberWords[rest])
	case "things":
		w.say(pick(r, thingWords))
		if w.form.Total == 0 {
			w.form.AtLeast = max(w.form.AtLeast, 2)
		}
	case "some":
		if n >= 4 && r.percent(50) {
			w.form.AtLeast = 4
			w.say("several")
		} else {
			w.form.AtLeast = 2
			w.say(pick(r, []string{"some", "a few"}))
			if n < 3 {
				w.failed = true
			}
		}
	case "bigger":
		w.say(pick(r, []string{"bigger", "larger"}))
	case "smaller":
		w.say("smaller")
	case "N2":
		w.say("two")
	case "P":
		w.mixedNoun()
	case "hues":
		w.hues()
	}
}

// agree picks a verb's number for party A.
func (w *writer) agree(one, many string) string {
	if w.cast.parties[0].plural() {
		return many
	}
	return one
}

func (w *writer) posture() string {
	p := &w.cast.parties[0]
	be := w.agree("is", "are")
	if w.cast.bond != nil && !w.cast.bond.static || w.r.percent(40) && w.plan != planOne {
		return be
	}
	v := verbs[pick(w.r, postures[w.s.Objects[p.first()].Shape])]
	if w.r.percent(45) {
		return be + " " + v.ing
	}
	return w.agree(v.one, v.many)
}

// pronoun is "to its left", "behind them".
func (w *writer) pronoun() string {
	if len(w.cast.bond.its) == 0 {
		w.failed = true
		return ""
	}
	its, it := "its", "it"
	if w.cast.parties[1].plural() {
		its, it = "their", "them"
	}
	return strings.NewReplacer("%s", its, "%t", it).Replace(pick(w.r, w.cast.bond.its))
}

func (w *writer) place(i int) {
	p := &w.cast.parties[i]
	if w.places[i] == 0 {
		var fit []Place
		for at := AtLeft; at <= places; at++ {
			if p.objects&^w.x.strict.place[at] == 0 {
				fit = append(fit, at)
			}
		}
		if len(fit) == 0 {
			w.failed = true
			return
		}
		w.places[i] = pick(w.r, fit)
		if i == 1 && w.places[1] == w.places[0] {
			w.failed = true
		}
	}
	w.say(pick(w.r, placeWords[w.places[i]]))
	if w.plan == planPlace && w.r.percent(40) {
		w.say(" " + pick(w.r, pictureWords))
	}
}

func (w *writer) surroundings(space string) {
	f, s := &w.form, w.s
	which := w.r.weighted(60, 18, 22)
	if s.Wall == NoWall || space == "" {
		which = 0
	}
	if which != 1 {
		f.Floor = s.Floor
		w.say(space + pick(w.r, floorWords[s.Floor]))
	}
	if which != 0 {
		f.Wall = s.Wall
		w.say(" " + pick(w.r, wallWords[s.Wall]))
	}
}

// relate adds the relations of the cast and the places, now that the terms have their numbers.
func (w *writer) relate() {
	for i, p := range w.places {
		if p != 0 && w.termOf[i] >= 0 {
			w.form.Terms[w.termOf[i]].Place = p
		}
	}
	add := func(b *bond, to int) {
		rel := Relation{Kind: b.kind, A: w.termOf[0], B: w.termOf[to]}
		if b.inverse {
			rel.A, rel.B = rel.B, rel.A
		}
		w.form.Relations = append(w.form.Relations, rel)
	}
	if w.cast.bond != nil {
		add(w.cast.bond, 1)
	}
	if w.cast.bond2 != nil {
		add(w.cast.bond2, 2)
	}
	switch w.cast.kind {
	case Bigger:
		w.form.Relations = append(w.form.Relations, Relation{Kind: Bigger, A: w.termOf[0], B: w.termOf[1]})
	case Between:
		w.form.Relations = append(w.form.Relations, Relation{Kind: Between, A: w.termOf[0], B: w.termOf[1], C: w.termOf[2]})
	}
}

// finish applies a person's habits with capitals and full stops.
func (w *writer) finish() string {
	style := w.r.weighted(52, 18, 20, 10)
	t := w.text
	if style < 2 && t[0] >= 'a' && t[0] <= 'z' {
		t[0] -= 'a' - 'A'
	}
	switch style {
	case 0:
		t = append(t, '.')
	case 3:
		t = append(t, " ."...)
	}
	return string(t)
}
