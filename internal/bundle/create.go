package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// FromFile gives Create a copy of the file at path.
func FromFile(path string) func(io.Writer) error {
	return func(w io.Writer) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	}
}

// FromBytes gives Create a file's contents.
func FromBytes(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

// Create saves a bundle in folder dir and opens it. It sets m's Format and Files. A bundle that is there is
// replaced, but only once the new one is complete on disk; files in it that are not the model's are moved
// over. Any other folder with something in it is refused.
func Create(dir string, m Manifest, files map[string]func(io.Writer) error) (*Bundle, error) {
	b, err := create(filepath.Clean(dir), m, files)
	if err != nil {
		return nil, fmt.Errorf("saving model %s: %w", dir, err)
	}
	return b, nil
}

func create(dir string, m Manifest, files map[string]func(io.Writer) error) (*Bundle, error) {
	old, err := replaceable(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	removeStale(dir)
	tmp := sibling(dir, "new")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	if err := fill(tmp, m, files); err != nil {
		return nil, err
	}
	if err := install(tmp, dir, old); err != nil {
		return nil, err
	}
	return open(dir)
}

// replaceable returns the manifest of the bundle at dir, nil when nothing or an empty folder is there.
func replaceable(dir string) (*Manifest, error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case len(entries) == 0:
		return nil, nil
	}
	m, err := readManifest(dir)
	switch {
	case errors.Is(err, ErrNotBundle):
		return nil, fmt.Errorf("%w: the folder holds other things; name another folder", ErrNotBundle)
	case err != nil:
		return nil, fmt.Errorf("what is there cannot be read, so it is not replaced: %w", err)
	}
	return m, nil
}

// fill writes all files and then the manifest to folder tmp, down to the disk.
func fill(tmp string, m Manifest, files map[string]func(io.Writer) error) error {
	names := make([]string, 0, len(files))
	for name := range files {
		if !goodName.MatchString(name) || name == ManifestFile {
			return fmt.Errorf("%w: file name %q is not allowed", ErrInvalid, name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	m.Format, m.Files = m.needs(), make(map[string]File, len(files))
	for _, name := range names {
		m.Files[name] = File{SHA256: hex.EncodeToString(make([]byte, sha256.Size))}
	}
	if err := m.check(); err != nil { // before the work
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for _, name := range names {
		f, err := write(filepath.Join(tmp, name), files[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		m.Files[name] = f
	}
	b, err := m.encode()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if _, err := parse(bytes.NewReader(b)); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if _, err := write(filepath.Join(tmp, ManifestFile), FromBytes(b)); err != nil {
		return err
	}
	return syncDir(tmp)
}

func write(path string, contents func(io.Writer) error) (_ File, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return File{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if err := contents(io.MultiWriter(f, h)); err != nil {
		return File{}, err
	}
	if err := f.Sync(); err != nil {
		return File{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return File{}, err
	}
	return File{Size: info.Size(), SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

// install puts folder tmp in place of dir, which holds the bundle old, or nothing when that is nil.
func install(tmp, dir string, old *Manifest) error {
	if old == nil {
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // an empty folder
			return err
		}
		if err := os.Rename(tmp, dir); err != nil {
			return err
		}
		return syncDir(filepath.Dir(dir))
	}
	err := exchange(tmp, dir)
	if errors.Is(err, errors.ErrUnsupported) {
		return replace(tmp, dir, old)
	}
	if err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := carryOver(tmp, dir, old); err != nil {
		kept := sibling(dir, "old")
		return errors.Join(fmt.Errorf("the new model is in place; other files of its folder stay in %s: %w", kept, err), os.Rename(tmp, kept))
	}
	return nil
}

// replace is for systems that cannot exchange two folders in one step. Between its two renames the old
// model has another name, which Open tells.
func replace(tmp, dir string, old *Manifest) error {
	aside := sibling(dir, "old")
	if err := os.Rename(dir, aside); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return errors.Join(err, os.Rename(aside, dir))
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := carryOver(aside, dir, old); err != nil {
		return err
	}
	return os.RemoveAll(aside)
}

// carryOver moves what is not the old model's from its folder to the new one.
func carryOver(from, to string, old *Manifest) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if _, ours := old.Files[name]; ours || name == ManifestFile {
			continue
		}
		goal := filepath.Join(to, name)
		if _, err := os.Lstat(goal); err == nil {
			continue // the new model has a file of this name
		}
		if err := os.Rename(filepath.Join(from, name), goal); err != nil {
			return err
		}
	}
	return nil
}

// sibling is a fresh hidden name beside dir.
func sibling(dir, kind string) string {
	return filepath.Join(filepath.Dir(dir), fmt.Sprintf(".%s.%s-%08x", filepath.Base(dir), kind, rand.Uint32()))
}

// previous is the folder that an interrupted replace has put aside, "" when there is none.
func previous(dir string) string {
	dir = filepath.Clean(dir)
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "."+filepath.Base(dir)+".old-*"))
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1]
}

// removeStale removes what saves that were killed have left, when it is too old to be a save under way.
func removeStale(dir string) {
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "."+filepath.Base(dir)+".new-*"))
	for _, f := range found {
		if info, err := os.Stat(f); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.RemoveAll(f)
		}
	}
}
