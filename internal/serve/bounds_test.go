package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Requests that are longer than they may be are refused before they cost anything: memory grows by a small multiple of
// what was sent.
func TestLongRequests(t *testing.T) {
	w := newWorld(t, 3, 64, 0)
	s := w.server(t, Options{})
	asked := 0
	w.model.slow = func(context.Context) error { asked++; return nil }
	repeat := func(what string, n int) string { return strings.TrimSuffix(strings.Repeat(what+",", n), ",") }
	for name, body := range map[string]string{
		"query":               `{"query":"` + strings.Repeat("-a ", 40_000) + `"}`,
		"excluded":            `{"query":"` + strings.Repeat("-a ", 600) + `"}`,
		"parts":               `{"parts":[` + repeat(`{"text":"a"}`, 15_000) + `]}`,
		"empty parts":         `{"parts":[` + repeat(`{}`, 80_000) + `]}`,
		"word weights":        `{"query":"a","word_weights":[` + repeat(`{"start":0,"end":1,"weight":1}`, 8_000) + `]}`,
		"a part's weights":    `{"parts":[{"text":"a","word_weights":[` + repeat(`{"start":0,"end":1,"weight":1}`, 257) + `]}]}`,
		"kinds":               `{"query":"a","kinds":[` + repeat(`"image"`, 20_000) + `]}`,
		"megabytes of parts":  `{"parts":[` + repeat(`{"text":"a"}`, 800_000) + `]}`,
		"megabytes of weight": `{"query":"a","word_weights":[` + repeat(`{"start":0,"end":1,"weight":1}`, 1_000_000) + `]}`,
		"a number":            `{"query":"a","k":` + strings.Repeat("1", 200_000) + `}`,
		"a long number":       `{"query":"a","k":` + strings.Repeat("1", 1<<20) + `}`,
		"a name":              `{"` + strings.Repeat("x", 200_000) + `":1}`,
		"a kind":              `{"query":"a","kinds":["` + strings.Repeat("x", 200_000) + `"]}`,
		"nested":              `{"parts":` + strings.Repeat("[", 100_000) + `}`,
		"blank":               `{"query":"\u200b"}`,
		"a blank part":        `{"parts":[{"text":"\u200b"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			rec := post(t, s, body)
			runtime.ReadMemStats(&after)
			assert.GreaterOrEqual(t, rec.Code, 400)
			assert.Less(t, rec.Code, 500, rec.Body)
			assert.Less(t, rec.Body.Len(), 1500, "what was sent is not sent back")
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))
		})
	}
	assert.LessOrEqual(t, asked, 1, "but for the blank part, nothing was encoded")
	for _, q := range []string{strings.Repeat("-a ", 15_000), strings.Repeat("without a or ", 4_000)} {
		rec := get(s, "/api/search?q="+url.QueryEscape(q))
		assert.Equal(t, http.StatusBadRequest, rec.Code)
	}
	// What is sent as a form's JSON has the same limit, whatever its photos have.
	body, kind := form(t, `{"parts":[`+repeat(`{"text":"a"}`, 100_000)+`]}`, map[string][]byte{"p": make([]byte, 1<<20)})
	r := httptest.NewRequest(http.MethodPost, "/api/search", body)
	r.Header.Set("Content-Type", kind)
	assert.Equal(t, http.StatusRequestEntityTooLarge, call(s, r).Code)
}

// A page of another site can neither read answers nor have the server work for it.
func TestCrossSite(t *testing.T) {
	w := newWorld(t, 3, 64, 0)
	s := w.server(t, Options{Origins: []string{"https://friend.example"}})
	photo := url.PathEscape(w.id(0))
	ask := func(path, site, origin string) int {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		return call(s, r).Code
	}
	for _, path := range []string{"/api/search?q=ball", "/api/items", "/api/items/" + photo, "/api/tags", "/api/info", "/thumb/" + photo, "/photo/" + photo, "/metrics"} {
		for _, tt := range []struct {
			site, origin string
			want         int
		}{
			{"", "", 200}, // no browser
			{"none", "", 200},
			{"same-origin", "", 200},
			{"cross-site", "", 403},
			{"same-site", "", 403},
			{"cross-site", "https://stranger.example", 403},
			{"", "https://stranger.example", 403}, // an old browser
			{"", "http://example.com", 200},
			{"cross-site", "https://friend.example", 200},
		} {
			assert.Equal(t, tt.want, ask(path, tt.site, tt.origin), "%s %+v", path, tt)
		}
	}
	for _, path := range []string{"/", "/page/main.js", "/healthz", "/api/openapi.json"} {
		assert.Equal(t, 200, ask(path, "cross-site", ""), "a link to the page is no harm: %s", path)
	}
}

// Who guesses is slowed down; who knows the token from elsewhere, or has the cookie, is not.
func TestGuesses(t *testing.T) {
	w := newWorld(t, 1, 64, 0)
	s := w.server(t, Options{Token: "correct horse battery"})
	now := time.Unix(1_700_000_000, 0)
	s.guesses.now = func() time.Time { return now }
	ask := func(from, token string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/api/info", nil)
		r.RemoteAddr = from
		r.Header.Set("Authorization", "Bearer "+token)
		return call(s, r)
	}
	for i := range guessBurst {
		assert.Equal(t, 401, ask("192.0.2.1:1000", fmt.Sprint("guess ", i)).Code)
	}
	rec := ask("192.0.2.1:1001", "another")
	assert.Equal(t, 429, rec.Code)
	assert.Equal(t, "1", rec.Header().Get("Retry-After"))
	assert.Equal(t, 429, ask("192.0.2.1:1002", "correct horse battery").Code, "whether a guess was right is not said either")
	assert.Equal(t, 200, ask("192.0.2.2:1000", "correct horse battery").Code)
	r := httptest.NewRequest(http.MethodGet, "/api/info", nil)
	r.RemoteAddr = "192.0.2.1:1003"
	r.AddCookie(&http.Cookie{Name: cookieName, Value: s.cookie})
	assert.Equal(t, 200, call(s, r).Code)
	now = now.Add(guessPause + time.Millisecond)
	assert.Equal(t, 401, ask("192.0.2.1:1004", "one more").Code)
	assert.Equal(t, 429, ask("192.0.2.1:1004", "and another").Code)
	now = now.Add(time.Hour)
	assert.Equal(t, 200, ask("192.0.2.1:1005", "correct horse battery").Code)

	// A network of IPv6 is one address, and so many addresses are remembered, no more.
	for i := range guessBurst {
		assert.Equal(t, 401, ask(fmt.Sprintf("[2001:db8::%d]:80", i), "guess").Code)
	}
	assert.Equal(t, 429, ask("[2001:db8::ffff]:80", "guess").Code)
	for i := range 3 * guessAddresses {
		s.guesses.wrong(addressOf(&http.Request{RemoteAddr: fmt.Sprintf("10.%d.%d.%d:80", i>>16, i>>8&255, i&255)}))
	}
	assert.LessOrEqual(t, len(s.guesses.of), guessAddresses)

	_, err := New(t.Context(), w.collection(t), w.path, &Options{Token: "short"})
	require.ErrorIs(t, err, ErrOptions)
}

// A damaged file is seen in /healthz, and the server recovers when it is put right.
func TestHealth(t *testing.T) {
	w := newWorld(t, 12, 64, 0)
	s := w.server(t, Options{})
	health := func() int { return get(s, "/healthz").Code }
	search := func() int { return get(s, "/api/search?q=ball").Code }
	assert.Equal(t, 200, health())
	good, err := os.ReadFile(w.path)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(w.path, int64(len(good))/2))
	assert.Equal(t, 500, search())
	assert.Equal(t, 503, health())
	_, err = s.Refresh(t.Context())
	require.Error(t, err)
	assert.Equal(t, 503, health())

	require.NoError(t, os.WriteFile(w.path, good, 0o600))
	later := time.Now().Add(time.Minute) // clocks of file systems are coarse
	require.NoError(t, os.Chtimes(w.path, later, later))
	changed, err := s.Refresh(t.Context())
	require.NoError(t, err)
	assert.True(t, changed)
	assert.Equal(t, 200, search())
	assert.Equal(t, 200, health())

	// A failure that has nothing to do with the file is looked into, and forgotten when it is over.
	w.model.slow = func(context.Context) error { return fmt.Errorf("out of memory") }
	assert.Equal(t, 500, search())
	assert.Equal(t, 503, health())
	w.model.slow = nil
	s.health.mu.Lock()
	s.health.probed = time.Time{}
	s.health.mu.Unlock()
	assert.Equal(t, 200, health())

	// What the client does wrong is no failure.
	assert.Equal(t, 400, get(s, "/api/search?q=").Code)
	assert.Equal(t, 404, get(s, "/api/search?like=nobody").Code)
	assert.Equal(t, 200, health())
}

// Photos are received by few at a time: others wait for their turn, and searches by text do not.
func TestForms(t *testing.T) {
	w := newWorld(t, 3, 64, 0)
	s := w.server(t, Options{Limits: Limits{Forms: 1, Wait: time.Millisecond}})
	leave, err := s.forms.enter(t.Context())
	require.NoError(t, err)
	send := func() int {
		body, kind := form(t, `{"query":"ball"}`, nil)
		r := httptest.NewRequest(http.MethodPost, "/api/search", body)
		r.Header.Set("Content-Type", kind)
		return call(s, r).Code
	}
	assert.Equal(t, 503, send())
	assert.Equal(t, 200, post(t, s, `{"query":"ball"}`).Code)
	assert.Equal(t, 200, get(s, "/api/search?q=ball").Code)
	leave()
	assert.Equal(t, 200, send())
}

// Photos that cannot be decoded keep a place of those for photos for a while, and no other's.
func TestBadPhotosRest(t *testing.T) {
	w := newWorld(t, 3, 64, 0)
	s := w.server(t, Options{Limits: Limits{Searches: 2, Wait: time.Millisecond}})
	send := func(photo []byte) int {
		body, kind := form(t, `{}`, map[string][]byte{"photo": photo})
		r := httptest.NewRequest(http.MethodPost, "/api/search", body)
		r.Header.Set("Content-Type", kind)
		return call(s, r).Code
	}
	leave, err := s.sent.enter(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 503, send([]byte("x")), "another photo has the place")
	assert.Equal(t, 200, get(s, "/api/search?q=ball").Code)
	s.rest(leave, time.Now().Add(-time.Hour), errors.New("no photo"))
	assert.Equal(t, 503, send([]byte("x")), "it rests")
	s.sent = newGate(1, 1, time.Minute)
	assert.Equal(t, 415, send([]byte("x")))
	good, err := os.ReadFile(filepath.Join(w.dir, w.id(1)))
	require.NoError(t, err)
	assert.Equal(t, 200, send(good), "the place is free again")
	assert.Equal(t, 200, send(good))
}

// What is said of an error is valid JSON, however it was cut.
func TestProblemIsCut(t *testing.T) {
	rec := httptest.NewRecorder()
	failf(400, "x", "%s", strings.Repeat("é", 400)).write(rec)
	assert.True(t, json.Valid(bytes.TrimSpace(rec.Body.Bytes())))
	assert.Contains(t, rec.Body.String(), "é…")
}
