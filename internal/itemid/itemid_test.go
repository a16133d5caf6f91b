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
