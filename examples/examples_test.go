// Package examples holds small programs to begin with. Each is a main package in its own folder.
package examples

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/testmodel"
)

// Every example is built and run on a small model and a few pictures.
func TestExamples(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	bin := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin+string(filepath.Separator), "./...").CombinedOutput()
	require.NoError(t, err, "%s", out)
	built, err := os.ReadDir(bin)
	require.NoError(t, err)
	require.Len(t, built, 3, "an example without a test")

	model, photos := testmodel.New(t, testmodel.Options{}), filepath.Join(t.TempDir(), "photos")
	require.NoError(t, scenes.New(1, nil).WriteDir(t.Context(), filepath.Join(photos, "summer"), 0, 4, nil))
	require.NoError(t, scenes.New(1, nil).WriteDir(t.Context(), filepath.Join(photos, "winter"), 4, 8, nil))
	run := func(name string, args ...string) string {
		out, err := exec.CommandContext(t.Context(), filepath.Join(bin, name), args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	assert.Contains(t, run("photosearch", model, filepath.Join(photos, "summer"), "a red ball"), "scene-000003.png")
	for range 2 { // the second time with the index of the first
		text := run("tags", model, photos, "winter", "a red ball")
		assert.Contains(t, text, "winter/scene-00000")
		assert.NotContains(t, text, "summer")
		assert.Contains(t, text, "    ball ")
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	server := exec.CommandContext(ctx, filepath.Join(bin, "handler"), model, photos+".aladin", addr)
	require.NoError(t, server.Start())
	get := func(path string) (int, string) {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(b)
	}
	require.Eventually(t, func() bool { code, _ := get("/search?q=a+red+ball"); return code == http.StatusOK }, time.Minute, 20*time.Millisecond)
	_, text := get("/search?q=a+red+ball")
	assert.Contains(t, text, `"Word":"ball"`)
	code, text := get("/search?q=")
	assert.Equal(t, http.StatusBadRequest, code)
	assert.Contains(t, text, "the text is empty")
	cancel()
	assert.Error(t, server.Wait(), "it is killed")
}
