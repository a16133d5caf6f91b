package ortsetup

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFind(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the file names and the cache variable are Linux's")
	}
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("LD_LIBRARY_PATH", "")
	t.Setenv(EnvLibrary, "")
	touch := func(elem ...string) string {
		p := filepath.Join(elem...)
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
		require.NoError(t, os.WriteFile(p, nil, 0o600))
		return p
	}
	if lib, err := Find(); err != nil { // no error where the system has a library of its own
		require.ErrorIs(t, err, ErrNotFound)
		assert.ErrorContains(t, err, "scripts/setup")
		assert.ErrorContains(t, err, cache)
	} else {
		assert.FileExists(t, lib)
	}

	// A library on the library path is found, and gives way to the cache, and that to the variable.
	system := t.TempDir()
	t.Setenv("LD_LIBRARY_PATH", system)
	want := touch(system, "libonnxruntime.so.1.29.0")
	touch(system, "libonnxruntime.so.1.28.0")
	got, err := Find()
	require.NoError(t, err)
	assert.Equal(t, want, got, "the newest")

	dir, err := Dir()
	require.NoError(t, err)
	want = touch(dir, "libonnxruntime.so.1")
	got, err = Find()
	require.NoError(t, err)
	assert.Equal(t, want, got)

	own := touch(t.TempDir(), "libonnxruntime.so")
	for _, v := range []string{own, filepath.Dir(own)} {
		t.Setenv(EnvLibrary, v)
		got, err = Find()
		require.NoError(t, err)
		assert.Equal(t, own, got)
	}

	// What the variable names must be there: nothing else is taken in its place.
	t.Setenv(EnvLibrary, filepath.Join(system, "absent"))
	_, err = Find()
	require.ErrorIs(t, err, ErrNotFound)
	assert.ErrorContains(t, err, EnvLibrary)
	t.Setenv(EnvLibrary, t.TempDir())
	_, err = Find()
	require.ErrorIs(t, err, ErrNotFound)
	assert.ErrorContains(t, err, "holds no libonnxruntime.so.1")
}
