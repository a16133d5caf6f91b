package scenes

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/aladin-go/aladin/internal/region"
)

// thing is an object whose box is centred at x, y (hundredths) and 20 wide.
func thing(size Size, colour Colour, material Material, shape Shape, x, y int) Object {
	cx, cy := float32(x)/100, float32(y)/100
	return Object{
		Shape: shape, Colour: colour, Material: material, Size: size, Visible: 1,
		Box: region.Box{cx - 0.1, cy - 0.1, cx + 0.1, cy + 0.1}, base: (y + 10) * unit / 100,
	}
}

func still(floor Floor, objects ...Object) *Scene {
	return &Scene{Floor: floor, Wall: NoWall, Objects: objects}
}

func TestForm(t *testing.T) {
	//  red ball 20,50 · green cube 50,50 · green cube 80,50 · blue star 22,85
	s := still(Grass,
		thing(Small, Red, Striped, Ball, 20, 50), thing(Large, Green, Matte, Cube, 50, 50),
		thing(Small, Green, Shiny, Cube, 80, 50), thing(Medium, Blue, Matte, Star, 22, 85))
	ball, cube, cubes := Term{Shape: Ball}, Term{Shape: Cube}, Term{Shape: Cube, Colour: Green, Count: 2}
	star := Term{Colour: Blue, Shape: Star}
	rel := func(k Kind, a, b, c int) []Relation { return []Relation{{k, a, b, c}} }
	tests := []struct {
		name          string
		form          Form
		strict, loose bool
	}{
		{"nothing is true of everything", Form{}, true, true},
		{"floor", Form{Floor: Grass}, true, true},
		{"other floor", Form{Floor: Sand}, false, false},
		{"other wall", Form{Wall: Brick}, false, false},
		{"total", Form{Total: 4}, true, true},
		{"wrong total", Form{Total: 3}, false, false},
		{"at least", Form{AtLeast: 4}, true, true},
		{"too many", Form{AtLeast: 5}, false, false},
		{"one attribute", Form{Terms: []Term{{Colour: Red}}}, true, true},
		{"all attributes", Form{Terms: []Term{{Shape: Ball, Colour: Red, Material: Striped, Size: Small}}}, true, true},
		{"no such thing", Form{Terms: []Term{{Shape: Ball, Colour: Blue}}}, false, false},
		{"two single cubes", Form{Terms: []Term{cube, cube}}, true, true},
		{"three single cubes", Form{Terms: []Term{cube, cube, cube}}, false, false},
		{"exactly two", Form{Terms: []Term{cubes}}, true, true},
		{"exactly one of two", Form{Terms: []Term{{Shape: Cube, Count: 1}}}, false, false},
		{"exactly three of two", Form{Terms: []Term{{Shape: Cube, Count: 3}}}, false, false},
		{"left", Form{Terms: []Term{ball, cube}, Relations: rel(LeftOf, 0, 1, 0)}, true, true},
		{"not left", Form{Terms: []Term{ball, cube}, Relations: rel(LeftOf, 1, 0, 0)}, false, false},
		{"left of both", Form{Terms: []Term{cubes, ball}, Relations: rel(LeftOf, 1, 0, 0)}, true, true},
		{"cube left of cube", Form{Terms: []Term{{Shape: Cube, Size: Large}, cube}, Relations: rel(LeftOf, 0, 1, 0)}, true, true},
		{"small cube left of cube", Form{Terms: []Term{{Shape: Cube, Size: Small}, cube}, Relations: rel(LeftOf, 0, 1, 0)}, false, false},
		{"above", Form{Terms: []Term{ball, star}, Relations: rel(Above, 0, 1, 0)}, true, true},
		{"above, but more to the side", Form{Terms: []Term{{Shape: Cube, Size: Small}, star}, Relations: rel(Above, 0, 1, 0)}, false, true},
		{"between", Form{Terms: []Term{{Shape: Cube, Size: Large}, ball, cube}, Relations: rel(Between, 0, 1, 2)}, true, true},
		{"between the other way round", Form{Terms: []Term{{Shape: Cube, Size: Large}, cube, ball}, Relations: rel(Between, 0, 1, 2)}, true, true},
		{"not between", Form{Terms: []Term{ball, cube, cube}, Relations: rel(Between, 0, 1, 2)}, false, false},
		{"bigger", Form{Terms: []Term{cube, ball}, Relations: rel(Bigger, 0, 1, 0)}, true, true},
		{"not bigger", Form{Terms: []Term{ball, star}, Relations: rel(Bigger, 0, 1, 0)}, false, false},
		{"next to, if one is generous", Form{Terms: []Term{ball, cube}, Relations: rel(NextTo, 0, 1, 0)}, false, true},
		{"does not hide", Form{Terms: []Term{star, ball}, Relations: rel(Hides, 0, 1, 0)}, false, false},
		{"place", Form{Terms: []Term{{Shape: Ball, Place: AtLeft}}}, true, true},
		{"corner", Form{Terms: []Term{{Shape: Star, Place: BottomLeft}}}, true, true},
		{"wrong place", Form{Terms: []Term{{Shape: Ball, Place: AtRight}}}, false, false},
		{"a group not all in the place", Form{Terms: []Term{{Shape: Cube, Count: 2, Place: AtRight}}}, false, true},
		{"too many terms to judge", Form{Terms: make([]Term, maxTerms+1)}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.strict, tt.form.HoldsIn(s), "strictly")
			assert.Equal(t, tt.loose, tt.form.MayHoldIn(s), "loosely")
		})
	}
}

func TestHiddenObjectsMayOrMayNotCount(t *testing.T) {
	hidden := thing(Small, Red, Matte, Ball, 50, 50)
	hidden.Visible = 0.4
	s := still(Wood, hidden, thing(Small, Red, Matte, Ball, 20, 20))
	for form, want := range map[string]struct {
		form          Form
		strict, loose bool
	}{
		"both":          {Form{Terms: []Term{{Shape: Ball, Count: 2}}}, false, true},
		"only one":      {Form{Terms: []Term{{Shape: Ball, Count: 1}}}, false, true},
		"two in all":    {Form{Total: 2}, false, true},
		"one in all":    {Form{Total: 1}, false, true},
		"three in all":  {Form{Total: 3}, false, false},
		"some":          {Form{AtLeast: 2}, false, true},
		"the clear one": {Form{Terms: []Term{{Shape: Ball, Place: TopLeft}}}, true, true},
		"the other":     {Form{Terms: []Term{{Shape: Ball, Place: InMiddle}}}, false, true},
	} {
		assert.Equal(t, want.strict, want.form.HoldsIn(s), form)
		assert.Equal(t, want.loose, want.form.MayHoldIn(s), form)
	}
}

// Who hides whom is a matter of two objects: that something is hidden is not enough.
func TestHides(t *testing.T) {
	back, front, near := thing(Large, Red, Matte, Ball, 50, 40), thing(Small, Blue, Matte, Cube, 55, 50), thing(Small, Green, Matte, Cone, 45, 55)
	back.Visible, back.covered[1], back.covered[2] = 0.8, 0.17, 0.03
	s := still(Wood, back, front, near)
	hides := func(a, b Shape) Form {
		return Form{Terms: []Term{{Shape: a}, {Shape: b}}, Relations: []Relation{{Kind: Hides, A: 0, B: 1}}}
	}
	for _, tt := range []struct {
		form          Form
		strict, loose bool
	}{
		{hides(Cube, Ball), true, true}, {hides(Ball, Cube), false, false},
		{hides(Cone, Ball), false, true}, {hides(Cone, Cube), false, false},
	} {
		assert.Equal(t, tt.strict, tt.form.HoldsIn(s), tt.form.String())
		assert.Equal(t, tt.loose, tt.form.MayHoldIn(s), tt.form.String())
	}
}

func TestFormString(t *testing.T) {
	f := Form{
		Terms:     []Term{{Shape: Ball, Colour: Red, Size: Small, Place: AtLeft}, {Shape: Cube, Count: 2}, {Material: Shiny}},
		Relations: []Relation{{Kind: LeftOf, B: 1}, {Kind: Between, A: 0, B: 1, C: 2}},
		Floor:     Grass, Wall: Brick, Total: 4, AtLeast: 2,
	}
	assert.Equal(t, "a: small red ball at left; b: 2 cube; c: shiny; left of(a,b); between(a,b,c); 4 in all; at least 2; on grass; by brick", f.String())
	assert.Equal(t, "?", Shape(99).String())
}

func TestUniqueShare(t *testing.T) {
	say := func(s *Scene, forms ...Form) *Scene {
		for _, f := range forms {
			s.Captions = append(s.Captions, Caption{Form: f})
		}
		return s
	}
	redBall, cube := Term{Shape: Ball, Colour: Red}, Term{Shape: Cube}
	left := []Relation{{Kind: LeftOf, A: 0, B: 1}}
	a := say(still(Grass, thing(Small, Red, Matte, Ball, 20, 50), thing(Large, Green, Matte, Cube, 70, 50)),
		Form{Terms: []Term{redBall}},                          // b has one too
		Form{Terms: []Term{redBall, cube}, Relations: left},   // in b it is the other way round
		Form{Terms: []Term{redBall}, Floor: Grass},            // b is on sand
		Form{Terms: []Term{{Shape: Ball, Size: Small}, cube}}, // in b and c the ball is large
		Form{Total: 2}, // b as well
		Form{Terms: []Term{{Shape: Cube, Count: 1, Colour: 4}}}) // c has two green cubes, b a blue one
	b := say(still(Sand, thing(Large, Red, Shiny, Ball, 80, 50), thing(Large, Blue, Matte, Cube, 30, 50)),
		Form{Terms: []Term{{Material: Shiny}}})
	c := say(still(Wood, thing(Large, Blue, Matte, Ball, 20, 20), thing(Large, Green, Matte, Cube, 50, 60), thing(Large, Green, Matte, Cube, 80, 60)),
		Form{Terms: []Term{{Shape: Cube, Colour: Green, Count: 2}}})

	share, per := UniqueShare([]*Scene{a, b, c})
	assert.Equal(t, [][]bool{{false, true, true, true, false, true}, {true}, {true}}, per)
	assert.InDelta(t, 6.0/8, share, 1e-9)

	share, per = UniqueShare(nil)
	assert.Zero(t, share)
	assert.Empty(t, per)

	g := New(1, &Options{Split: Test})
	one := g.Describe(0)
	share, _ = UniqueShare([]*Scene{one})
	assert.EqualValues(t, 1, share, "alone, everything is unique")
	share, _ = UniqueShare([]*Scene{one, g.Describe(0)})
	assert.Zero(t, share, "beside its twin, nothing is")
}

// The reference for the fast checker: every caption against every scene, one by one.
func TestUniqueShareAgreesWithTheDefinition(t *testing.T) {
	g := New(6, &Options{Split: Test})
	var list []*Scene
	for i := range 120 {
		list = append(list, g.Describe(i))
	}
	_, per := UniqueShare(list)
	both := map[bool]int{}
	for i, s := range list {
		for j := range s.Captions {
			want := true
			for k, o := range list {
				want = want && (k == i || !s.Captions[j].Form.MayHoldIn(o))
			}
			assert.Equal(t, want, per[i][j], s.Captions[j].Text)
			both[want]++
		}
	}
	assert.Len(t, both, 2)
}
