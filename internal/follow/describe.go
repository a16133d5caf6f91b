package follow

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/picture"
)

// description is what a photo says about itself.
type description struct {
	text     string
	keywords []string
	meta     map[string]any
}

// described are the members of an item's metadata that come from its photo.
var describedMembers = []string{"title", "description", "taken", "latitude", "longitude"}

// describe reads the metadata of a photo; one that cannot be read says nothing.
func describe(path string) *description {
	d := &description{meta: map[string]any{}}
	f, err := picture.OpenFile(path, nil)
	if err != nil {
		return d
	}
	defer f.Close()
	m := f.Metadata()
	d.text = strings.Join(slices.DeleteFunc([]string{m.Title, m.Description}, func(s string) bool { return s == "" }), "\n")
	for member, v := range map[string]string{"title": m.Title, "description": m.Description} {
		if v != "" {
			d.meta[member] = v
		}
	}
	if !m.Taken.IsZero() {
		d.meta["taken"] = m.Taken.Format(time.RFC3339)
	}
	if m.Place != nil {
		d.meta["latitude"], d.meta["longitude"] = m.Place.Latitude, m.Place.Longitude
	}
	n := 0
	for _, k := range m.Keywords {
		if n += len(k) + 2; k == "" || n > maxKeywords {
			break
		}
		d.keywords = append(d.keywords, k)
	}
	return d
}

// apply writes what the photo says to its item's fields, in place of what it said before; what people gave the
// item stays. A nil description changes nothing.
func (d *description) apply(f *index.Fields, s *stamp) {
	if d == nil {
		return
	}
	tags := slices.DeleteFunc(slices.Clone(f.Tags), func(t string) bool { return slices.Contains(s.keywords, t) })
	// A keyword that people had given as a tag, too, is theirs.
	mine := slices.DeleteFunc(slices.Clone(d.keywords), func(k string) bool { return slices.Contains(tags, k) })
	f.Tags = slices.Compact(slices.Sorted(slices.Values(append(tags, mine...))))
	s.described, s.keywords = true, mine
	f.Text = d.text
	var members map[string]any
	if len(f.Meta) > 0 && (json.Unmarshal(f.Meta, &members) != nil || members == nil) {
		return // no object: there is no place in it
	}
	members = maps.Clone(members)
	if members == nil {
		members = map[string]any{}
	}
	for _, m := range describedMembers {
		delete(members, m)
	}
	maps.Copy(members, d.meta)
	f.Meta = nil
	if len(members) > 0 {
		f.Meta, _ = json.Marshal(members) // what came from JSON, strings and numbers always can
	}
}
