package scenes

import (
	"fmt"
	"github.com/aladin-go/aladin/internal/region"
	"math/bits"
	"strings"
)

// A Form is what a caption claims, as a conjunction: there are objects as the Terms say, distinct
// where a Term means a single one, that stand in the Relations; and the scene is on this Floor,
// before this Wall, with this many objects in all.
type Form struct {
	Terms     []Term
	Relations []Relation
	Floor     Floor // 0: no claim
	Wall      Wall  // 0: no claim
	Total     int   // 0: no claim
	AtLeast   int   // at least so many objects; 0: no claim
}

// A Term is one or several objects that a caption speaks of. Attributes that are zero may have any value.
type Term struct {
	Shape    Shape
	Colour   Colour
	Material Material
	Size     Size
	Place    Place
	// Count is 0 for "a red ball" (there may be more); n > 0 says that exactly n objects of the
	// scene have these attributes, and means all of them.
	Count int
}

// A Place is a part of the picture.
type Place uint8

const (
	AtLeft Place = iota + 1
	AtRight
	AtTop
	AtBottom
	InMiddle
	TopLeft
	TopRight
	BottomLeft
	BottomRight
	places = iota
)

// A Relation holds between the objects of Terms A and B (indexes into Form.Terms), and C for Between.
type Relation struct {
	Kind    Kind
	A, B, C int
}

// A Kind of relation.
type Kind uint8

const (
	LeftOf  Kind = iota + 1 // A is left of B
	Above                   // A is above B in the picture
	InFront                 // A is nearer than B and their boxes meet
	Hides                   // A covers a part of B
	NextTo                  // A and B stand side by side, near each other
	Bigger                  // A is of a larger class of size than B
	Between                 // A is between B and C, in any order
	kinds   = iota
)

var (
	placeNames = []string{"", "left", "right", "top", "bottom", "middle", "top left", "top right", "bottom left", "bottom right"}
	kindNames  = []string{"", "left of", "above", "in front of", "hides", "next to", "bigger", "between"}
)

func (p Place) String() string { return name(placeNames, int(p)) }
func (k Kind) String() string  { return name(kindNames, int(k)) }

// String writes a form in a compact notation, for tests and curious people:
// "a: red ball; b: 2 cube; left of(a,b); on grass".
func (f *Form) String() string {
	var parts []string
	for i, t := range f.Terms {
		var w []string
		if t.Count > 0 {
			w = append(w, fmt.Sprint(t.Count))
		}
		for _, a := range []string{t.Size.String(), t.Colour.String(), t.Material.String(), t.Shape.String()} {
			if a != "" {
				w = append(w, a)
			}
		}
		if t.Place != 0 {
			w = append(w, "at "+t.Place.String())
		}
		parts = append(parts, fmt.Sprintf("%c: %s", 'a'+i, strings.Join(w, " ")))
	}
	for _, r := range f.Relations {
		if r.Kind == Between {
			parts = append(parts, fmt.Sprintf("%s(%c,%c,%c)", r.Kind, 'a'+r.A, 'a'+r.B, 'a'+r.C))
		} else {
			parts = append(parts, fmt.Sprintf("%s(%c,%c)", r.Kind, 'a'+r.A, 'a'+r.B))
		}
	}
	if f.Total > 0 {
		parts = append(parts, fmt.Sprintf("%d in all", f.Total))
	}
	if f.AtLeast > 0 {
		parts = append(parts, fmt.Sprintf("at least %d", f.AtLeast))
	}
	if f.Floor != 0 {
		parts = append(parts, "on "+f.Floor.String())
	}
	if f.Wall != 0 {
		parts = append(parts, "by "+f.Wall.String())
	}
	return strings.Join(parts, "; ")
}

// HoldsIn tells whether a person would say so of the scene without hesitation: objects that are
// mostly hidden don't count, and places and relations hold with a margin. All captions of a scene
// hold in it.
func (f *Form) HoldsIn(s *Scene) bool {
	x := newFacts(s)
	return f.holds(x, &x.strict)
}

// MayHoldIn tells whether somebody could say so of the scene: objects that are mostly hidden may
// count, and margins are narrow. HoldsIn implies MayHoldIn.
func (f *Form) MayHoldIn(s *Scene) bool {
	x := newFacts(s)
	return f.holds(x, &x.loose)
}

// A set is a set of objects of one scene, by index.
type set uint8

// facts is a scene prepared for many forms.
type facts struct {
	n             int
	clear         set
	keys          [maxObjects]key
	floor         Floor
	wall          Wall
	strict, loose reading
}

// A reading is what holds of the pairs of a scene's objects under one choice of margins.
type reading struct {
	strict  bool
	place   [places + 1]set
	rel     [kinds + 1][maxObjects]set  // rel[kind][a] = all b
	between [maxObjects][maxObjects]set // between[a][b] = all c
}

// Margins of places and relations, as shares of the picture; strict and loose.
type margins struct {
	apart   float32 // least distance of centres for left, right, above, below
	slant   float32 // how far the other axis may exceed the distance, as a factor
	gap     float32 // widest gap of boxes that are next to each other
	level   float32 // greatest difference in height of centres that are next to each other
	edge    float32 // width of the strip at an edge that counts as that side
	middle  float32 // half width of the middle
	hidden  float32 // least share of the one that the other covers
	depth   float32 // least difference of the feet for one to stand in front
	between float32 // least distance sideways to either for one to be between them
	off     float32 // how far that one may lie off the line
}

var (
	strictMargins = margins{apart: 0.15, slant: 0.9, gap: 0.07, level: 0.12, edge: 0.33, middle: 0.11, hidden: 0.06, depth: 0.06, between: 0.09, off: 0.11}
	looseMargins  = margins{apart: 0.05, slant: 2.2, gap: 0.20, level: 0.28, edge: 0.46, middle: 0.22, hidden: 0.01, depth: 0.02, between: 0.03, off: 0.24}
)

func newFacts(s *Scene) *facts {
	objects := s.Objects[:min(len(s.Objects), maxObjects)]
	x := &facts{n: len(objects), floor: s.Floor, wall: s.Wall}
	for i := range objects {
		o := &objects[i]
		x.keys[i] = o.attributes()
		if o.Clear() {
			x.clear |= 1 << i
		}
	}
	x.strict.read(objects, &strictMargins)
	x.strict.strict = true
	x.loose.read(objects, &looseMargins)
	return x
}

func (r *reading) read(objects []Object, m *margins) {
	for a := range objects {
		oa := &objects[a]
		ax, ay := centre(oa)
		left, right, top, bottom := ax < m.edge, ax > 1-m.edge, ay < m.edge, ay > 1-m.edge
		is := [places + 1]bool{
			AtLeft: left, AtRight: right, AtTop: top, AtBottom: bottom,
			InMiddle: abs(ax-0.5) < m.middle && abs(ay-0.5) < m.middle,
			TopLeft:  top && left, TopRight: top && right, BottomLeft: bottom && left, BottomRight: bottom && right,
		}
		for p, yes := range is {
			if yes {
				r.place[p] |= 1 << a
			}
		}
		for b := range objects {
			if a == b {
				continue
			}
			ob := &objects[b]
			bx, by := centre(ob)
			dx, dy := bx-ax, by-ay
			meet := region.IoU(oa.Box, ob.Box) > 0
			gap := max(ob.Box[0]-oa.Box[2], oa.Box[0]-ob.Box[2])
			nearer := float32(oa.base-ob.base) / unit
			is := [kinds + 1]bool{
				LeftOf:  dx >= m.apart && abs(dy) <= dx*m.slant,
				Above:   dy >= m.apart && abs(dx) <= dy*m.slant,
				InFront: nearer >= m.depth && meet,
				Hides:   ob.covered[a] >= m.hidden,
				NextTo:  gap <= m.gap && abs(dy) <= m.level && abs(dx) > abs(dy)/2,
				Bigger:  oa.Size > ob.Size,
			}
			for k, yes := range is {
				if yes {
					r.rel[k][a] |= 1 << b
				}
			}
			if dx < 0 { // b is left of a; the other order is the same relation
				r.readBetween(objects, m, a, b)
			}
		}
	}
}

// readBetween finds what lies beyond a, seen from b on its left.
func (r *reading) readBetween(objects []Object, m *margins, a, b int) {
	ax, ay := centre(&objects[a])
	bx, by := centre(&objects[b])
	for c := range objects {
		if c == a || c == b {
			continue
		}
		cx, cy := centre(&objects[c])
		if cx-ax >= m.between && ax-bx >= m.between && between(ax, ay, bx, by, cx, cy, m.off) {
			r.between[a][b] |= 1 << c
			r.between[a][c] |= 1 << b
		}
	}
}

// between tells whether a lies within off of the line from b to c, which go from left to right.
func between(ax, ay, bx, by, cx, cy, off float32) bool {
	onLine := by + (cy-by)*(ax-bx)/(cx-bx)
	return abs(ay-onLine) <= off
}

func centre(o *Object) (x, y float32) { return (o.Box[0] + o.Box[2]) / 2, (o.Box[1] + o.Box[3]) / 2 }

func abs(x float32) float32 { return max(x, -x) }

// mask and want are the bits of a key that a term fixes.
func (t *Term) mask() (mask, want key) {
	want = newKey(t.Shape, t.Colour, t.Material, t.Size)
	if t.Shape != 0 {
		mask |= 0xf
	}
	if t.Colour != 0 {
		mask |= 0xf << 4
	}
	if t.Material != 0 {
		mask |= 0x7 << 8
	}
	if t.Size != 0 {
		mask |= 0x3 << 11
	}
	return mask, want
}

// alike is the set of objects with the attributes of a term.
func (x *facts) alike(t *Term) set {
	mask, want := t.mask()
	var m set
	for i := range x.n {
		if x.keys[i]&mask == want {
			m |= 1 << i
		}
	}
	return m
}

// candidates are the objects that a term alone allows: for a plural, the whole group.
func (x *facts) candidates(t *Term, r *reading) set {
	m := x.alike(t)
	if t.Count > 0 {
		switch all, clear := bits.OnesCount8(uint8(m)), bits.OnesCount8(uint8(m&x.clear)); {
		case r.strict && (all != t.Count || clear != t.Count):
			return 0
		case all < t.Count || clear > t.Count:
			return 0
		}
	}
	if r.strict {
		m &= x.clear
	}
	if t.Place != 0 {
		switch in := m & r.place[t.Place]; {
		case t.Count == 0 || !r.strict:
			m = in
		case in != m:
			return 0
		}
	}
	return m
}

func (f *Form) holds(x *facts, r *reading) bool {
	_, ok := f.bind(x, r, -1, 0)
	return ok
}

// maxTerms bounds the terms of a form that can be judged.
const maxTerms = 8

// bind looks for objects that make the form true, with term fixed (unless < 0) standing for object o.
func (f *Form) bind(x *facts, r *reading, fixed, o int) (bound [maxTerms]set, ok bool) {
	if f.Floor != 0 && f.Floor != x.floor || f.Wall != 0 && f.Wall != x.wall || len(f.Terms) > maxTerms {
		return bound, false
	}
	if clear := bits.OnesCount8(uint8(x.clear)); r.strict {
		if f.Total > 0 && (x.n != f.Total || clear != x.n) || clear < f.AtLeast {
			return bound, false
		}
	} else if f.Total > 0 && (x.n < f.Total || clear > f.Total) || x.n < f.AtLeast {
		return bound, false
	}
	var options [maxTerms]set
	for i := range f.Terms {
		c := x.candidates(&f.Terms[i], r)
		if i == fixed && f.Terms[i].Count == 0 {
			c &= 1 << o
		}
		if c == 0 {
			return bound, false
		}
		options[i] = c
	}
	ok = f.search(r, &options, &bound, 0, 0)
	return bound, ok
}

// search binds term k and those after it; used are the objects that single terms have taken.
func (f *Form) search(r *reading, options, bound *[maxTerms]set, k int, used set) bool {
	if k == len(f.Terms) {
		return true
	}
	if f.Terms[k].Count > 0 {
		bound[k] = options[k]
		return f.related(r, bound, k) && f.search(r, options, bound, k+1, used)
	}
	for free := options[k] &^ used; free != 0; free &= free - 1 {
		bound[k] = free & -free
		if f.related(r, bound, k) && f.search(r, options, bound, k+1, used|bound[k]) {
			return true
		}
	}
	return false
}

// related checks the relations whose last term is k.
func (f *Form) related(r *reading, bound *[maxTerms]set, k int) bool {
	for _, rel := range f.Relations {
		if max(rel.A, rel.B, rel.C) != k {
			continue
		}
		if !r.relates(&rel, bound) {
			return false
		}
	}
	return true
}

// relates judges one relation. Of a group all members must stand in it; under the loose reading one is enough.
func (r *reading) relates(rel *Relation, bound *[maxTerms]set) bool {
	some := false
	for as := bound[rel.A]; as != 0; as &= as - 1 {
		a := bits.TrailingZeros8(uint8(as))
		for bs := bound[rel.B]; bs != 0; bs &= bs - 1 {
			b := bits.TrailingZeros8(uint8(bs))
			yes := false
			if rel.Kind == Between {
				yes = r.between[a][b]&bound[rel.C] != 0
			} else {
				yes = r.rel[rel.Kind][a]>>b&1 != 0
			}
			some = some || yes
			if !yes && r.strict {
				return false
			}
		}
	}
	return some
}
