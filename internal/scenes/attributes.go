package scenes

// The attributes of an object and of its surroundings. Zero is "any" in a Term and never occurs
// in a scene (but NoWall, which is a view from above where the floor fills the picture).
type (
	Shape    uint8
	Colour   uint8
	Material uint8
	Size     uint8
	Floor    uint8
	Wall     uint8
)

const (
	Ball Shape = iota + 1
	Cube
	Cylinder
	Cone
	Pyramid
	Star
	Heart
	Ring
	Mug
	Bottle
	Moon
	Cross
	shapes = iota
)

const (
	Red Colour = iota + 1
	Orange
	Yellow
	Green
	Blue
	Purple
	Pink
	Brown
	Black
	White
	Turquoise
	colours = iota
)

const (
	Matte Material = iota + 1
	Shiny
	Striped
	Dotted
	Checkered
	materials = iota
)

const (
	Small Size = iota + 1
	Medium
	Large
	sizes = iota
)

const (
	Grass Floor = iota + 1
	Wood
	Sand
	Tiles
	Carpet
	Snow
	Stone
	floors = iota
)

const (
	NoWall Wall = iota + 1
	Brick
	Sky
	Wallpaper
	Plain
	walls = iota
)

var (
	shapeNames    = [shapes + 1]string{"", "ball", "cube", "cylinder", "cone", "pyramid", "star", "heart", "ring", "mug", "bottle", "moon", "cross"}
	colourNames   = [colours + 1]string{"", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "turquoise"}
	materialNames = [materials + 1]string{"", "matte", "shiny", "striped", "dotted", "checkered"}
	sizeNames     = [sizes + 1]string{"", "small", "medium", "large"}
	floorNames    = [floors + 1]string{"", "grass", "wood", "sand", "tiles", "carpet", "snow", "stone"}
	wallNames     = [walls + 1]string{"", "none", "brick", "sky", "wallpaper", "plain"}
)

// name guards against values that did not come from this package's constants.
func name(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return "?"
	}
	return names[i]
}

func (s Shape) String() string    { return name(shapeNames[:], int(s)) }
func (c Colour) String() string   { return name(colourNames[:], int(c)) }
func (m Material) String() string { return name(materialNames[:], int(m)) }
func (s Size) String() string     { return name(sizeNames[:], int(s)) }
func (f Floor) String() string    { return name(floorNames[:], int(f)) }
func (w Wall) String() string     { return name(wallNames[:], int(w)) }

// An rgb is a colour of 0…255 a channel, in int32 so that sums and products don't wrap.
type rgb [3]int32

var paint = [colours + 1]rgb{
	Red: {208, 28, 34}, Orange: {248, 128, 12}, Yellow: {252, 222, 34}, Green: {34, 148, 48},
	Blue: {32, 74, 212}, Purple: {122, 38, 166}, Pink: {252, 132, 190}, Brown: {112, 62, 26},
	Black: {30, 30, 34}, White: {244, 244, 240}, Turquoise: {40, 204, 204},
}

// second is the other colour of a pattern: fixed by the first, so that "red and white striped"
// says no more than "red striped". White takes no pattern: which colour is the first could not be told.
func (c Colour) second() Colour {
	switch c {
	case Yellow, Turquoise, Pink:
		return Black
	default:
		return White
	}
}

// patterned tells whether the material has two colours.
func (m Material) patterned() bool { return m >= Striped }

// clashes tells whether an object of colour c would be hard to see there.
func clashes(c Colour, f Floor, w Wall) bool {
	switch {
	case c == Green && f == Grass, c == Brown && f == Wood, c == White && f == Snow,
		c == Yellow && f == Sand, c == Turquoise && w == Sky, c == Brown && w == Brick:
		return true
	}
	return false
}

// A key packs the four attributes of an object, so that a Term is one masked comparison.
type key uint16

func newKey(s Shape, c Colour, m Material, z Size) key {
	return key(s) | key(c)<<4 | key(m)<<8 | key(z)<<11
}

func (o *Object) attributes() key { return newKey(o.Shape, o.Colour, o.Material, o.Size) }
