package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
)

// extensions are those of files that a folder of photos is searched for.
var extensions = []string{".jpg", ".jpeg", ".png", ".gif", ".webp"}

var (
	errNoPhoto = errors.New("no such photo in the folder")
	errNotFile = errors.New("not a regular file")
	errEncoded = errors.New("the name is not UTF-8")
	errLeads   = errors.New("a link leads out of the folder, where the server does not go either; --follow takes what it leads to")
)

// folderOrigin is photos on disk.
type folderOrigin struct{}

func (folderOrigin) open(item *Item, o *picture.Options) (*picture.File, error) {
	return picture.OpenFile(item.Path, o)
}
func (folderOrigin) set(*Item) (*region.Set, error) { return nil, ErrNoRegions }
func (folderOrigin) dim() int                       { return 0 }
func (folderOrigin) close() error                   { return nil }

// openFolder lists the photos below dir, or those that the captions file names. Unless follow is set, links do not lead
// out of it.
func openFolder(ctx context.Context, dir, captions string, follow bool) (*Source, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is a file; --images wants the folder it lies in", dir)
	}
	s := &Source{Name: filepath.Base(filepath.Clean(dir)), origin: folderOrigin{}}
	if !follow {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, err
		}
		s.root = root
		defer func() {
			s.root = nil
			_ = root.Close() // it was read only
		}()
	}
	if captions != "" {
		s.Name += " with " + filepath.Base(captions)
		return s, s.readCaptions(ctx, dir, captions)
	}
	if err := s.walk(ctx, dir); err != nil {
		return nil, err
	}
	if len(s.Items) == 0 {
		return nil, empty(fmt.Sprintf("no photos (%s) below %s", strings.Join(extensions, " "), dir), s.Skipped)
	}
	return s, nil
}

// walk collects the photos below dir. Names that begin with a dot belong to programs, not to people.
func (s *Source) walk(ctx context.Context, dir string) error {
	// A folder that is itself a symbolic link is walked; links to folders inside it are not, so that the
	// walk ends.
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	n := 0
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if n++; n%512 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		rel, relErr := filepath.Rel(root, p)
		if relErr != nil {
			return relErr
		}
		id := filepath.ToSlash(rel)
		if err != nil {
			if p == root {
				return err
			}
			s.Skipped = append(s.Skipped, Skip{What: "folder", Name: id, Err: err})
			return fs.SkipDir
		}
		if p != root && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() || !isPhoto(d.Name()) {
			return nil
		}
		s.addPhoto(root, id)
		return nil
	})
	slices.SortFunc(s.Items, func(a, b Item) int { return strings.Compare(a.ID, b.ID) })
	return err
}

func isPhoto(name string) bool {
	return slices.Contains(extensions, strings.ToLower(filepath.Ext(name)))
}

// addPhoto adds the photo with this id below dir, or a skip, and reports which.
func (s *Source) addPhoto(dir, id string) bool {
	item, err := s.photo(dir, id)
	if err != nil {
		s.Skipped = append(s.Skipped, Skip{What: "photo", ID: id, Name: fmt.Sprintf("%q", id), Err: err})
		return false
	}
	s.Items = append(s.Items, item)
	return true
}

func (s *Source) photo(dir, id string) (Item, error) {
	if !utf8.ValidString(id) {
		return Item{}, errEncoded
	}
	p := filepath.Join(dir, filepath.FromSlash(id))
	info, err := os.Stat(p)
	if err == nil && s.root != nil {
		if _, inside := s.root.Stat(filepath.FromSlash(id)); inside != nil {
			err = errLeads
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Item{}, errNoPhoto
	case err != nil:
		return Item{}, err
	case !info.Mode().IsRegular():
		return Item{}, errNotFile
	}
	return Item{ID: id, Path: p, stamp: fmt.Sprintf("%d:%d", info.Size(), info.ModTime().UnixNano())}, nil
}

// cleanID is the id that a captions file means by a name: with slashes, inside the folder.
func cleanID(name string) (string, error) {
	id := path.Clean(filepath.ToSlash(name))
	if name == "" || id == "." || !filepath.IsLocal(filepath.FromSlash(id)) {
		return "", fmt.Errorf("%q is not the name of a file in the folder", name)
	}
	return id, nil
}
