package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/nearest"
)

// Headings of flags that verbs have in common: the one that new sets of flags begin with, and that of what most
// people never need.
const (
	General  = "Options"
	Advanced = "Advanced"
)

// Flags are the flags of a verb, in groups under which the help shows them.
type Flags struct {
	*flag.FlagSet
	groups []string          // in the order of the help
	of     map[string]string // flag → group
	open   string            // the group of the flags to come
}

// NewFlags makes an empty set of flags.
func NewFlags(name string) *Flags {
	f := &Flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), of: map[string]string{}}
	f.SetOutput(io.Discard)
	f.Group(General)
	return f
}

// Group puts the flags that are defined from now on under a heading. A heading that was there before goes on.
func (f *Flags) Group(heading string) {
	f.close()
	f.open = heading
	if heading != Advanced && !slices.Contains(f.groups, heading) {
		f.groups = append(f.groups, heading)
	}
}

// close gives the flags defined since the last call of Group their heading.
func (f *Flags) close() {
	f.VisitAll(func(x *flag.Flag) {
		if _, ok := f.of[x.Name]; !ok {
			f.of[x.Name] = f.open
		}
	})
}

// Given says whether the flag is on the command line.
func (f *Flags) Given(name string) bool {
	given := false
	f.Visit(func(x *flag.Flag) { given = given || x.Name == name })
	return given
}

// parse reads flags before, between and behind the arguments, which it returns. Behind "--" everything is
// an argument.
func (f *Flags) parse(args []string, hints map[string]string) ([]string, error) {
	var behind []string
	if i := slices.Index(args, "--"); i >= 0 {
		args, behind = args[:i], args[i+1:]
	}
	var rest []string
	for {
		if err := f.Parse(args); err != nil {
			return nil, f.explain(err, hints)
		}
		if f.NArg() == 0 {
			break
		}
		rest, args = append(rest, f.Arg(0)), f.Args()[1:]
	}
	if err := f.checkHome(rest); err != nil {
		return nil, err
	}
	return append(rest, behind...), nil
}

// explain says what may have been meant by a command line that does not parse.
func (f *Flags) explain(err error, hints map[string]string) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	if name, ok := strings.CutPrefix(err.Error(), "flag needs an argument: -"); ok {
		what, _ := flag.UnquoteUsage(f.Lookup(name))
		return Misuse("%s needs a value: %[1]s %s", dashed(name), strings.ToUpper(what))
	}
	name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !ok {
		return Misuse("%w", err)
	}
	if hint := hints[name]; hint != "" {
		return Misuse("there is no option %s: %s", dashed(name), hint)
	}
	var names []string
	f.VisitAll(func(x *flag.Flag) { names = append(names, x.Name) })
	if meant := nearest.Typo(name, names); meant != "" {
		return Misuse("there is no option %s; did you mean %s?", dashed(name), dashed(meant))
	}
	return Misuse("there is no option %s", dashed(name))
}

// checkHome finds paths whose ~ the shell has left alone because of quotes, or because they stand behind "=".
func (f *Flags) checkHome(args []string) error {
	if _, err := os.Stat("~"); err == nil {
		return nil // a folder of that name, then
	}
	unexpanded := func(path string) bool { return path == "~" || strings.HasPrefix(path, "~/") }
	var err error
	f.Visit(func(x *flag.Flag) {
		if path := x.Value.String(); unexpanded(path) {
			err = Misuse(`%s %q: the shell expands ~ only outside quotes and behind a blank; write %[1]s "$HOME%[3]s"`, dashed(x.Name), path, path[1:])
		}
	})
	for _, path := range args {
		if unexpanded(path) {
			err = Misuse(`%q: the shell expands ~ only outside quotes; write "$HOME%s"`, path, path[1:])
		}
	}
	return err
}

// help lists the flags under their headings.
func (f *Flags) help() string {
	f.close()
	var b strings.Builder
	for _, heading := range append(f.groups, Advanced) {
		head := "\n" + heading + "\n"
		f.VisitAll(func(x *flag.Flag) {
			if f.of[x.Name] != heading {
				return
			}
			value, text := flag.UnquoteUsage(x)
			if value != "" {
				value = " " + strings.ToUpper(value)
			}
			fmt.Fprintf(&b, "%s  %s%s\n      %s", head, dashed(x.Name), value, text)
			if x.DefValue != "" && x.DefValue != "0" && x.DefValue != "false" {
				fmt.Fprintf(&b, " (%s)", x.DefValue)
			}
			b.WriteString("\n")
			head = ""
		})
	}
	return b.String()
}

// dashed is a flag as it is written.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
