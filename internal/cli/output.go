package cli

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/aladin-go/aladin/internal/progress"
)

// An Output is how a verb tells what it does: the flags --json and --quiet.
type Output struct {
	JSON, Quiet bool
}

// Register defines the flags.
func (o *Output) Register(f *Flags) {
	f.BoolVar(&o.JSON, "json", false, "print one JSON document")
	f.BoolVar(&o.Quiet, "quiet", false, "no progress")
}

// Task starts to show the progress of a task.
func (o *Output) Task(env Env, what string, total int) *progress.Task {
	if o.Quiet {
		return nil
	}
	return progress.New(env.Stderr, what, total)
}

// WriteJSON writes the document of --json.
func WriteJSON(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document)
}

// A List is a flag that may be given several times.
type List []string

// String implements flag.Value.
func (l *List) String() string { return strings.Join(*l, " ") }

// Set implements flag.Value.
func (l *List) Set(s string) error {
	*l = append(*l, s)
	return nil
}
