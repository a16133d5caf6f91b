package traincmd

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/hub"
	"github.com/aladin-go/aladin/internal/shareddata"
)

func TestCuratedModels(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, listModels(cli.Env{Stdout: &out, Stderr: io.Discard}, true))
	var list []curatedModel
	require.NoError(t, json.Unmarshal(out.Bytes(), &list))
	take := 0
	for _, m := range list {
		_, err := hub.ParseReference(m.Source)
		require.NoError(t, err)
		require.NotEmpty(t, m.Licence, m.Name)
		require.NotEmpty(t, m.Published, m.Name)
		for _, r := range []*publishedRecall{m.Flickr30k, m.COCO} {
			if r == nil {
				continue
			}
			for _, at := range [][]float64{r.Images, r.Texts} {
				require.IsNonDecreasing(t, append(at, 100), m.Name)
			}
			require.Less(t, r.Images[0], r.Texts[0], "%s: five sentences describe a photo, one photo fits a sentence", m.Name)
		}
		if m.Take {
			take++
			require.Equal(t, hub.Scheme+recommended, m.Source)
		}
	}
	require.Equal(t, 1, take)

	out.Reset()
	require.NoError(t, listModels(cli.Env{Stdout: &out, Stderr: io.Discard}, false))
	for _, m := range list {
		require.Contains(t, out.String(), m.Source)
	}
}

// TestImportFromHub imports a model that a server has, as the hub would, and the same from its folder.
func TestImportFromHub(t *testing.T) {
	dir := shareddata.Dir(t, "clip-tiny", "hf-clip")
	const commit = "0123456789abcdef0123456789abcdef01234567"
	served := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served[r.Method+" "+path.Base(r.URL.Path)]++
		if strings.HasPrefix(r.URL.Path, "/api/models/some/clip/revision/") {
			var list []map[string]any
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				list = append(list, map[string]any{"rfilename": e.Name()})
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"sha": commit, "siblings": list, "tags": []string{"license:mit"}})
			return
		}
		b, err := os.ReadFile(filepath.Join(dir, path.Base(r.URL.Path)))
		if err != nil || !strings.HasPrefix(r.URL.Path, "/some/clip/resolve/"+commit+"/") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		sum := sha256.Sum256(b)
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}))
	defer server.Close()
	t.Setenv("HF_ENDPOINT", server.URL)
	t.Setenv("HF_HOME", t.TempDir())
	for _, name := range []string{"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN"} {
		t.Setenv(name, "")
	}
	run := func(source string) clipReport {
		var out bytes.Buffer
		c := clipImport{source: source}
		require.NoError(t, c.run(t.Context(), cli.Env{Stdout: &out, Stderr: io.Discard}, "", filepath.Join(t.TempDir(), "b.model"), true))
		var r clipReport
		require.NoError(t, json.Unmarshal(out.Bytes(), &r))
		return r
	}
	got, want := run("hf:some/clip"), run(dir)
	require.Equal(t, "mit", got.Licence)
	require.Contains(t, strings.Join(got.Notes, "\n"), commit)
	require.True(t, strings.HasPrefix(got.Model, "clip"), got.Model)
	require.Equal(t, []any{want.Bytes, want.Dim, want.Tokenizer, want.Used}, []any{got.Bytes, got.Dim, got.Tokenizer, got.Used})
	require.Zero(t, served["GET expected.npz"], "only what is needed is fetched")
	require.Equal(t, 1, served["GET model.safetensors"])

	t.Setenv("HF_HUB_OFFLINE", "1")
	server.Close()
	require.Contains(t, strings.Join(run("hf:some/clip").Notes, "\n"), "HF_HUB_OFFLINE")
}
