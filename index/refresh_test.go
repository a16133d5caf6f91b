package index_test

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
)

// A file that was damaged and put right is noticed, whether its bytes were changed where they are or another file took
// its place; one that only grew, as under a writer, is not.
func TestRefreshNoticesTheFile(t *testing.T) {
	ctx := t.Context()
	s := newSynth(3, 32, 32)
	var items []index.Item
	for _, id := range []string{"a", "b", "c"} {
		items = append(items, index.Item{ID: id, Encoding: s.image(4)})
	}
	path := build(t, nil, items)
	ix := open(t, path, nil)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	refresh := func(want bool) {
		t.Helper()
		changed, err := ix.Refresh(ctx)
		require.NoError(t, err)
		require.Equal(t, want, changed)
		hits, err := ix.Search(ctx, items[0].Encoding, nil)
		require.NoError(t, err)
		require.Len(t, hits, 3)
	}
	refresh(false)

	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.WriteString("what a writer has not committed")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	refresh(false)

	// Shorter, so that searches fail; then as it was, in place.
	require.NoError(t, os.Truncate(path, int64(len(good))/2))
	_, err = ix.Refresh(ctx)
	require.Error(t, err)
	_, err = ix.Search(ctx, items[0].Encoding, nil)
	require.ErrorIs(t, err, index.ErrCorrupt)
	require.NoError(t, os.WriteFile(path, good, 0o600))
	later := time.Now().Add(time.Minute) // clocks of file systems are coarse
	require.NoError(t, os.Chtimes(path, later, later))
	refresh(true)
	refresh(false)

	if runtime.GOOS == "windows" {
		return // a file that is mapped cannot be replaced there
	}
	// The same bytes in another file.
	require.NoError(t, os.WriteFile(path+".new", good, 0o600))
	require.NoError(t, os.Rename(path+".new", path))
	refresh(true)
	refresh(false)
}
