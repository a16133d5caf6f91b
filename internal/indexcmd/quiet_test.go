//go:build linux

package indexcmd

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/scenes"
)

// A watched machine has a home, a folder for temporary files and a working folder of its own.
type watched struct {
	t                     *testing.T
	home, tmp, work, bin  string
	strace, library, from string
}

// newWatched skips where system calls cannot be watched.
func newWatched(t *testing.T) *watched {
	t.Helper()
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	w := &watched{t: t, home: t.TempDir(), tmp: t.TempDir(), work: t.TempDir(), bin: t.TempDir(), from: filepath.Join(t.TempDir(), "trace")}
	var err error
	if w.strace, err = exec.LookPath("strace"); err == nil {
		err = exec.CommandContext(t.Context(), w.strace, "-D", "-f", "-o", w.from, "true").Run() // ptrace may be forbidden
	}
	if err != nil {
		t.Skipf("system calls cannot be watched: strace: %v", err)
	}
	w.library, err = ort.Library()
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	for _, name := range []string{"aladin-index", "aladin-train", "aladin-eval"} { // TestMain tells by the name what it is
		require.NoError(t, os.Symlink(self, filepath.Join(w.bin, name)))
	}
	return w
}

// command is one that is watched. It is this process's own child, and what watches it is not.
func (w *watched) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	calls := "trace=connect,sendto,sendmsg,sendmmsg,open,openat,openat2,creat,mkdir,mkdirat"
	cmd := exec.CommandContext(ctx, w.strace, append([]string{"-D", "-f", "-qq", "-y", "-s", "300", "-e", calls, "-e", "signal=none", "-o", w.from, filepath.Join(w.bin, name)}, args...)...)
	cmd.Dir = w.work
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.home, "XDG_CACHE_HOME=" + filepath.Join(w.home, "cache"), "TMPDIR=" + w.tmp, "ALADIN_ONNXRUNTIME=" + w.library}
	return cmd
}

func (w *watched) run(name string, args ...string) {
	w.t.Helper()
	out, err := w.command(w.t.Context(), name, args...).CombinedOutput()
	require.NoError(w.t, err, "%s %v: %s", name, args, out)
	w.quiet(name + " " + args[0])
}

var opened = regexp.MustCompile(`\b(open|openat|openat2|creat|mkdir|mkdirat)\((?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"([^"]*)"(?:, ([^)]*))?`)

// quiet looks at what a command did: nothing was sent, and nothing written outside the three folders.
func (w *watched) quiet(what string) {
	w.t.Helper()
	trace, err := os.ReadFile(w.from)
	require.NoError(w.t, err)
	require.Contains(w.t, string(trace), "openat(", "%s: the trace is empty", what)
	for line := range strings.Lines(string(trace)) {
		for _, bad := range []string{"connect(", "sendto(", "sendmsg(", "sendmmsg("} {
			assert.NotContains(w.t, line, bad, what)
		}
		m := opened.FindStringSubmatch(line)
		if m == nil || strings.HasPrefix(m[1], "open") && !strings.Contains(m[4], "O_WRONLY") && !strings.Contains(m[4], "O_RDWR") && !strings.Contains(m[4], "O_CREAT") {
			continue
		}
		path := m[3]
		if !filepath.IsAbs(path) {
			dir := m[2]
			if dir == "" {
				dir = w.work
			}
			path = filepath.Join(dir, path)
		}
		inside := false
		for _, dir := range []string{w.work, w.tmp, filepath.Join(w.home, "cache"), "/dev/null"} {
			inside = inside || path == dir || strings.HasPrefix(path, dir+"/")
		}
		assert.True(w.t, inside, "%s writes to %s", what, line)
	}
	for _, dir := range []string{w.home, w.tmp} {
		entries, err := os.ReadDir(dir)
		require.NoError(w.t, err)
		for _, e := range entries {
			assert.Equal(w.t, filepath.Join(w.home, "cache"), filepath.Join(dir, e.Name()), "%s leaves a file", what)
		}
	}
	entries, err := os.ReadDir(filepath.Join(w.home, "cache"))
	if err == nil {
		for _, e := range entries {
			assert.Equal(w.t, "aladin", e.Name(), "%s leaves a file", what)
		}
	}
}

// No command sends anything, or writes anywhere but where it is told to and in its cache folder.
func TestQuiet(t *testing.T) {
	if testing.Short() {
		t.Skip("trains and builds under strace")
	}
	w := newWatched(t)
	photos := filepath.Join(w.work, "photos")
	require.NoError(t, scenes.New(1, nil).WriteDir(t.Context(), photos, 0, 6, nil))
	for name, text := range map[string]string{
		"patches.json": `{"kind": "patches", "patches": {"size": 16, "patch": 4}, "box_numbers": true}`,
		"tiny.yaml": `encoder: {layers: 1, hidden: 8, heads: 2, ff: 8, mean-pool: true, max-caption: 20, max-regions: 20, min-count: 1}
training: {lr: 0.01, loss-type: matching, loss-weights: [1], contrast: infonce, bs: 10, epochs: 1, alignment-mode: MrCOSw}
`} {
		require.NoError(t, os.WriteFile(filepath.Join(w.work, name), []byte(text), 0o600))
	}
	w.run("aladin-train", "run", "--config", "tiny.yaml", "--regions", "patches.json", "--scenes", "12", "--quiet", "--out", "run")
	w.run("aladin-index", "build", "--model", "run", "--images", "photos", "--out", "photos.aladin", "--quiet")
	w.run("aladin-index", "search", "photos.aladin", "--model", "run", "a red ball")
	w.run("aladin-index", "page", "photos.aladin", "--model", "run", "--images", "photos", "--out", "page.html", "a red ball")
	w.run("aladin-eval", "--model", "run", "--scenes", "6")

	// The server answers, and ends when it is told to.
	cmd := w.command(t.Context(), "aladin-index", "serve", "photos.aladin", "--model", "run", "--images", "photos", "--addr", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var log bytes.Buffer
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	defer cmd.Process.Kill()
	out := bufio.NewReader(stdout)
	url, err := out.ReadString('\n')
	require.NoError(t, err)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, path := range []string{"/", "/api/search?q=a+red+ball", "/api/items?limit=3", "/api/info", "/healthz", "/metrics"} {
		resp, err := client.Get(strings.TrimSpace(url) + path)
		require.NoError(t, err, path)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, 200, resp.StatusCode, path)
	}
	entries, err := os.ReadDir(photos)
	require.NoError(t, err)
	thumbs := 0
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".jpg") || strings.HasSuffix(e.Name(), ".png") {
			resp, err := client.Get(fmt.Sprintf("%s/thumb/%s", strings.TrimSpace(url), e.Name()))
			require.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, 200, resp.StatusCode)
			thumbs++
		}
	}
	assert.Positive(t, thumbs)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	_, _ = io.Copy(io.Discard, out)
	require.NoError(t, cmd.Wait(), log.String())
	w.quiet("aladin-index serve")
}
