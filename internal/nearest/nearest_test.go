package nearest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"dog", "dog", 0}, {"dgo", "dog", 1}, {"serach", "search", 1},
		{"kitten", "sitting", 3}, {"ab", "ba", 1}, {"ca", "abc", 3}, {"cands", "candidates", 5},
	} {
		assert.Equal(t, c.want, Distance(c.a, c.b), "%s %s", c.a, c.b)
		assert.Equal(t, c.want, Distance(c.b, c.a), "%s %s", c.b, c.a)
	}
}

func TestNames(t *testing.T) {
	assert.Equal(t, []string{"Relu_6", "Relu_16"}, Names("relu_6", []string{"Add_3", "Relu_16", "Relu_6"}, 2))
	assert.Equal(t, []string{"a"}, Names("", []string{"a"}, 5))
	assert.Empty(t, Names("x", nil, 3))
}

func TestTypo(t *testing.T) {
	verbs := []string{"build", "search", "serve", "add", "info"}
	assert.Equal(t, "search", Typo("serach", verbs))
	assert.Equal(t, "build", Typo("biuld", verbs))
	assert.Equal(t, "add", Typo("ad", verbs))
	assert.Empty(t, Typo("frobnicate", verbs))
	assert.Empty(t, Typo("xyz", verbs))
	assert.Empty(t, Typo("x", nil))
}

func TestWord(t *testing.T) {
	words := []string{"a", "the", "dog", "cat", "car", "mug", "run", "berry", "chase", "yellow", "elephants", "bottle", "box", "on"}
	for word, want := range map[string]string{
		"dgo": "dog", "dogs": "dog", "mugs": "mug", "running": "run", "berries": "berry", "chasing": "chase", "boxes": "box",
		"yelow": "yellow", "elephant": "elephants", "botle": "bottle", "cta": "cat", "castle": "", "giraffe": "", "zz": "", "": "",
	} {
		assert.Equal(t, want, Word(word, words), word)
	}
	assert.Empty(t, Word(strings.Repeat("x", 1000), words))
	assert.Equal(t, "cat", Word("caz", words), "the first of equally near ones")
	assert.Equal(t, "mat", Word("maz", []string{"cat", "taz", "mat"}), "those that begin alike come first")
}
