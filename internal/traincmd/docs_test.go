package traincmd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/evalcmd"
	"github.com/aladin-go/aladin/internal/indexcmd"
)

// Every command of docs/published-models.md runs, in order, with the small checkpoint in place of the
// published one.
func TestPublishedModelsPage(t *testing.T) {
	fixture := needs(t, "aladin-tiny")
	page, err := os.ReadFile("../../docs/published-models.md")
	require.NoError(t, err)
	dir := t.TempDir()
	for name, target := range map[string]string{
		"checkpoint-0132780": "vinvl", "coco_ir": "coco_ir", "features": "coco_ir/features", "model_best_rsum.pth.tar": "checkpoint.pth.tar",
	} {
		require.NoError(t, os.Symlink(filepath.Join(fixture, filepath.FromSlash(target)), filepath.Join(dir, name)))
	}
	t.Chdir(dir)
	lines := commands(string(page))
	require.Greater(t, len(lines), 8)
	runAll(t, lines)
}

// Likewise of docs/clip-models.md, with a small random model.
func TestClipModelsPage(t *testing.T) {
	fixture := needs(t, "clip-tiny")
	page, err := os.ReadFile("../../docs/clip-models.md")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(filepath.Join(fixture, "hf-clip"), filepath.Join(dir, "clip-vit-base-patch32")))
	require.NoError(t, os.Symlink(filepath.Join(fixture, "images"), filepath.Join(dir, "Photos")))
	var captions strings.Builder
	for i, photo := range []string{"landscape.png", "portrait.jpg", "small.png", "rgba.png", "gray.png", "panorama.png", "large.png", "tall.png"} {
		fmt.Fprintf(&captions, "%s\t0\tphoto number %d\n", photo, i)
	}
	for _, name := range []string{"captions.tsv", "dev.tsv"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(captions.String()), 0o644))
	}
	t.Chdir(dir)
	var lines []string
	for _, line := range commands(string(page)) {
		if !strings.Contains(line, " serve ") { // until it is told to end
			lines = append(lines, line)
		}
	}
	require.GreaterOrEqual(t, len(lines), 3)
	runAll(t, lines)
}

// runAll runs the commands of a page.
func runAll(t *testing.T, lines []string) {
	for _, line := range lines {
		args := words(line)
		var stdout, stderr bytes.Buffer
		code := -1
		switch args[0] {
		case "aladin-train":
			if args[1] == "run" {
				epochs := "1" // enough to see that it runs
				if slices.Contains(args, "--resume-optimizer") {
					epochs = "5" // the checkpoint has done four
				}
				args = append(args, "--epochs", epochs)
			}
			code = Program.Run(t.Context(), args[1:], &stdout, &stderr)
		case "aladin-eval":
			code = evalcmd.Program.Run(t.Context(), args[1:], &stdout, &stderr)
		case "aladin-index":
			code = indexcmd.Program.Run(t.Context(), args[1:], &stdout, &stderr)
		}
		require.Zero(t, code, "%s\n%s", line, stderr.String())
	}
}

// commands are the lines of a page's shell blocks, continued lines joined.
func commands(page string) []string {
	var out []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(page, -1) {
		joined := strings.ReplaceAll(block[1], "\\\n", " ")
		out = append(out, strings.Split(strings.TrimSpace(joined), "\n")...)
	}
	return out
}

// words splits a line at blanks outside double quotes.
func words(line string) []string {
	var out []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}
