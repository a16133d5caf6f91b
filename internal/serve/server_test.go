package serve

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
)

func TestOptions(t *testing.T) {
	w := newWorld(t, 1, 64, 0)
	c := w.collection(t)
	for name, o := range map[string]Options{
		"negative limit": {Limits: Limits{K: -1}}, "no folder": {Images: "/no/such/folder"}, "a file as folder": {Images: w.path},
		"no origin": {Origins: []string{"example.org/path"}}, "a file as cache": {ThumbDir: w.path},
	} {
		_, err := New(t.Context(), c, w.path, &o)
		assert.ErrorIs(t, err, ErrOptions, name)
	}
	_, err := New(t.Context(), &aladin.Collection{Model: &oracle{print: "other"}, Index: c.Index}, w.path, nil)
	assert.ErrorIs(t, err, index.ErrModelMismatch)
}

func TestToken(t *testing.T) {
	w := newWorld(t, 2, 64, 0)
	s := w.server(t, Options{Token: "open sesame, please"})
	clients := 0
	ask := func(path string, set func(*http.Request)) int {
		method := http.MethodGet
		if path == "/api/session" {
			method = http.MethodPost
		}
		r := httptest.NewRequest(method, path, nil)
		clients++ // each guesses once
		r.RemoteAddr = fmt.Sprintf("192.0.2.%d:80", clients)
		set(r)
		return call(s, r).Code
	}
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	none := func(*http.Request) {}
	photo := url.PathEscape(w.id(0))
	for _, path := range []string{"/api/search?q=x", "/api/items", "/api/items/" + photo, "/api/tags", "/api/info", "/api/session", "/thumb/" + photo, "/photo/" + photo, "/metrics"} {
		assert.Equal(t, 401, ask(path, none), path)
		assert.Equal(t, 401, ask(path, bearer("open sesame, pleas")), path)
		assert.Equal(t, 401, ask(path, bearer("")), path)
		assert.Less(t, ask(path, bearer("open sesame, please")), 300, path)
	}
	for _, path := range []string{"/", "/page/main.js", "/healthz", "/api/openapi.json"} {
		assert.Equal(t, 200, ask(path, none), path)
	}
	r := httptest.NewRequest(http.MethodPost, "/api/session", nil)
	bearer("open sesame, please")(r)
	cookies := call(s, r).Result().Cookies()
	require.Len(t, cookies, 1)
	assert.True(t, cookies[0].HttpOnly)
	assert.Equal(t, http.SameSiteStrictMode, cookies[0].SameSite)
	assert.NotContains(t, cookies[0].Value, "sesame")
	assert.Equal(t, 200, ask("/thumb/"+photo, func(r *http.Request) { r.AddCookie(cookies[0]) }))
	assert.Equal(t, 401, ask("/thumb/"+photo, func(r *http.Request) { r.AddCookie(&http.Cookie{Name: cookieName, Value: "x"}) }))
}

func TestHosts(t *testing.T) {
	w := newWorld(t, 1, 64, 0)
	for _, tt := range []struct {
		hosts    []string
		loopback bool
		host     string
		status   int
	}{
		{nil, true, "127.0.0.1:8080", 200}, {nil, true, "localhost", 200}, {nil, true, "[::1]:80", 200}, {nil, true, "evil.example", 421},
		{nil, false, "photos.example", 200},
		{[]string{"photos.example"}, false, "Photos.Example:443", 200}, {[]string{"photos.example"}, false, "evil.example", 421},
		{[]string{"photos.example"}, true, "localhost:80", 200},
	} {
		s := w.server(t, Options{Hosts: tt.hosts})
		s.loopback.Store(tt.loopback)
		r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
		r.Host = tt.host
		assert.Equal(t, tt.status, call(s, r).Code, tt)
	}
}

func TestOrigins(t *testing.T) {
	w := newWorld(t, 1, 64, 0)
	s := w.server(t, Options{Origins: []string{"https://friend.example"}})
	ask := func(method, origin, site string, more ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/api/search", strings.NewReader(`{"query":"ball"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", origin)
		r.Header.Set("Sec-Fetch-Site", site)
		for _, h := range more {
			r.Header.Set(h, "POST")
		}
		return call(s, r)
	}
	friend := ask("POST", "https://friend.example", "cross-site")
	assert.Equal(t, 200, friend.Code)
	assert.Equal(t, "https://friend.example", friend.Header().Get("Access-Control-Allow-Origin"))
	assert.Contains(t, friend.Header().Values("Vary"), "Origin")
	preflight := ask("OPTIONS", "https://friend.example", "cross-site", "Access-Control-Request-Method")
	assert.Equal(t, 204, preflight.Code)
	assert.Contains(t, preflight.Header().Get("Access-Control-Allow-Headers"), "Authorization")
	stranger := ask("POST", "https://stranger.example", "cross-site")
	assert.Equal(t, 403, stranger.Code)
	assert.Empty(t, stranger.Header().Get("Access-Control-Allow-Origin"))
	assert.Empty(t, ask("OPTIONS", "https://stranger.example", "cross-site", "Access-Control-Request-Method").Header().Get("Access-Control-Allow-Origin"))
	assert.Equal(t, 200, ask("POST", "http://example.com", "same-origin").Code)
}

// More searches than slots wait; more than the queue holds are told to come back.
func TestBusy(t *testing.T) {
	w := newWorld(t, 2, 64, 0)
	inside, release := make(chan struct{}, 10), make(chan struct{})
	s := w.server(t, Options{Limits: Limits{Searches: 1, Queue: 1, Wait: time.Minute}})
	w.model.slow = func(ctx context.Context) error {
		inside <- struct{}{}
		<-release
		return nil
	}
	codes := make(chan int, 2)
	search := func() { codes <- get(s, "/api/search?q=ball").Code }
	go search()
	<-inside // one runs
	go search()
	require.Eventually(t, func() bool { return s.gate.waiting.Load() == 1 }, 10*time.Second, time.Millisecond)
	third := get(s, "/api/search?q=ball")
	assert.Equal(t, 503, third.Code)
	assert.Equal(t, "1", third.Header().Get("Retry-After"))
	assert.Equal(t, 200, get(s, "/healthz").Code, "others are answered")
	close(release)
	assert.Equal(t, 200, <-codes)
	assert.Equal(t, 200, <-codes)
	assert.Contains(t, get(s, "/metrics").Body.String(), "aladin_searches_refused_total 1")

	// Waiting ends too, and with the client.
	g := newGate(1, 5, time.Millisecond)
	leave, err := g.enter(t.Context())
	require.NoError(t, err)
	_, err = g.enter(t.Context())
	var p *problem
	require.ErrorAs(t, err, &p)
	assert.Equal(t, 503, p.Status)
	g.wait = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = g.enter(ctx)
	assert.ErrorIs(t, err, context.Canceled)
	leave()
}

func TestTimeoutAndPanic(t *testing.T) {
	w := newWorld(t, 2, 64, 0)
	var log bytes.Buffer
	s := w.server(t, Options{Limits: Limits{Timeout: time.Millisecond}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	w.model.slow = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	assert.Equal(t, http.StatusGatewayTimeout, get(s, "/api/search?q=ball").Code)
	s = w.server(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	w.model.slow = func(context.Context) error { panic("a bug") }
	rec := get(s, "/api/search?q=ball")
	assert.Equal(t, 500, rec.Code)
	assert.NotContains(t, rec.Body.String(), "a bug")
	assert.Contains(t, log.String(), "a bug")
	w.model.slow = func(context.Context) error { return errors.New("private particulars") }
	rec = get(s, "/api/search?q=ball")
	assert.Equal(t, 500, rec.Code)
	assert.NotContains(t, rec.Body.String(), "private")
	assert.Contains(t, log.String(), "private particulars")
	w.model.slow = nil
	assert.Equal(t, 200, get(s, "/api/search?q=ball").Code, "its slot is free again")
}

func TestLogs(t *testing.T) {
	w := newWorld(t, 2, 64, 0)
	for _, queries := range []bool{false, true} {
		var log bytes.Buffer
		s := w.server(t, Options{Logger: slog.New(slog.NewJSONHandler(&log, nil)), LogQueries: queries})
		get(s, "/api/search?q=diary")
		assert.Contains(t, log.String(), `"route":"GET /api/search","status":200`)
		assert.Equal(t, queries, strings.Contains(log.String(), "diary"))
	}
}

// The exposition is one that Prometheus reads: each metric declared once, before
// its samples, which stand together.
func TestMetrics(t *testing.T) {
	w := newWorld(t, 2, 64, 0)
	s := w.server(t, Options{})
	get(s, "/api/search?q=ball")
	get(s, "/nowhere")
	sample := regexp.MustCompile(`^([a-z_]+?)(_bucket|_sum|_count)?(\{(?:[a-z]+="(?:[^"\\]|\\.)*",?)+\})? ([0-9.e+-]+|\+Inf)$`)
	kinds := map[string]string{}
	var current string
	sc := bufio.NewScanner(get(s, "/metrics").Body)
	for sc.Scan() {
		line := sc.Text()
		if f := strings.Fields(line); f[0] == "#" {
			if f[1] == "TYPE" {
				require.NotContains(t, kinds, f[2])
				current, kinds[f[2]] = f[2], f[3]
			}
			continue
		}
		m := sample.FindStringSubmatch(line)
		require.NotNil(t, m, line)
		name := m[1]
		if kinds[current] != "histogram" {
			name += m[2]
		}
		assert.Equal(t, current, name, line)
	}
	body := get(s, "/metrics").Body.String()
	assert.Contains(t, body, `aladin_http_request_seconds_count{route="GET /api/search",code="200"} 1`)
	assert.Contains(t, body, `aladin_http_request_seconds_count{route="none",code="404"} 1`)
	assert.Contains(t, body, `aladin_search_stage_seconds_count{stage="align"} 1`)
}

// A commit shows up by itself, and by Refresh; a damaged file leaves what was
// there before.
func TestRefresh(t *testing.T) {
	w := newWorld(t, 3, 64, 0)
	s := w.server(t, Options{Poll: time.Hour})
	tag := get(s, "/api/info").Header().Get("ETag")
	addItems(t, w, "new.png")
	changed, err := s.Refresh(t.Context())
	require.NoError(t, err)
	assert.True(t, changed)
	assert.Equal(t, 4, s.info.Load().Items)
	assert.NotEqual(t, tag, get(s, "/api/info").Header().Get("ETag"), "answers kept by clients are no longer right")
	assert.Equal(t, 200, get(s, "/api/items/new.png").Code)
	changed, err = s.Refresh(t.Context())
	require.NoError(t, err)
	assert.False(t, changed)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Watch(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	for i := range 3 {
		addItems(t, w, fmt.Sprintf("watched %d.png", i))
		want := 5 + i
		require.Eventually(t, func() bool { return s.info.Load().Items == want }, 20*time.Second, 20*time.Millisecond)
	}
}

// Searches go on while items come and go: none fails, and none shows what is not
// there.
func TestSearchesWhileTheIndexChanges(t *testing.T) {
	w := newWorld(t, 12, 64, 0)
	s := w.server(t, Options{Limits: Limits{Searches: 4}})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var searches, wrong atomic.Int64
	i, o := findObject(w)
	query := "/api/search?" + url.Values{"q": {"a " + o.Colour.String() + " " + o.Noun()}, "k": {"12"}}.Encode()
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				rec := get(s, query)
				if rec.Code != 200 || !strings.Contains(rec.Body.String(), fmt.Sprintf(`"hits":[{"rank":1,"id":%q`, w.id(i))) {
					wrong.Add(1)
					t.Errorf("%d %.200s", rec.Code, rec.Body)
				}
				searches.Add(1)
			}
		})
	}
	b, err := index.OpenWriter(w.path, nil)
	require.NoError(t, err)
	for n := range 25 {
		for j := range 6 { // in the way of every search: each commit takes away what the last gave
			id := fmt.Sprintf("passing %d", j)
			if n%2 == 0 {
				require.NoError(t, b.Add(context.Background(), index.Item{ID: id, Encoding: w.model.known[(i+1)%12].enc}))
			} else {
				require.NoError(t, b.Delete(context.Background(), id))
			}
		}
		require.NoError(t, b.Commit(context.Background()))
		_, err := s.Refresh(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, b.Compact(t.Context(), nil))
	_, err = s.Refresh(t.Context())
	require.NoError(t, err)
	close(stop)
	wg.Wait()
	require.NoError(t, b.Close())
	assert.Positive(t, searches.Load())
	assert.Zero(t, wrong.Load())
}

// Stopping lets requests finish, refuses new ones, and leaves nothing behind.
func TestStop(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	w := newWorld(t, 2, 64, 0)
	ix, err := index.Open(w.path, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, ix.Close()) }()
	s, err := New(t.Context(), &aladin.Collection{Model: w.model, Index: ix}, w.path, &Options{Images: w.dir})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	inside, release := make(chan struct{}), make(chan struct{})
	w.model.slow = func(context.Context) error { close(inside); <-release; return nil }
	ctx, cancel := context.WithCancel(t.Context())
	watched, served := make(chan struct{}), make(chan error, 1)
	go func() { s.Watch(ctx); close(watched) }()
	go func() { served <- s.Serve(ctx, ln) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answered := make(chan string, 1)
	go func() {
		resp, err := client.Get("http://" + ln.Addr().String() + "/api/search?q=ball")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		answered <- resp.Status
	}()
	<-inside
	cancel()
	require.Eventually(t, s.stopping.Load, 10*time.Second, time.Millisecond)
	assert.Equal(t, 503, get(s, "http://localhost/healthz").Code)
	close(release)
	assert.Equal(t, "200 OK", <-answered)
	assert.NoError(t, <-served)
	<-watched
	assert.True(t, s.loopback.Load())
}

// One that does not finish in time is cut off, and Serve says so.
func TestStopTimeout(t *testing.T) {
	w := newWorld(t, 2, 64, 0)
	s := w.server(t, Options{StopTimeout: 10 * time.Millisecond})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	inside := make(chan struct{})
	w.model.slow = func(ctx context.Context) error { close(inside); <-ctx.Done(); return ctx.Err() }
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln) }()
	go func() {
		if resp, err := http.Get("http://" + ln.Addr().String() + "/api/search?q=ball"); err == nil {
			resp.Body.Close()
		}
	}()
	<-inside
	cancel()
	assert.ErrorContains(t, <-served, "cut off")
}

// An index without regions is searched by matching alone.
func TestIndexWithoutRegions(t *testing.T) {
	w := newWorld(t, 4, 64, 0)
	path := w.path + ".small"
	b, err := index.NewBuilder(path, &index.BuildOptions{Regions: index.None})
	require.NoError(t, err)
	for i := range w.scenes {
		require.NoError(t, b.Add(context.Background(), index.Item{ID: w.id(i), Encoding: w.model.known[i].enc}))
	}
	require.NoError(t, b.Finish(context.Background()))
	ix, err := index.Open(path, nil)
	require.NoError(t, err)
	defer ix.Close()
	s, err := New(t.Context(), &aladin.Collection{Model: w.model, Index: ix}, path, nil)
	require.NoError(t, err)
	defer s.Close()
	rec := get(s, "/api/search?q=ball")
	require.Equal(t, 200, rec.Code, rec.Body)
	out := decode[searchResponse](t, rec.Body.Bytes())
	assert.False(t, out.Aligned)
	assert.Len(t, out.Hits, 4)
	readDocument(t).validate(t, "/components/schemas/SearchResponse", rec.Body.Bytes())
}
