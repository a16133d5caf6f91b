package indexcmd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
)

// An interrupt while cells are made costs the cells alone.
func TestArrangeInterrupted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.aladin")
	b, err := index.NewBuilder(file, &index.BuildOptions{Regions: index.None})
	require.NoError(t, err)
	for i := range 300 {
		e := &index.Encoding{Kind: index.Image, Matching: []float32{float32(i) / 400, 0.1, float32(i%7) / 20}}
		require.NoError(t, b.Add(context.Background(), index.Item{ID: fmt.Sprint(i), Encoding: e}))
	}
	require.NoError(t, b.Finish(context.Background()))
	before, err := os.ReadFile(file)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stderr bytes.Buffer
	build := &building{out: file, cells: 5, tell: cli.Output{Quiet: true}}
	require.ErrorIs(t, build.arrangeFile(ctx, cli.Env{Stderr: &stderr}), context.Canceled)
	require.Contains(t, stderr.String(), "is complete")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, before, after)
	left, err := filepath.Glob(file + ".tmp*")
	require.NoError(t, err)
	require.Empty(t, left)

	require.NoError(t, build.arrangeFile(t.Context(), cli.Env{Stderr: &stderr}))
	ix, err := index.Open(file, nil)
	require.NoError(t, err)
	defer ix.Close()
	info, err := ix.Info(context.Background())
	require.NoError(t, err)
	require.Equal(t, 5, info.Cells)
	require.Equal(t, 300, info.Items)
}
