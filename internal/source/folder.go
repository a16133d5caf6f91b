package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
)

var (
	errNoPhoto = errors.New("no such photo in the folder")
	errNotFile = errors.New("not a regular file")
	errGone    = errors.New("it could not be read again")
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

// openFolder lists the photos below dir, or those that the captions file names. Unless links are followed, none
// leads out of it.
func openFolder(ctx context.Context, dir, captions string, o *WalkOptions) (*Source, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is a file; --images wants the folder it lies in", dir)
	}
	s := &Source{Name: filepath.Base(filepath.Clean(dir)), origin: folderOrigin{}}
	if !o.Follow {
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
	found, passed, skips, err := Walk(ctx, dir, o)
	if err != nil {
		return nil, err
	}
	s.Passed, s.Skipped = passed, skips
	for _, f := range found {
		s.addPhoto(dir, f.ID)
	}
	if len(s.Items) == 0 {
		what := fmt.Sprintf("no photos (%s) below %s", strings.Join(pictureNames, " "), dir)
		if p := passed.String(); p != "" {
			what += " (" + p + ")"
		}
		return nil, empty(what, s.Skipped)
	}
	return s, nil
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
