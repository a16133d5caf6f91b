package bundle

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A large file is hashed once; one that was changed, or put in its place, is hashed again.
func TestLargeFilesAreHashedOnce(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	files := sampleFiles()
	files[TextFile] = FromBytes(bytes.Repeat([]byte("weights "), worthRecord/8))
	dir := filepath.Join(t.TempDir(), "m")
	b, err := Create(dir, sample(), files)
	require.NoError(t, err)
	path := filepath.Join(dir, TextFile)
	sum := b.Manifest.Files[TextFile].SHA256
	long := time.Now().Add(-time.Hour)
	stat := func() os.FileInfo {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info
	}
	_, err = b.Path(TextFile)
	require.NoError(t, err)
	require.False(t, seen(path, stat(), sum), "what was just written could change within its time")
	require.NoError(t, os.Chtimes(path, long, long))
	again, err := Open(dir)
	require.NoError(t, err)
	_, err = again.Path(TextFile)
	require.NoError(t, err)
	require.True(t, seen(path, stat(), sum))
	require.False(t, seen(path, stat(), sum[1:]+"0"))

	text, err := os.ReadFile(path)
	require.NoError(t, err)
	text[5] ^= 1
	require.NoError(t, os.WriteFile(path, text, 0o644))
	third, err := Open(dir)
	require.NoError(t, err)
	_, err = third.Path(TextFile)
	require.ErrorIs(t, err, ErrCorrupt)
	require.NoError(t, os.Chtimes(path, long, long)) // disguised as it was: Verify looks at the bytes
	fourth, err := Open(dir)
	require.NoError(t, err)
	require.ErrorIs(t, fourth.Verify(t.Context()), ErrCorrupt)
}
