package modelflags

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/cli"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	run, bare := filepath.Join(dir, "run"), filepath.Join(dir, "bare")
	for _, d := range []string{filepath.Join(run, "model"), bare} {
		require.NoError(t, os.MkdirAll(d, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(d, bundle.ManifestFile), nil, 0o644))
	}
	assert.Equal(t, filepath.Join(run, "model"), Find(run))
	assert.Equal(t, filepath.Join(run, "model"), Find(filepath.Join(run, "model")))
	assert.Equal(t, bare, Find(bare))
	assert.Equal(t, "nowhere", Find("nowhere"))
}

// Whoever has no model is told where models come from.
func TestNoModel(t *testing.T) {
	_, err := new(Flags).Open(nil)
	require.ErrorIs(t, err, cli.ErrUsage)
	require.ErrorContains(t, err, Hint)
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "nowhere")} {
		_, err = (&Flags{Dir: dir}).Open(nil)
		require.ErrorIs(t, err, aladin.ErrNotModel)
		require.ErrorContains(t, err, Hint)
	}
	_, err = (&Flags{Dir: "x", Threads: -1}).Open(nil)
	require.ErrorIs(t, err, cli.ErrUsage)
}
