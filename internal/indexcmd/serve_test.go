package indexcmd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/testmodel"
)

// lockedBuffer is written by the server and read by the test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startServe runs the verb and returns its address, its log, and what stops it and
// returns its exit code.
func startServe(t *testing.T, args ...string) (url string, log *lockedBuffer, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	log = &lockedBuffer{}
	code := make(chan int, 1)
	go func() {
		code <- Program.Run(ctx, append([]string{"serve", "--addr", "127.0.0.1:0", "--thumbs", "none"}, args...), w, log)
		w.Close()
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err, log.String())
	go func() { _, _ = io.Copy(io.Discard, r) }()
	stop = sync.OnceValue(func() int { cancel(); return <-code })
	t.Cleanup(func() { stop() })
	return strings.TrimSpace(line), log, stop
}

func ask(t *testing.T, url string, v any) int {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	if v != nil {
		require.NoError(t, json.Unmarshal(body, v), string(body))
	}
	return resp.StatusCode
}

func TestServe(t *testing.T) {
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	dir := t.TempDir()
	model, photos, file := filepath.Join(dir, "model"), filepath.Join(dir, "photos"), filepath.Join(dir, "photos.aladin")
	require.NoError(t, testmodel.Write(model, testmodel.Options{}))
	require.NoError(t, scenes.New(1, nil).WriteDir(t.Context(), photos, 0, 6, nil))
	run := func(args ...string) {
		t.Helper()
		var errs bytes.Buffer
		require.Zero(t, Program.Run(t.Context(), args, io.Discard, &errs), errs.String())
	}
	run("build", "--model", model, "--images", photos, "--out", file, "--quiet")

	t.Run("photos", func(t *testing.T) {
		url, log, stop := startServe(t, file, "--model", model, "--images", photos)
		var found struct {
			Hits []struct {
				ID    string
				Photo struct{ Thumb string }
				Words []struct{ Word string }
			}
			Items int
		}
		require.Equal(t, 200, ask(t, url+"/api/search?q=a+red+ball", &found), log)
		require.Len(t, found.Hits, 6)
		assert.NotEmpty(t, found.Hits[0].Words)
		assert.Equal(t, 200, ask(t, url+"/"+found.Hits[0].Photo.Thumb, nil))

		run("delete", file, found.Hits[0].ID)
		if runtime.GOOS != "windows" {
			self, err := os.FindProcess(os.Getpid())
			require.NoError(t, err)
			require.NoError(t, self.Signal(syscall.SIGHUP))
		}
		require.Eventually(t, func() bool {
			var info struct{ Index struct{ Items int } }
			ask(t, url+"/api/info", &info)
			return info.Index.Items == 5
		}, 20*time.Second, 20*time.Millisecond)
		assert.Zero(t, stop(), "being stopped is no failure")
		assert.Contains(t, log.String(), "index refreshed")
	})

	t.Run("scenes", func(t *testing.T) {
		file := filepath.Join(dir, "scenes.aladin")
		run("build", "--model", model, "--scenes", "3", "--seed", "5", "--out", file, "--quiet")
		url, _, stop := startServe(t, file, "--model", model, "--scenes", "3", "--seed", "5", "--quiet")
		assert.Equal(t, 200, ask(t, url+"/thumb/scene-000002", nil))
		assert.Equal(t, 404, ask(t, url+"/thumb/scene-000003", nil))
		assert.Equal(t, 404, ask(t, url+"/photo/scene-2", nil))
		assert.Zero(t, stop())
	})

	t.Run("token", func(t *testing.T) {
		token := filepath.Join(dir, "token.txt")
		require.NoError(t, os.WriteFile(token, []byte("open sesame, please\n"), 0o600))
		url, _, _ := startServe(t, file, "--model", model, "--token-file", token, "--log-json")
		assert.Equal(t, 401, ask(t, url+"/api/info", nil))
		r, err := http.NewRequest(http.MethodGet, url+"/api/info", nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer open sesame, please")
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, 200, resp.StatusCode)
	})

	for name, tt := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no file":         {[]string{"--model", model}, cli.Misused, "which index FILE"},
		"no model":        {[]string{file}, cli.Misused, "--model"},
		"two sources":     {[]string{file, "--model", model, "--images", photos, "--scenes", "3"}, cli.Misused, "not both"},
		"bad split":       {[]string{file, "--model", model, "--scenes", "3", "--split", "x"}, cli.Misused, "--split"},
		"no folder":       {[]string{file, "--model", model, "--images", filepath.Join(dir, "none")}, cli.Failed, "folder of photos"},
		"bad address":     {[]string{file, "--model", model, "--addr", "nowhere:http:1"}, cli.Failed, "nowhere"},
		"negative limit":  {[]string{file, "--model", model, "--max-k", "-1"}, cli.Failed, "below 0"},
		"no token":        {[]string{file, "--model", model, "--token-file", os.DevNull}, cli.Failed, "no token"},
		"index not there": {[]string{file + "x", "--model", model}, cli.Failed, "photos.aladinx"},
	} {
		t.Run(name, func(t *testing.T) {
			var errs bytes.Buffer
			assert.Equal(t, tt.code, Program.Run(t.Context(), append([]string{"serve", "--thumbs", "none"}, tt.args...), io.Discard, &errs))
			assert.Contains(t, errs.String(), tt.says)
		})
	}
}

// The flags of docs/server.md exist, and all of the verb's own are in its help.
func TestServeFlagsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "server.md"))
	require.NoError(t, err)
	f := cli.NewFlags("serve")
	serveVerb.Setup(f)
	found := regexp.MustCompile("--([a-z][a-z-]+)").FindAllSubmatch(text, -1)
	require.NotEmpty(t, found)
	for _, m := range found {
		assert.NotNil(t, f.Lookup(string(m[1])), "--%s", m[1])
	}
}

// The server keeps the index in step with the folder, and finds what is new.
func TestServeSync(t *testing.T) {
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	dir := t.TempDir()
	model, photos, file := filepath.Join(dir, "model"), filepath.Join(dir, "photos"), filepath.Join(dir, "photos.aladin")
	require.NoError(t, testmodel.Write(model, testmodel.Options{}))
	require.NoError(t, scenes.New(1, nil).WriteDir(t.Context(), photos, 0, 3, nil))
	var errs bytes.Buffer
	require.Zero(t, Program.Run(t.Context(), []string{"build", "--model", model, "--images", photos, "--out", file}, io.Discard, &errs), errs.String())
	require.NoError(t, os.Rename(filepath.Join(photos, "scene-000000.png"), filepath.Join(photos, "moved.png")))
	url, log, stop := startServe(t, file, "--model", model, "--images", photos, "--sync")
	ids := func() string {
		var found struct{ Hits []struct{ ID string } }
		ask(t, url+"/api/search?q=a+red+ball", &found)
		var ids []string
		for _, h := range found.Hits {
			ids = append(ids, h.ID)
		}
		slices.Sort(ids)
		return strings.Join(ids, " ")
	}
	eventually := func(want string) {
		t.Helper()
		require.Eventually(t, func() bool { return ids() == want }, time.Minute, 50*time.Millisecond, log)
	}
	eventually("moved.png scene-000001.png scene-000002.png")
	require.NoError(t, os.Rename(filepath.Join(photos, "scene-000001.png"), filepath.Join(photos, "again.png")))
	eventually("again.png moved.png scene-000002.png")
	require.Equal(t, cli.Done, stop())
}
