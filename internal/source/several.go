package source

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/aladin-go/aladin/internal/cli"
)

// several are the folders and the files of captions of a source that is made of more than one.
type several struct{ images, captions []string }

// register defines --images and --captions, which may be repeated; the first of each is kept in f as well.
func (s *several) register(fs *cli.Flags, f *Flags, prefix string) {
	add := func(list *[]string, first *string) func(string) error {
		return func(value string) error {
			if *list = append(*list, value); len(*list) == 1 {
				*first = value
			}
			return nil
		}
	}
	fs.Func(prefix+"images", imagesUsage+"; may be repeated, for several collections", add(&s.images, &f.Images))
	fs.Func(prefix+"captions", captionsUsage+"; may be repeated, the first for the first folder", add(&s.captions, &f.Captions))
}

func (s *several) check(prefix string) error {
	if n := len(s.images); n > 1 && len(s.captions) != n {
		return cli.Misuse("--%simages is given %d times and --%scaptions %d times; each folder wants its file of captions, in the same order", prefix, n, prefix, len(s.captions))
	}
	if len(s.captions) > max(1, len(s.images)) {
		return cli.Misuse("--%scaptions is given %d times and --%simages %d times", prefix, len(s.captions), prefix, len(s.images))
	}
	return nil
}

// open opens all collections as one source.
func (s *several) open(ctx context.Context, o *WalkOptions) (*Source, error) {
	var all *Source
	for k, dir := range s.images {
		part, err := openFolder(ctx, dir, s.captions[k], o)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = part
			continue
		}
		all.join(part, dir)
	}
	return all, nil
}

// join adds the photos of another folder and their captions. A photo that is there already gets the captions; the id of one that
// merely has the name of another begins with its folder.
func (s *Source) join(other *Source, dir string) {
	byPath, ids := make(map[string]int, len(s.Items)), make(map[string]bool, len(s.Items))
	where := func(path string) string {
		if abs, err := filepath.Abs(path); err == nil {
			return abs
		}
		return path
	}
	captions := make(map[int]int) // of each item
	for i, item := range s.Items {
		byPath[where(item.Path)], ids[item.ID] = i, true
	}
	for _, c := range s.Captions {
		captions[c.Image]++
	}
	place := make([]int, len(other.Items))
	for i, item := range other.Items {
		at, known := byPath[where(item.Path)]
		if !known {
			if ids[item.ID] {
				item.ID = filepath.ToSlash(dir) + "/" + item.ID
			}
			at = len(s.Items)
			s.Items = append(s.Items, item)
		}
		place[i] = at
	}
	for _, c := range other.Captions {
		c.Image = place[c.Image]
		c.ID = fmt.Sprintf("%s#%d", s.Items[c.Image].ID, captions[c.Image])
		captions[c.Image]++
		s.Captions = append(s.Captions, c)
	}
	s.Name += " and " + other.Name
	s.Skipped = append(s.Skipped, other.Skipped...)
}
