package container_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The committed FlatBuffers code is what flatc makes of the schema.
func TestGenerated(t *testing.T) {
	out, err := exec.Command("flatc", "--version").Output()
	if err != nil || !strings.Contains(string(out), "2.0.8") {
		t.Skip("needs flatc 2.0.8, Debian's flatbuffers-compiler")
	}
	dir := t.TempDir()
	require.NoError(t, exec.Command("flatc", "--go", "-o", dir, "manifest.fbs").Run())
	made, err := filepath.Glob(filepath.Join(dir, "fb", "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, made)
	for _, f := range made {
		want, err := os.ReadFile(f)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join("internal", "fb", filepath.Base(f)))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "run go generate ./internal/container")
	}
}
