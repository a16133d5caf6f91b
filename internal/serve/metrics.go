package serve

import (
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aladin-go/aladin/internal/lru"
)

// metrics are figures in the text format of Prometheus.
type metrics struct {
	started       time.Time
	inFlight      atomic.Int64
	refreshes     atomic.Uint64
	refreshErrors atomic.Uint64
	panics        atomic.Uint64
	stages        [stages]histogram

	mu       sync.Mutex
	requests map[requestKey]*histogram
}

type requestKey struct {
	route string
	code  int
}

func newMetrics() *metrics {
	return &metrics{started: time.Now(), requests: make(map[requestKey]*histogram)}
}

// request counts an answer. Routes are patterns, so there are few of them.
func (m *metrics) request(route string, code int, d time.Duration) {
	m.mu.Lock()
	k := requestKey{route, code}
	h := m.requests[k]
	if h == nil {
		h = new(histogram)
		m.requests[k] = h
	}
	m.mu.Unlock()
	h.observe(d)
}

// bounds of histograms in seconds.
var bounds = [...]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// histogram counts durations. Its zero value is empty; it is safe for concurrent use.
type histogram struct {
	counts [len(bounds) + 1]atomic.Uint64
	nanos  atomic.Int64
}

func (h *histogram) observe(d time.Duration) {
	i, _ := slices.BinarySearch(bounds[:], d.Seconds())
	h.counts[i].Add(1)
	h.nanos.Add(int64(d))
}

func (h *histogram) write(w io.Writer, name, labels string) {
	var sum uint64
	for i := range h.counts {
		sum += h.counts[i].Load()
		le := math.Inf(1)
		if i < len(bounds) {
			le = bounds[i]
		}
		fmt.Fprintf(w, "%s_bucket{%s,le=%q} %d\n", name, labels, formatLE(le), sum)
	}
	fmt.Fprintf(w, "%s_sum{%s} %g\n%s_count{%s} %d\n", name, labels, time.Duration(h.nanos.Load()).Seconds(), name, labels, sum)
}

func formatLE(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// writeMetrics writes all figures.
func (s *Server) writeMetrics(w io.Writer) {
	m := s.metrics
	head := func(name, kind, help string) { fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }
	one := func(name, kind, help string, v any) {
		head(name, kind, help)
		fmt.Fprintf(w, "%s %v\n", name, v)
	}
	m.mu.Lock()
	requests := maps.Clone(m.requests)
	m.mu.Unlock()
	keys := slices.SortedFunc(maps.Keys(requests), func(a, b requestKey) int {
		if a.route != b.route {
			if a.route < b.route {
				return -1
			}
			return 1
		}
		return a.code - b.code
	})
	head("aladin_http_request_seconds", "histogram", "Time to answer a request, by route and status.")
	for _, k := range keys {
		requests[k].write(w, "aladin_http_request_seconds", fmt.Sprintf("route=%q,code=\"%d\"", k.route, k.code))
	}
	head("aladin_search_stage_seconds", "histogram", "Time that the stages of a search took.")
	for i := range m.stages {
		m.stages[i].write(w, "aladin_search_stage_seconds", fmt.Sprintf("stage=%q", stageNames[i]))
	}
	one("aladin_http_requests_in_flight", "gauge", "Requests being answered.", m.inFlight.Load())
	one("aladin_searches_running", "gauge", "Searches that hold a slot.", len(s.gate.slots))
	one("aladin_searches_waiting", "gauge", "Searches that wait for a slot.", s.gate.waiting.Load())
	one("aladin_searches_refused_total", "counter", "Searches sent away because the server was busy.", s.gate.refused.Load())
	info := s.info.Load()
	one("aladin_index_items", "gauge", "Items in the index.", info.Items)
	one("aladin_index_bytes", "gauge", "Size of the index file.", info.Bytes)
	one("aladin_index_generation", "gauge", "Commit of the index that is served.", info.Generation)
	one("aladin_index_refreshes_total", "counter", "Times that the server moved on to a newer commit.", m.refreshes.Load())
	one("aladin_index_refresh_errors_total", "counter", "Times that it could not.", m.refreshErrors.Load())
	caches := []struct {
		name string
		lru.Stats
	}{{"photos", s.uploads.Stats()}, {"thumbs", s.thumbs.memory.Stats()}, {"sizes", s.photos.sizes.Stats()}}
	for _, f := range []struct {
		name, kind, help string
		of               func(lru.Stats) any
	}{
		{"bytes", "gauge", "Memory of a cache.", func(c lru.Stats) any { return c.Size }},
		{"entries", "gauge", "Entries of a cache.", func(c lru.Stats) any { return c.Entries }},
		{"hits_total", "counter", "Look-ups that a cache answered.", func(c lru.Stats) any { return c.Hits }},
		{"misses_total", "counter", "Look-ups that it did not.", func(c lru.Stats) any { return c.Misses }},
	} {
		head("aladin_cache_"+f.name, f.kind, f.help)
		for _, c := range caches {
			fmt.Fprintf(w, "aladin_cache_%s{cache=%q} %v\n", f.name, c.name, f.of(c.Stats))
		}
	}
	one("aladin_panics_total", "counter", "Requests that met a bug.", m.panics.Load())
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	one("go_goroutines", "gauge", "Goroutines.", runtime.NumGoroutine())
	one("go_memstats_heap_alloc_bytes", "gauge", "Heap in use.", mem.HeapAlloc)
	one("go_memstats_sys_bytes", "gauge", "Memory obtained from the system by Go.", mem.Sys)
	one("go_gc_cycles_total", "counter", "Garbage collections.", mem.NumGC)
	one("process_start_time_seconds", "gauge", "When the server was made, since 1970.", fmt.Sprintf("%.3f", float64(m.started.UnixMilli())/1e3))
}
