// Package shelve reads the databases that Python's shelve module writes, without Python: dbm.dumb's pair of files
// (NAME.dir and NAME.dat) and GNU dbm's one. Values are returned as they are stored, pickles as a rule, which package
// torch reads without executing anything.
//
// Files are mapped. All offsets and lengths are checked against the file, so a damaged or hostile one ends in an error.
package shelve

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"

	"github.com/aladin-go/aladin/internal/mapped"
)

var (
	// ErrFormat is returned when a file is damaged.
	ErrFormat = errors.New("shelve: malformed file")
	// ErrUnsupported is returned when a file is of another kind of database.
	ErrUnsupported = errors.New("shelve: unsupported database")
)

// A Shelf is an open database. It is safe for concurrent reading until Close.
type Shelf struct {
	entries []entry
	data    []byte
	file    *mapped.File
}

// An entry is where a key's value lies in the data.
type entry struct {
	key      string
	from, to int
}

// Open opens the database that shelve.open(path) made.
func Open(path string) (*Shelf, error) {
	f, err := mapped.Open(path)
	switch {
	case err == nil && bytes.HasPrefix(f.Bytes(), []byte("SQLite format 3\x00")):
		err = fmt.Errorf("%w: %s is one of SQLite (dbm.sqlite3)", ErrUnsupported, path)
	case err == nil:
		var entries []entry
		if entries, err = readGNU(f.Bytes()); err == nil {
			return &Shelf{entries, f.Bytes(), f}, nil
		}
		err = fmt.Errorf("%s: %w", path, err)
	case errors.Is(err, fs.ErrNotExist):
		return openDumb(path)
	default:
		return nil, err
	}
	return nil, errors.Join(err, f.Close())
}

func openDumb(path string) (*Shelf, error) {
	text, err := os.ReadFile(path + ".dir")
	if err != nil {
		return nil, fmt.Errorf("%w (nor is there %s itself)", err, path)
	}
	f, err := mapped.Open(path + ".dat")
	if err != nil {
		return nil, err
	}
	entries, err := readDumb(text, len(f.Bytes()))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s.dir: %w", path, err), f.Close())
	}
	return &Shelf{entries, f.Bytes(), f}, nil
}

// Len is the number of keys.
func (s *Shelf) Len() int { return len(s.entries) }

// All goes through keys and values in the order of the file. Values alias the file: read-only, valid until Close.
func (s *Shelf) All() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, e := range s.entries {
			if !yield(e.key, s.data[e.from:e.to:e.to]) {
				return
			}
		}
	}
}

// Close unmaps the file.
func (s *Shelf) Close() error { return s.file.Close() }
