package scenes

import "strings"

// A Query is what somebody may look for among scenes, with what answers it.
type Query struct {
	Text string
	form Form
}

// AnsweredBy tells whether the scene shows the things that the query names. How they stand to each other does
// not count.
func (q *Query) AnsweredBy(s *Scene) bool { return q.form.MayHoldIn(s) }

// ShapeQueries ask for each shape: "a mug".
func ShapeQueries() []Query {
	var all []Query
	for s := Shape(1); s <= shapes; s++ {
		all = append(all, queryFor(Term{Shape: s}))
	}
	return all
}

// ColourShapeQueries ask for each shape in each colour: "a red mug".
func ColourShapeQueries() []Query {
	var all []Query
	for s := Shape(1); s <= shapes; s++ {
		for c := Colour(1); c <= colours; c++ {
			all = append(all, queryFor(Term{Shape: s, Colour: c}))
		}
	}
	return all
}

func queryFor(t Term) Query { return Query{named(t), Form{Terms: []Term{t}}} }

// PairQuery asks for two things of the scene as they stand to each other: "a yellow mug in front of a black cube";
// false where no two differ and stand in a relation that is beyond doubt.
func (s *Scene) PairQuery() (Query, bool) {
	for _, r := range []struct {
		kind  Kind
		words string
	}{{InFront, "in front of"}, {Above, "above"}, {LeftOf, "to the left of"}, {NextTo, "next to"}} {
		for i, a := range s.Objects {
			for j, b := range s.Objects {
				terms := []Term{{Shape: a.Shape, Colour: a.Colour}, {Shape: b.Shape, Colour: b.Colour}}
				told := Form{Terms: terms, Relations: []Relation{{Kind: r.kind, A: 0, B: 1}}}
				if i != j && terms[0] != terms[1] && told.HoldsIn(s) {
					return Query{strings.Join([]string{named(terms[0]), r.words, named(terms[1])}, " "), Form{Terms: terms}}, true
				}
			}
		}
	}
	return Query{}, false
}

// named is a term in its first words.
func named(t Term) string {
	text := nouns[t.Shape][0].one
	if t.Colour != 0 {
		text = colourWords[t.Colour][0] + " " + text
	}
	if strings.ContainsRune("aeiou", rune(text[0])) {
		return "an " + text
	}
	return "a " + text
}
