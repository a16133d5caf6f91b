package clip

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlural(t *testing.T) {
	for one, many := range map[string]string{
		"dog": "dogs", "person": "people", "woman": "women", "policewoman": "policewomen", "human": "humans", "child": "children",
		"knife": "knives", "giraffe": "giraffes", "shelf": "shelves", "leaf": "leaves", "scarf": "scarves", "chef": "chefs", "wolf": "wolves",
		"bus": "buses", "glass": "glasses", "lens": "lenses", "couch": "couches", "dish": "dishes", "box": "boxes", "quiz": "quizzes",
		"puppy": "puppies", "toy": "toys", "tomato": "tomatoes", "potato": "potatoes", "piano": "pianos", "zoo": "zoos",
		"foot": "feet", "tooth": "teeth", "goose": "geese", "mouse": "mice", "ox": "oxen", "sheep": "sheep", "goldfish": "goldfish", "deer": "deer",
		"scissors": "scissors", "sunglasses": "sunglasses", "pants": "pants", "aircraft": "aircraft",
		"traffic light": "traffic lights", "bell_pepper": "bell_peppers", "crab_(animal)": "crabs_(animal)",
		"mouse_(computer_equipment)": "mice_(computer_equipment)", "slice of pizza": "slices of pizza", "man in suit": "men in suit",
		"jack-in-the-box": "jacks-in-the-box", "Dog": "Dogs", "Foot": "Feet", "": "", "(toy)": "(toy)", "camera": "cameras", "sofa": "sofas",
		"cafeteria": "cafeterias", "stadium": "stadiums", "stomach": "stomachs", "octopus": "octopuses", "canvas": "canvases",
		"wine glass": "wine glasses", "teddy bear": "teddy bears", "broccoli": "broccoli", "airplane": "airplanes", "skis": "skis", "sandwich": "sandwiches",
		"toothbrush": "toothbrushes", "hair drier": "hair driers", "cactus": "cacti", "axe": "axes", "horse": "horses", "vase": "vases", "roof": "roofs",
	} {
		require.Equal(t, many, Plural(one), one)
	}
}

func TestLabelSentences(t *testing.T) {
	tags := []string{"dog", "traffic light", "dog", "mouse_(computer_equipment)", "dog", "man"}
	require.Equal(t, []string{
		"start of the sequence", "a photo of a dog", "a photo of a traffic light", "a photo of a dog",
		"a photo of a mouse computer equipment",
	}, LabelSentences(tags, false, 5))
	tags = append(tags, "man")
	for range 11 {
		tags = append(tags, "sheep", "child")
	}
	require.Equal(t, []string{
		"start of the sequence", "a photo of three dogs", "a photo of a traffic light",
		"a photo of a mouse computer equipment", "a photo of two men", "a photo of many sheep", "a photo of many children",
	}, LabelSentences(tags, true, 0))
	require.Len(t, LabelSentences(nil, true, 0), 1)
}
