package container

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/mapped"
)

// mapper is implemented by files that can be mapped into memory; others are
// read whole.
type mapper interface {
	mapFile(size int64) (*mapped.File, error)
}

// OS is the operating system's file system, the default everywhere.
var OS format.FS = osFS{}

type osFS struct{}

type osFile struct{ *os.File }

func (f osFile) mapFile(size int64) (*mapped.File, error) { return mapped.Of(f.File, size) }

func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !st.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is not a regular file: %w", f.Name(), format.ErrNotIndex)
	}
	return st.Size(), nil
}

func (osFS) open(name string, flag int) (format.File, error) {
	f, err := os.OpenFile(name, flag, 0o666)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (o osFS) Open(name string) (format.File, error)         { return o.open(name, os.O_RDONLY) }
func (o osFS) OpenWritable(name string) (format.File, error) { return o.open(name, os.O_RDWR) }
func (o osFS) Create(name string) (format.File, error) {
	return o.open(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}
func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) CopyMode(from, to string) error {
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	return os.Chmod(to, st.Mode().Perm())
}

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) SyncDir(name string) error {
	return syncDir(filepath.Dir(name))
}
