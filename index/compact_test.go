package index_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
)

// From 200,000 items on an index asks for cells, once, and then with each
// fourfold growth.
func TestOutgrown(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 200,000 items")
	}
	const n, dim = 200_000, 8
	path := filepath.Join(t.TempDir(), "f.aladin")
	b, err := index.NewBuilder(path, &index.BuildOptions{Regions: index.None})
	require.NoError(t, err)
	f := newFast(50, dim)
	e := &index.Encoding{Kind: index.Image, Matching: make([]float32, dim)}
	for i := range n - 1 {
		f.vector(e.Matching)
		require.NoError(t, b.Add(context.Background(), index.Item{ID: fmt.Sprintf("%06d", i), Encoding: e}))
	}
	require.NoError(t, b.Finish(context.Background()))
	w := openWriter(t, path, nil)
	require.False(t, w.Outgrown(), "one item too few")
	require.NoError(t, w.Add(context.Background(), index.Item{ID: "last", Encoding: e}))
	require.NoError(t, w.Commit(context.Background()))
	require.True(t, w.Outgrown())

	// Interrupted while it learns and while it copies, everything stays as it was.
	for _, stop := range []func(done, total int) bool{
		func(done, total int) bool { return done > 0 },
		func(done, total int) bool { return done > total-n/2 },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		err := w.Compact(ctx, &index.CompactOptions{Progress: func(done, total int) {
			if stop(done, total) {
				cancel()
			}
		}})
		require.ErrorIs(t, err, context.Canceled)
		require.True(t, w.Outgrown())
		require.Equal(t, n, open(t, path, nil).Len())
	}

	last, all := 0, 0
	require.NoError(t, w.Compact(t.Context(), &index.CompactOptions{Progress: func(done, total int) {
		require.GreaterOrEqual(t, done, last)
		require.LessOrEqual(t, done, total)
		if all > 0 {
			require.Equal(t, all, total, "what there is to do is known from the start")
		}
		last, all = done, total
	}}))
	require.Greater(t, last, all-n/10)
	require.False(t, w.Outgrown())
	info, err := open(t, path, nil).Info(t.Context())
	require.NoError(t, err)
	require.Greater(t, info.Cells, 500)
	require.NoError(t, w.Close())
	require.False(t, w.Outgrown())
}
