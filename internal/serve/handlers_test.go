package serve

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"image"
	_ "image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// form makes the body of a search with photos.
func form(t testing.TB, request string, photos map[string][]byte) (io.Reader, string) {
	t.Helper()
	var buf bytes.Buffer
	m := multipart.NewWriter(&buf)
	if request != "" {
		require.NoError(t, m.WriteField("request", request))
	}
	for name, data := range photos {
		w, err := m.CreateFormFile(name, name)
		require.NoError(t, err)
		_, err = w.Write(data)
		require.NoError(t, err)
	}
	require.NoError(t, m.Close())
	return &buf, m.FormDataContentType()
}

func post(t testing.TB, s *Server, request string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/api/search", strings.NewReader(request))
	r.Header.Set("Content-Type", "application/json")
	return call(s, r)
}

func TestHandlers(t *testing.T) {
	w := newWorld(t, 12, 64, 2)
	s := w.server(t, Options{Limits: Limits{K: 20, Candidates: 100, TextBytes: 200, Parts: 3, BodyBytes: 64 << 10}})
	doc := readDocument(t)
	photo, err := os.ReadFile(filepath.Join(w.dir, w.id(3)))
	require.NoError(t, err)
	id := url.PathEscape(w.id(0)) // in a folder, with a space, a letter beyond ASCII and a percent sign
	long := strings.Repeat("word ", 50)
	json := func(body string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/api/search", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		return r
	}
	multi := func(request string, photos map[string][]byte) *http.Request {
		body, kind := form(t, request, photos)
		r := httptest.NewRequest(http.MethodPost, "/api/search", body)
		r.Header.Set("Content-Type", kind)
		return r
	}
	at := func(url string) *http.Request { return httptest.NewRequest(http.MethodGet, url, nil) }
	for _, tt := range []struct {
		name   string
		r      *http.Request
		status int
		body   string // part of the answer
	}{
		{"text", at("/api/search?q=a+red+ball&k=3"), 200, `"hits":[{"rank":1,`},
		{"like", at("/api/search?like=" + url.QueryEscape(w.id(1))), 200, `"kind":"item"`},
		{"likes", at("/api/search?like=" + url.QueryEscape(w.id(1)) + "&like=" + url.QueryEscape(w.id(2))), 200, `"kind":"item"`},
		{"tags", at("/api/search?q=ball&tags=" + url.QueryEscape(`not "on grass"`)), 200, `"hits"`},
		{"tag twice", at("/api/search?q=ball&tag=red&tag=blue&tags=green+or+red"), 200, `"hits"`},
		{"no hit", at("/api/search?q=ball&tag=nothing"), 200, `"hits":[]`},
		{"captions", at("/api/search?q=ball&kind=caption"), 200, `"kind":"caption"`},
		{"unexplained", at("/api/search?q=ball&explain=false"), 200, `"aligned":true`},
		{"json", json(`{"query":"a ball without grass","word_weights":[{"start":2,"end":6,"weight":2}],"k":2,"exact":true}`), 200, `"weight":-0.7`},
		{"parts", json(fmt.Sprintf(`{"parts":[{"text":"ball"},{"item":%q,"weight":-0.5}]}`, w.id(2))), 200, `"weight":-0.5`},
		{"photo", multi("", map[string][]byte{"p": photo}), 200, `"photo":"sha256:`},
		{"photo and text", multi(`{"query":"red","parts":[{"photo":"p","weight":0.5}]}`, map[string][]byte{"p": photo}), 200, `"weight":0.5`},

		{"nothing", at("/api/search"), 400, "nothing to search for"},
		{"blank", at("/api/search?q=++"), 400, "nothing to search for"},
		{"unknown parameter", at("/api/search?q=x&limit=3"), 400, `unknown parameter`},
		{"twice", at("/api/search?q=x&q=y"), 400, "2 times"},
		{"k 0", at("/api/search?q=x&k=0"), 400, `no value`},
		{"k too large", at("/api/search?q=x&k=21"), 400, "1 to 20"},
		{"k negative", json(`{"query":"x","k":-1}`), 400, "1 to 20"},
		{"offset too large", at("/api/search?q=x&k=10&offset=11"), 400, "at most 20"},
		{"negative offset", at("/api/search?q=x&offset=-1"), 400, "offset"},
		{"candidates too large", at("/api/search?q=x&candidates=101"), 400, "1 to 100"},
		{"bad tags", at("/api/search?q=x&tags=a+and"), 400, "expected a tag"},
		{"long tags", json(`{"query":"x","tags":"` + strings.Repeat("a", 5000) + `"}`), 400, "at most 4096"},
		{"bad kind", at("/api/search?q=x&kind=video"), 400, "neither image nor caption"},
		{"bad bool", at("/api/search?q=x&exact=maybe"), 400, "no value"},
		{"long text", json(`{"query":"` + long + `"}`), 400, "at most 200"},
		{"not UTF-8", at("/api/search?q=%ff"), 400, "UTF-8"},
		{"unknown field", json(`{"query":"x","limit":3}`), 400, "limit"},
		{"not JSON", json(`{"query":`), 400, "JSON"},
		{"two documents", json(`{"query":"x"}{}`), 400, "something follows"},
		{"too many parts", json(`{"query":"a","parts":[{"text":"b"},{"text":"c"},{"text":"d"}]}`), 400, "at most 3"},
		{"empty part", json(`{"parts":[{}]}`), 400, "exactly one"},
		{"double part", json(`{"parts":[{"text":"a","item":"b"}]}`), 400, "exactly one"},
		{"weight 0", json(`{"parts":[{"text":"a","weight":0}]}`), 400, "not 0"},
		{"weight 11", json(`{"parts":[{"text":"a","weight":11}]}`), 400, "between"},
		{"bad word weight", json(`{"query":"a","word_weights":[{"start":1,"end":1,"weight":1}]}`), 400, "start"},
		{"words of a photo", json(fmt.Sprintf(`{"parts":[{"item":%q,"word_weights":[{"start":0,"end":1,"weight":1}]}]}`, w.id(0))), 400, "only a text"},
		{"word weights alone", json(`{"word_weights":[{"start":0,"end":1,"weight":1}]}`), 400, "without a query"},
		{"cancelled out", json(`{"parts":[{"text":"a ball"},{"text":"a ball","weight":-1}]}`), 400, "cancel"},
		{"photo that was not sent", json(`{"parts":[{"photo":"p"}]}`), 400, "no photo"},
		{"photo forgotten", json(`{"parts":[{"photo":"sha256:` + strings.Repeat("0", 64) + `"}]}`), 410, "send it again"},
		{"no picture", multi("", map[string][]byte{"p": []byte("<svg/>")}), 415, "not_a_photo"},
		{"cut picture", multi("", map[string][]byte{"p": photo[:len(photo)/2]}), 415, "not_a_photo"},
		{"content type", httptest.NewRequest(http.MethodPost, "/api/search", strings.NewReader("q=x")), 415, "application/json"},
		{"unknown item", at("/api/search?like=nobody"), 404, "nobody"},
		{"large body", json(`{"query":"` + strings.Repeat("a", 70<<10) + `"}`), 413, "65536"},
		{"large form", multi("", map[string][]byte{"p": make([]byte, 70<<10)}), 413, "65536"},

		{"item", at("/api/items/" + id), 200, `"regions":[{"region":0,`},
		{"item with slashes", at("/api/items/" + strings.ReplaceAll(id, "%2F", "/")), 200, `"kind":"image"`},
		{"caption", at("/api/items/" + url.PathEscape(w.id(0)+"#0")), 200, `"words":[`},
		{"no item", at("/api/items/nobody"), 404, "not_found"},
		{"items", at("/api/items?limit=5"), 200, `"items":[{"id":`},
		{"items, too many", at("/api/items?limit=61"), 400, "1 to 60"},
		{"items, unknown parameter", at("/api/items?n=3"), 400, "unknown parameter"},
		{"tags", at("/api/tags"), 200, `"counted":22`},
		{"tags, limit", at("/api/tags?limit=x"), 400, "limit"},
		{"info", at("/api/info"), 200, `"k":20`},
		{"session", httptest.NewRequest(http.MethodPost, "/api/session", nil), 204, ""},
		{"document", at("/api/openapi.json"), 200, `"openapi": "3.1.0"`},
		{"thumb", at("/thumb/" + id + "?size=160"), 200, "\xff\xd8\xff"},
		{"thumb of a caption", at("/thumb/" + url.PathEscape(w.id(0)+"#1")), 200, "\xff\xd8\xff"},
		{"thumb size", at("/thumb/" + id + "?size=161"), 400, "one of"},
		{"no thumb", at("/thumb/nobody"), 404, "not_found"},
		{"photo", at("/photo/" + id), 200, "\x89PNG"},
		{"metrics", at("/metrics"), 200, "aladin_index_items 22"},
		{"health", at("/healthz"), 200, "ok"},
		{"page", at("/"), 200, "<!doctype html>"},
		{"script", at("/page/main.js"), 200, "import"},
		{"no asset", at("/page/nothing.js"), 404, "not_found"},
		{"nowhere", at("/nowhere"), 404, "not_found"},
		{"method", httptest.NewRequest(http.MethodDelete, "/api/info", nil), 405, "method"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := call(s, tt.r)
			require.Equal(t, tt.status, rec.Code, rec.Body)
			assert.Contains(t, rec.Body.String(), tt.body)
			assert.Equal(t, policy, rec.Header().Get("Content-Security-Policy"))
			assert.Equal(t, "nosniff", rec.Header().Get("X-Content-Type-Options"))
			assert.Empty(t, rec.Header().Get("Access-Control-Allow-Origin"))
			if rec.Code >= 400 {
				assert.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"))
				doc.validate(t, "/components/schemas/Problem", rec.Body.Bytes())
			}
			doc.conform(t, s, tt.r, rec)
		})
	}
}

func TestWordWeights(t *testing.T) {
	w := newWorld(t, 12, 64, 0)
	s := w.server(t, Options{})
	one := decode[searchResponse](t, post(t, s, `{"query":"red ball"}`).Body.Bytes())
	more := decode[searchResponse](t, post(t, s, `{"query":"red ball","word_weights":[{"start":4,"end":8,"weight":3}]}`).Body.Bytes())
	none := decode[searchResponse](t, post(t, s, `{"query":"red ball","word_weights":[{"start":4,"end":8,"weight":0}]}`).Body.Bytes())
	words := func(r searchResponse) map[string]float32 {
		out := map[string]float32{}
		for _, m := range r.Hits[0].Words {
			out[m.Word] = m.Weight
		}
		return out
	}
	assert.Equal(t, map[string]float32{"red": 1, "ball": 1}, words(one))
	assert.Equal(t, map[string]float32{"red": 1, "ball": 3}, words(more))
	assert.Equal(t, map[string]float32{"red": 1}, words(none))
}

// The score of a sum is the sum of scores, and what a hit says adds up to it.
func TestScoresAddUp(t *testing.T) {
	w := newWorld(t, 12, 64, 3)
	s := w.server(t, Options{})
	rec := post(t, s, fmt.Sprintf(`{"query":"a red ball without grass","parts":[{"item":%q,"weight":0.5}],"k":12,"candidates":50}`, w.id(1)))
	require.Equal(t, 200, rec.Code, rec.Body)
	out := decode[searchResponse](t, rec.Body.Bytes())
	require.Len(t, out.Parts, 3)
	require.NotEmpty(t, out.Hits)
	for i, h := range out.Hits {
		var sum float32
		for _, m := range h.Words {
			sum += m.Weight * m.Similarity
		}
		assert.InDelta(t, h.Align, sum, 1e-3, h.ID)
		assert.Equal(t, i+1, h.Rank)
		if i > 0 {
			assert.LessOrEqual(t, h.Align, out.Hits[i-1].Align)
		}
		assert.NotEqual(t, w.id(1), h.ID)
	}
}

// A photo is sent once; later searches name it.
func TestPhotoIsRemembered(t *testing.T) {
	w := newWorld(t, 12, 64, 3)
	s := w.server(t, Options{})
	photo, err := os.ReadFile(filepath.Join(w.dir, w.id(2)))
	require.NoError(t, err)
	body, kind := form(t, `{"parts":[{"photo":"mine"}],"kinds":["image"]}`, map[string][]byte{"mine": photo})
	r := httptest.NewRequest(http.MethodPost, "/api/search", body)
	r.Header.Set("Content-Type", kind)
	first := decode[searchResponse](t, call(s, r).Body.Bytes())
	require.Equal(t, w.id(2), first.Hits[0].ID)
	name := first.Parts[0].Photo
	require.Equal(t, photoName(photo), name)
	require.NotEmpty(t, first.Hits[0].Words)
	for _, m := range first.Hits[0].Words {
		require.NotNil(t, m.From)
		assert.InDeltaSlice(t, m.Box[:], m.From[:], 1e-4, "the photo itself: what it shows is where it is")
	}
	captions := decode[searchResponse](t, post(t, s, fmt.Sprintf(`{"parts":[{"photo":%q}],"kinds":["caption"]}`, name)).Body.Bytes())
	require.NotEmpty(t, captions.Hits)
	assert.True(t, strings.HasPrefix(captions.Hits[0].ID, w.id(2)+"#"), captions.Hits[0].ID)
	assert.NotEmpty(t, captions.Hits[0].Words[0].Word)
	assert.Nil(t, captions.Hits[0].Words[0].From)
}

func TestModelWithoutPhotos(t *testing.T) {
	w := newWorld(t, 3, 64, 0)
	w.model.textOnly = true
	s := w.server(t, Options{})
	photo, err := os.ReadFile(filepath.Join(w.dir, w.id(1)))
	require.NoError(t, err)
	body, kind := form(t, "", map[string][]byte{"p": photo})
	r := httptest.NewRequest(http.MethodPost, "/api/search", body)
	r.Header.Set("Content-Type", kind)
	rec := call(s, r)
	assert.Equal(t, http.StatusNotImplemented, rec.Code)
	assert.Contains(t, rec.Body.String(), "no_photo_queries")
}

func TestETags(t *testing.T) {
	w := newWorld(t, 6, 64, 0)
	s := w.server(t, Options{})
	for _, url := range []string{"/api/search?q=ball", "/api/info", "/api/tags", "/api/items", "/api/items/" + url.PathEscape(w.id(0)), "/api/openapi.json",
		"/thumb/" + url.PathEscape(w.id(0)), "/photo/" + url.PathEscape(w.id(0)), "/", "/page/base.css"} {
		first := get(s, url)
		require.Equal(t, 200, first.Code, url)
		tag := first.Header().Get("ETag")
		require.NotEmpty(t, tag, url)
		r := httptest.NewRequest(http.MethodGet, url, nil)
		r.Header.Set("If-None-Match", `"other", `+tag)
		again := call(s, r)
		assert.Equal(t, http.StatusNotModified, again.Code, url)
		assert.Zero(t, again.Body.Len(), url)
	}
	a, b := get(s, "/api/search?q=ball").Header().Get("ETag"), get(s, "/api/search?q=balls").Header().Get("ETag")
	assert.NotEqual(t, a, b)
}

func TestGzip(t *testing.T) {
	w := newWorld(t, 12, 64, 0)
	s := w.server(t, Options{})
	for url, packed := range map[string]bool{"/": true, "/api/search?q=ball": true, "/page/main.js": true, "/thumb/" + url.PathEscape(w.id(0)): false, "/healthz": false} {
		r := httptest.NewRequest(http.MethodGet, url, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		rec := call(s, r)
		require.Equal(t, 200, rec.Code, url)
		require.Equal(t, packed, rec.Header().Get("Content-Encoding") == "gzip", url)
		if packed {
			z, err := gzip.NewReader(rec.Body)
			require.NoError(t, err)
			got, err := io.ReadAll(z)
			require.NoError(t, err)
			if plain := get(s, url).Body.Bytes(); !json.Valid(plain) {
				assert.Equal(t, plain, got)
			}
		}
	}
}

func TestThumbnailSizes(t *testing.T) {
	w := newWorld(t, 2, 400, 0)
	s := w.server(t, Options{})
	for _, side := range thumbWidths {
		rec := get(s, fmt.Sprintf("/thumb/%s?size=%d", url.PathEscape(w.id(1)), side))
		c, kind, err := image.DecodeConfig(rec.Body)
		require.NoError(t, err)
		assert.Equal(t, "jpeg", kind)
		assert.Equal(t, min(side, 400), c.Width, "smaller photos are not blown up")
	}
}

func TestRange(t *testing.T) {
	w := newWorld(t, 2, 64, 0)
	s := w.server(t, Options{})
	r := httptest.NewRequest(http.MethodGet, "/photo/"+url.PathEscape(w.id(1)), nil)
	r.Header.Set("Range", "bytes=1-3")
	rec := call(s, r)
	assert.Equal(t, http.StatusPartialContent, rec.Code)
	assert.Equal(t, "PNG", rec.Body.String())
}
