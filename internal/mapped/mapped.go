// Package mapped gives a file's bytes without reading them into memory.
//
// The bytes are read-only: writing to them ends the process. They, and every slice made of them, are
// valid until Close. A file that another process shortens while it is mapped faults on access, so
// callers map files that are replaced by rename and not rewritten in place. Where the system has no
// mapping the file is read whole.
package mapped

import (
	"fmt"
	"os"
	"sync"
)

// A File is one mapped file.
type File struct {
	data  []byte
	unmap func() error
	once  sync.Once
	err   error
}

// Open maps the whole of a regular file.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // a mapping outlives its descriptor
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	size := st.Size()
	if size == 0 {
		return &File{}, nil
	}
	if size != int64(int(size)) {
		return nil, fmt.Errorf("%s: %d bytes are more than this machine can address", path, size)
	}
	data, unmap, err := mapFile(f, int(size))
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", path, err)
	}
	return &File{data: data, unmap: unmap}, nil
}

// Bytes is the file's content, read-only and valid until Close.
func (f *File) Bytes() []byte { return f.data }

// Close gives the memory back. Further calls do nothing.
func (f *File) Close() error {
	f.once.Do(func() {
		f.data = nil
		if f.unmap != nil {
			f.err = f.unmap()
		}
	})
	return f.err
}
