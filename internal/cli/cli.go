// Package cli is what the commands have in common: a table of verbs with their flags and help, exit codes,
// signals, and how results and progress are written.
//
// A Program is such a table; its Main is all that a command's main function calls. A program that does one
// thing has a single verb without a name. Errors made by Misuse end with exit status 2 and point at the help,
// an interrupt with 130, all others with 1.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/aladin-go/aladin/internal/nearest"
)

// Exit statuses.
const (
	Done        = 0
	Failed      = 1
	Misused     = 2
	Interrupted = 130
)

// ErrUsage is the class of errors that another command line would not have had: those that Misuse makes.
var ErrUsage = errors.New("misused")

type usageError struct{ error }

func (e usageError) Is(target error) bool { return target == ErrUsage }

func (e usageError) Unwrap() error { return e.error }

// Misuse makes an error of class ErrUsage; its text is the formatted one alone.
func Misuse(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// An Env is what a verb may touch of the world outside its files.
type Env struct {
	Stdout, Stderr io.Writer
}

// A Body does a verb's work, once its flags are parsed.
type Body func(ctx context.Context, env Env, args []string) error

// A Verb is one of a program's.
type Verb struct {
	Name    string
	Args    string // behind the name, in the usage line
	Summary string // in the program's help
	About   string // the rest of the verb's own help: what it does, and examples
	// Setup defines the verb's flags.
	Setup func(f *Flags) Body
	// TakesHangup says that the verb has a use of its own for SIGHUP, which ends the others.
	TakesHangup bool
}

// A Program is a command.
type Program struct {
	Name     string
	About    string // what it is for
	Examples string // of the program's help; lines
	Verbs    []Verb // in the order of the help; or one without a name
	// Hints answer options (without dashes) and verbs that people know from other programs and that do not
	// exist here.
	Hints map[string]string
}

// Main runs the program with the process's arguments and returns the exit status. SIGINT, SIGTERM and SIGHUP
// cancel the context of the verb; a second one ends the process at once.
func (p *Program) Main() int {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	args := os.Args[1:]
	v, _ := p.verb(args)
	if (v == nil || !v.TakesHangup) && !signal.Ignored(syscall.SIGHUP) { // nohup has it ignored
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	context.AfterFunc(ctx, stop)
	return p.Run(ctx, args, os.Stdout, os.Stderr)
}

// Run is Main with everything from outside given.
func (p *Program) Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	env := Env{stdout, stderr}
	v, rest := p.verb(args)
	switch {
	case len(args) > 0 && slices.Contains([]string{"--version", "-version", "version"}, args[0]):
		fmt.Fprintln(stdout, p.version())
		return Done
	case len(args) > 0 && slices.Contains([]string{"--help", "-help", "-h", "help"}, args[0]):
		return p.explain(env, args[1:])
	case v != nil:
		return p.runVerb(ctx, env, v, rest)
	case len(args) == 0:
		fmt.Fprint(stderr, p.help())
	default:
		fmt.Fprintf(stderr, "%s: %s\n\n%s", p.Name, p.unknownVerb(args[0]), p.help())
	}
	return Misused
}

// verb finds what the arguments ask for, and the arguments behind its name.
func (p *Program) verb(args []string) (*Verb, []string) {
	if p.single() {
		return &p.Verbs[0], args
	}
	if len(args) == 0 {
		return nil, nil
	}
	for i := range p.Verbs {
		if p.Verbs[i].Name == args[0] {
			return &p.Verbs[i], args[1:]
		}
	}
	return nil, args
}

func (p *Program) single() bool { return len(p.Verbs) == 1 && p.Verbs[0].Name == "" }

// explain is the verb help.
func (p *Program) explain(env Env, of []string) int {
	v, _ := p.verb(of)
	switch {
	case v != nil:
		f := NewFlags(p.nameOf(v))
		v.Setup(f)
		fmt.Fprint(env.Stdout, p.verbHelp(v, f))
	case len(of) == 0:
		fmt.Fprint(env.Stdout, p.help())
	default:
		fmt.Fprintf(env.Stderr, "%s: %s\n\n%s", p.Name, p.unknownVerb(of[0]), p.help())
		return Misused
	}
	return Done
}

func (p *Program) runVerb(ctx context.Context, env Env, v *Verb, args []string) int {
	name := p.nameOf(v)
	f := NewFlags(name)
	body := v.Setup(f)
	args, err := f.parse(args, p.Hints)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(env.Stdout, p.verbHelp(v, f))
		return Done
	case err == nil:
		err = body(ctx, env, args)
	}
	switch {
	case err == nil:
		return Done
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintf(env.Stderr, "%s: interrupted\n", name)
		return Interrupted
	}
	fmt.Fprintf(env.Stderr, "%s: %v\n", name, err)
	if errors.Is(err, ErrUsage) {
		fmt.Fprintf(env.Stderr, "Try %s --help.\n", name)
		return Misused
	}
	return Failed
}

func (p *Program) nameOf(v *Verb) string { return strings.TrimSpace(p.Name + " " + v.Name) }

func (p *Program) unknownVerb(name string) string {
	message := fmt.Sprintf("there is no verb %q", name)
	if hint := p.Hints[strings.TrimLeft(name, "-")]; hint != "" {
		return message + ": " + hint
	}
	names := []string{"help", "version"}
	for _, v := range p.Verbs {
		names = append(names, v.Name)
	}
	if meant := nearest.Typo(name, names); meant != "" {
		message += fmt.Sprintf("; did you mean %q?", meant)
	}
	return message
}

// help is the program's.
func (p *Program) help() string {
	width := 0
	for _, v := range p.Verbs {
		width = max(width, len(v.Name))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s VERB [options]\n\n%s\n\n", p.Name, strings.Trim(p.About, "\n"))
	for _, v := range p.Verbs {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, v.Name, v.Summary)
	}
	if p.Examples != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.Trim(p.Examples, "\n"))
	}
	fmt.Fprintf(&b, "\n%s VERB --help tells more; --version tells which %[1]s this is.\n%s", p.Name, exitStatus)
	return b.String()
}

const exitStatus = "Exit status: 0 done, 1 failed, 2 misused, 130 interrupted.\n"

func (p *Program) verbHelp(v *Verb, f *Flags) string {
	text := fmt.Sprintf("Usage: %s %s\n\n%s\n%s", p.nameOf(v), v.Args, strings.Trim(v.About, "\n"), f.help())
	if p.single() {
		text += "\n" + exitStatus
	}
	return text
}

// version is the program's name, the module's version and what it was built with.
func (p *Program) version() string {
	version := "(unknown version)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	return fmt.Sprintf("%s %s, %s %s/%s", p.Name, version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
