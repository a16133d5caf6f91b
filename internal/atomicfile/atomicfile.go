// Package atomicfile writes files that appear, or replace older ones, only when they are whole: a
// temporary file beside the target is written, synced to disk and renamed.
package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// A File is a file being written. End with Commit or Discard; the one that comes second does nothing.
type File struct {
	*os.File
	path string
	done bool
}

// Create starts a file that Commit will name path.
func Create(path string) (*File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	return &File{File: f, path: path}, nil
}

// Write writes a whole file by way of a function. After an error nothing is left behind.
func Write(path string, write func(io.Writer) error) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return errors.Join(err, f.Discard())
	}
	return f.Commit()
}

// Commit syncs and closes the file and gives it its name. After an error nothing is left behind.
func (f *File) Commit() error {
	if f.done {
		return nil
	}
	f.done = true
	err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), f.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	// The rename itself must outlast a crash. Systems that cannot sync a folder do without.
	if dir, err := os.Open(filepath.Dir(f.path)); err == nil {
		_ = dir.Sync()
		dir.Close()
	}
	return nil
}

// Discard removes the unfinished file.
func (f *File) Discard() error {
	if f.done {
		return nil
	}
	f.done = true
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
