package serve

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/searchpage"
)

// hostileIDs are names of files that a page must show and not do.
var hostileIDs = []string{
	`"><img src=x onerror=pwned=1>.png`, `'onmouseover='pwned=1.png`, `a</script><script>pwned=1</script>.png`, `javascript:pwned=1.png`,
	`&lt;img src=x onerror=pwned=1&gt;.png`, "${pwned=1}{{pwned=1}}.png", "left\u202egnp.exe.png", "new\nline\ttab.png", "%2e%2e%2fetc%2fpasswd.png",
	`back\slash.png`, "sharp#mark?query=1&x=2.png", "]]><!--.png", "\u2028line.png",
}

// What items are called, and what is said of them, is text on the page and nothing else: the browser runs none of it and
// asks nobody for anything.
func TestHostileIDs(t *testing.T) {
	chrome := startBrowser(t)
	w := newWorld(t, 3, 64, 0)
	data, err := os.ReadFile(filepath.Join(w.dir, w.id(1)))
	require.NoError(t, err)
	b, err := index.OpenWriter(w.path, nil)
	require.NoError(t, err)
	for i, id := range hostileIDs {
		path := filepath.Join(w.dir, filepath.FromSlash(id))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, data, 0o600))
		enc := *w.model.known[1].enc
		enc.Labels = append([]string(nil), enc.Labels...)
		enc.Labels[0] = id
		require.NoError(t, b.Add(context.Background(), index.Item{ID: id, Encoding: &enc, Tags: []string{fmt.Sprintf("<b onclick=pwned=1>%d", i)}, Meta: []byte(`{"</script>":"<img src=x onerror=pwned=1>"}`)}))
	}
	require.NoError(t, b.Commit(context.Background()))
	require.NoError(t, b.Close())
	s := w.server(t, Options{})
	untouched := `typeof pwned === "undefined" && document.querySelectorAll("img[src='x'], [onerror], [onclick], [onmouseover]").length === 0`

	t.Run("the server's page", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/?q="+url.QueryEscape(`a <img src=x onerror=pwned=1> "ball`), 1280, 860)
		b.wait(fmt.Sprintf(`document.querySelectorAll("#hits .hit").length >= %d`, len(hostileIDs)))
		for _, id := range hostileIDs {
			assert.True(t, eval[bool](b, fmt.Sprintf(`[...document.querySelectorAll("#hits .hit .open")].some(e => e.getAttribute("aria-label").endsWith(%q))`, id)), "%q", id)
		}
		b.run(chromedp.Click(chromedp.CSS("#tags-toggle")), chromedp.WaitVisible(chromedp.CSS("#tags .tag")))
		for i := range len(hostileIDs) {
			b.point(fmt.Sprintf("#hits .hit:nth-child(%d) .open", i+1))
		}
		assert.True(t, eval[bool](b, untouched))
		b.clean()
	})

	t.Run("a page in a file", func(t *testing.T) {
		p := searchpage.Page{Title: hostileIDs[2], Notes: hostileIDs}
		query := `a <img src=x onerror=pwned=1> "ball`
		search := searchpage.Search{Query: query, Warnings: hostileIDs}
		for _, id := range hostileIDs {
			search.Hits = append(search.Hits, searchpage.Hit{Hit: index.Hit{ID: id, Words: []index.WordMatch{
				{Word: query[2:30], Start: 2, End: 30, Label: id, Similarity: 0.5, Weight: 0.5, Box: index.Box{0.1, 0.1, 0.5, 0.5}}}}, Text: id})
		}
		p.Searches = append(p.Searches, search)
		var page bytes.Buffer
		require.NoError(t, p.Write(&page))
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" {
				w.Header().Set("Content-Type", "image/x-icon") // the browser asks for an icon by itself
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(page.Bytes())
		}))
		t.Cleanup(srv.Close)
		b := openAt(t, chrome, srv, "/", 1280, 860)
		b.wait(`document.readyState === "complete"`)
		text := eval[string](b, `document.body.textContent`)
		for _, id := range hostileIDs {
			assert.Contains(t, text, id)
		}
		assert.True(t, eval[bool](b, untouched))
		assert.Zero(t, b.sent("GET /x"))
		b.clean()
	})
}

// A folder of thumbnails that cannot be written, is full, or holds files of another time stops nobody from seeing photos.
func TestThumbnailsInBadFolders(t *testing.T) {
	w := newWorld(t, 6, 64, 0)
	thumb := func(s *Server, i int) []byte {
		rec := get(s, "/thumb/"+url.PathEscape(w.id(i)))
		require.Equal(t, 200, rec.Code)
		return rec.Body.Bytes()
	}
	plain := w.server(t, Options{ThumbDir: filepath.Join(t.TempDir(), "thumbs")})
	want := [][]byte{thumb(plain, 0), thumb(plain, 1)}
	require.NotEqual(t, want[0], want[1])

	// In the place of each of its folders stands a file.
	blocked := t.TempDir()
	for i := range 256 {
		require.NoError(t, os.WriteFile(filepath.Join(blocked, fmt.Sprintf("%02x", i)), nil, 0o600))
	}
	s := w.server(t, Options{ThumbDir: blocked, ThumbBytes: 1})
	assert.Equal(t, want[0], thumb(s, 0))
	assert.Equal(t, want[0], thumb(s, 0))

	// No thumbnail fits.
	s = w.server(t, Options{ThumbDir: t.TempDir(), ThumbDirBytes: 1, ThumbBytes: 1})
	assert.Equal(t, want[1], thumb(s, 1))

	// The clock jumped: what lies there is of 1970 and of 2100. The oldest goes first, and what is used is of today.
	dir := t.TempDir()
	s = w.server(t, Options{ThumbDir: dir, ThumbBytes: 1})
	keys := make([]string, 2)
	for i := range keys {
		before := len(s.thumbs.disk.entries)
		thumb(s, i)
		require.Len(t, s.thumbs.disk.entries, before+1)
		keys[i] = s.thumbs.disk.order.Front().Value.(diskEntry).key
	}
	require.NoError(t, os.Chtimes(s.thumbs.disk.path(keys[0]), time.Time{}, time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)))
	require.NoError(t, os.Chtimes(s.thumbs.disk.path(keys[1]), time.Time{}, time.Unix(0, 0)))
	s = w.server(t, Options{ThumbDir: dir, ThumbDirBytes: int64(len(want[0])), ThumbBytes: 1})
	assert.FileExists(t, s.thumbs.disk.path(keys[0]))
	assert.NoFileExists(t, s.thumbs.disk.path(keys[1]))
	assert.Equal(t, want[0], thumb(s, 0))
	info, err := os.Stat(s.thumbs.disk.path(keys[0]))
	require.NoError(t, err)
	assert.Less(t, info.ModTime().Year(), 2100)

	// A photo that is put in place of another with an older time is shown, and not the other's thumbnail.
	other, err := os.ReadFile(filepath.Join(w.dir, w.id(1)))
	require.NoError(t, err)
	path := filepath.Join(w.dir, w.id(0))
	require.NoError(t, os.WriteFile(path, other, 0o600))
	require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(1, 0)))
	assert.Equal(t, want[1], thumb(s, 0))

	// Another's picture under the name of a thumbnail (a collision, or a hand) is a miss if it is no JPEG.
	require.NoError(t, os.WriteFile(s.thumbs.disk.path(s.thumbs.disk.order.Front().Value.(diskEntry).key), []byte("<script>"), 0o600))
	assert.Equal(t, want[1], thumb(s, 0))
}
