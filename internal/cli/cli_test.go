package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain is also the program that TestSignals interrupts.
func TestMain(m *testing.M) {
	if os.Getenv("CLI_TEST_WAIT") != "" {
		wait := func(f *Flags) Body {
			return func(ctx context.Context, env Env, _ []string) error {
				fmt.Fprintln(env.Stdout, "ready")
				<-ctx.Done()
				return ctx.Err()
			}
		}
		program := Program{Name: "waiter", Verbs: []Verb{{Setup: wait}}}
		os.Exit(program.Main())
	}
	os.Exit(m.Run())
}

// program is a small one with everything in it. What its verb was given is in got.
func program(got *[]string) *Program {
	var out Output
	return &Program{
		Name: "tool", About: "Does things.", Examples: "  tool find FILE x",
		Verbs: []Verb{
			{Name: "find", Args: "FILE", Summary: "finds", About: "Finds.\n\n  tool find FILE", Setup: func(f *Flags) Body {
				out.Register(f)
				f.Group(Advanced)
				depth := f.Int("depth", 3, "`number` of floors")
				f.Group("Files")
				path := f.String("photos", "", "`folder` of photos")
				f.Group(General)
				f.Bool("k", false, "short")
				return func(ctx context.Context, env Env, args []string) error {
					*got = append([]string{fmt.Sprint(*depth), *path}, args...)
					switch {
					case len(args) == 0:
						return Misuse("FILE is missing")
					case args[0] == "bad":
						return errors.New("the file is bad")
					case args[0] == "stopped":
						return ctx.Err()
					}
					return nil
				}
			}},
			{Name: "keep", Summary: "keeps", Setup: func(*Flags) Body { return nil }},
		},
		Hints: map[string]string{"photo_dir": "it is --photos FOLDER here", "fetch": "get the file yourself"},
	}
}

func TestRun(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		args   string
		code   int
		stdout string // parts, separated by |
		stderr string
	}{
		{"", Misused, "", "Usage: tool VERB|Does things.|find  finds|tool find FILE x|130"},
		{"--help", Done, "Usage: tool VERB|--version", ""},
		{"help", Done, "Usage: tool VERB", ""},
		{"help find", Done, "Usage: tool find FILE|Finds.", ""},
		{"help fnid", Misused, "", `tool: there is no verb "fnid"; did you mean "find"?`},
		{"find --help", Done, "Usage: tool find FILE|Finds.", ""},
		{"--version", Done, "tool |go1", ""},
		{"fidn x", Misused, "", `tool: there is no verb "fidn"; did you mean "find"?|Usage: tool`},
		{"frobnicate", Misused, "", `tool: there is no verb "frobnicate"|Usage: tool`},
		{"fetch", Misused, "", `tool: there is no verb "fetch": get the file yourself`},
		{"find", Misused, "", "tool find: FILE is missing|Try tool find --help."},
		{"find x --dephts 3", Misused, "", "there is no option --dephts; did you mean --depth?|Try tool find --help."},
		{"find x --colour", Misused, "", "there is no option --colour\n"},
		{"find x --photo_dir y", Misused, "", "there is no option --photo_dir: it is --photos FOLDER here"},
		{"find x --depth", Misused, "", "--depth needs a value: --depth NUMBER"},
		{"find x --depth much", Misused, "", "much"},
		{"find x --photos ~/p", Misused, "", `write --photos "$HOME/p"`},
		{"find ~/x", Misused, "", `write "$HOME/x"`},
		{"find bad", Failed, "", "tool find: the file is bad\n"},
		{"find x", Done, "", ""},
	} {
		var got []string
		var stdout, stderr bytes.Buffer
		assert.Equal(t, c.code, program(&got).Run(t.Context(), strings.Fields(c.args), &stdout, &stderr), c.args)
		for text, want := range map[string]string{stdout.String(): c.stdout, stderr.String(): c.stderr} {
			if want == "" {
				continue
			}
			for part := range strings.SplitSeq(want, "|") {
				assert.Contains(t, text, part, c.args)
			}
		}
		assert.Equal(t, c.stdout == "", stdout.Len() == 0, c.args)
		assert.Equal(t, c.stderr == "", stderr.Len() == 0, c.args)
	}
}

func TestFolderNamedTilde(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.Mkdir("~", 0o755))
	var got []string
	require.Zero(t, program(&got).Run(t.Context(), []string{"find", "~/x"}, nil, nil))
	assert.Equal(t, []string{"3", "", "~/x"}, got)
}

// Flags stand anywhere; behind "--" nothing is one.
func TestArguments(t *testing.T) {
	var got []string
	require.Zero(t, program(&got).Run(t.Context(), []string{"find", "--depth=7", "a", "--photos", "p", "b", "--", "--json", "c"}, nil, nil))
	assert.Equal(t, []string{"7", "p", "a", "b", "--json", "c"}, got)
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var got []string
	var stderr bytes.Buffer
	assert.Equal(t, Interrupted, program(&got).Run(ctx, []string{"find", "stopped"}, nil, &stderr))
	assert.Equal(t, "tool find: interrupted\n", stderr.String())
}

// Groups come in the order in which they were opened, the advanced ones last.
func TestGroups(t *testing.T) {
	var got []string
	var out bytes.Buffer
	require.Zero(t, program(&got).Run(t.Context(), []string{"find", "-h"}, &out, nil))
	var order []string
	for line := range strings.Lines(out.String()) {
		switch line = strings.TrimRight(line, "\n"); {
		case strings.HasPrefix(line, "  -"), line == General, line == Advanced, line == "Files":
			order = append(order, line)
		}
	}
	assert.Equal(t, []string{General, "  --json", "  -k", "  --quiet", "Files", "  --photos FOLDER", Advanced, "  --depth NUMBER"}, order)
	assert.Contains(t, out.String(), "number of floors (3)")
}

// A program of one verb has no verbs to name.
func TestSingle(t *testing.T) {
	var got []string
	p := program(&got)
	p.Verbs = p.Verbs[:1]
	p.Verbs[0].Name = ""
	var out bytes.Buffer
	require.Zero(t, p.Run(t.Context(), []string{"x", "--depth", "2"}, nil, nil))
	assert.Equal(t, []string{"2", "", "x"}, got)
	require.Zero(t, p.Run(t.Context(), []string{"--help"}, &out, nil))
	assert.Contains(t, out.String(), "Usage: tool FILE\n")
	assert.Contains(t, out.String(), exitStatus)
	out.Reset()
	assert.Equal(t, Misused, p.Run(t.Context(), nil, nil, &out))
	assert.Equal(t, "tool: FILE is missing\nTry tool --help.\n", out.String())
}

func TestMisuse(t *testing.T) {
	inner := errors.New("inner")
	err := fmt.Errorf("outer: %w", Misuse("--depth: %w", inner))
	require.ErrorIs(t, err, ErrUsage)
	require.ErrorIs(t, err, inner)
	require.EqualError(t, err, "outer: --depth: inner")
}

// Every signal that ends a program cancels the verb's context, which ends with status 130.
func TestSignals(t *testing.T) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup, which programs respect
		signals = append(signals, syscall.SIGHUP)
	}
	for _, signal := range signals {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), "CLI_TEST_WAIT=1")
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = stdout.Read(make([]byte, 6))
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Signal(signal))
		_ = cmd.Wait()
		assert.Equal(t, Interrupted, cmd.ProcessState.ExitCode(), "%v", signal)
		cancel()
	}
}
