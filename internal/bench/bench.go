package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/aladin-go/aladin/internal/vector"
)

// A suite measures related things. To add one, write its function in a file of its
// own and put it into suites. Suites run one after the other in this order; what
// a suite allocated is given back before the next begins.
type suite struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

var suites = []suite{
	{"scan", scans},
	{"bits", bits},
	{"maxsim", maxSim},
	{"training", training},
}

// A Row is one line of the table and one element of build/bench.json. Ratio says
// how many times better than the baseline the value is, so a bar is always a
// lower bound: bars are written down in docs/performance.md.
type Row struct {
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Baseline float64 `json:"baseline"`        // in the same unit; 0: none
	Against  string  `json:"against"`         // what the baseline is
	Ratio    float64 `json:"ratio"`           // 0: none
	Bar      float64 `json:"bar"`             // 0: none
	Lower    bool    `json:"lower_is_better"` // of value and baseline
}

// bench is what a suite works with.
type bench struct {
	quick  bool
	rounds int
	rows   []Row
	notes  io.Writer
}

// report adds a row and works out its ratio, unless it has one.
func (b *bench) report(r Row) {
	if r.Baseline > 0 && r.Value > 0 && r.Ratio == 0 {
		r.Ratio = r.Value / r.Baseline
		if r.Lower {
			r.Ratio = 1 / r.Ratio
		}
	}
	b.rows = append(b.rows, r)
	fmt.Fprintf(b.notes, "  %s: %.4g %s\n", r.Name, r.Value, r.Unit)
}

// note says what is going on.
func (b *bench) note(format string, a ...any) { fmt.Fprintf(b.notes, "  "+format+"\n", a...) }

// size chooses between the full and the quick size of something.
func (b *bench) size(full, quick int) int {
	if b.quick {
		return quick
	}
	return full
}

// times are those of subjects that took turns: by subject, then by round.
type times [][]time.Duration

// measure runs the subjects in turns, round after round. What disturbs a busy machine
// for longer than a round disturbs all of them, so that ratios hold.
func (b *bench) measure(subjects ...func()) times {
	t := make(times, len(subjects))
	for round := range b.rounds + 1 {
		for i, f := range subjects {
			start := time.Now()
			f()
			if round > 0 { // the first warms up
				t[i] = append(t[i], time.Since(start))
			}
		}
	}
	return t
}

// ms is the median time of subject i in milliseconds.
func (t times) ms(i int) float64 {
	return median(len(t[i]), func(round int) float64 { return float64(t[i][round].Nanoseconds()) / 1e6 })
}

// speedup says how many times as fast subject i is as subject j: the median of the
// ratios of single rounds.
func (t times) speedup(i, j int) float64 {
	return median(len(t[i]), func(round int) float64 { return float64(t[j][round]) / float64(t[i][round]) })
}

func median(n int, value func(int) float64) float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = value(i)
	}
	slices.Sort(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	quick := flags.Bool("quick", false, "smaller sizes: a minute, some 2 GB of memory")
	only := flags.String("run", "", "run suites whose name matches this `regexp`")
	out := flags.String("out", filepath.Join("build", "bench.json"), "write the figures to this `file`; empty: do not")
	rounds := flags.Int("rounds", 9, "take the median of `n` rounds")
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: go run ./internal/bench [flags]\n\nMeasures, prints a table and exits 0 whatever the figures.")
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	b := &bench{quick: *quick, rounds: max(*rounds, 1), notes: stderr}
	fmt.Fprintf(stderr, "%s/%s, %d CPUs, kernels %s\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), vector.Kernel())
	for _, s := range suites {
		if !pattern.MatchString(s.name) {
			continue
		}
		fmt.Fprintln(stderr, s.name)
		if err := s.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		debug.FreeOSMemory()
	}
	if *out != "" {
		if err := writeJSON(*out, b.rows); err != nil {
			return err
		}
	}
	return writeTable(stdout, b.rows)
}

func writeJSON(path string, rows []Row) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if rows == nil {
		rows = []Row{}
	}
	data, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

func writeTable(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "what\tvalue\tunit\tbaseline\t\tratio\tbar\t")
	for _, r := range rows {
		baseline, ratio, bar, verdict := "", "", "", ""
		if r.Baseline > 0 {
			baseline, ratio = fmt.Sprintf("%.4g", r.Baseline), fmt.Sprintf("%.2f×", r.Ratio)
		}
		if r.Bar > 0 {
			bar, verdict = fmt.Sprintf("≥ %.4g×", r.Bar), "below"
			if r.Ratio >= r.Bar {
				verdict = "met"
			}
		}
		fmt.Fprintf(t, "%s\t%.4g\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.Value, r.Unit, baseline, r.Against, ratio, bar, verdict)
	}
	return t.Flush()
}
