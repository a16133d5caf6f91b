package container

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/gofrs/flock"

	"github.com/aladin-go/aladin/format"
)

// LockName is the name of the lock that guards a file.
func LockName(name string) string { return name + ".lock" }

// Lock uses a file of its own beside the index: the index itself is replaced by
// rename when it is compacted, and a lock on the old file would guard nothing.
// The lock file is empty and stays; removing it would race with the next writer.
// It has the index's permissions, so that whoever may write the one may lock the other.
func (osFS) Lock(name string) (io.Closer, error) {
	// Open for writing: network file systems that lock by byte ranges ask for it.
	mode := fs.FileMode(0o666) // of a new index, less the umask
	st, err := os.Stat(strings.TrimSuffix(name, LockName("")))
	if err == nil {
		mode = st.Mode().Perm()
	}
	l := flock.New(name, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(mode))
	ok, lockErr := l.TryLock()
	if lockErr != nil {
		return nil, explainLock(name, lockErr)
	}
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, format.ErrLocked)
	}
	// The umask has taken bits from a file that is new, and one of an earlier version may be its owner's alone.
	if now, statErr := l.Stat(); err == nil && statErr == nil && now.Mode().Perm() != mode {
		_ = os.Chmod(name, mode) // its owner's to do; without it we have the lock all the same
	}
	return l, nil
}

// explainLock says what a failure to lock means and what to do.
func explainLock(name string, err error) error {
	const unguarded = "use no lock (--no-lock, BuildOptions.NoLock) if nothing else writes to the index"
	switch {
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.EINVAL),
		errors.Is(err, syscall.ENODEV):
		return fmt.Errorf("locking %s: %w: the file system gives no locks; mount it with them, or %s", name, err, unguarded)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("locking %s: %w: give the lock file the permissions of the index and the folder that of writing, or %s", name, err, unguarded)
	}
	return fmt.Errorf("locking %s: %w", name, err)
}

// Unlocked is fs without locks, for file systems that have none: its user sees to it that one writer at a time
// has a file.
func Unlocked(fs format.FS) format.FS { return unlockedFS{fs} }

type unlockedFS struct{ format.FS }

func (unlockedFS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }
