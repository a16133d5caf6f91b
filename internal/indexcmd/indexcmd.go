// Package indexcmd is the command aladin-index: it builds index files from photos, searches and keeps them.
package indexcmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/aladin-go/aladin/internal/source"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitMisused     = 2
	exitInterrupted = 130
)

// errUsage is the class of errors that a better command line would not have.
var errUsage = errors.New("misused")

// An environment is what a verb may touch of the world.
type environment struct {
	stdout, stderr io.Writer
}

// A verb is one of the command's.
type verb struct {
	name    string
	args    string // after the name, in the usage line
	summary string
	about   string // the rest of its help: what it does, and examples
	// setup defines the verb's flags and returns what runs after they are parsed.
	setup func(f *flag.FlagSet) func(ctx context.Context, env environment, args []string) error
}

// verbs in the order of --help.
func verbs() []verb {
	return []verb{buildVerb, addVerb, deleteVerb, compactVerb, searchVerb, pageVerb, serveVerb, duplicatesVerb, infoVerb, verifyVerb}
}

// Main runs the command and returns its exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// Run is Main with everything from outside given.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, help())
		return exitMisused
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, help())
		return exitDone
	}
	for _, v := range verbs() {
		if v.name == args[0] {
			return v.run(ctx, args[1:], environment{stdout, stderr})
		}
	}
	fmt.Fprintf(stderr, "aladin-index: there is no verb %q\n%s", args[0], help())
	return exitMisused
}

func help() string {
	var b strings.Builder
	b.WriteString("Usage: aladin-index VERB [options]\n\nMakes and searches index files: pictures that can be found by sentences, and sentences by pictures.\n\n")
	for _, v := range verbs() {
		fmt.Fprintf(&b, "  %-11s %s\n", v.name, v.summary)
	}
	b.WriteString(`
  aladin-index build --model photos.model --images ~/Photos --out photos.aladin
  aladin-index search photos.aladin --model photos.model --explain "a dog catches a frisbee"

aladin-index VERB --help tells more.
Exit status: 0 done, 1 failed, 2 misused, 130 interrupted.
`)
	return b.String()
}

func (v verb) run(ctx context.Context, args []string, env environment) int {
	f := flag.NewFlagSet(v.name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	run := v.setup(f)
	rest, err := parse(f, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(env.stdout, v.help(f))
		return exitDone
	case err == nil:
		err = run(ctx, env, rest)
	}
	name := "aladin-index " + v.name
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintf(env.stderr, "%s: interrupted\n", name)
		return exitInterrupted
	}
	fmt.Fprintf(env.stderr, "%s: %v\n", name, err)
	if errors.Is(err, errUsage) || errors.Is(err, source.ErrUsage) {
		fmt.Fprintf(env.stderr, "Try %s --help.\n", name)
		return exitMisused
	}
	return exitFailed
}

// parse reads flags before, between and behind the arguments, which it returns. Behind "--" everything is
// an argument.
func parse(f *flag.FlagSet, args []string) ([]string, error) {
	var behind []string
	if i := slices.Index(args, "--"); i >= 0 {
		args, behind = args[:i], args[i+1:]
	}
	var rest []string
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		if f.NArg() == 0 {
			return append(rest, behind...), nil
		}
		rest, args = append(rest, f.Arg(0)), f.Args()[1:]
	}
}

func (v verb) help(f *flag.FlagSet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: aladin-index %s %s\n\n%s\n", v.name, v.args, strings.Trim(v.about, "\n"))
	head := "\nOptions\n"
	f.VisitAll(func(x *flag.Flag) {
		dash := "--"
		if len(x.Name) == 1 {
			dash = "-"
		}
		name, text := flag.UnquoteUsage(x)
		if name != "" {
			name = " " + strings.ToUpper(name)
		}
		fmt.Fprintf(&b, "%s  %s%s%s\n      %s", head, dash, x.Name, name, text)
		if x.DefValue != "" && x.DefValue != "0" && x.DefValue != "false" {
			fmt.Fprintf(&b, " (%s)", x.DefValue)
		}
		b.WriteString("\n")
		head = ""
	})
	return b.String()
}

// oneFile takes the only argument: an index file.
func oneFile(args []string) (string, error) {
	switch len(args) {
	case 1:
		return args[0], nil
	case 0:
		return "", fmt.Errorf("%w: which index FILE?", errUsage)
	}
	return "", fmt.Errorf("%w: %q is one argument too many; quote what belongs together", errUsage, args[1])
}
