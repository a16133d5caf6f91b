package clip

import (
	"slices"
	"strings"
)

// LabelSentences are the sentences that the tower reads in place of object labels (ALADIN-2.0's
// enable_clip_labels): "start of the sequence", then "a photo of a LABEL" for each tag,
// at most most sentences in all (0: no limit). With aggregate (--aggregation_type labels) repeated
// tags become one: "a photo of three dogs", "a photo of many dogs" above ten, in the order in which
// tags first occur. The article is always "a", as it was in training.
//
// Tags stay whole. The released code cuts "traffic light" in two where it has a blank, and orders
// merged labels at random.
func LabelSentences(tags []string, aggregate bool, most int) []string {
	out := []string{"start of the sequence"}
	count := map[string]int{}
	for _, t := range tags {
		count[t]++
	}
	done := map[string]bool{}
	for _, t := range tags {
		if most > 0 && len(out) >= most {
			break
		}
		if !aggregate {
			out = append(out, "a photo of a "+plainLabel(t))
			continue
		}
		if done[t] {
			continue
		}
		done[t] = true
		if n := count[t]; n > 1 {
			out = append(out, "a photo of "+numberWord(n)+" "+plainLabel(Plural(t)))
		} else {
			out = append(out, "a photo of a "+plainLabel(t))
		}
	}
	return out
}

// plainLabel writes a class name as words: "crab_(animal)" is "crab animal".
func plainLabel(class string) string {
	return strings.NewReplacer("_", " ", "(", "", ")", "").Replace(class)
}

func numberWord(n int) string {
	words := [...]string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}
	if n < 0 || n >= len(words) {
		return "many"
	}
	return words[n]
}

// Plural is the plural of a class name, which may be several words joined by blanks or
// underscores, with a description in parentheses that stays as it is: "bell_peppers",
// "mice_(computer_equipment)", "slices of pizza".
func Plural(class string) string {
	name := class
	if i := strings.IndexByte(class, '('); i >= 0 {
		name = strings.TrimRight(class[:i], "_ ")
	}
	rest := class[len(name):]
	// The noun that is counted stands last, or before "of" and the like.
	end := len(name)
	for _, link := range []string{"of", "in", "on", "with", "for", "at"} {
		for _, sep := range []string{" ", "_", "-"} {
			if i := strings.Index(name, sep+link+sep); i > 0 && i < end {
				end = i
			}
		}
	}
	start := strings.LastIndexAny(name[:end], " _-") + 1
	return name[:start] + pluralNoun(name[start:end]) + name[end:] + rest
}

// pluralNoun knows the exceptions among nouns that detectors name, and the rules for the others.
func pluralNoun(noun string) string {
	low := strings.ToLower(noun)
	if low == "" {
		return noun
	}
	if p, ok := plurals[low]; ok {
		if noun[0] != low[0] { // capitalised
			p = strings.ToUpper(p[:1]) + p[1:]
		}
		return p
	}
	for suffix, p := range pluralSuffixes {
		if stem, ok := strings.CutSuffix(low, suffix); ok && stem != "" {
			return noun[:len(stem)] + p
		}
	}
	return regularPlural(noun, low)
}

// regularPlural goes by the ending: boxes, puppies, scarves. What ends in s is taken for a plural.
func regularPlural(noun, low string) string {
	stem := func(n int) string { return noun[:len(noun)-n] }
	ends := func(suffixes ...string) bool {
		return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(low, s) })
	}
	switch {
	case ends("sis"):
		return stem(2) + "es"
	case ends("ss", "sh", "ch", "x", "z"):
		return noun + "es"
	case ends("s"):
		return noun
	case ends("quy") || ends("y") && len(low) > 1 && !strings.ContainsRune("aeiouy", rune(low[len(low)-2])):
		return stem(1) + "ies"
	case ends("lf", "rf"):
		return stem(1) + "ves"
	case ends("fe") && !ends("ffe"):
		return stem(2) + "ves"
	}
	return noun + "s"
}

// pluralSuffixes are endings of compounds: policewoman, chairperson, eyetooth. No two overlap.
var pluralSuffixes = map[string]string{
	"man": "men", "person": "people", "child": "children", "foot": "feet", "tooth": "teeth", "goose": "geese", "shelf": "shelves",
	"leaf": "leaves", "loaf": "loaves", "knife": "knives", "glasses": "glasses", "fish": "fish", "bus": "buses",
}

var plurals = func() map[string]string {
	p := map[string]string{
		"human": "humans", "roman": "romans", "german": "germans", "talisman": "talismans", "ottoman": "ottomans",
		"foot": "feet", "tooth": "teeth", "goose": "geese", "mongoose": "mongooses", "mouse": "mice", "ox": "oxen", "die": "dice",
		"leaf": "leaves", "loaf": "loaves", "thief": "thieves", "sheaf": "sheaves", "hoof": "hooves", "elf": "elves",
		"knife": "knives", "wife": "wives", "life": "lives", "wharf": "wharves", "dwarf": "dwarfs", "surf": "surf",
		"man": "men", "person": "people", "child": "children", "potato": "potatoes", "tomato": "tomatoes", "buffalo": "buffaloes", "hero": "heroes", "mosquito": "mosquitoes", "echo": "echoes", "torpedo": "torpedoes", "volcano": "volcanoes",
		"bus": "buses", "gas": "gases", "lens": "lenses", "canvas": "canvases", "atlas": "atlases", "iris": "irises",
		"walrus": "walruses", "cactus": "cacti", "octopus": "octopuses", "platypus": "platypuses", "crocus": "crocuses", "lotus": "lotuses",
		"hippopotamus": "hippopotamuses", "rhinoceros": "rhinoceroses", "albatross": "albatrosses", "circus": "circuses", "campus": "campuses", "papyrus": "papyri",
		"fungus": "fungi", "cyclops": "cyclopes", "christmas": "christmases", "trellis": "trellises", "chassis": "chassis",
		"stomach": "stomachs", "monarch": "monarchs", "patriarch": "patriarchs", "quiz": "quizzes", "yes": "yeses",
		"stadium": "stadiums", "aquarium": "aquariums", "gymnasium": "gymnasiums", "auditorium": "auditoriums", "podium": "podiums", "trampoline": "trampolines",
		"cafeteria": "cafeterias", "begonia": "begonias", "fiesta": "fiestas", "tiara": "tiaras", "zinnia": "zinnias", "petunia": "petunias", "gardenia": "gardenias", "ricotta": "ricotta", "beta": "betas",
		"vista": "vistas", "pita": "pitas", "pinata": "pinatas", "chia": "chia", "pizzeria": "pizzerias", "magnolia": "magnolias", "tortilla": "tortillas",
		"giraffe": "giraffes", "safe": "safes", "fife": "fifes", "carafe": "carafes", "chef": "chefs", "reef": "reefs", "turf": "turfs",
		"index": "indexes", "vertex": "vertices", "axis": "axes", "matrix": "matrices", "alias": "aliases", "status": "statuses", "virus": "viruses", "axe": "axes", "beehive": "beehives", "olive": "olives",
	}
	// Same word for one and for many.
	for _, w := range []string{
		"aircraft", "spacecraft", "fish", "sheep", "rice", "money", "information", "species", "series", "hovercraft", "watercraft", "bison", "deer", "reindeer", "elk", "moose", "salmon", "trout", "shrimp", "squid", "swine",
		"pants", "trousers", "shorts", "jeans", "leggings", "tights", "pajamas", "overalls", "scissors", "shears", "pliers", "tweezers", "tongs",
		"binoculars", "headquarters", "clothes", "clothing", "luggage", "baggage", "furniture", "silverware", "cutlery", "underwear", "footwear", "headwear",
		"broccoli", "spaghetti", "pasta", "popcorn", "graffiti", "confetti", "equipment", "software", "hardware", "asparagus",
		"cattle", "police", "people", "men", "women", "children", "oxen", "feet", "teeth", "geese", "mice", "knives", "leaves", "shelves", "dice", "news", "sunglasses", "goggles",
	} {
		p[w] = w
	}
	return p
}()
