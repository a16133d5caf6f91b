// Package mapped gives a file's bytes without reading them into memory.
//
// The bytes are read-only: writing to them ends the process. They, and every slice made of them, are
// valid until Close. A file that another process shortens while it is mapped faults on access, so
// callers map files that are replaced by rename and not rewritten in place. Where the system or the
// file system has no mapping the bytes are read into memory instead.
package mapped

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// A File is the bytes of one file.
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
	return Of(f, st.Size())
}

// mapFile is a variable for tests: few file systems refuse to map.
var mapFile = mapSystem

// Of maps the first size bytes of a file that is open and has as many. The file may be closed afterwards.
func Of(f *os.File, size int64) (*File, error) {
	if size == 0 {
		return &File{}, nil
	}
	if size != int64(int(size)) {
		return nil, fmt.Errorf("%s: %d bytes are more than this machine can address", f.Name(), size)
	}
	data, unmap, err := mapFile(f, int(size))
	switch {
	case err == nil:
		return &File{data: data, unmap: unmap}, nil
	case cannotMap(err):
		data = make([]byte, size)
		if _, err := io.ReadFull(io.NewSectionReader(f, 0, size), data); err != nil {
			return nil, fmt.Errorf("reading %s, which its file system does not map: %w", f.Name(), err)
		}
		return &File{data: data}, nil
	case errors.Is(err, syscall.ENOMEM):
		return nil, fmt.Errorf("mapping %d bytes of %s: %w (the limit of address space, ulimit -v, or of mappings, vm.max_map_count)", size, f.Name(), err)
	}
	return nil, fmt.Errorf("mapping %s: %w", f.Name(), err)
}

// cannotMap tells a file system that has no mapping (some FUSE, 9p and network mounts) from other failures.
func cannotMap(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.EINVAL)
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
