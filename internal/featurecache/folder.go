package featurecache

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// A File is one pack in a folder.
type File struct {
	Path  string
	Bytes int64
	Used  time.Time // when something was last found in it or added
}

// List lists the packs in a folder, of all extractors, those first that were not used for longest. A folder that does not exist
// has none.
func List(dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []File
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && strings.HasSuffix(e.Name(), suffix) {
			files = append(files, File{filepath.Join(dir, e.Name()), info.Size(), info.ModTime()})
		}
	}
	slices.SortStableFunc(files, func(a, b File) int { return cmp.Or(a.Used.Compare(b.Used), cmp.Compare(a.Path, b.Path)) })
	return files, nil
}

// Remove removes a pack, unless a process is adding to the extractor's. Processes that read it go on.
func (f File) Remove() (bool, error) {
	name := filepath.Base(f.Path)
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return false, nil
	}
	lock := flock.New(filepath.Join(filepath.Dir(f.Path), name[:i]+".lock"))
	locked, err := lock.TryLock()
	if err != nil || !locked {
		return false, errors.Join(err, lock.Close())
	}
	err = os.Remove(f.Path)
	return err == nil, errors.Join(err, lock.Close())
}

// bound removes packs until the folder has no more bytes than it may: those first that were not used for longest, and none
// that this store uses or others are adding to. What cannot be removed stays.
func (s *Store) bound() error {
	files, err := List(s.dir)
	if err != nil {
		return err
	}
	var total int64
	for _, f := range files {
		total += f.Bytes
	}
	for _, f := range files {
		if total <= s.limit {
			break
		}
		removed := false
		if strings.HasPrefix(filepath.Base(f.Path), prefix(s.extractor)+"-") {
			removed = s.drop(f.Path)
		} else {
			removed, _ = f.Remove() // of a file that another system has open, say
		}
		if removed {
			total -= f.Bytes
		}
	}
	return nil
}

// drop removes a pack of the store's own extractor that it does not use, where it has the lock.
func (s *Store) drop(path string) bool {
	for _, p := range s.packs {
		if p.path == path && (p.used || p.number == s.newest()) {
			return false
		}
	}
	return s.lock != nil && os.Remove(path) == nil
}

// removeOld removes the files of version 1: name.features, with name.features.part and name.features.lock beside it.
func removeOld(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		base, ours := strings.CutSuffix(strings.TrimSuffix(strings.TrimSuffix(e.Name(), ".lock"), ".part"), ".features")
		if !ours || !e.Type().IsRegular() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if strings.HasSuffix(path, ".lock") {
			if info, err := e.Info(); err == nil && info.Size() == 0 && !exists(dir, base+".features") && !exists(dir, base+".features.part") {
				_ = os.Remove(path)
			}
		} else if begins(path, oldMagic) {
			_ = os.Remove(path) // the next one tries again
		}
	}
}

func exists(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}

func begins(path, magic string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(magic))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == magic
}
