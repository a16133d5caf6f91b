package follow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/source"
)

// known is a photo in the index.
type known struct {
	id    string
	known bool // has a stamp
	stamp
	root *root
	file *file // at its place; nil: gone

	freed bool  // its content is not at its place
	to    *file // where its content is now
}

// file is a photo on disk.
type file struct {
	id, path    string
	size, mtime int64
	root        *root
	from        *known // whose content it has, if that was elsewhere
	stamp       *stamp // once it was read
	err         error  // from that
}

// readItems lists what the index has of the roots.
func (r *run) readItems(ctx context.Context) error {
	r.items = map[string]*known{}
	if r.ix == nil {
		return nil
	}
	r.items = make(map[string]*known, r.ix.Len())
	all := make([]known, 0, r.ix.Len())
	for it, err := range r.ix.States(ctx) {
		if err != nil {
			return err
		}
		if it.Kind != index.Image {
			continue
		}
		x := r.owner(it.ID)
		if x == nil {
			r.sum.Foreign++
			continue
		}
		if !x.visit {
			r.sum.Unchanged++
			continue
		}
		x.items++
		all = append(all, known{id: it.ID, root: x})
		k := &all[len(all)-1]
		k.stamp, k.known = parseStamp(it.State)
		r.items[it.ID] = k
	}
	return nil
}

// scan finds a root's photos.
func (r *run) scan(ctx context.Context, x *root) error {
	if !x.visit {
		return nil
	}
	r.Progress("looking through "+x.Dir, 0, 0)
	found, passed, skips, err := source.Walk(ctx, x.Dir, x.walkOptions())
	switch {
	case errors.Is(err, fs.ErrNotExist) && (r.AllowEmpty && x.wasListed):
		passed = &source.Passed{}
	case errors.Is(err, fs.ErrNotExist) && x.items > 0:
		return fmt.Errorf("%w: there is no folder %s, and %s has %d photos from it: is the disk mounted? (--allow-empty removes them)", ErrEmpty, x.Dir, r.file, x.items)
	case err != nil:
		return err
	}
	for _, s := range skips {
		id := x.prefix() + s.Name
		x.unread = append(x.unread, id+"/")
		r.unreadable(id, s.Err)
	}
	r.sum.Passed.Add(passed)
	if err := r.stat(ctx, x, found); err != nil {
		return err
	}
	return r.check(x)
}

// stat looks at each file once.
func (r *run) stat(ctx context.Context, x *root, found []source.Found) error {
	var inner *os.Root
	if !x.Follow {
		var err error
		if inner, err = os.OpenRoot(x.Dir); err == nil { // else there are no files either
			defer inner.Close()
		}
	}
	files := make([]file, len(found))
	g, ctx := errgroup.WithContext(ctx)
	const part = 512
	g.SetLimit(2 * runtime.GOMAXPROCS(0)) // half of them wait for the disk
	for from := 0; from < len(found); from += part {
		to := min(from+part, len(found))
		g.Go(func() error {
			for i := from; i < to; i++ {
				files[i] = look(x, &found[i], inner)
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	x.files = make([]*file, 0, len(files))
	for i := range files {
		f := &files[i]
		if f.err != nil && !errors.Is(f.err, fs.ErrNotExist) { // removed since it was listed
			r.unreadable(f.id, f.err)
			x.unread = append(x.unread, f.id)
		}
		if f.err != nil {
			continue
		}
		if owner := r.owner(f.id); owner != x {
			return fmt.Errorf("%w: %s has a folder %q, as is the name of %s: give that another name", ErrRoot, x.Dir, owner.Name, owner.Dir)
		}
		if k := r.items[f.id]; k != nil {
			k.file = f
		}
		x.files = append(x.files, f)
	}
	return nil
}

var (
	errLeads   = errors.New("a link leads out of the folder; --follow takes what it leads to")
	errEncoded = errors.New("the name is not UTF-8")
)

func look(x *root, found *source.Found, inner *os.Root) file {
	f := file{id: x.prefix() + found.ID, path: found.Path, root: x}
	if !utf8.ValidString(f.id) {
		f.id, f.err = strings.ToValidUTF8(f.id, "\ufffd"), errEncoded
		return f
	}
	info, err := os.Stat(f.path)
	if err == nil && found.Link && inner != nil {
		if _, outside := inner.Stat(filepath.FromSlash(found.ID)); outside != nil {
			err = errLeads
		}
	}
	switch {
	case err != nil:
		f.err = err
	case !info.Mode().IsRegular():
		f.err = errNotFile
	default:
		f.size, f.mtime = info.Size(), info.ModTime().UnixNano()
	}
	return f
}

// unread says whether an item's file may be there, but cannot be seen.
func (k *known) unread() bool {
	for _, id := range k.root.unread {
		if strings.HasSuffix(id, "/") && strings.HasPrefix(k.id, id) || k.id == id {
			return true
		}
	}
	return false
}
