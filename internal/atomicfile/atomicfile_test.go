package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "a")
	put := func(s string, fail error) error {
		return Write(p, func(w io.Writer) error {
			_, err := io.WriteString(w, s)
			return errors.Join(err, fail)
		})
	}
	require.NoError(t, put("one", nil))
	require.NoError(t, put("two", nil))
	broken := errors.New("broken")
	require.ErrorIs(t, put("three", broken), broken)
	b, err := os.ReadFile(p)
	require.NoError(t, err)
	require.Equal(t, "two", string(b))

	f, err := Create(p)
	require.NoError(t, err)
	require.NoError(t, f.Discard())
	require.NoError(t, f.Discard())
	require.NoError(t, f.Commit())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)

	_, err = Create(filepath.Join(dir, "absent", "a"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
