// Package itemid knows how the ids of items name files. The id of an image is the path of its photo below the
// folder of photos, with slashes, and that of a caption the id of its image, '#' and a number.
package itemid

import (
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// Photos are the paths, below the folder of photos, at which the photo of an item may be: none that leads out of
// it. A '#' may belong to the name of a photo, so there can be two.
func Photos(id string) []string {
	var names []string
	add := func(name string) {
		if fs.ValidPath(name) && !strings.ContainsRune(name, 0) && filepath.IsLocal(filepath.FromSlash(name)) {
			names = append(names, name)
		}
	}
	add(id)
	if i := strings.LastIndexByte(id, '#'); i > 0 {
		if _, err := strconv.Atoi(id[i+1:]); err == nil {
			add(id[:i])
		}
	}
	return names
}
