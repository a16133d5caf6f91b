package mapped

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "a")
	require.NoError(t, os.WriteFile(p, []byte("hello"), 0o600))
	f, err := Open(p)
	require.NoError(t, err)
	require.Equal(t, "hello", string(f.Bytes()))
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	require.Nil(t, f.Bytes())

	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	f, err = Open(empty)
	require.NoError(t, err)
	require.Empty(t, f.Bytes())
	require.NoError(t, f.Close())

	_, err = Open(dir)
	require.ErrorContains(t, err, "not a regular file")
	_, err = Open(filepath.Join(dir, "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// refuse makes mapping fail for the length of a test.
func refuse(t *testing.T, err error) {
	t.Helper()
	mapFile = func(*os.File, int) ([]byte, func() error, error) { return nil, nil, os.NewSyscallError("mmap", err) }
	t.Cleanup(func() { mapFile = mapSystem })
}

func TestReadsWhereMappingIsRefused(t *testing.T) {
	p := filepath.Join(t.TempDir(), "a")
	require.NoError(t, os.WriteFile(p, []byte("hello"), 0o600))
	for _, err := range []error{syscall.ENODEV, syscall.EOPNOTSUPP, syscall.EINVAL, syscall.ENOSYS} {
		refuse(t, err)
		f, err := Open(p)
		require.NoError(t, err)
		require.Equal(t, "hello", string(f.Bytes()))
		require.NoError(t, f.Close())
	}
	for _, want := range []error{syscall.EACCES, syscall.ENOMEM, syscall.EIO} {
		refuse(t, want)
		_, err := Open(p)
		require.ErrorIs(t, err, want)
		require.ErrorContains(t, err, p)
	}
	refuse(t, syscall.ENODEV)
	f, err := os.Open(p)
	require.NoError(t, err)
	defer f.Close()
	_, err = Of(f, 6)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "the file has become shorter")
	first, err := Of(f, 4)
	require.NoError(t, err)
	require.Equal(t, "hell", string(first.Bytes()))
}
