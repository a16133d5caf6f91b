package source

import (
	"fmt"
	"io"
	"strings"
)

// A Skip is something that was left out, and why.
type Skip struct {
	What string // "photo", "caption", "features", "folder"
	ID   string // of the item that is out; "" when no item is
	Name string // how to find it: an id, or file:line
	Err  error
}

// Error makes a Skip an error, for callers for whom nothing may be left out.
func (s Skip) Error() string { return s.What + " " + s.Name + ": " + s.Err.Error() }

// Unwrap gives the reason.
func (s Skip) Unwrap() error { return s.Err }

// Skips are all that was left out.
type Skips []Skip

// String counts: "2 photos and 1 caption".
func (s Skips) String() string {
	var order []string
	count := map[string]int{}
	for _, k := range s {
		if count[k.What] == 0 {
			order = append(order, k.What)
		}
		count[k.What]++
	}
	parts := make([]string, len(order))
	for i, what := range order {
		plural := "s"
		if count[what] == 1 || strings.HasSuffix(what, "s") {
			plural = ""
		}
		parts[i] = fmt.Sprintf("%d %s%s", count[what], what, plural)
	}
	if len(parts) > 1 {
		last := len(parts) - 1
		return strings.Join(parts[:last], ", ") + " and " + parts[last]
	}
	return strings.Join(parts, "")
}

// Report writes the count and at most show of the skips, a line each; nothing if there are none. show < 0
// writes all.
func (s Skips) Report(w io.Writer, show int) error {
	if len(s) == 0 {
		return nil
	}
	if show < 0 || show > len(s) {
		show = len(s)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "left out %s:\n", s)
	for _, k := range s[:show] {
		fmt.Fprintf(&b, "  %v\n", k)
	}
	if rest := len(s) - show; rest > 0 {
		fmt.Fprintf(&b, "  … and %d more\n", rest)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
