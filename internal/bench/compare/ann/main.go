//go:build unix

// Command ann compares searches in the cells of an index with other engines of approximate search: what share of the
// best k each finds, and how many queries a second one core answers. The script run beside it brings the other engines.
//
// All run on the same vectors, one after the other, on one thread. Times are processor time, which other programs on the
// machine disturb less than they do hours.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/aladin-go/aladin/index"
)

// levels are the recalls at which engines are compared.
var levels = []float64{0.9, 0.95, 0.99}

type options struct {
	n, dim, queries, k      int
	data, save              string
	model, captions, photos string
	python, script, rivals  string
	rounds                  int
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("ann: ")
	var o options
	flag.IntVar(&o.n, "n", 200_000, "generate so many items")
	flag.IntVar(&o.dim, "dim", 256, "values of a vector that is generated or read, a multiple of 64")
	flag.IntVar(&o.queries, "queries", 1000, "queries that are made")
	flag.IntVar(&o.k, "k", 10, "hits a query")
	flag.StringVar(&o.data, "data", "", "take items.f32 and queries.f32 of this `folder`")
	flag.StringVar(&o.model, "model", "", "encode words and captions as items, and photos and regions as queries, with this `model`")
	flag.StringVar(&o.captions, "captions", "", "`file` of photo <tab> number <tab> caption, for -model")
	flag.StringVar(&o.photos, "photos", "", "`folder` of their photos, for -model")
	flag.StringVar(&o.save, "save", "", "write the vectors to this `folder`, and stop")
	flag.StringVar(&o.python, "python", "", "python `interpreter` that has faiss and usearch; empty: only ours")
	flag.StringVar(&o.script, "script", "rivals.py", "what it runs")
	flag.StringVar(&o.rivals, "rivals", "hnsw,sq8,pq,rabitq,usearch", "engines that it runs")
	flag.IntVar(&o.rounds, "rounds", 3, "take the best of `n` rounds")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, &o, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, o *options, out io.Writer) error {
	s, err := o.set(ctx)
	if err != nil {
		return err
	}
	if err := s.findTruth(ctx, o.k); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %d items, %d queries of %d values, k=%d\n", s.name, s.n(), len(s.truth), s.dim, o.k)
	if o.save != "" {
		return s.save(o.save)
	}
	folder, err := os.MkdirTemp("", "ann")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	r := &report{}
	for _, match := range []index.Codec{index.Int8, index.F16} {
		if err := r.ours(ctx, s, folder, match, o); err != nil {
			return err
		}
	}
	if o.python != "" {
		if err := s.save(folder); err != nil {
			return err
		}
		if err := r.theirs(ctx, s, folder, o); err != nil {
			return err
		}
	}
	return r.print(out)
}

// set makes or reads the vectors.
func (o *options) set(ctx context.Context) (*set, error) {
	switch {
	case o.data != "":
		return load(o.data, o.dim)
	case o.model != "":
		return encode(ctx, o.model, o.captions, o.photos, o.queries)
	}
	return generate(o.n, o.queries, o.dim), nil
}

// report is what was measured.
type report struct {
	points []point
	built  []built
}

// byDefault is the setting of a search that is told nothing.
const byDefault = "default"

func (r *report) ours(ctx context.Context, s *set, folder string, match index.Codec, o *options) error {
	path, b, err := buildOurs(ctx, s, folder, match)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	r.built = append(r.built, b)
	settings := map[string]index.SearchOptions{byDefault: {}, "exact": {Exact: true}}
	for probe := 8; probe <= 512; probe *= 2 {
		settings[strconv.Itoa(probe)+" cells"] = index.SearchOptions{Probe: probe}
	}
	for name, so := range settings {
		so.K, so.MatchOnly = o.k, true
		p, err := measureOurs(ctx, s, path, b.Engine, name, so, o.rounds)
		if err != nil {
			return err
		}
		r.points = append(r.points, p)
	}
	return nil
}

// theirs runs the other engines, which write a point or what they built on each line.
func (r *report) theirs(ctx context.Context, s *set, folder string, o *options) error {
	for _, rival := range strings.Split(o.rivals, ",") {
		cmd := exec.CommandContext(ctx, o.python, o.script, folder, strconv.Itoa(s.dim), strconv.Itoa(o.k), rival)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			fmt.Fprintf(os.Stderr, "ann: %s is left out: %v\n", rival, err)
			continue
		}
		for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
			var b built
			var p point
			if err := json.Unmarshal(lines.Bytes(), &b); err != nil {
				return fmt.Errorf("%s wrote %q: %w", rival, lines.Text(), err)
			}
			if b.Seconds > 0 {
				r.built = append(r.built, b)
				continue
			}
			if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
				return fmt.Errorf("%s wrote %q: %w", rival, lines.Text(), err)
			}
			r.points = append(r.points, p)
		}
	}
	return nil
}

func (r *report) print(out io.Writer) error {
	slices.SortStableFunc(r.points, func(a, b point) int {
		return cmp.Or(strings.Compare(a.Engine, b.Engine), cmp.Compare(a.Micros, b.Micros))
	})
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nengine\tsetting\trecall\tqueries/s\t")
	for _, p := range r.points {
		fmt.Fprintf(t, "%s\t%s\t%.3f\t%.0f\t\n", p.Engine, p.Setting, p.Recall, 1e6/p.Micros)
	}
	fmt.Fprint(t, "\nengine\tbuild, s\tbytes an item\t")
	for _, level := range levels {
		fmt.Fprintf(t, "queries/s at %g\t", level)
	}
	fmt.Fprintln(t)
	for _, b := range r.built {
		fmt.Fprintf(t, "%s\t%.1f\t%.0f\t", b.Engine, b.Seconds, b.Bytes)
		for _, level := range levels {
			if rate := r.rate(b.Engine, level); rate > 0 {
				fmt.Fprintf(t, "%.0f", rate)
			}
			fmt.Fprint(t, "\t")
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// rate is the most queries a second with which an engine reaches a recall; 0 where no setting does.
func (r *report) rate(engine string, recall float64) (best float64) {
	for _, p := range r.points {
		if p.Engine == engine && p.Recall >= recall {
			best = max(best, 1e6/p.Micros)
		}
	}
	return best
}
