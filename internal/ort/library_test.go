package ort

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/ortsetup"
)

// TestHelperOpen is no test: TestUnavailable runs it in a process of its own, since a process that has
// loaded a library keeps it.
func TestHelperOpen(t *testing.T) {
	if os.Getenv("ORT_TEST_HELPER") == "" {
		t.Skip("run by TestUnavailable")
	}
	_, err := Load(addModel(), nil)
	fmt.Printf("available %t; %v\n", Available(), err)
}

func TestUnavailable(t *testing.T) {
	text := filepath.Join(t.TempDir(), "libonnxruntime.so.1")
	require.NoError(t, os.WriteFile(text, []byte("no library"), 0o600))
	for name, path := range map[string]string{"missing": filepath.Join(t.TempDir(), "none"), "no library": text} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperOpen$")
			cmd.Env = append(os.Environ(), "ORT_TEST_HELPER=1", ortsetup.EnvLibrary+"="+path)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			line, _, _ := strings.Cut(string(out), "\n")
			assert.Contains(t, line, "available false; "+ErrUnavailable.Error())
			if !strings.Contains(line, "without cgo") {
				assert.Contains(t, line, path)
				assert.Contains(t, line, "scripts/setup@latest")
			}
		})
	}
}

// A process has one library, by whatever name.
func TestOptionsLibrary(t *testing.T) {
	if !Available() {
		t.Skip("needs ONNX Runtime")
	}
	path, err := Library()
	require.NoError(t, err)
	for _, name := range []string{"", path, filepath.Dir(path)} {
		s, err := Load(addModel(), &Options{Library: name})
		require.NoError(t, err, name)
		require.NoError(t, s.Close())
	}
	other := filepath.Join(t.TempDir(), "other.so")
	require.NoError(t, os.WriteFile(other, nil, 0o600))
	_, err = Load(addModel(), &Options{Library: other})
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "cannot load another")
	require.ErrorContains(t, err, other)
	_, err = Load(addModel(), &Options{Library: filepath.Join(t.TempDir(), "none")})
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "none")
}

func TestLibraryNamesTheCommand(t *testing.T) {
	t.Setenv(ortsetup.EnvLibrary, filepath.Join(t.TempDir(), "none"))
	_, err := Library()
	require.ErrorIs(t, err, ErrUnavailable)
	assert.ErrorContains(t, err, "scripts/setup@latest")
	assert.NotContains(t, err.Error(), "\n")
}
