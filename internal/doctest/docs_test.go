package doctest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/regions"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/weaviatetest"
)

// elsewhere are pages whose commands need other data and are run by tests of their own.
var elsewhere = map[string]string{
	"docs/published-models.md": "internal/traincmd",
	"docs/clip-models.md":      "internal/traincmd",
	"docs/server.md":           "internal/serve",
}

// engine is where pages have one; a fake takes its place.
const engine = "weaviate://10.0.0.1,10.0.0.2,10.0.0.3"

func moduleRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", "..")) // tests run in their package's folder
	require.NoError(t, err)
	return root
}

// pages are the documents for users, by their names from the module's root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	root := moduleRoot(t)
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(names), 6, "the pages are lost")
	out := map[string]string{}
	for _, name := range append(names, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md"), filepath.Join(root, "CHANGELOG.md")) {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		rel, err := filepath.Rel(root, name)
		require.NoError(t, err)
		out[filepath.ToSlash(rel)] = string(text)
	}
	return out
}

// Every command of every page runs, in order, in a folder like its reader's; so does a page's Go program,
// after them.
func TestCommands(t *testing.T) {
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	lib, err := ort.Library()
	require.NoError(t, err)
	t.Setenv("ALADIN_ONNXRUNTIME", lib)
	cache, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE").Output() // where compiled packages are now
	require.NoError(t, err)
	t.Setenv("GOCACHE", strings.TrimSpace(string(cache)))
	root := moduleRoot(t)
	total := 0
	for name, page := range pages(t) {
		if elsewhere[name] != "" {
			continue
		}
		if strings.Contains(page, engine) {
			page = strings.ReplaceAll(page, engine, strings.TrimSuffix(weaviatetest.Start(t, 3, false).Address(""), "/"))
		}
		lines := commands(name, page)
		total += len(lines)
		if len(lines) == 0 {
			continue
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Setenv("XDG_CACHE_HOME", t.TempDir()) // of extracted regions
			dir := t.TempDir()
			world(t, dir)
			standInHub(t)
			t.Chdir(dir)
			for _, c := range lines {
				c.run(t, root)
			}
			for n, b := range blocks(page) {
				if b.mark == "go" && strings.HasPrefix(b.text[0], "package main") {
					program(t, root, fmt.Sprintf("program%d", n), strings.Join(b.text, "\n"))
				}
			}
		})
	}
	require.Greater(t, total, 20, "the commands are lost")
}

// program builds a page's program, as a part of the module, and runs it.
func program(t *testing.T, root, name, text string) {
	t.Helper()
	if testing.Short() {
		return // building takes seconds
	}
	dir, err := filepath.Abs(name)
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(text+"\n"), 0o644))
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir, filepath.Join(dir, "main.go"))
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.CommandContext(t.Context(), filepath.Join(dir, "main")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.NotEmpty(t, out, "the program prints nothing")
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// Links inside the project lead somewhere, and so do folders and files that are named as code.
func TestLinks(t *testing.T) {
	root := moduleRoot(t)
	link := regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)
	for name, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			_, err := os.Stat(filepath.Join(root, filepath.Dir(name), m[1]))
			assert.NoError(t, err, name)
		}
	}
}

// Descriptions of extractors are read as aladin-train init reads them.
func TestExtractors(t *testing.T) {
	page := pages(t)["docs/extractors.md"]
	n := 0
	for _, b := range blocks(page) {
		if b.mark == "json" {
			_, err := regions.ParseConfig([]byte(strings.Join(b.text, "\n")))
			assert.NoError(t, err, "docs/extractors.md:%d", b.line)
			n++
		}
	}
	assert.GreaterOrEqual(t, n, 3)
	// The reference names every key of the configuration.
	for key := range keys(t) {
		assert.Contains(t, page, "`"+key+"`", "docs/extractors.md does not explain a key")
	}
}

// keys are the JSON keys of vision's configuration, as its sources declare them.
func keys(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(moduleRoot(t), "internal", "regions", "*config.go"))
	require.NoError(t, err)
	out := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile("`json:\"([a-z0-9_]+)").FindAllStringSubmatch(string(text), -1) {
			out[m[1]] = true
		}
	}
	require.Greater(t, len(out), 20, "the keys are lost")
	return out
}

// Configurations that pages name come with the program.
func TestConfigurations(t *testing.T) {
	for name, page := range pages(t) {
		for _, m := range regexp.MustCompile(`--config ([a-z0-9.-]+)`).FindAllStringSubmatch(page, -1) {
			if strings.HasSuffix(m[1], ".yaml") {
				continue
			}
			_, err := config.Load(m[1])
			assert.NoError(t, err, name)
		}
	}
}
