package indexcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/itemid"
	"github.com/aladin-go/aladin/internal/nearest"
	"github.com/aladin-go/aladin/internal/source"
	"github.com/aladin-go/aladin/weaviate"
)

// printable is an id or tag as a line of text shows it: what would move the cursor, or begin a new line, is
// quoted.
func printable(s string) string {
	odd := func(r rune) bool {
		return !unicode.IsPrint(r) && r != ' ' && !unicode.Is(unicode.Cf, r) || isDirection(r)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, odd) {
		return strconv.Quote(s)
	}
	return s
}

// isDirection says whether a character makes others appear in another order.
func isDirection(r rune) bool { return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 }

// naming is how a verb is told ids: as arguments, and in a list.
type naming struct {
	from          string
	ignoreMissing bool
}

func (n *naming) register(f *cli.Flags) {
	f.StringVar(&n.from, "from", "", "`file` of ids, a line each (or each with a zero byte behind it, as list -0 writes them); - is the standard input")
	f.BoolVar(&n.ignoreMissing, "ignore-missing", false, "pass over ids that are not in the index")
}

// ids finds the items that are meant. Those that are not there are an error, unless they may be passed over.
func (n *naming) ids(ctx context.Context, file string, names []string) (ids, missing []string, err error) {
	if n.from != "" {
		listed, err := readList(ctx, n.from)
		if err != nil {
			return nil, nil, err
		}
		names = append(slices.Clone(names), listed...)
	}
	ix, err := aladin.OpenIndex(ctx, file, nil)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	finder, err := finderOf(ctx, ix, names...)
	if err != nil {
		return nil, nil, err
	}
	missing = []string{}
	for _, name := range names {
		if id, ok := finder.Find(name); ok {
			ids = append(ids, id)
		} else {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 && !n.ignoreMissing {
		return nil, nil, fmt.Errorf("%w: %s; nothing was done (--ignore-missing passes over it)", index.ErrNotFound, finder.Missing(missing))
	}
	seen := map[string]bool{}
	ids = slices.DeleteFunc(ids, func(id string) bool {
		before := seen[id]
		seen[id] = true
		return before
	})
	return ids, missing, nil
}

// finderOf finds among the ids of an index; of an engine, which may have billions, among those of names that are there.
func finderOf(ctx context.Context, ix index.Searcher, names ...string) (*itemid.Finder, error) {
	var all []string
	if c, ok := ix.(*weaviate.Collection); ok {
		there, err := c.Have(ctx, names)
		return itemid.NewFinder(there), err
	}
	for id, err := range ix.IDs(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, id)
	}
	return itemid.NewFinder(all), nil
}

// maxList bounds a list of ids.
const maxList = 1 << 30

// readList reads a list of ids.
func readList(ctx context.Context, file string) (ids []string, err error) {
	if file == "-" {
		file = os.Stdin.Name()
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxList {
		return nil, fmt.Errorf("%s: a list of %d bytes, at most %d", file, info.Size(), maxList)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(data, 0) >= 0 && !bytes.HasPrefix(data, []byte("\xff\xfe")) && !bytes.HasPrefix(data, []byte("\xfe\xff")) {
		for id := range strings.SplitSeq(strings.TrimSuffix(string(data), "\x00"), "\x00") {
			ids = append(ids, id)
		}
		return ids, nil
	}
	var bad error
	err = source.LinesOf(ctx, file, bytes.NewReader(data), func(line int, text string, err error) {
		if err != nil && bad == nil {
			bad = fmt.Errorf("%s:%d: %w", file, line, err)
		}
		if unquoted, err := strconv.Unquote(text); err == nil && text[0] == '"' {
			text = unquoted // as list writes it
		}
		ids = append(ids, text)
	})
	return ids, errors.Join(err, bad)
}

// unknownTags says which of the tags no item has.
func unknownTags(ctx context.Context, ix index.Searcher, tags []string) (warnings []string, err error) {
	if len(tags) == 0 {
		return nil, nil
	}
	counts, err := ix.Tags(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range counts {
		names = append(names, c.Tag)
	}
	for _, tag := range tags {
		if slices.Contains(names, tag) {
			continue
		}
		w := fmt.Sprintf("no item has the tag %q", tag)
		if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, tag) }); i >= 0 {
			w += fmt.Sprintf("; did you mean %q?", names[i])
		} else if near := nearest.Typo(tag, names); near != "" {
			w += fmt.Sprintf("; did you mean %q?", near)
		}
		warnings = append(warnings, w)
	}
	return warnings, nil
}

// meantID finds the item that is meant by a name, which stays as it is if there is none; then an id that is near
// is told of.
func meantID(ctx context.Context, ix index.Searcher, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	_, err := ix.Fields(ctx, name)
	if !errors.Is(err, index.ErrNotFound) {
		return name, nil // the search tells of other errors
	}
	finder, err := finderOf(ctx, ix, name)
	if err != nil {
		return "", err
	}
	if id, ok := finder.Find(name); ok {
		return id, nil
	}
	if near := finder.Nearest(name); near != "" {
		return "", fmt.Errorf("%q: %w; did you mean %q?", name, index.ErrNotFound, near)
	}
	return name, nil
}
