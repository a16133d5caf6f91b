package scenes

import (
	"math/bits"
	"slices"

	"github.com/aladin-go/aladin/internal/region"
)

const (
	minObjects = 2
	maxObjects = 5
	// minVisible is the least share of an object that a placement may leave visible.
	minVisible = 0.35
	// canvas is the side of the grid on which boxes and visibility are measured, whatever the
	// size of the picture.
	canvas = 160
)

// compose draws what scene i shows and where.
func (g *Generator) compose(i int) *Scene {
	s, r := g.contents(i)
	s.looks = newStream(g.key(i, 1)...).next()
	s.place(r)
	return s
}

// contents draws what scene i shows: something that belongs to the generator's split.
func (g *Generator) contents(i int) (*Scene, *stream) {
	r := newStream(g.key(i, 0)...)
	s := &Scene{}
	for {
		s.furnish(r)
		if splitOf(s.contentHash()) == g.options.Split {
			return s, r
		}
	}
}

// splitOf assigns a description to the only split that may show it: six eighths of all
// descriptions are for training, one each for validation and test.
func splitOf(hash uint64) Split {
	switch hash >> 61 {
	case 6:
		return Val
	case 7:
		return Test
	}
	return Train
}

// contentHash identifies what is in the scene, not where.
func (s *Scene) contentHash() uint64 {
	keys := make([]uint64, 0, maxObjects+2)
	for i := range s.Objects {
		keys = append(keys, uint64(s.Objects[i].attributes()))
	}
	slices.Sort(keys)
	keys = append(keys, uint64(s.Floor), uint64(s.Wall))
	return newStream(keys...).next()
}

// furnish draws the surroundings and the objects' attributes.
func (s *Scene) furnish(r *stream) {
	s.Floor = Floor(r.between(1, floors))
	s.Wall = NoWall
	if r.percent(60) {
		s.Wall = pick(r, behind[s.Floor])
	}
	n := minObjects + r.weighted(25, 35, 25, 15)
	s.Objects = s.Objects[:0]
	room := 40 // how much of the picture may still be filled, in hundredths
	for len(s.Objects) < n {
		o := Object{
			Shape:    Shape(r.between(1, shapes)),
			Colour:   s.colour(r),
			Material: Material(1 + r.weighted(30, 25, 17, 14, 14)),
			Size:     Size(1 + r.weighted(30, 40, 30)),
		}
		if o.Colour == White && o.Material.patterned() {
			o.Material = Matte
		}
		for o.Size > Small && room < 8*(n-len(s.Objects)-1)+areaOf(o.Size) {
			o.Size--
		}
		copies := 1
		switch left := n - len(s.Objects); {
		case len(s.Objects) > 0 && r.percent(22):
			// Another of a kind: only its colour tells them apart.
			o.Shape = s.Objects[0].Shape
		case left >= 2 && n >= 3 && r.percent(18):
			copies = 2
			if left >= 3 && r.percent(30) {
				copies = 3
			}
		}
		if s.has(o.Shape, o.Colour) {
			continue
		}
		for range copies {
			s.Objects = append(s.Objects, o)
			room -= areaOf(o.Size)
			if r.percent(35) && o.Colour != White {
				o.Material = Material(r.between(1, materials))
			}
		}
	}
}

// behind lists what can be seen behind a floor.
var behind = [floors + 1][]Wall{
	Grass: {Sky, Sky, Brick}, Sand: {Sky}, Snow: {Sky, Sky, Brick}, Stone: {Sky, Brick, Plain},
	Wood: {Brick, Wallpaper, Plain}, Tiles: {Brick, Wallpaper, Plain}, Carpet: {Wallpaper, Plain},
}

// areaOf is about how much of a picture an object fills, in hundredths.
func areaOf(s Size) int { return [sizes + 1]int{0, 4, 8, 15}[s] }

func (s *Scene) colour(r *stream) Colour {
	for {
		if c := Colour(r.between(1, colours)); !clashes(c, s.Floor, s.Wall) {
			return c
		}
	}
}

func (s *Scene) has(shape Shape, colour Colour) bool {
	return slices.ContainsFunc(s.Objects, func(o Object) bool { return o.Shape == shape && o.Colour == colour })
}

// place finds positions at which enough of every object can be seen. It keeps the best of a
// limited number of tries, so that it ends; in practice the first few are good.
func (s *Scene) place(r *stream) {
	s.horizon = 0
	if s.Wall != NoWall {
		s.horizon = unit * r.between(24, 38) / 100
	}
	solids := make([]*solid, len(s.Objects))
	for i := range s.Objects {
		solids[i] = build(&s.Objects[i], r)
	}
	crowd := 10
	if r.percent(50) {
		crowd = 40
	}
	var best []Object
	var bestSolids []*solid
	least := float32(-1)
	for range 24 {
		s.scatter(r, solids, crowd)
		s.measure(solids)
		worst := float32(1)
		for i := range s.Objects {
			worst = min(worst, s.Objects[i].Visible)
		}
		if worst > least {
			least, best = worst, slices.Clone(s.Objects)
			bestSolids = bestSolids[:0]
			for _, so := range solids {
				c := *so
				bestSolids = append(bestSolids, &c)
			}
		}
		if worst >= minVisible {
			break
		}
	}
	s.Objects, s.solids = best, bestSolids
}

// build turns an object's shape and size into a solid at the origin.
func build(o *Object, r *stream) *solid {
	var half int
	switch o.Size { // half extents in 1/1000 of the picture's width
	case Small:
		half = r.between(98, 112)
	case Medium:
		half = r.between(136, 154)
	default:
		half = r.between(184, 212)
	}
	turn, yaw, squash := r.between(-4, 4), r.between(25, 65), one
	switch o.Shape {
	case Ball:
		turn = r.between(-60, 60)
	case Star, Cross, Moon:
		turn, half = r.between(-22, 22), half*106/100
	case Heart:
		turn, half = r.between(-15, 15), half*108/100
	case Ring:
		turn, squash = r.between(-40, 40), q(r.between(78, 100))
	case Cylinder, Cone, Pyramid:
		half = half * 106 / 100
	case Bottle:
		half = half * 120 / 100
	}
	return newSolid(o.Shape, half*unit/1000, turn, yaw, squash, r.percent(50))
}

// scatter puts the solids somewhere on the floor and sorts them, and the objects, from far to near.
// Two boxes may share crowd hundredths of the smaller one.
func (s *Scene) scatter(r *stream, solids []*solid, crowd int) {
	order := make([]int, len(solids))
	extents := make([]extent, len(solids))
	for i, so := range solids {
		order[i] = i
		so.x, so.y = 0, 0
		extents[i] = so.extent()
	}
	// The large ones find room first.
	slices.SortStableFunc(order, func(a, b int) int { return solids[b].half - solids[a].half })
	var placed []extent
	const margin = unit / 64
	for _, i := range order {
		so, e := solids[i], extents[i]
		far := max(s.horizon+unit*10/100, margin+e.y2-e.y1)
		for try := 0; ; try++ {
			so.x = r.between(margin-e.x1, unit-margin-e.x2)
			base := r.between(min(far, unit-margin), unit-margin)
			if crowd > 20 && len(placed) > 0 && try < 20 {
				// Seek company: behind or in front of something that is there already.
				p := pick(r, placed)
				so.x = min(max(r.between(p.x1, p.x2), margin-e.x1), unit-margin-e.x2)
				base = min(max(p.y2+r.between(-unit/5, unit/5), far), unit-margin)
			}
			so.y = base - e.y2
			here := e.at(so.x, so.y)
			if try >= 30 || !slices.ContainsFunc(placed, func(p extent) bool { return p.crowds(here, crowd) }) {
				placed = append(placed, here)
				s.Objects[i].base = base
				break
			}
		}
	}
	// Sort objects and solids together.
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return s.Objects[a].base - s.Objects[b].base })
	objects, sorted := slices.Clone(s.Objects), slices.Clone(solids)
	for i, k := range order {
		s.Objects[i], solids[i] = objects[k], sorted[k]
	}
}

// An extent is a box in units.
type extent struct{ x1, y1, x2, y2 int }

func (e extent) at(x, y int) extent { return extent{e.x1 + x, e.y1 + y, e.x2 + x, e.y2 + y} }

// crowds tells whether two boxes share too much, or share something while standing so nearly
// side by side that it could not be told which is in front.
func (e extent) crowds(o extent, hundredths int) bool {
	w := min(e.x2, o.x2) - max(e.x1, o.x1)
	h := min(e.y2, o.y2) - max(e.y1, o.y1)
	if w <= 0 || h <= 0 {
		return false
	}
	if d := e.y2 - o.y2; d < unit*4/100 && d > -unit*4/100 {
		return true
	}
	smaller := min((e.x2-e.x1)*(e.y2-e.y1), (o.x2-o.x1)*(o.y2-o.y1))
	return w*h*100 > smaller*hundredths
}

// extent is the box around a solid, found on a coarse grid.
func (s *solid) extent() extent {
	const steps = 28
	e := extent{unit, unit, -unit, -unit}
	for j := range steps {
		y := s.y - s.half + (2*j+1)*s.half/steps
		for i := range steps {
			x := s.x - s.half + (2*i+1)*s.half/steps
			if _, ok := s.at(x, y); ok {
				e.x1, e.y1 = min(e.x1, x), min(e.y1, y)
				e.x2, e.y2 = max(e.x2, x), max(e.y2, y)
			}
		}
	}
	grid := s.half / steps
	return extent{e.x1 - grid, e.y1 - grid, e.x2 + grid, e.y2 + grid}
}

// measure finds what can be seen of each object by painting the outlines on a grid.
func (s *Scene) measure(solids []*solid) {
	var grid [canvas * canvas]set // the objects in each cell; the nearest is the last
	type seen struct{ x1, y1, x2, y2, full int }
	var visible [maxObjects]seen
	var owned [maxObjects][maxObjects]int // owned[k][j]: cells of j in which k is the nearest
	for k, so := range solids {
		visible[k] = seen{x1: canvas, y1: canvas}
		x1, y1, x2, y2 := so.cells(canvas)
		for y := y1; y < y2; y++ {
			for x := x1; x < x2; x++ {
				if _, ok := so.at((2*x+1)*unit/(2*canvas), (2*y+1)*unit/(2*canvas)); ok {
					grid[y*canvas+x] |= 1 << k
					visible[k].full++
				}
			}
		}
	}
	for i, in := range grid {
		if in == 0 {
			continue
		}
		k := bits.Len8(uint8(in)) - 1
		for rest := in; rest != 0; rest &= rest - 1 {
			owned[k][bits.TrailingZeros8(uint8(rest))]++
		}
		v, x, y := &visible[k], i%canvas, i/canvas
		v.x1, v.y1, v.x2, v.y2 = min(v.x1, x), min(v.y1, y), max(v.x2, x+1), max(v.y2, y+1)
	}
	for k := range solids {
		o, v := &s.Objects[k], &visible[k]
		o.Visible, o.Box, o.covered = 0, region.Box{}, [maxObjects]float32{}
		if owned[k][k] == 0 {
			continue
		}
		o.Visible = float32(owned[k][k]) / float32(v.full)
		o.Box = region.Box{float32(v.x1) / canvas, float32(v.y1) / canvas, float32(v.x2) / canvas, float32(v.y2) / canvas}
		for j := k + 1; j < len(solids); j++ {
			o.covered[j] = float32(owned[j][k]) / float32(v.full)
		}
	}
}

// cells are the columns and rows, of n, that a solid may touch.
func (s *solid) cells(n int) (x1, y1, x2, y2 int) {
	lo := func(c int) int { return min(max((c-s.half)*n>>16, 0), n) }
	hi := func(c int) int { return min(max((c+s.half)*n>>16+1, 0), n) }
	return lo(s.x), lo(s.y), hi(s.x), hi(s.y)
}
