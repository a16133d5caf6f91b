package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/scenes"
)

// Variables of the load test, which is for people who want figures:
//
//	ALADIN_LOAD=20s go test -run TestLoad -v ./internal/serve
//
// With ALADIN_LOAD_URL it loads a server on this machine that runs already.
const (
	loadTime = "ALADIN_LOAD"
	loadURL  = "ALADIN_LOAD_URL"
)

const (
	loadItems   = 20_000
	loadClients = 8
)

// TestLoad searches over the loopback network from several clients, while items
// are added and deleted, and the index is compacted, beside them. No search may
// fail, none may miss the item that only it describes, and memory must not grow.
func TestLoad(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv(loadTime))
	if err != nil || d <= 0 || d > time.Minute {
		t.Skipf("set %s to a time of at most a minute", loadTime)
	}
	if base := os.Getenv(loadURL); base != "" {
		u, err := url.Parse(base)
		require.NoError(t, err)
		require.True(t, net.ParseIP(u.Hostname()).IsLoopback(), "only a server on this machine")
		queries := []string{"a red ball", "two green cubes", "a small yellow cone left of a mug", "three stars on grass", "a striped bottle behind a heart"}
		load(t, d, base, func(i int) (string, string) {
			return fmt.Sprintf("%s, number %d", queries[i%len(queries)], i), "" // none that is remembered
		})
		return
	}
	w := newWorld(t, 20, 64, 0)
	b, err := index.OpenWriter(w.path, nil)
	require.NoError(t, err)
	gen := scenes.New(11, nil)
	for i := range loadItems {
		require.NoError(t, b.Add(context.Background(), index.Item{ID: fmt.Sprintf("scene %06d", i), Encoding: w.model.learn(gen.Describe(i))}))
	}
	for i := range 50 { // what only one query describes
		e, err := w.model.encodeText(t.Context(), fmt.Sprintf("needle%d", i))
		require.NoError(t, err)
		e.Kind, e.Words, e.Text = index.Image, nil, ""
		require.NoError(t, b.Add(context.Background(), index.Item{ID: fmt.Sprintf("needle %d", i), Encoding: e}))
	}
	require.NoError(t, b.Commit(context.Background()))
	s := w.server(t, Options{Limits: Limits{Queue: 1000, Wait: time.Minute}})
	srv := listen(t, s)

	stop, done := make(chan struct{}), make(chan int)
	go func() {
		watch := make(chan struct{})
		go func() { s.Watch(t.Context()); close(watch) }()
		commits := 0
		defer func() { done <- commits }()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
			var err error
			for j := range 100 {
				id := fmt.Sprintf("passing %d", j)
				if n%2 == 0 {
					err = b.Add(context.Background(), index.Item{ID: id, Encoding: w.model.known[(n+j)%20].enc})
				} else {
					err = b.Delete(context.Background(), id)
				}
				if !assert.NoError(t, err) {
					return
				}
			}
			if n%40 == 39 {
				err = b.Compact(t.Context(), nil)
			} else {
				err = b.Commit(context.Background())
			}
			if !assert.NoError(t, err) {
				return
			}
			commits++
		}
	}()
	load(t, d, srv.URL, func(i int) (string, string) {
		return fmt.Sprintf("needle%d", i%50), fmt.Sprintf("needle %d", i%50)
	})
	close(stop)
	commits := <-done
	require.NoError(t, b.Close())
	t.Logf("%d items; %d commits of 100 items beside it, %d refreshes, none failed", s.info.Load().Items, commits, s.metrics.refreshes.Load())
	assert.Zero(t, s.metrics.refreshErrors.Load())
	assert.Positive(t, s.metrics.refreshes.Load())
}

// load sends searches until the time is over and reports what it saw. query gives
// the n-th search and, if known, the id that must come first.
func load(t *testing.T, d time.Duration, base string, query func(int) (q, first string)) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: loadClients}}
	defer client.CloseIdleConnections()
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var mu sync.Mutex
	var times []time.Duration
	var stagesMS = map[string][]float64{}
	run := func(until time.Time) {
		var wg sync.WaitGroup
		for c := range loadClients {
			wg.Go(func() {
				for i := c; time.Now().Before(until); i += loadClients {
					q, first := query(i)
					began := time.Now()
					resp, err := client.Get(base + "/api/search?" + url.Values{"q": {q}, "k": {"20"}}.Encode())
					if !assert.NoError(t, err) {
						return
					}
					body, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					took := time.Since(began)
					var out searchResponse
					if !assert.NoError(t, err) || !assert.Equal(t, 200, resp.StatusCode, string(body)) || !assert.NoError(t, json.Unmarshal(body, &out)) {
						return
					}
					if first != "" && !assert.Equal(t, first, out.Hits[0].ID) {
						return
					}
					mu.Lock()
					times = append(times, took)
					for s, ms := range out.Elapsed {
						stagesMS[s] = append(stagesMS[s], ms)
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
	}
	run(time.Now().Add(d / 5)) // warm up
	mu.Lock()
	times, stagesMS = nil, map[string][]float64{}
	mu.Unlock()
	before := heap()
	began := time.Now()
	run(began.Add(d))
	took := time.Since(began)
	n := len(times)
	require.NotZero(t, n)
	slices.Sort(times)
	p := func(share float64) time.Duration {
		return times[min(n-1, int(share*float64(n)))].Round(10 * time.Microsecond)
	}
	t.Logf("%d clients: %.0f searches/s for %v, none failed; p50 %v, p95 %v, p99 %v, most %v", loadClients, float64(n)/took.Seconds(), took.Round(time.Millisecond), p(.5), p(.95), p(.99), times[n-1])
	for _, s := range stageNames {
		v := stagesMS[s]
		slices.Sort(v)
		t.Logf("  %-8s p50 %.3f ms, p95 %.3f ms", s, v[len(v)/2], v[len(v)*95/100])
	}
	after := heap()
	t.Logf("heap %.1f MB before, %.1f MB after (this process)", float64(before)/1e6, float64(after)/1e6)
	times, stagesMS = nil, nil
	assert.Less(t, after, before+64<<20, "memory grows")
}
