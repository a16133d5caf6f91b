package serve

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"
)

//go:embed page
var page embed.FS

// asset is a file of the page.
type asset struct {
	data []byte
	mime string
	tag  string
}

var assetTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

func loadAssets() (map[string]*asset, error) {
	out := make(map[string]*asset)
	err := fs.WalkDir(page, "page", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := page.ReadFile(p)
		if err != nil {
			return err
		}
		kind, ok := assetTypes[path.Ext(p)]
		if !ok {
			return fmt.Errorf("page: no type for %s", p)
		}
		out["/"+p] = &asset{data, kind, contentTag(data)}
		return nil
	})
	out["/"] = out["/page/index.html"]
	return out, err
}

// contentTag is weak because the same content may come compressed.
func contentTag(data []byte) string {
	sum := sha256.Sum256(data)
	return `W/"` + hex.EncodeToString(sum[:12]) + `"`
}

func (s *Server) getAsset(w http.ResponseWriter, r *http.Request) error {
	a := s.assets[r.URL.Path]
	if a == nil {
		return failf(http.StatusNotFound, "not_found", "there is nothing at this address")
	}
	h := w.Header()
	h.Set("Content-Type", a.mime)
	h.Set("ETag", a.tag)
	h.Set("Cache-Control", "no-cache") // asked for each time, sent when it changed
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.data))
	return nil
}
