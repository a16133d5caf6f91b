package evalcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/aladin-go/aladin/internal/eval"
)

// compared is this run against an earlier document, query by query.
type compared struct {
	Other   string                                `json:"other"`
	Heads   map[string]map[string]eval.Difference `json:"heads"` // by head and figure
	Changed []change                              `json:"changed"`
}

// change is a query that the two rank differently; ranks are 0-based.
type change struct {
	Head      string `json:"head"`
	Direction string `json:"direction"`
	Query     string `json:"query"`
	Text      string `json:"text,omitempty"`
	Mine      int32  `json:"rank"`
	Other     int32  `json:"other_rank"`
}

// mostChanged queries are named for each head and direction.
const mostChanged = 10

// compareWith tests every head that both runs have.
func (e *evaluation) compareWith(ctx context.Context, path string) error {
	other, err := readQueries(path)
	if err != nil {
		return err
	}
	owner, split, image, caption, err := other.align(e)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	out := &compared{Other: path, Heads: map[string]map[string]eval.Difference{}}
	p := e.tell("comparing", len(e.heads))
	defer p.Done()
	for _, h := range e.heads {
		ranks, ok := other.Ranks[h.name]
		if !ok {
			continue
		}
		theirs := &eval.Outcome{Owner: owner, Split: split}
		theirs.I2T, theirs.T2I = reorder(ranks.I2T, image), reorder(ranks.T2I, caption)
		pair, err := h.outcome.Against(theirs)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		r := e.resampling()
		if r.Resamples <= 0 {
			r.Resamples = defaultResamples
		}
		differences, err := eval.Compare(ctx, pair, r)
		if err != nil {
			return err
		}
		named := map[string]eval.Difference{}
		for k, d := range differences {
			named[eval.RetrievalNames[k]] = d
		}
		if v, ok := other.NDCG[h.name]; ok && h.ndcg != nil {
			theirs := &eval.Mean{I2T: reorder(numbers(v.I2T), image), T2I: reorder(numbers(v.T2I), caption)}
			// Both in the precision of the document, so that equal runs are equal.
			mine := &eval.Mean{I2T: numbers(finites(h.ndcg.I2T)), T2I: numbers(finites(h.ndcg.T2I))}
			pair, err := mine.Against(theirs, e.d.owner, e.split)
			if err != nil {
				return fmt.Errorf("%s: nDCG: %w", path, err)
			}
			differences, err := eval.Compare(ctx, pair, r)
			if err != nil {
				return err
			}
			named["ndcg.i2t"], named["ndcg.t2i"] = differences[0], differences[1]
		}
		out.Heads[h.name] = named
		for _, c := range eval.MostChanged(h.outcome.I2T, theirs.I2T, mostChanged) {
			out.Changed = append(out.Changed, change{h.name, "i2t", e.d.images[c.Query], "", c.Mine, c.Other})
		}
		for _, c := range eval.MostChanged(h.outcome.T2I, theirs.T2I, mostChanged) {
			text := ""
			if e.d.texts != nil {
				text = e.d.texts[c.Query]
			}
			out.Changed = append(out.Changed, change{h.name, "t2i", e.d.captions[c.Query], text, c.Mine, c.Other})
		}
		p.Add(1)
	}
	if len(out.Heads) == 0 {
		return fmt.Errorf("%w: %s has none of the rankings of this run", eval.ErrMismatch, path)
	}
	e.doc.Compare = out
	return nil
}

func readQueries(path string) (*queryRanks, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Queries *queryRanks `json:"queries"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("%w: %s is no document of aladin-eval --json: %w", errData, path, err)
	}
	q := doc.Queries
	if q == nil {
		return nil, fmt.Errorf("%w: %s holds no ranks of single queries, so it cannot be compared: make it again with aladin-eval --json", errData, path)
	}
	if len(q.Owner) != len(q.Captions) || len(q.Fold) != len(q.Images) {
		return nil, fmt.Errorf("%w: %s: %d captions with %d owners, %d images in %d places", errData, path, len(q.Captions), len(q.Owner), len(q.Images), len(q.Fold))
	}
	for name, r := range q.Ranks {
		if len(r.I2T) != len(q.Images) || len(r.T2I) != len(q.Captions) {
			return nil, fmt.Errorf("%w: %s: %s has the ranks of %d images and %d captions, want %d and %d", errData, path, name, len(r.I2T), len(r.T2I), len(q.Images), len(q.Captions))
		}
	}
	for name, v := range q.NDCG {
		if len(v.I2T) != len(q.Images) || len(v.T2I) != len(q.Captions) {
			return nil, fmt.Errorf("%w: %s: nDCG of %s has %d images and %d captions", errData, path, name, len(v.I2T), len(v.T2I))
		}
	}
	return q, nil
}

// align finds the other's image and caption of each of ours, and checks that they are the same data in
// the same galleries.
func (q *queryRanks) align(e *evaluation) (owner []int, split *eval.Split, image, caption []int, err error) {
	match := func(what string, mine, other []string) ([]int, error) {
		if len(mine) != len(other) {
			return nil, fmt.Errorf("%w: %d %ss here, %d there", eval.ErrMismatch, len(mine), what, len(other))
		}
		at := places(other)
		out := make([]int, len(mine))
		for k, id := range mine {
			o, ok := at[id]
			if !ok {
				return nil, fmt.Errorf("%w: %s %q is not in the other run", eval.ErrMismatch, what, id)
			}
			out[k] = o
		}
		return out, nil
	}
	if image, err = match("image", e.d.images, q.Images); err != nil {
		return
	}
	if caption, err = match("caption", e.d.captions, q.Captions); err != nil {
		return
	}
	back := make([]int, len(image))
	for k, o := range image {
		back[o] = k
	}
	owner = make([]int, len(caption))
	for k, o := range caption {
		i := q.Owner[o]
		if i < 0 || i >= len(back) {
			err = fmt.Errorf("%w: caption %q of the other run belongs to image %d", errData, q.Captions[o], i)
			return
		}
		owner[k] = back[i]
	}
	split = &eval.Split{Fold: reorder(q.Fold, image)}
	for _, f := range split.Fold {
		split.Folds = max(split.Folds, f+1)
	}
	return
}

func reorder[T any](v []T, at []int) []T {
	out := make([]T, len(at))
	for k, o := range at {
		out[k] = v[o]
	}
	return out
}

func numbers(v []*float32) []float64 {
	out := make([]float64, len(v))
	for k, x := range v {
		out[k] = math.NaN()
		if x != nil {
			out[k] = float64(*x)
		}
	}
	return out
}

func (c *compared) table(w io.Writer) {
	if c == nil {
		return
	}
	fmt.Fprintf(w, "\nagainst %s\n%-14s %-12s %9s %9s %9s %20s %8s\n", c.Other, "", "", "this", "other", "diff", "95 %", "p")
	names := make([]string, 0, len(c.Heads))
	for name := range c.Heads {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, figure := range append(slices.Clone(eval.RetrievalNames), "ndcg.i2t", "ndcg.t2i") {
			if d, ok := c.Heads[name][figure]; ok {
				fmt.Fprintf(w, "%-14s %-12s %9.3f %9.3f %+9.3f   [%+7.3f, %+7.3f] %8.4f\n", name, figure, d.Mine, d.Other, d.Diff, d.Interval[0], d.Interval[1], d.P)
			}
		}
	}
	fmt.Fprintln(w, "\nqueries that changed most (places from 1)")
	for _, x := range c.Changed {
		query := x.Text
		if query == "" {
			query = x.Query
		}
		fmt.Fprintf(w, "%-14s %s %6d ← %-6d %s\n", x.Head, x.Direction, x.Mine+1, x.Other+1, query)
	}
}
