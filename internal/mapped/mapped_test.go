package mapped

import (
	"os"
	"path/filepath"
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
