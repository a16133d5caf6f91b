package doctest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/evalcmd"
	"github.com/aladin-go/aladin/internal/indexcmd"
	"github.com/aladin-go/aladin/internal/traincmd"
)

// A command is a line of a page.
type command struct {
	line  string // of the page
	text  string // continued lines joined
	fails bool
	want  []string // what it prints; nil if the page does not say
}

// A block is a fenced part of a page.
type block struct {
	line int
	mark string
	text []string
}

func blocks(page string) []block {
	var out []block
	var open *block
	for n, line := range strings.Split(page, "\n") {
		mark, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{line: n + 2, mark: mark}
		case fence:
			out = append(out, *open)
			open = nil
		case open != nil:
			open.text = append(open.text, line)
		}
	}
	return out
}

// commands are those of a page, in order.
func commands(name, page string) []command {
	var out []command
	for _, b := range blocks(page) {
		console := strings.HasPrefix(b.mark, "console")
		if b.mark != "sh" && !console {
			continue
		}
		for k := 0; k < len(b.text); k++ {
			text := b.text[k]
			at := fmt.Sprintf("%s:%d", name, b.line+k)
			if console {
				rest, isCommand := strings.CutPrefix(text, "$ ")
				if !isCommand {
					last := &out[len(out)-1]
					last.want = append(last.want, text)
					continue
				}
				text = rest
			}
			for strings.HasSuffix(text, `\`) && k+1 < len(b.text) {
				k++
				text = strings.TrimSuffix(text, `\`) + strings.TrimSpace(b.text[k])
			}
			text, _, _ = strings.Cut(text, "  # ")
			if strings.TrimSpace(text) != "" && !strings.HasPrefix(text, "#") {
				out = append(out, command{line: at, text: text, fails: strings.HasSuffix(b.mark, "fails")})
			}
		}
	}
	return out
}

// words splits a line at blanks outside quotes.
func words(line string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`"([^"]*)"|'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		out = append(out, m[1]+m[2]+m[3])
	}
	return out
}

// run runs a command in the current folder.
func (c command) run(t *testing.T, root string) {
	t.Helper()
	args := words(c.text)
	switch args[0] {
	case "make":
		makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
		require.NoError(t, err)
		assert.Contains(t, string(makefile), "\n"+args[1]+":", "no such target: %s", c.line)
		return
	case "go":
		_, err := os.Stat(filepath.Join(root, args[len(args)-1]))
		assert.NoError(t, err, c.line)
		return
	case "mkdir", "mv", "cp", "rm": // of files in the page's folder
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
		require.NoError(t, err, "%s: %s\n%s", c.line, c.text, out)
		return
	}
	file := ""
	if i := slices.Index(args, ">"); i >= 0 {
		file, args = args[i+1], args[:i]
	}
	var stdout, stderr bytes.Buffer
	code := -1
	switch {
	case strings.Contains(args[0], "="):
		code = another(t, args, &stdout, &stderr)
	case args[0] == "aladin-index" && args[1] == "serve":
		serve(t, args[1:])
		return
	default:
		if args[0] == "aladin-train" && args[1] == "run" {
			args = slices.Insert(args, 2, "--batch-size", "8", "--epochs", "1") // enough to see that it runs
			if i := slices.Index(args, "--config"); i >= 0 {
				args[i+1] = smallConfig // TestConfigurations looks at the page's
			}
		}
		var ok bool
		code, ok = inProcess(t.Context(), args, &stdout, &stderr)
		require.True(t, ok, "%s: what is %s?", c.line, args[0])
	}
	if file != "" {
		require.NoError(t, os.WriteFile(file, stdout.Bytes(), 0o644))
	}
	both := stdout.String() + stderr.String()
	if c.fails {
		require.NotZero(t, code, "%s: %s\n%s", c.line, c.text, both)
	} else {
		require.Zero(t, code, "%s: %s\n%s", c.line, c.text, both)
	}
	printed := strings.Split(both, "\n")
	for _, want := range c.want {
		pattern := "^ *" + strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(want)), "…", ".*") + " *$"
		at := slices.IndexFunc(printed, regexp.MustCompile(pattern).MatchString)
		require.GreaterOrEqual(t, at, 0, "%s: %s\nwant %s\ngot\n%s", c.line, c.text, want, both)
		printed = printed[at+1:]
	}
}

// inProcess runs one of our commands; ok is false if it is none.
func inProcess(ctx context.Context, args []string, stdout, stderr io.Writer) (code int, ok bool) {
	switch args[0] {
	case "aladin-train":
		return traincmd.Program.Run(ctx, args[1:], stdout, stderr), true
	case "aladin-eval":
		return evalcmd.Program.Run(ctx, args[1:], stdout, stderr), true
	case "aladin-index":
		return indexcmd.Program.Run(ctx, args[1:], stdout, stderr), true
	}
	return 0, false
}

// another runs a command with variables before it, NAME=VALUE, in a process of its own: they may decide
// what a process does once for all.
func another(t *testing.T, args []string, stdout, stderr io.Writer) int {
	t.Helper()
	env := append(os.Environ(), asCommand+"=1")
	for strings.Contains(args[0], "=") {
		env, args = append(env, args[0]), args[1:]
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, stdout, stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil {
		require.ErrorAs(t, err, &exit)
	}
	return cmd.ProcessState.ExitCode()
}

// asCommand is the variable that makes the test's program one of our commands.
const asCommand = "DOCTEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		code, _ := inProcess(context.Background(), os.Args[1:], os.Stdout, os.Stderr)
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// serve starts a server, on a free port in place of the page's, and waits for an answer.
func serve(t *testing.T, args []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	addr := freeAddress(t)
	done := make(chan int, 1)
	var stdout, stderr bytes.Buffer
	go func() { done <- indexcmd.Program.Run(ctx, append(args, "--addr", addr), &stdout, &stderr) }()
	for {
		select {
		case code := <-done:
			require.Fail(t, "the server has ended", "%d %s%s", code, stdout.String(), stderr.String())
		case <-time.After(10 * time.Millisecond):
		}
		if resp, err := http.Get("http://" + addr + "/"); err == nil {
			resp.Body.Close()
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			break
		}
	}
	cancel()
	<-done
}
