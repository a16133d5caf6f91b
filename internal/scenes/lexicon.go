package scenes

// The words of the captions. Where a list repeats a word, it is the more usual one.

var nouns = [shapes + 1][]noun{
	Ball:     {{"ball", "balls"}, {"ball", "balls"}, {"sphere", "spheres"}},
	Cube:     {{"cube", "cubes"}, {"cube", "cubes"}, {"box", "boxes"}, {"block", "blocks"}},
	Cylinder: {{"cylinder", "cylinders"}, {"cylinder", "cylinders"}, {"can", "cans"}},
	Cone:     {{"cone", "cones"}},
	Pyramid:  {{"pyramid", "pyramids"}},
	Star:     {{"star", "stars"}},
	Heart:    {{"heart", "hearts"}},
	Ring:     {{"ring", "rings"}, {"ring", "rings"}, {"hoop", "hoops"}, {"donut", "donuts"}},
	Mug:      {{"mug", "mugs"}, {"mug", "mugs"}, {"cup", "cups"}},
	Bottle:   {{"bottle", "bottles"}},
	Moon:     {{"moon", "moons"}, {"moon", "moons"}, {"crescent", "crescents"}},
	Cross:    {{"cross", "crosses"}},
}

type noun struct{ one, many string }

var colourWords = [colours + 1][]string{
	Red: {"red"}, Orange: {"orange"}, Yellow: {"yellow"}, Green: {"green"}, Blue: {"blue"},
	Purple: {"purple", "purple", "violet"}, Pink: {"pink"}, Brown: {"brown"}, Black: {"black"},
	White: {"white"}, Turquoise: {"turquoise", "turquoise", "teal"},
}

var sizeWords = [sizes + 1][]string{
	Small: {"small", "small", "little", "tiny"},
	Large: {"big", "big", "large", "large", "huge"},
}

var materialWords = [materials + 1][]string{
	Matte:     {"matte", "plain"},
	Shiny:     {"shiny", "shiny", "glossy", "polished"},
	Striped:   {"striped"},
	Dotted:    {"dotted", "spotted", "polka dot"},
	Checkered: {"checkered", "checkered", "checked"},
}

// Words that follow a noun and tell its pattern; %s is the second colour and a space, or nothing.
var patternTails = [materials + 1][]string{
	Striped:   {"with %sstripes"},
	Dotted:    {"with %sdots", "with %sspots"},
	Checkered: {"with a %scheckered pattern", "with %schecks"},
}

// How things of a shape are where they are.
var postures = [shapes + 1][]string{
	Ball: {"sit", "lie", "rest"}, Cube: {"sit", "stand", "rest"}, Cylinder: {"stand", "sit"},
	Cone: {"stand", "sit"}, Pyramid: {"stand", "sit"}, Star: {"stand", "lie"}, Heart: {"stand", "sit"},
	Ring: {"lie", "stand"}, Mug: {"stand", "sit"}, Bottle: {"stand", "stand"}, Moon: {"lie", "stand"}, Cross: {"stand", "lie"},
}

// A verb in the forms "it sits", "they sit", "sitting".
type verb struct{ one, many, ing string }

var verbs = map[string]verb{
	"sit":   {"sits", "sit", "sitting"},
	"lie":   {"lies", "lie", "lying"},
	"rest":  {"rests", "rest", "resting"},
	"stand": {"stands", "stand", "standing"},
}

// A bond is how a relation is put into words, seen from one side.
type bond struct {
	kind    Kind
	inverse bool // the words name B first: "right of" for LeftOf
	words   []string
	its     []string // the same with a pronoun, %s being "its" or "their"; or %t "it" or "them"
	static  bool     // goes with "sits" and "stands", not only with "is"
}

var bonds = []bond{
	{kind: LeftOf, words: []string{"left of", "to the left of", "to the left of", "on the left of"}, its: []string{"to %s left", "on %s left"}, static: true},
	{kind: LeftOf, inverse: true, words: []string{"right of", "to the right of", "to the right of", "on the right of"}, its: []string{"to %s right", "on %s right"}, static: true},
	{kind: Above, words: []string{"above"}, its: []string{"above %t"}, static: true},
	{kind: Above, inverse: true, words: []string{"below", "below", "beneath"}, its: []string{"below %t"}, static: true},
	{kind: InFront, words: []string{"in front of"}, its: []string{"in front of %t"}, static: true},
	{kind: InFront, inverse: true, words: []string{"behind"}, its: []string{"behind %t"}, static: true},
	{kind: Hides, words: []string{"partly hiding", "partly covering", "covering part of"}},
	{kind: Hides, inverse: true, words: []string{"partly hidden by", "partly hidden behind", "partially behind"}},
	{kind: NextTo, words: []string{"next to", "next to", "beside", "near", "close to"}, its: []string{"next to %t", "beside %t", "nearby"}, static: true},
}

var placeWords = [places + 1][]string{
	AtLeft:      {"on the left", "on the left side", "at the left"},
	AtRight:     {"on the right", "on the right side", "at the right"},
	AtTop:       {"at the top", "near the top"},
	AtBottom:    {"at the bottom", "near the bottom"},
	InMiddle:    {"in the middle", "in the middle", "in the center", "in the centre"},
	TopLeft:     {"in the top left corner", "in the upper left", "at the top left"},
	TopRight:    {"in the top right corner", "in the upper right", "at the top right"},
	BottomLeft:  {"in the bottom left corner", "in the lower left", "at the bottom left"},
	BottomRight: {"in the bottom right corner", "in the lower right", "at the bottom right"},
}

var pictureWords = []string{"of the picture", "of the photo", "of the image"}

var floorWords = [floors + 1][]string{
	Grass:  {"on grass", "on the grass", "on green grass", "in the grass", "on a lawn"},
	Wood:   {"on a wooden table", "on a wooden floor", "on the wooden floor", "on wooden boards", "on wooden planks"},
	Sand:   {"on sand", "on the sand", "in the sand", "on a sandy beach", "on a beach"},
	Tiles:  {"on a tiled floor", "on the tiles", "on gray and white tiles", "on a checkerboard floor"},
	Carpet: {"on a carpet", "on the carpet", "on a rug", "on a soft rug"},
	Snow:   {"in the snow", "on snow", "on the snow", "on snowy ground"},
	Stone:  {"on a stone floor", "on gray stones", "on paving stones", "on the pavement"},
}

var wallWords = [walls + 1][]string{
	Brick:     {"in front of a brick wall", "against a brick wall", "near a brick wall", "by a brick wall"},
	Sky:       {"under a blue sky", "under a cloudy sky", "beneath the blue sky"},
	Wallpaper: {"in front of striped wallpaper", "in a room with striped wallpaper"},
	Plain:     {"in front of a plain wall", "against a plain wall"},
}

var (
	numberWords = []string{"no", "one", "two", "three", "four", "five"}
	thingWords  = []string{"objects", "objects", "things", "toys", "shapes", "items"}
)

// A pattern is a caption with blanks:
//
//	{A} {B} {C}  a noun phrase with its article        {a} {b} {c}  the same without
//	{tA} {tB}    the same with "the"                   {are}        is or are, for A
//	{is}         is, sits, is standing…, for A         {rel} {rel2} words of the relation to B, to C
//	{Rel}        the same, if they can open a sentence
//	{its}        the relation with a pronoun           {place} {place2} a part of the picture, of A, of B
//	{on} {ON}    the surroundings, perhaps; always     {On} the same at the start
//	{N} {M}      how many objects; how many but A      {things}  a word for objects
//	{P}          nouns of a group of mixed colours     {hues} their colours
//	{bigger} {smaller} words of comparison             {some} several, a few
type pattern struct {
	weight int
	text   string
}

// A plan is what a caption speaks about, which decides the patterns that can say it.
type plan uint8

const (
	planRelation plan = iota
	planRelations
	planBetween
	planCompare
	planPair
	planThree
	planOne
	planPlace
	planPlaces
	planScene
	planCount
	planRest
	planMixed
	plans
)

var patterns = [plans][]pattern{
	planRelation: {
		{12, "{A} {rel} {B}{on}"},
		{9, "{A} {is} {rel} {B}{on}"},
		{4, "there {are} {A} {rel} {B}{on}"},
		{4, "{B} with {A} {its}{on}"},
		{3, "{Rel} {B} {are} {A}"},
		{3, "{tA} {is} {rel} {tB}"},
		{2, "{a} {rel} {b}{on}"},
		{1, "we can see {A} {rel} {B}{on}"},
		{1, "you can see {A} {rel} {B}{on}"},
		{2, "a picture of {A} {rel} {B}{on}"},
		{1, "a photo of {A} {rel} {B}{on}"},
		{1, "this picture shows {A} {rel} {B}{on}"},
		{3, "{On}, {A} {is} {rel} {B}"},
		{1, "{Rel} {B}, there {are} {A}"},
	},
	planRelations: {
		{4, "{A} {rel} {B} and {rel2} {C}{on}"},
		{3, "{A} {is} {rel} {B} and {rel2} {C}"},
		{1, "there {are} {A} {rel} {B} and {rel2} {C}"},
	},
	planBetween: {
		{5, "{A} between {B} and {C}{on}"},
		{4, "{A} {is} between {B} and {C}{on}"},
		{2, "{B} and {C} with {A} between them{on}"},
		{2, "{A} in between {B} and {C}"},
		{1, "between {B} and {C} there {are} {A}"},
	},
	planCompare: {
		{3, "{A} that {are} {bigger} than {B}{on}"},
		{3, "{A} and a {smaller} {b}{on}"},
		{2, "{tA} {are} {bigger} than {tB}"},
		{1, "{A} with a {smaller} {b}{on}"},
	},
	planPair: {
		{9, "{A} and {B}{on}"},
		{3, "{a} and {b}{on}"},
		{3, "there {are} {A} and {B}{on}"},
		{1, "{A} together with {B}{on}"},
		{1, "{A} as well as {B}{ON}"},
		{1, "someone left {A} and {B}{ON}"},
		{1, "someone has put {A} and {B}{ON}"},
		{1, "a picture of {A} and {B}{on}"},
		{2, "{On} there {are} {A} and {B}"},
	},
	planThree: {
		{4, "{A}, {B} and {C}{on}"},
		{2, "{A}, {B}, and {C}{on}"},
		{1, "{a}, {b}, {c}{on}"},
		{1, "there {are} {A}, {B} and {C}{on}"},
		{1, "{A} and {B} along with {C}{ON}"},
	},
	planOne: {
		{6, "{A}{ON}"},
		{4, "{A} {is}{ON}"},
		{2, "{a}{ON}"},
		{1, "there {are} {A}{ON}"},
		{1, "a photo of {A}{ON}"},
	},
	planPlace: {
		{4, "{A} {place}"},
		{4, "{A} {is} {place}"},
		{2, "there {are} {A} {place}"},
		{2, "{place} {are} {A}"},
	},
	planPlaces: {
		{4, "{A} {place} and {B} {place2}"},
		{2, "{A} {place}, {B} {place2}"},
		{2, "{A} {is} {place} and {B} {place2}"},
	},
	planScene: {
		{4, "{N} {things}{ON}"},
		{2, "there are {N} {things}{ON}"},
		{2, "{some} {things}{ON}"},
		{1, "a group of {N} {things}{ON}"},
		{1, "a picture of {N} {things}{ON}"},
		{1, "{some} different {things}{ON}"},
	},
	planCount: {
		{3, "{N} {things}{on}, including {A}"},
		{2, "{N} {things}{on}, one of them {A}"},
		{1, "{A} among other {things}{on}"},
	},
	planRest: {
		{3, "{A} and {M} other {things}{on}"},
		{1, "{A} with {M} other {things}{on}"},
		{1, "there {are} {A} and {M} other {things}{on}"},
	},
	planMixed: {
		{3, "{N2} {P}, {hues}{on}"},
		{1, "there are {N2} {P}, {hues}{on}"},
		{1, "{N2} {P} of different colors{on}, {hues}"},
	},
}
