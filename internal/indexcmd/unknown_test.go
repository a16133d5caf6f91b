package indexcmd

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/testmodel"
)

// Words that the model never learned are named by the commands, with the nearest that it knows.
func TestUnknownWordsAreNamed(t *testing.T) {
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	dir := t.TempDir()
	model, file, page := filepath.Join(dir, "model"), filepath.Join(dir, "scenes.aladin"), filepath.Join(dir, "page.html")
	require.NoError(t, testmodel.Write(model, testmodel.Options{Learned: true}))
	run := func(args ...string) (out, errs string) {
		var o, e bytes.Buffer
		require.Zero(t, Program.Run(t.Context(), args, &o, &e), e.String())
		return o.String(), e.String()
	}
	run("build", "--model", model, "--scenes", "3", "--out", file)
	const want = `The model never learned the word "yelow". Is "yellow" meant?`
	_, errs := run("search", file, "--model", model, "a yelow mug")
	assert.Contains(t, errs, want)
	out, _ := run("search", file, "--model", model, "--json", "a yelow mug")
	assert.Contains(t, out, `Is \"yellow\" meant?`)
	_, errs = run("page", file, "--model", model, "--out", page, "a yelow mug")
	assert.Contains(t, errs, want)
	html, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Contains(t, string(html), `<p class="warning">The model never learned the word &#34;yelow&#34;.`)
	_, errs = run("search", file, "--model", model, "a yellow mug")
	assert.NotContains(t, errs, "learned")
}
