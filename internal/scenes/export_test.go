package scenes

import (
	"context"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func lines(t *testing.T, elem ...string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

func TestWriteDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	g := New(4, &Options{Size: 64})
	var steps []int
	require.NoError(t, g.WriteDir(t.Context(), dir, 3, 9, func(done, total int) {
		assert.Equal(t, 6, total)
		steps = append(steps, done)
	}))
	assert.Equal(t, []int{1, 2, 3, 4, 5, 6}, steps)

	captions, boxes, mentions := lines(t, dir, "captions.tsv"), lines(t, dir, "boxes.tsv"), lines(t, dir, "mentions.tsv")
	require.Len(t, captions, 6*CaptionsPerScene)
	objects, nouns, n := 0, 0, 0
	for i := 3; i < 9; i++ {
		s := g.Scene(i)
		file := s.ID + ".png"
		f, err := os.Open(filepath.Join(dir, file))
		require.NoError(t, err)
		img, err := png.Decode(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		assert.Equal(t, s.Image.At(10, 20), img.At(10, 20))
		for j, c := range s.Captions {
			assert.Equal(t, fmt.Sprintf("%s\t%d\t%s", file, j, c.Text), captions[n])
			n++
			nouns += len(c.Mentions)
		}
		objects += len(s.Objects)
	}
	assert.Len(t, boxes, objects+1)
	assert.Len(t, mentions, nouns+1)
	assert.Equal(t, strings.Count(boxes[0], "\t"), strings.Count(boxes[1], "\t"))
	assert.Equal(t, strings.Count(mentions[0], "\t"), strings.Count(mentions[1], "\t"))

	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	assert.Empty(t, left, "no temporary files stay behind")
}

func TestWriteDirFails(t *testing.T) {
	dir := t.TempDir()
	g := New(4, &Options{Size: 32})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := g.WriteDir(ctx, dir, 0, 10000, func(done, _ int) {
		if done == 3 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.NoFileExists(t, filepath.Join(dir, "captions.tsv"), "a folder that is not whole has no captions")
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	assert.Empty(t, left)

	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	err = g.WriteDir(t.Context(), file, 0, 1, nil)
	require.Error(t, err)
	assert.Contains(t, err.Error(), file)

	// A folder in the way of a picture.
	dir = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "scene-000000.png"), 0o755))
	err = g.WriteDir(t.Context(), dir, 0, 2, nil)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "scene-000000.png")
}
