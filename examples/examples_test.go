// Package examples holds small programs to begin with, each in its own folder: a main package, or a script that
// runs the commands.
package examples

import (
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
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
	require.Len(t, built, 4, "an example without a test")

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

	text := run("train", filepath.Join(photos, "summer"), filepath.Join(photos, "summer", "captions.tsv"), filepath.Join(t.TempDir(), "trained"), "a red ball")
	assert.Contains(t, text, "scene-000003.png")
	assert.Regexp(t, `^(step \d+ of \d+, loss \d+\.\d\d\n)*(-?\d\.\d{3}  scene-\d{6}\.png\n){4}$`, text)

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
	_, text = get("/search?q=a+red+ball")
	assert.Contains(t, text, `"Word":"ball"`)
	code, text := get("/search?q=")
	assert.Equal(t, http.StatusBadRequest, code)
	assert.Contains(t, text, "there are no words in it")
	cancel()
	assert.Error(t, server.Wait(), "it is killed")
}

// The script of the example tower, with a tower that has the inputs and outputs of CLIP's and little else.
func TestTower(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs and trains a model")
	}
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin+string(filepath.Separator), "../cmd/aladin-train", "../cmd/aladin-index").CombinedOutput()
	require.NoError(t, err, "%s", out)
	photos, models := filepath.Join(dir, "photos"), filepath.Join(dir, "models")
	require.NoError(t, scenes.New(1, nil).WriteDir(t.Context(), photos, 0, 6, nil))
	require.NoError(t, os.Mkdir(models, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(models, "vision_model.onnx"), tower(t), 0o600))
	config := filepath.Join(dir, "quick.yaml")
	require.NoError(t, os.WriteFile(config, []byte("encoder: {layers: 1, hidden: 32, heads: 2, ff: 32, standardise: true, max-caption: 40, max-labels: 4, max-regions: 20, min-count: 1}\n"+
		"model: {tern-layers: 1}\ntraining: {bs: 8, epochs: 1, lr: 0.001, loss-type: alignment-matching}\n"), 0o600))

	cmd := exec.CommandContext(t.Context(), filepath.Join("tower", "search"), models, photos, filepath.Join(photos, "captions.tsv"), filepath.Join(dir, "out"), "a red ball", config)
	cmd.Env = append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"), "XDG_CACHE_HOME="+filepath.Join(dir, "cache"), "ALADIN_ONNXRUNTIME="+library(t))
	out, err = cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "scene-000003.png")
	assert.Regexp(t, `     ball +\d\.\d\d +region \d+ `, string(out))
}

// tower is a vision transformer without the transformer: patches of 32 pixels, projected, behind a class token
// that is their mean.
func tower(t *testing.T) []byte {
	const patch, side, dim = 32, 7, 24
	b := onnx.NewBuilder()
	size, batch := onnx.D(side*patch), onnx.Sym("B")
	x := b.Input("pixel_values", onnx.Float, onnx.Shape{batch, onnx.D(3), size, size})
	x = b.Reshape(x, batch, onnx.D(3), onnx.D(side), onnx.D(patch), onnx.D(side), onnx.D(patch))
	x = b.Reshape(b.Transpose(x, 0, 2, 4, 1, 3, 5), batch, onnx.D(side*side), onnx.D(3*patch*patch))
	weights := make([]float32, 3*patch*patch*dim)
	for i := range weights {
		weights[i] = float32(math.Sin(float64(i))) / 50
	}
	patches := b.MatMul(x, b.Weights("projection", weights, 3*patch*patch, dim))
	class := b.ReduceMean(patches, true, 1)
	b.Output("last_hidden_state", b.Concat(1, class, patches))
	b.Output("pooler_output", b.Squeeze(class, 1))
	m, err := b.Model("tower")
	require.NoError(t, err)
	return m.Marshal()
}

func library(t *testing.T) string {
	path, err := ort.Library()
	require.NoError(t, err)
	return path
}
