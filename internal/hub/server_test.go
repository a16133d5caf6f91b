package hub

import (
	"crypto/sha1" //nolint:gosec // git's
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// A fakeHub behaves like the hub: files of LFS are redirected to another host that knows ranges, small ones are
// served by the hub itself.
type fakeHub struct {
	hub, store *httptest.Server
	files      map[string]string
	large      map[string]bool // in LFS
	licence    string
	private    string // the token that is needed
	gated      bool

	mu       sync.Mutex
	cuts     int // so many answers of the store end early
	busy     int // so many answers are 503
	lies     map[string]string
	log      []string
	noRanges bool
	noRest   bool // what is asked for from the middle on is not there
}

func newHub(t *testing.T) *fakeHub {
	h := &fakeHub{
		files:   map[string]string{"README.md": "---\nlicense: mit\n---\n# hello", "config.json": "{}", "onnx/text_model.onnx": "text", "model.safetensors": strings.Repeat("weights ", 1000)},
		large:   map[string]bool{"model.safetensors": true},
		licence: "apache-2.0",
		lies:    map[string]string{},
	}
	h.hub = httptest.NewServer(http.HandlerFunc(h.serveHub))
	h.store = httptest.NewServer(http.HandlerFunc(h.serveStore))
	t.Cleanup(h.hub.Close)
	t.Cleanup(h.store.Close)
	return h
}

// options are for this hub, with a cache of the test's own and an environment that holds nothing.
func (h *fakeHub) options(t *testing.T) *Options {
	return &Options{
		Endpoint: h.hub.URL, Cache: t.TempDir(), Downloads: t.TempDir(),
		getenv: func(string) string { return "" },
		pause:  func(int) time.Duration { return 0 },
	}
}

func (h *fakeHub) requests(what string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.log {
		if strings.Contains(l, what) {
			n++
		}
	}
	return n
}

func sum(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }

func gitSum(s string) string {
	h := sha1.Sum([]byte(fmt.Sprintf("blob %d\x00%s", len(s), s))) //nolint:gosec // git's
	return hex.EncodeToString(h[:])
}

func (h *fakeHub) note(r *http.Request, host string) (fail bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = append(h.log, fmt.Sprintf("%s %s %s range=%s auth=%s", host, r.Method, r.URL.Path, r.Header.Get("Range"), r.Header.Get("Authorization")))
	if h.busy > 0 {
		h.busy--
		return true
	}
	return false
}

func (h *fakeHub) serveHub(w http.ResponseWriter, r *http.Request) {
	if h.note(r, "hub") {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if h.private != "" && r.Header.Get("Authorization") != "Bearer "+h.private {
		w.Header().Set("X-Error-Code", "RepoNotFound")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch p := r.URL.Path; {
	case p == "/api/models/owner/name/revision/main", p == "/api/models/owner/name/revision/v1", p == "/api/models/owner/name/revision/"+commit:
		type file struct {
			Name string `json:"rfilename"`
			Size int    `json:"size"`
		}
		var list []file
		for name, s := range h.files {
			list = append(list, file{name, len(s)})
		}
		list = append(list, file{"../../evil", 3}, file{"/etc/passwd", 3})
		_ = json.NewEncoder(w).Encode(map[string]any{"sha": commit, "siblings": list, "cardData": map[string]any{"license": h.licence, "tags": 7}})
	case strings.HasPrefix(p, "/owner/name/resolve/"+commit+"/"):
		name := strings.TrimPrefix(p, "/owner/name/resolve/"+commit+"/")
		s, ok := h.files[name]
		if !ok {
			w.Header().Set("X-Error-Code", "EntryNotFound")
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if h.gated {
			w.Header().Set("X-Error-Code", "GatedRepo")
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("X-Repo-Commit", commit)
		if h.large[name] {
			w.Header().Set("X-Linked-Etag", `"`+sum(s)+`"`)
			w.Header().Set("X-Linked-Size", fmt.Sprint(len(s)))
			w.Header().Set("Location", h.store.URL+"/"+name)
			w.WriteHeader(http.StatusFound)
			return
		}
		w.Header().Set("ETag", `"`+gitSum(s)+`"`)
		w.Header().Set("Content-Length", fmt.Sprint(len(s)))
		if lie, ok := h.lies[name]; ok {
			s = lie
		}
		if r.Method != http.MethodHead {
			fmt.Fprint(w, s)
		}
	default:
		w.Header().Set("X-Error-Code", "RevisionNotFound")
		w.WriteHeader(http.StatusNotFound)
	}
}

func (h *fakeHub) serveStore(w http.ResponseWriter, r *http.Request) {
	if h.note(r, "store") {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	s, ok := h.files[name]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if lie, ok := h.lies[name]; ok {
		s = lie
	}
	from := 0
	if rng := r.Header.Get("Range"); rng != "" && !h.noRanges {
		_, _ = fmt.Sscanf(rng, "bytes=%d-", &from)
		if h.noRest || from >= len(s) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(s)-1, len(s)))
		w.Header().Set("Content-Length", fmt.Sprint(len(s)-from))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.Header().Set("Content-Length", fmt.Sprint(len(s)))
	}
	s = s[from:]
	h.mu.Lock()
	cut := h.cuts > 0
	h.cuts--
	h.mu.Unlock()
	if cut {
		fmt.Fprint(w, s[:len(s)/2])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	fmt.Fprint(w, s)
}

// silentOnce sends half of its first answer and then nothing until ready.
type silentOnce struct {
	hub   *fakeHub
	ready chan struct{}
	once  sync.Once
}

func (s *silentOnce) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	silent := false
	s.once.Do(func() { silent = true })
	if !silent {
		s.hub.serveStore(w, r)
		return
	}
	w.Header().Set("Content-Length", "8000")
	fmt.Fprint(w, s.hub.files["model.safetensors"][:1000])
	w.(http.Flusher).Flush()
	select {
	case <-s.ready:
	case <-r.Context().Done():
	}
}
