package scenes

import (
	"github.com/aladin-go/aladin/internal/region"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const captionTestScenes = 1000

func TestCaptionsAreTrue(t *testing.T) {
	g := New(21, &Options{Split: Test})
	for i := range captionTestScenes {
		s := g.Describe(i)
		require.Len(t, s.Captions, CaptionsPerScene)
		for _, c := range s.Captions {
			require.True(t, c.Form.HoldsIn(s), "%s: %s: %s", s.ID, c.Text, &c.Form)
			require.True(t, c.Form.MayHoldIn(s), "%s: what holds strictly holds loosely: %s: %s", s.ID, c.Text, &c.Form)
		}
	}
}

// wordsOf maps every adjective of the lexicon to the attribute it tells.
func wordsOf[A ~uint8](lists [][]string) map[string]A {
	m := map[string]A{}
	for a, words := range lists {
		for _, w := range words {
			m[w] = A(a)
		}
	}
	return m
}

// The captions' words are read here again, without their forms: the noun phrase of each mention
// must fit each object that the mention gives.
func TestMentionsFitTheirWords(t *testing.T) {
	hues, looks, bulks := wordsOf[Colour](colourWords[:]), wordsOf[Material](materialWords[:]), wordsOf[Size](sizeWords[:])
	looks["dot"] = Dotted // of "polka dot"
	words := map[string]Shape{}
	for shape, list := range nouns {
		for _, n := range list {
			words[n.one], words[n.many] = Shape(shape), Shape(shape)
		}
	}
	numbers := map[string]int{"two": 2, "three": 3, "four": 4, "2": 2, "3": 3, "4": 4, "pair": 2, "couple": 2}
	adjective := regexp.MustCompile(`\w+$`)
	g := New(22, nil)
	mentions := 0
	for i := range captionTestScenes {
		s := g.Describe(i)
		for _, c := range s.Captions {
			for _, m := range c.Mentions {
				mentions++
				word := c.Text[m.Start:m.End]
				word = strings.ToLower(word)
				require.NotEmpty(t, m.Objects, "%s: %s", s.ID, c.Text)
				require.Contains(t, words, word, "%s: %s", s.ID, c.Text)
				require.Truef(t, m.End == len(c.Text) || strings.ContainsRune(" .,", rune(c.Text[m.End])), "%q ends amid a word", c.Text)
				var prefix []string
				for rest := strings.ToLower(c.Text[:m.Start]); ; {
					rest = strings.TrimRight(rest, " ")
					w := adjective.FindString(rest)
					if w == "" || hues[w] == 0 && looks[w] == 0 && bulks[w] == 0 && numbers[w] == 0 &&
						w != "and" && w != "smaller" && w != "of" && w != "polka" {
						break
					}
					if w == "and" {
						// "red and white striped ball", but not "a ball and red ring".
						before := adjective.FindString(strings.TrimSpace(strings.TrimSuffix(rest, "and")))
						if hues[before] == 0 || len(prefix) == 0 || hues[prefix[len(prefix)-1]] == 0 {
							break
						}
						prefix = prefix[:len(prefix)-1] // the second colour
					}
					prefix = append(prefix, w)
					rest = strings.TrimSuffix(rest, w)
				}
				for _, k := range m.Objects {
					o := &s.Objects[k]
					require.True(t, o.Clear(), "%s: %s", s.ID, c.Text)
					require.Equal(t, o.Shape, words[word], "%s: %s", s.ID, c.Text)
					for _, w := range prefix {
						if h := hues[w]; h != 0 {
							require.Equal(t, o.Colour, h, "%s: %q: %s", s.ID, c.Text, w)
						}
						if l := looks[w]; l != 0 {
							require.Equal(t, o.Material, l, "%s: %q: %s", s.ID, c.Text, w)
						}
						if b := bulks[w]; b != 0 {
							require.Equal(t, o.Size, b, "%s: %q: %s", s.ID, c.Text, w)
						}
						if n := numbers[w]; n != 0 {
							require.Len(t, m.Objects, n, "%s: %q", s.ID, c.Text)
							require.True(t, m.Plural)
						}
					}
				}
			}
		}
	}
	assert.Greater(t, mentions, captionTestScenes*6)
}

// Relations are checked by hand on the boxes, again without the code that chose them.
func TestRelationsFitTheBoxes(t *testing.T) {
	g := New(23, nil)
	checked := map[Kind]int{}
	for i := range captionTestScenes {
		s := g.Describe(i)
		for _, c := range s.Captions {
			f := &c.Form
			if len(f.Relations) != 1 || len(c.Mentions) != len(f.Terms) || slices.ContainsFunc(c.Mentions, func(m Mention) bool { return len(m.Objects) != 1 }) {
				continue
			}
			r := f.Relations[0]
			a, b := &s.Objects[c.Mentions[r.A].Objects[0]], &s.Objects[c.Mentions[r.B].Objects[0]]
			ax, ay := centre(a)
			bx, by := centre(b)
			ok := false
			switch r.Kind {
			case LeftOf:
				ok = bx-ax > 0.12
			case Above:
				ok = by-ay > 0.12
			case InFront:
				ok = a.base > b.base && region.IoU(a.Box, b.Box) > 0
			case Hides:
				ok = a.base > b.base && b.Visible < 1
			case NextTo:
				ok = max(b.Box[0]-a.Box[2], a.Box[0]-b.Box[2]) < 0.1
			case Bigger:
				ok = a.Size > b.Size
			case Between:
				cx, _ := centre(&s.Objects[c.Mentions[r.C].Objects[0]])
				ok = (bx < ax) == (ax < cx)
			}
			require.True(t, ok, "%s: %s: %s", s.ID, c.Text, f)
			checked[r.Kind]++
		}
	}
	for k := LeftOf; k <= kinds; k++ {
		assert.Greater(t, checked[k], 10, k.String())
	}
}

func TestCaptionsReadWell(t *testing.T) {
	bad := regexp.MustCompile(`(?i)[{}%\t\n]|  | ,|\ba [aeiou]|\ban [^aeiou]|\b(\w+) and \w+ \w+ and of\b|\bis two\b|^ | $`)
	g := New(24, nil)
	texts := map[string]int{}
	long, short, dot, lower := 0, 0, 0, 0
	for i := range captionTestScenes {
		s := g.Describe(i)
		for j, c := range s.Captions {
			require.False(t, bad.MatchString(c.Text), "%q", c.Text)
			if lead := strings.ToLower(c.Text[:8]); len(c.Mentions) > 0 && (lead == "there is" || lead == "there ar") && !strings.Contains(c.Text, " of them ") {
				require.Equal(t, lead == "there ar", c.Mentions[0].Plural, "%q", c.Text)
			}
			texts[strings.ToLower(strings.TrimRight(c.Text, " ."))]++
			for _, o := range s.Captions[:j] {
				require.NotEqual(t, o.Text, c.Text, s.ID)
			}
			switch n := len(strings.Fields(c.Text)); {
			case n <= 6:
				short++
			case n >= 14:
				long++
			}
			if strings.HasSuffix(c.Text, ".") {
				dot++
			}
			if strings.ToLower(c.Text[:1]) == c.Text[:1] {
				lower++
			}
		}
	}
	all := captionTestScenes * CaptionsPerScene
	assert.Greater(t, len(texts), all*8/10, "captions are varied")
	for what, n := range map[string]int{"short": short, "long": long, "with full stop": dot, "lower case": lower} {
		assert.Greater(t, n, all/15, what)
		assert.Less(t, n, all*9/10, what)
	}
}

// A pattern that is never used would be dead text.
func TestEveryPatternIsUsed(t *testing.T) {
	blank := regexp.MustCompile(`\{\w+\}`)
	var texts []string
	g := New(25, nil)
	for i := range captionTestScenes {
		for _, c := range g.Describe(i).Captions {
			texts = append(texts, strings.ToLower(c.Text))
		}
	}
	all := strings.Join(texts, "\n")
	for _, list := range patterns {
		for _, p := range list {
			// What lies between the blanks must turn up in some caption, in order.
			var parts []string
			for _, part := range blank.Split(p.text, -1) {
				parts = append(parts, regexp.QuoteMeta(part))
			}
			assert.Regexp(t, strings.Join(parts, `[^\n]*`), all)
		}
	}
}
