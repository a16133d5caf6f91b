package doctest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/testmodel"
)

// hubCommit is that of the stand-in's models.
const hubCommit = "0123456789abcdef0123456789abcdef01234567"

// standInHub answers as the Hugging Face hub does, with a small random model under every name, and has the commands
// ask it.
func standInHub(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, testmodel.WritePair(dir, 1))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/models/") {
			entries, _ := os.ReadDir(dir)
			var list []map[string]string
			for _, e := range entries {
				list = append(list, map[string]string{"rfilename": e.Name()})
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"sha": hubCommit, "siblings": list})
			return
		}
		b, err := os.ReadFile(filepath.Join(dir, path.Base(r.URL.Path)))
		if err != nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		sum := sha256.Sum256(b)
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}))
	t.Cleanup(server.Close)
	t.Setenv("HF_ENDPOINT", server.URL)
	t.Setenv("HF_HOME", t.TempDir())
	for _, name := range []string{"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN"} {
		t.Setenv(name, "")
	}
}
