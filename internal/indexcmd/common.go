package indexcmd

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/internal/progress"
	"github.com/aladin-go/aladin/internal/source"
)

// modelFlags name a model and where it runs.
type modelFlags struct {
	dir     string
	device  string
	threads int
	int8    bool
}

func (m *modelFlags) register(f *flag.FlagSet) {
	f.StringVar(&m.dir, "model", "", "`folder` of the model, made by aladin-train")
	f.StringVar(&m.device, "device", "cpu", "`where` to encode: cpu, cuda, cuda:N, or auto")
	f.IntVar(&m.threads, "threads", 0, "`number` of cores to use; 0 is all")
	f.BoolVar(&m.int8, "int8-text", false, "encode texts with products of bytes: on a CPU faster with large models, and hardly different")
}

func (m *modelFlags) open() (*aladin.Model, error) {
	if m.dir == "" {
		return nil, fmt.Errorf("%w: which --model?", errUsage)
	}
	if m.threads < 0 {
		return nil, fmt.Errorf("%w: --threads %d", errUsage, m.threads)
	}
	return aladin.OpenModel(m.dir, &aladin.Options{Device: m.device, Threads: m.threads, Int8Text: m.int8})
}

// tellFlags say how a verb tells what it does.
type tellFlags struct {
	json, quiet bool
}

func (t *tellFlags) register(f *flag.FlagSet) {
	f.BoolVar(&t.json, "json", false, "print one JSON document")
	f.BoolVar(&t.quiet, "quiet", false, "no progress")
}

// task starts to show progress.
func (t *tellFlags) task(env environment, what string, total int) *progress.Task {
	if t.quiet {
		return nil
	}
	return progress.New(env.stderr, what, total)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// skipped is a Skip as JSON.
type skipped struct {
	What   string `json:"what"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

func skips(all source.Skips) []skipped {
	out := []skipped{}
	for _, k := range all {
		out = append(out, skipped{k.What, k.Name, k.Err.Error()})
	}
	return out
}

// shownSkips is how many skips are named on a terminal; --json names all.
const shownSkips = 20

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// size writes a number of bytes for people.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d bytes", n)
	}
	v, k := float64(n)/unit, 0
	for v >= unit && k < 3 {
		v, k = v/unit, k+1
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGT"[k])
}

// list is a flag that may be given several times.
type list []string

// String implements flag.Value.
func (l *list) String() string { return strings.Join(*l, " ") }

// Set implements flag.Value.
func (l *list) Set(s string) error {
	*l = append(*l, s)
	return nil
}
