package ortsetup

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeNPM puts an npm on the PATH, the only program there, that answers with the tarball or runs script.
func fakeNPM(t *testing.T, tarball []byte, script string) (calls func() int) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a POSIX shell")
	}
	bin := t.TempDir()
	log := filepath.Join(bin, "calls")
	ball := filepath.Join(bin, "ball.tgz")
	require.NoError(t, os.WriteFile(ball, tarball, 0o600))
	text := fmt.Sprintf("#!/bin/sh\necho \"$*\" >>%s\n", log)
	if script == "" {
		script = fmt.Sprintf("while [ \"$1\" != --pack-destination ]; do shift; done\n/bin/cp %s \"$2/fetched.tgz\"\n", ball)
	}
	require.NoError(t, os.WriteFile(filepath.Join(bin, "npm"), []byte(text+script), 0o755))
	t.Setenv("PATH", bin)
	return func() int {
		b, _ := os.ReadFile(log)
		return bytes.Count(b, []byte("\n"))
	}
}

func tarball(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	tw := tar.NewWriter(gz)
	for name, text := range files {
		require.NoError(t, tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}))
		_, err := tw.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, tw.Close())
	require.NoError(t, gz.Close())
	return buf.Bytes()
}

func testPackage(tgz []byte, files ...string) pkg {
	sum := sha256.Sum256(tgz)
	a := archive{client: npm, name: "some-runtime", version: "1.2.3", sha256: hex.EncodeToString(sum[:]), megabytes: 1}
	for _, f := range files {
		a.files = append(a.files, member{f, path.Base(f)})
	}
	return pkg{[]archive{a}}
}

func quiet(string) {}

func TestInstall(t *testing.T) {
	tgz := tarball(t, map[string]string{"package/x64/lib.so": "the library", "package/arm64/lib.so": "another", "package/index.js": "script"})
	calls := fakeNPM(t, tgz, "")
	p := testPackage(tgz, "package/x64/lib.so")
	dir := filepath.Join(t.TempDir(), "cache", "deep")

	stale := filepath.Join(dir, ".setup-killed")
	require.NoError(t, os.MkdirAll(stale, 0o755))
	require.NoError(t, os.Chtimes(stale, time.Time{}, time.Now().Add(-2*time.Hour)))

	var lines []string
	require.NoError(t, install(t.Context(), p, dir, func(s string) { lines = append(lines, s) }))
	b, err := os.ReadFile(filepath.Join(dir, "lib.so"))
	require.NoError(t, err)
	assert.Equal(t, "the library", string(b))
	assert.Len(t, lines, 3)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "only this platform's file stays, and no temporary folder, of no call")

	// The second time nothing is fetched.
	require.NoError(t, install(t.Context(), p, dir, quiet))
	assert.Equal(t, 1, calls())
}

func TestInstallRefuses(t *testing.T) {
	tgz := tarball(t, map[string]string{"package/lib.so": "the library"})
	empty := func(t *testing.T, dir string) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Empty(t, entries, "nothing stays behind")
	}
	t.Run("checksum", func(t *testing.T) {
		fakeNPM(t, tgz, "")
		p := testPackage([]byte("something else"), "package/lib.so")
		dir := t.TempDir()
		err := install(t.Context(), p, dir, quiet)
		require.ErrorIs(t, err, ErrChecksum)
		assert.ErrorContains(t, err, p.archives[0].sha256)
		empty(t, dir)
	})
	t.Run("lacking file", func(t *testing.T) {
		fakeNPM(t, tgz, "")
		dir := t.TempDir()
		err := install(t.Context(), testPackage(tgz, "package/lib.so", "package/more.so"), dir, quiet)
		assert.ErrorContains(t, err, "lacks package/more.so")
		empty(t, dir)
	})
	t.Run("no npm", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		dir := t.TempDir()
		err := install(t.Context(), testPackage(tgz, "package/lib.so"), dir, quiet)
		require.ErrorIs(t, err, ErrNoClient)
		assert.ErrorContains(t, err, "https://nodejs.org")
		assert.ErrorContains(t, err, "some-runtime-1.2.3.tgz")
		empty(t, dir)
	})
	t.Run("npm fails", func(t *testing.T) {
		fakeNPM(t, tgz, "echo 'npm error network ENOTFOUND' >&2\nexit 1\n")
		dir := t.TempDir()
		err := install(t.Context(), testPackage(tgz, "package/lib.so"), dir, quiet)
		assert.ErrorContains(t, err, "npm error network ENOTFOUND")
		empty(t, dir)
	})
	t.Run("interrupted", func(t *testing.T) {
		fakeNPM(t, tgz, "exec /bin/sleep 60\n")
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		dir := t.TempDir()
		require.ErrorIs(t, install(ctx, testPackage(tgz, "package/lib.so"), dir, quiet), context.DeadlineExceeded)
		empty(t, dir)
	})
}

// Without npm, or where it fails, the library comes from the wheel for Python.
func TestInstallWithPip(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a POSIX shell")
	}
	var wheel bytes.Buffer
	zw := zip.NewWriter(&wheel)
	for name, text := range map[string]string{"capi/lib.so.1.2.3": "the library", "capi/other.so": "another"} {
		w, err := zw.Create(name)
		require.NoError(t, err)
		_, err = w.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, zw.Close())
	sum := sha256.Sum256(wheel.Bytes())
	p := testPackage(nil, "package/lib.so")
	p.archives = append(p.archives, archive{client: pip, name: "some", version: "1.2.3", platform: "manylinux_2_28_x86_64",
		sha256: hex.EncodeToString(sum[:]), files: []member{{"capi/lib.so.1.2.3", "lib.so"}}})

	for _, program := range []string{"pip3", "pip", "python3"} {
		bin := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(bin, "ball"), wheel.Bytes(), 0o600))
		script := fmt.Sprintf("#!/bin/sh\nwhile [ \"$1\" != --dest ]; do shift; done\n/bin/cp %s/ball \"$2/some-1.2.3.whl\"\n", bin)
		require.NoError(t, os.WriteFile(filepath.Join(bin, program), []byte(script), 0o755))
		t.Setenv("PATH", bin)
		dir := t.TempDir()
		require.NoError(t, install(t.Context(), p, dir, quiet), program)
		b, err := os.ReadFile(filepath.Join(dir, "lib.so"))
		require.NoError(t, err)
		assert.Equal(t, "the library", string(b))
	}

	// A wheel that is not the pinned one is an error and not a reason to look further.
	p.archives[1].sha256 = p.archives[0].sha256
	require.ErrorIs(t, install(t.Context(), p, t.TempDir(), quiet), ErrChecksum)
	t.Setenv("PATH", t.TempDir())
	err := install(t.Context(), p, t.TempDir(), quiet)
	require.ErrorIs(t, err, ErrNoClient)
	assert.ErrorContains(t, err, "npm")
	assert.ErrorContains(t, err, "pip")
}

func TestPackages(t *testing.T) {
	for _, platform := range []string{"linux-x64", "linux-arm64", "darwin-arm64", "win32-x64", "win32-arm64"} {
		p, err := runtimePackage(platform)
		require.NoError(t, err)
		for _, f := range p.archives[0].files {
			assert.Regexp(t, `^package/bin/napi-v6/(linux|darwin|win32)/(x64|arm64)/[\w.]+$`, f.path)
		}
		for _, a := range p.archives {
			assert.Len(t, a.sha256, 64)
			for i, f := range a.files {
				assert.Equal(t, p.archives[0].files[i].name, f.name, "%s and npm leave the same names", a.client)
			}
		}
	}
	_, err := runtimePackage("linux-riscv64")
	assert.ErrorContains(t, err, EnvLibrary)
	_, err = cudaPackage("darwin-arm64")
	assert.ErrorContains(t, err, "linux/amd64")
	p, err := cudaPackage("linux-x64")
	require.NoError(t, err)
	assert.Len(t, p.archives[0].files, 2)
	assert.Equal(t, "win32-x64", platformName("windows", "amd64"))
}
