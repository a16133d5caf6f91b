package indexcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aladin-go/aladin/internal/itemid"
	"github.com/aladin-go/aladin/internal/source"
)

// tables are what files say of items, by id.
type tables struct {
	tags    map[string][]string
	meta    map[string]json.RawMessage
	used    map[string]bool // ids that an item has asked for
	skipped source.Skips
	finder  *itemid.Finder // of the items
}

// readTables reads a tags file (id <tab> tag) and a file of metadata (JSON lines with an id); "" is none.
func readTables(ctx context.Context, tags, meta string) (*tables, error) {
	t := &tables{tags: map[string][]string{}, meta: map[string]json.RawMessage{}, used: map[string]bool{}}
	skip := func(what, name string, n int, err error) {
		t.skipped = append(t.skipped, source.Skip{What: what, Name: fmt.Sprintf("%s:%d", name, n), Err: err})
	}
	if tags != "" {
		err := source.Pairs(ctx, tags, func(n int, p source.Pair, err error) {
			if err != nil {
				skip("tag", tags, n, fmt.Errorf("%w: id <tab> tag", err))
				return
			}
			t.addTag(p.ID, p.Text)
		})
		if err != nil {
			return nil, err
		}
	}
	if meta != "" {
		err := source.Lines(ctx, meta, func(n int, line string, err error) {
			if err == nil {
				err = t.addMeta(line)
			}
			if err != nil {
				skip("metadata", meta, n, err)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *tables) addTag(id, tag string) {
	if !slices.Contains(t.tags[id], tag) {
		t.tags[id] = append(t.tags[id], tag)
	}
}

// match finds the items that ids in the files mean which are no item's as they stand.
func (t *tables) match(entries []entry) {
	ids := map[string]bool{}
	for _, e := range entries {
		ids[e.id], ids[e.image] = true, true
	}
	t.finder = itemid.NewFinder(slices.Sorted(maps.Keys(ids)))
	for _, name := range slices.Sorted(maps.Keys(t.tags)) {
		if id, ok := t.finder.Find(name); ok && id != name {
			for _, tag := range t.tags[name] {
				t.addTag(id, tag)
			}
			delete(t.tags, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.meta)) {
		if id, ok := t.finder.Find(name); ok && id != name && t.meta[id] == nil {
			t.meta[id] = t.meta[name]
			delete(t.meta, name)
		}
	}
}

func (t *tables) addMeta(line string) error {
	var head struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(line), &head); err != nil {
		return fmt.Errorf("no JSON object: %w", err)
	}
	if head.ID == "" {
		return errors.New(`it has no "id"`)
	}
	if t.meta[head.ID] != nil {
		return fmt.Errorf("id %q stands there twice", head.ID)
	}
	t.meta[head.ID] = json.RawMessage(line)
	return nil
}

// of is what the files say of an item: by its own id, else by its picture's.
func (t *tables) of(id, image string) (tags []string, meta json.RawMessage) {
	t.used[id], t.used[image] = true, true
	tags, meta = t.tags[id], t.meta[id]
	if tags == nil {
		tags = t.tags[image]
	}
	if meta == nil {
		meta = t.meta[image]
	}
	return tags, meta
}

// unused says which ids belong to no item; "" if none.
func (t *tables) unused() string {
	names := map[string]bool{}
	for id := range t.tags {
		names[id] = !t.used[id]
	}
	for id := range t.meta {
		names[id] = !t.used[id]
	}
	maps.DeleteFunc(names, func(_ string, unused bool) bool { return !unused })
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("%d ids in --tags and --meta belong to no item: %s", len(names), t.finder.Missing(slices.Sorted(maps.Keys(names))))
}
