// Package traincmd is the command aladin-train.
package traincmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
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
	name, summary, usage string
	// setup defines the verb's flags and returns what runs after they are parsed.
	setup func(f *flag.FlagSet) func(ctx context.Context, env environment, args []string) error
}

// verbs in the order of --help.
func verbs() []verb {
	return []verb{runVerb, importVerb, exportVerb, initVerb, configsVerb, cacheVerb}
}

// Main runs the command and returns its exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// Run is Main with everything from outside given.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		out := stdout
		if len(args) == 0 {
			out = stderr
		}
		fmt.Fprint(out, help())
		if len(args) == 0 {
			return exitMisused
		}
		return exitDone
	}
	for _, v := range verbs() {
		if v.name == args[0] {
			return v.run(ctx, args[1:], environment{stdout, stderr})
		}
	}
	fmt.Fprintf(stderr, "aladin-train: no verb %q\n%s", args[0], help())
	return exitMisused
}

func help() string {
	var b strings.Builder
	b.WriteString("Usage: aladin-train VERB [options]\n\nTrains models that find pictures by words and words by pictures.\n\n")
	for _, v := range verbs() {
		fmt.Fprintf(&b, "  %-9s %s\n", v.name, v.summary)
	}
	b.WriteString("\naladin-train VERB --help tells more.\nExit status: 0 done, 1 failed, 2 misused, 130 interrupted.\n")
	return b.String()
}

func (v verb) run(ctx context.Context, args []string, env environment) int {
	f := flag.NewFlagSet("aladin-train "+v.name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	run := v.setup(f)
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(env.stdout, strings.TrimLeft(v.usage, "\n"), "\nOptions\n", options(f))
		return exitDone
	case err != nil:
		err = fmt.Errorf("%w: %v", errUsage, err)
	default:
		err = run(ctx, env, f.Args())
	}
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintf(env.stderr, "aladin-train %s: interrupted\n", v.name)
		return exitInterrupted
	}
	fmt.Fprintf(env.stderr, "aladin-train %s: %v\n", v.name, err)
	if errors.Is(err, errUsage) {
		fmt.Fprintf(env.stderr, "Try aladin-train %s --help.\n", v.name)
		return exitMisused
	}
	return exitFailed
}

// options lists a verb's flags.
func options(f *flag.FlagSet) string {
	var b strings.Builder
	f.VisitAll(func(x *flag.Flag) {
		name, text := flag.UnquoteUsage(x)
		if name != "" {
			name = " " + strings.ToUpper(name)
		}
		fmt.Fprintf(&b, "  --%s%s\n      %s", x.Name, name, text)
		if x.DefValue != "" && x.DefValue != "0" && x.DefValue != "false" {
			fmt.Fprintf(&b, " (%s)", x.DefValue)
		}
		b.WriteString("\n")
	})
	return b.String()
}
