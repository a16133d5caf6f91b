package container_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/container"
	"github.com/aladin-go/aladin/internal/faultfs"
)

// openAll opens a file and reads all of it.
func openAll(fs format.FS) error {
	r, err := container.Open(fs, "f")
	if err != nil {
		return err
	}
	return errors.Join(r.Verify(context.Background(), nil), r.Close())
}

func TestShortReads(t *testing.T) {
	fs := faultfs.New()
	write(t, fs, 5)
	for _, most := range []int{1, 7, 64, 1000} {
		fs.ShortReads(most)
		require.NoError(t, openAll(fs), "%d bytes a read", most)
		w, err := container.OpenWriter(fs, "f")
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
}

// A disk that fails is not a corrupt file: the error is the disk's own, wherever it comes.
func TestReadErrors(t *testing.T) {
	fs := faultfs.New()
	write(t, fs, 5)
	require.NoError(t, openAll(fs))
	all := fs.Reads()
	for n := range all {
		fs.FailReads(n, syscall.EIO)
		err := openAll(fs)
		require.ErrorIs(t, err, syscall.EIO, "read %d of %d", n, all)
		require.NotErrorIs(t, err, format.ErrCorrupt)
		require.ErrorContains(t, err, "f: ")
	}
	fs.FailReads(0, nil)
	require.NoError(t, openAll(fs))
}

func TestReadOnly(t *testing.T) {
	fs := faultfs.New()
	write(t, fs, 2)
	fs.ReadOnly()
	require.NoError(t, openAll(fs), "reading takes no lock")
	_, err := container.OpenWriter(fs, "f")
	require.ErrorIs(t, err, syscall.EROFS)
	_, err = container.Create(fs, "g")
	require.ErrorIs(t, err, syscall.EROFS)
}

func TestUnlocked(t *testing.T) {
	fs := faultfs.New()
	write(t, fs, 1)
	w, err := container.OpenWriter(fs, "f")
	require.NoError(t, err)
	_, err = container.OpenWriter(fs, "f")
	require.ErrorIs(t, err, format.ErrLocked)
	other, err := container.OpenWriter(container.Unlocked(fs), "f")
	require.NoError(t, err)
	require.NoError(t, other.Close())
	_, err = container.OpenWriter(fs, "f")
	require.ErrorIs(t, err, format.ErrLocked, "closing the one without a lock frees none")
	require.NoError(t, w.Close())
}

// Who may write the index may lock it, also where an earlier version left a lock of its owner's alone.
func TestLockHasTheModeOfTheIndex(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("permissions of Unix")
	}
	dir := t.TempDir()
	for _, mode := range []os.FileMode{0o600, 0o664, 0o666} {
		name := filepath.Join(dir, mode.String())
		require.NoError(t, os.WriteFile(name, nil, 0o600))
		require.NoError(t, os.Chmod(name, mode))
		for _, old := range []bool{false, true} {
			if old {
				require.NoError(t, os.Chmod(container.LockName(name), 0o600))
			}
			l, err := container.OS.Lock(container.LockName(name))
			require.NoError(t, err)
			st, err := os.Stat(container.LockName(name))
			require.NoError(t, err)
			require.Equal(t, mode, st.Mode().Perm())
			require.NoError(t, l.Close())
		}
	}
	// Before there is an index, the umask decides.
	name := filepath.Join(dir, "new")
	l, err := container.OS.Lock(container.LockName(name))
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, os.WriteFile(name, nil, 0o666))
	want, err := os.Stat(name)
	require.NoError(t, err)
	got, err := os.Stat(container.LockName(name))
	require.NoError(t, err)
	require.Equal(t, want.Mode(), got.Mode())
}
