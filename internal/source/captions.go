package source

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aladin-go/aladin/internal/itemid"
)

var errNoCaption = errors.New("empty caption")

// captioner collects the captions of a file and the photos that it names.
type captioner struct {
	*Source
	dir, file string
	places    map[string]int // of items, by the name in the file; −1: skipped
	items     map[string]int // of items, by id
	ids       map[string]bool
	lost      map[string]int // captions of photos that are out, by their ids
	finder    *itemid.Finder // of the photos in the folder, once one is not found
	named     int            // photos that were not found
}

// readCaptions reads a captions file and the photos that it names.
func (s *Source) readCaptions(ctx context.Context, dir, file string) error {
	c := &captioner{Source: s, dir: dir, file: file, places: map[string]int{}, items: map[string]int{}, ids: map[string]bool{}, lost: map[string]int{}}
	kind, err := captionsKind(file)
	if err != nil {
		return err
	}
	switch kind {
	case jsonWhole:
		err = c.readJSON(ctx)
	case jsonLines:
		err = c.readJSONLines(ctx)
	default:
		err = c.readTable(ctx)
	}
	if err != nil {
		return err
	}
	for i, k := range s.Skipped {
		if n := c.lost[k.ID]; k.ID != "" && n > 0 {
			s.Skipped[i].Err = fmt.Errorf("%w (%d captions in %s)", k.Err, n, file)
		}
	}
	if len(s.Captions) == 0 {
		return empty(fmt.Sprintf("no usable caption in %s for the photos in %s", file, dir), s.Skipped)
	}
	return s.dropBare()
}

// skip leaves out what stands at a place of the file.
func (c *captioner) skip(at string, err error) {
	c.Skipped = append(c.Skipped, Skip{What: "caption", Name: c.file + ":" + at, Err: err})
}

// add adds a caption; photo is what the file calls its photo.
func (c *captioner) add(ctx context.Context, at, photo string, number int, caption string) error {
	caption = strings.TrimSpace(caption)
	if strings.ContainsAny(caption, "\r\n") {
		caption = strings.Join(strings.Fields(caption), " ")
	}
	if caption == "" {
		c.skip(at, fmt.Errorf("%w of %q", errNoCaption, photo))
		return nil
	}
	id, err := cleanID(photo)
	if err != nil {
		c.skip(at, err)
		return nil
	}
	i, ok := c.places[id]
	if !ok {
		if i, err = c.place(ctx, id); err != nil {
			return err
		}
		c.places[id] = i
	}
	if i < 0 {
		c.lost[id]++
		return nil
	}
	id = c.Items[i].ID
	name := id + "#" + strconv.Itoa(number)
	for ; c.ids[name]; number++ { // a file that numbers all its captions 0 loses none
		name = id + "#" + strconv.Itoa(number+1)
	}
	c.ids[name] = true
	c.Captions = append(c.Captions, Caption{ID: name, Image: i, Text: caption})
	return nil
}

// place finds the item of a photo, or makes it.
func (c *captioner) place(ctx context.Context, name string) (int, error) {
	item, err := c.photo(c.dir, name)
	if errors.Is(err, errNoPhoto) {
		if c.finder == nil {
			found, _, _, err := Walk(ctx, c.dir, &WalkOptions{Follow: c.root == nil})
			if err != nil {
				return 0, err
			}
			var ids []string
			for _, f := range found {
				ids = append(ids, f.ID)
			}
			c.finder = itemid.NewFinder(ids)
		}
		const suggested = 20 // a search for the nearest looks at all
		if id, ok := c.finder.Find(name); ok {
			item, err = c.photo(c.dir, id)
		} else if c.named++; c.named <= suggested {
			if near := c.finder.Nearest(name); near != "" {
				err = fmt.Errorf("%w; did you mean %q?", err, near)
			}
		}
	}
	if err != nil {
		c.Skipped = append(c.Skipped, Skip{What: "photo", ID: name, Name: fmt.Sprintf("%q", name), Err: err})
		return -1, nil
	}
	if i, ok := c.items[item.ID]; ok {
		return i, nil
	}
	c.Items = append(c.Items, item)
	c.items[item.ID] = len(c.Items) - 1
	return len(c.Items) - 1, nil
}

// readTable reads rows of photo, number and caption, or of photo and caption. A first row of names may say which
// column is which.
func (c *captioner) readTable(ctx context.Context) error {
	var at *columns
	var failed error
	err := Rows(ctx, c.file, func(line int, cells []string, err error) {
		if failed != nil {
			return
		}
		where := strconv.Itoa(line)
		if err != nil {
			c.skip(where, err)
			return
		}
		if at == nil {
			h, ok := header(cells)
			if at = &h; ok {
				return
			}
			if h = (columns{0, 1, 2}); len(cells) == 2 {
				h = columns{0, -1, 1}
			}
		}
		photo, number, caption, err := at.caption(cells)
		if err != nil {
			c.skip(where, err)
			return
		}
		failed = c.add(ctx, where, photo, number, caption)
	})
	return errors.Join(err, failed)
}

// caption reads a row.
func (c *columns) caption(cells []string) (photo string, number int, caption string, err error) {
	want := max(c.photo, c.number, c.text) + 1
	if len(cells) < want || len(cells) > want && c.text != want-1 {
		if c.number < 0 {
			return "", 0, "", fmt.Errorf("%d columns, want %d: photo and caption", len(cells), want)
		}
		return "", 0, "", fmt.Errorf("%d columns, want %d: photo <tab> number <tab> caption", len(cells), want)
	}
	photo = cells[c.photo]
	if c.number >= 0 {
		if number, err = strconv.Atoi(strings.TrimSpace(cells[c.number])); err != nil || number < 0 {
			return "", 0, "", fmt.Errorf("%q is no number of a caption", cells[c.number])
		}
	} else if i := strings.LastIndexByte(photo, '#'); i > 0 {
		if n, err := strconv.Atoi(photo[i+1:]); err == nil && n >= 0 { // as Flickr's have it
			photo, number = photo[:i], n
		}
	}
	return photo, number, cells[c.text], nil
}

// dropBare leaves out items that lost all their captions.
func (s *Source) dropBare() error {
	has := make([]bool, len(s.Items))
	for _, c := range s.Captions {
		has[c.Image] = true
	}
	var bare Skips
	for i, item := range s.Items {
		if !has[i] {
			bare = append(bare, Skip{What: "photo", ID: item.ID, Name: fmt.Sprintf("%q", item.ID), Err: errors.New("none of its captions is usable")})
		}
	}
	if len(bare) > 0 {
		kept := s.Without(bare)
		s.Items, s.Captions = kept.Items, kept.Captions
		s.Skipped = append(s.Skipped, bare...)
	}
	return nil
}

// isJSON says by its name or first byte what a file may be.
func isJSON(file string, first byte) bool {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".tsv", ".csv":
		return false
	case ".json", ".jsonl", ".ndjson":
		return first == '{' || first == '['
	}
	return first == '{'
}
