package indexcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/source"
)

// tables are what files say of items, by id.
type tables struct {
	tags    map[string][]string
	meta    map[string]json.RawMessage
	used    map[string]bool // ids that an item has asked for
	skipped source.Skips
}

// readTables reads a tags file (id <tab> tag) and a file of metadata (JSON lines with an id); "" is none.
func readTables(ctx context.Context, tags, meta string) (*tables, error) {
	t := &tables{tags: map[string][]string{}, meta: map[string]json.RawMessage{}, used: map[string]bool{}}
	for _, file := range []struct {
		name, what string
		read       func(line string) error
	}{{tags, "tag", t.addTag}, {meta, "metadata", t.addMeta}} {
		if file.name == "" {
			continue
		}
		err := source.Lines(ctx, file.name, func(n int, line string, err error) {
			if err == nil {
				err = file.read(line)
			}
			if err != nil {
				t.skipped = append(t.skipped, source.Skip{What: file.what, Name: fmt.Sprintf("%s:%d", file.name, n), Err: err})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *tables) addTag(line string) error {
	id, tag, ok := strings.Cut(line, "\t")
	tag = strings.TrimSpace(tag)
	if !ok || id == "" || tag == "" || strings.Contains(tag, "\t") {
		return errors.New("want id <tab> tag")
	}
	if !slices.Contains(t.tags[id], tag) {
		t.tags[id] = append(t.tags[id], tag)
	}
	return nil
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

// unused counts the ids that belong to no item.
func (t *tables) unused() int {
	n := 0
	for id := range t.tags {
		if !t.used[id] {
			n++
		}
	}
	for id := range t.meta {
		if !t.used[id] && t.tags[id] == nil {
			n++
		}
	}
	return n
}
