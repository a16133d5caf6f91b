package itemid_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/aladin-go/aladin/internal/itemid"
)

func TestPhotos(t *testing.T) {
	for id, want := range map[string][]string{
		"a/b.jpg":       {"a/b.jpg"},
		"a/b.jpg#3":     {"a/b.jpg#3", "a/b.jpg"},
		"a#b.jpg":       {"a#b.jpg"},
		"#3":            {"#3"},
		"":              nil,
		"../b.jpg":      nil,
		"../b.jpg#1":    nil,
		"/etc/passwd":   nil,
		"a//b.jpg":      nil,
		"a/./b.jpg":     nil,
		"a\x00.jpg#1":   nil,
		"a/../b.jpg":    nil,
		"\xff.jpg":      nil,
		"b.jpg#1#2":     {"b.jpg#1#2", "b.jpg#1"},
		"b.jpg#one":     {"b.jpg#one"},
		"dir\u00e9/ü.p": {"dir\u00e9/ü.p"},
	} {
		assert.Equal(t, want, itemid.Photos(id), "%q", id)
	}
}

func TestFinder(t *testing.T) {
	f := itemid.NewFinder([]string{"a/Zoë.jpg", "a/b c.jpg", "IMG_1.JPG", "img_2.jpg", "IMG_2.jpg"})
	for name, want := range map[string]string{
		"a/Zoë.jpg":         "a/Zoë.jpg",
		"a/Zoe\u0308.jpg":   "a/Zoë.jpg",
		`a\b c.jpg`:         "a/b c.jpg",
		" ./a//b  c.jpg ":   "a/b c.jpg",
		"img_1.jpg":         "IMG_1.JPG",
		"img_2.jpg":         "img_2.jpg",
		"Img_2.jpg":         "", // two fit
		"":                  "",
		"nobody.jpg":        "",
		"\xff":              "",
		"A/ZOE\u0308.JPG":   "a/Zoë.jpg",
		"a/../a/./b c.jpg":  "a/b c.jpg",
		"IMG_1.JPG\u0000":   "",
		"IMG_1.JPG/":        "IMG_1.JPG",
		"\u00a0IMG_1.JPG\t": "IMG_1.JPG",
	} {
		got, ok := f.Find(name)
		assert.Equal(t, want, got, "%q", name)
		assert.Equal(t, want != "", ok, "%q", name)
	}
	assert.Equal(t, "a/b c.jpg", f.Nearest("x/y/b c.jpg"))
	assert.Equal(t, "a/b c.jpg", f.Nearest("a/b d.jpg"))
	assert.Empty(t, f.Nearest("something else altogether"))
	assert.Equal(t, `"a/b d.jpg" (did you mean "a/b c.jpg"?), "1", "2", "3", "4", and 1 more`,
		f.Missing([]string{"a/b d.jpg", "1", "2", "3", "4", "5"}))
}
