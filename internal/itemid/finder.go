package itemid

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/aladin-go/aladin/internal/nearest"
)

// A Finder finds the ids that people mean by what they write: letters composed or decomposed, slashes of either
// kind, blanks around, and, where one id alone fits, letters of either case.
type Finder struct {
	ids    []string
	exact  map[string]bool
	plain  map[string][]string // by its plain form
	folded map[string][]string
}

// NewFinder finds among ids, which it keeps.
func NewFinder(ids []string) *Finder {
	f := &Finder{ids: ids, exact: make(map[string]bool, len(ids))}
	for _, id := range ids {
		f.exact[id] = true
	}
	return f
}

// Find returns the one id that a name means, or false.
func (f *Finder) Find(name string) (string, bool) {
	if f.exact[name] {
		return name, true
	}
	if f.plain == nil {
		f.plain, f.folded = make(map[string][]string, len(f.ids)), make(map[string][]string, len(f.ids))
		for _, id := range f.ids {
			p := plain(id)
			f.plain[p] = append(f.plain[p], id)
			p = strings.ToLower(p)
			f.folded[p] = append(f.folded[p], id)
		}
	}
	p := plain(name)
	if ids := f.plain[p]; len(ids) == 1 {
		return ids[0], true
	}
	if ids := f.folded[strings.ToLower(p)]; len(ids) == 1 {
		return ids[0], true
	}
	return "", false
}

// plain is a form that ids have in common which look alike.
func plain(id string) string {
	id = strings.ReplaceAll(norm.NFC.String(strings.TrimSpace(id)), `\`, "/")
	if id == "" {
		return ""
	}
	return path.Clean(strings.Join(strings.Fields(id), " "))
}

// Nearest is the id that may have been meant by a name that none has, or "": one with the same last part, else
// one with few letters wrong.
func (f *Finder) Nearest(name string) string {
	base := path.Base(plain(name))
	var same []string
	for _, id := range f.ids {
		if strings.EqualFold(path.Base(plain(id)), base) {
			same = append(same, id)
		}
	}
	if len(same) > 0 {
		return slices.Min(same)
	}
	return nearest.Typo(name, f.ids)
}

// Missing says of names that no id fits which may have been meant: the first ones are named.
func (f *Finder) Missing(names []string) string {
	const shown = 5 // a search for the nearest looks at every id
	var parts []string
	for i, name := range names {
		if i == shown {
			parts = append(parts, fmt.Sprintf("and %d more", len(names)-shown))
			break
		}
		part := fmt.Sprintf("%q", name)
		if near := f.Nearest(name); near != "" {
			part += fmt.Sprintf(" (did you mean %q?)", near)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}
