//go:build linux

package indexcmd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/hostile"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/testmodel"
)

// siegeTime is for people who want figures: ALADIN_SIEGE=2m go test -run TestSiege -v ./internal/indexcmd
const siegeTime = "ALADIN_SIEGE"

// TestSiege searches a server from honest clients, first alone, then beside others that send it all that is hostile:
// answers stay right, memory ends where it was, and the server ends when it is told to, while they go on.
func TestSiege(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv(siegeTime))
	if err != nil || d <= 0 || d > 5*time.Minute {
		t.Skipf("set %s to a time of at most five minutes", siegeTime)
	}
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	dir := t.TempDir()
	model, photos, file := filepath.Join(dir, "model"), filepath.Join(dir, "photos"), filepath.Join(dir, "photos.aladin")
	require.NoError(t, testmodel.Write(model, testmodel.Options{}))
	require.NoError(t, scenes.New(1, nil).WriteDir(t.Context(), photos, 0, 200, nil))
	var errs bytes.Buffer
	require.Zero(t, Program.Run(t.Context(), []string{"build", "--model", model, "--images", photos, "--out", file, "--quiet"}, io.Discard, &errs), errs.String())

	lib, err := ort.Library()
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	bin := filepath.Join(dir, "aladin-index")
	require.NoError(t, os.Symlink(self, bin))
	cmd := exec.CommandContext(t.Context(), bin, "serve", file, "--model", model, "--images", photos, "--addr", "127.0.0.1:0", "--thumbs", "none", "--quiet")
	cmd.Env = append(os.Environ(), "ALADIN_ONNXRUNTIME="+lib)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var log bytes.Buffer
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	defer cmd.Process.Kill()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	s := &siege{t: t, base: strings.TrimSpace(line), pid: cmd.Process.Pid, first: map[string]string{}}

	const honest, others = 2, 4
	quiet := max(d/4, 5*time.Second)
	s.search(time.Second, honest) // warm
	alone := s.search(quiet, honest)
	before := s.resident()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	attacks := siegeRequests()
	var wg sync.WaitGroup
	for i := range others {
		wg.Go(func() { s.attack(ctx, attacks, uint64(i)) })
	}
	wg.Go(func() { s.dawdle(ctx) })
	beside := s.search(d/2, honest)
	middle := s.resident()
	beside = (beside + s.search(d/2, honest)) / 2
	after := s.resident()

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	told := time.Now()
	if err := cmd.Wait(); err != nil { // slow connections are still sending
		require.Contains(t, log.String(), "requests were cut off after", "%v", err)
	}
	ended := time.Since(told)
	stop()
	wg.Wait()
	t.Logf("honest searches: %.0f/s alone, %.0f/s beside (%.0f %%); %d hostile requests answered, %d cut, %d slow connections", alone, beside, 100*beside/alone, s.answered.Load(), s.cut.Load(), s.slow.Load())
	t.Logf("resident: %d MiB before, %d MiB in the middle, %d MiB at the end, at most %d MiB; ended %v after SIGTERM", before, middle, after, s.most.Load(), ended.Round(time.Millisecond))
	assert.Zero(t, s.wrong.Load(), "wrong answers")
	assert.Less(t, after, max(middle, before)+96, "MiB: memory grows")
	assert.Positive(t, s.answered.Load())
}

type siege struct {
	t    *testing.T
	base string
	pid  int

	mu    sync.Mutex
	first map[string]string // the answer of each query

	wrong, answered, cut, slow, most atomic.Int64
}

// search asks from n clients and returns the searches a second.
func (s *siege) search(d time.Duration, n int) float64 {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}}
	defer client.CloseIdleConnections()
	var found atomic.Int64
	began := time.Now()
	var wg sync.WaitGroup
	for c := range n {
		wg.Go(func() {
			for i := c; time.Since(began) < d; i += n {
				q := []string{"a red ball", "two green cubes", "a small yellow cone", "three stars on grass", "a striped bottle"}[i%5]
				var resp *http.Response
				var err error
				if i%2 == 0 {
					resp, err = client.Get(s.base + "/api/search?" + url.Values{"q": {q}, "k": {"10"}}.Encode())
				} else {
					resp, err = client.Post(s.base+"/api/search", "application/json", strings.NewReader(fmt.Sprintf(`{"query":%q,"k":10}`, q)))
				}
				if err != nil {
					s.wrong.Add(1)
					s.t.Error(err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode == http.StatusServiceUnavailable { // busy is no wrong answer, and counts as none
					continue
				}
				var out struct{ Hits json.RawMessage }
				if err != nil || resp.StatusCode != 200 || json.Unmarshal(body, &out) != nil || !s.same(q, string(out.Hits)) {
					s.wrong.Add(1)
					s.t.Errorf("%s: %d %v %.300s", q, resp.StatusCode, err, body)
					return
				}
				found.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(found.Load()) / time.Since(began).Seconds()
}

func (s *siege) same(q, hits string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first[q] == "" {
		s.first[q] = hits
	}
	return s.first[q] == hits
}

// resident is the server's memory in MiB.
func (s *siege) resident() int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	require.NoError(s.t, err)
	var rss int64
	for line := range strings.Lines(string(data)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(v, &rss)
		}
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			var most int64
			fmt.Sscan(v, &most)
			s.most.Store(most >> 10)
		}
	}
	return rss >> 10
}

// An attack is a request.
type attack struct {
	method, path, kind string
	body               []byte
	headers            map[string]string
}

// siegeRequests are photos, queries, bodies and headers.
func siegeRequests() (all []attack) {
	for _, c := range hostile.Pictures() {
		data := c.Make()
		if len(data) > 4<<20 {
			continue
		}
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		f, _ := w.CreateFormFile("photo", "photo")
		_, _ = f.Write(data)
		_ = w.Close()
		all = append(all, attack{method: "POST", path: "/api/search", kind: w.FormDataContentType(), body: b.Bytes()})
	}
	for _, body := range []string{
		`{"query":"` + strings.Repeat("-a ", 40_000) + `"}`, `{"parts":[` + strings.Repeat(`{"text":"a"},`, 15_000) + `{}]}`, strings.Repeat("[", 200_000),
		`{"query":"a","k":` + strings.Repeat("9", 100_000) + `}`, `{"query":"a red ball","k":500,"candidates":5000}`, `{"query":"` + strings.Repeat("é", 1000) + `"}`,
		`{"parts":[{"item":"../../etc/passwd"}]}`, `{"query":"a","tags":"` + strings.Repeat("(", 5000) + `"}`, `{"query":"a","tags":"` + strings.Repeat("not ", 5000) + `x"}`,
	} {
		all = append(all, attack{method: "POST", path: "/api/search", kind: "application/json", body: []byte(body)})
	}
	for _, path := range []string{
		"/api/search?q=" + strings.Repeat("-a+", 20_000), "/api/search?like=" + strings.Repeat("x", 100_000), "/api/items/" + strings.Repeat("%2e%2e%2f", 100) + "etc/passwd",
		"/photo/..%2f..%2fetc%2fpasswd", "/photo/%00", "/thumb/" + strings.Repeat("a", 60_000), "/api/items?limit=999999999", "/thumb/x?size=99999999999999999999", "/api/search?k=-1&q=a",
	} {
		all = append(all, attack{method: "GET", path: path})
	}
	all = append(all, attack{method: "GET", path: "/api/search?q=a", headers: map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}},
		attack{method: "GET", path: "/api/search?q=a", headers: map[string]string{"If-None-Match": strings.Repeat(`"a",`, 100_000)}},
		attack{method: "GET", path: "/", headers: map[string]string{"Range": "bytes=" + strings.Repeat("0-1,", 50_000) + "0-1"}},
		attack{method: "GET", path: "/api/info", headers: map[string]string{"Authorization": "Bearer " + strings.Repeat("x", 100_000)}})
	return all
}

// attack sends one request after the other, and hangs up on some.
func (s *siege) attack(ctx context.Context, attacks []attack, seed uint64) {
	client := &http.Client{Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	r := rand.New(rand.NewPCG(seed, 3))
	for ctx.Err() == nil {
		a := attacks[r.IntN(len(attacks))]
		rctx, cancel := ctx, context.CancelFunc(func() {})
		if r.IntN(4) == 0 {
			rctx, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(200))*time.Millisecond)
		}
		req, err := http.NewRequestWithContext(rctx, a.method, s.base+a.path, bytes.NewReader(a.body))
		if err != nil {
			cancel()
			continue
		}
		req.Header.Set("Content-Type", a.kind)
		for k, v := range a.headers {
			req.Header.Set(k, v)
		}
		if resp, err := client.Do(req); err != nil {
			s.cut.Add(1)
			time.Sleep(5 * time.Millisecond) // the server may have ended
		} else {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			s.answered.Add(1)
			if resp.StatusCode >= 500 && resp.StatusCode != http.StatusServiceUnavailable && resp.StatusCode != http.StatusGatewayTimeout {
				s.wrong.Add(1)
				s.t.Errorf("%s %.100s: %d", a.method, a.path, resp.StatusCode)
			}
		}
		cancel()
	}
}

// dawdle opens connections that say little, and slowly.
func (s *siege) dawdle(ctx context.Context) {
	address := strings.TrimPrefix(s.base, "http://")
	var open []net.Conn
	kinds := []string{"application/json", "multipart/form-data; boundary=x"}
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for ctx.Err() == nil {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_, _ = io.WriteString(c, "POST /api/search HTTP/1.1\r\nHost: "+address+"\r\nContent-Type: "+kinds[s.slow.Load()%2]+"\r\nContent-Length: 1000\r\n\r\n{")
			open = append(open, c)
			s.slow.Add(1)
		}
		if len(open) > 200 {
			open[0].Close()
			open = open[1:]
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}
