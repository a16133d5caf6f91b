//go:build linux && cgo

package ort

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/ortsetup"
)

// TestHelperTelemetry is no test: TestQuiet runs it in a process of its own, under strace.
func TestHelperTelemetry(t *testing.T) {
	if os.Getenv("ORT_TEST_TELEMETRY") == "" {
		t.Skip("run by TestQuiet")
	}
	s, err := Load(addModel(), nil)
	require.NoError(t, err)
	time.Sleep(time.Second) // the library's reports come from a thread of its own
	require.NoError(t, s.Close())
}

// Loading ONNX Runtime reaches for no network and leaves no file, whatever the caller's environment says.
func TestQuiet(t *testing.T) {
	if !Available() {
		t.Skip("needs ONNX Runtime")
	}
	library, err := Library()
	require.NoError(t, err)
	home, tmp := t.TempDir(), t.TempDir()
	args := []string{os.Args[0], "-test.run=^TestHelperTelemetry$"}
	trace := filepath.Join(t.TempDir(), "trace")
	strace, straceErr := exec.LookPath("strace")
	if straceErr == nil {
		straceErr = exec.CommandContext(t.Context(), strace, "-o", trace, "true").Run() // ptrace may be forbidden
	}
	if straceErr == nil {
		args = append([]string{strace, "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg,openat", "-o", trace}, args...)
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "ORT_TEST_TELEMETRY=1", ortsetup.EnvLibrary+"="+library, envNoTelemetry+"=0",
		"HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"), "TMPDIR="+tmp)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	assert.Empty(t, filesBelow(t, home), "files in the home folder")
	assert.Empty(t, filesBelow(t, tmp), "files in the temporary folder")
	if straceErr != nil {
		t.Logf("system calls were not watched: strace: %v", straceErr)
		return
	}
	lines, err := os.ReadFile(trace)
	require.NoError(t, err)
	require.Contains(t, string(lines), "openat(", "the trace is empty")
	for line := range bytes.Lines(lines) {
		for _, bad := range []string{"connect(", "send", "mat-debug", ".onnxruntime"} {
			assert.NotContains(t, string(line), bad)
		}
	}
}

// filesBelow lists the files below a folder.
func filesBelow(t *testing.T, dir string) (all []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, p)
		}
		return err
	}))
	return all
}
