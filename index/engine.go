package index

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/aladin-go/aladin/internal/vector"
)

// An Engine recalls items that a Layout packed. It is what a [Searcher] that is no file is made of.
type Engine interface {
	// Recall returns the n items with the largest inner products with the vector of those that pass the filters of o
	// (Tags, IDs, Exclude, Kinds), all of them if they are fewer, in any order. More do no harm. What it cannot filter by is an
	// error. ID, Kind and Codes are wanted of each.
	Recall(ctx context.Context, vector []float32, n int, o *SearchOptions) ([]Packed, error)

	// Rest returns items in any order, without those that are gone by now. ID, Kind, Tags and Rest are wanted of each.
	Rest(ctx context.Context, ids []string) ([]Packed, error)
}

// Search is [Index.Search] on an engine: it finds candidates, and hits among them are ranked, explained and told of as
// those of a file. Exact and Probe are how a file is scanned, so an engine refuses them. Hits that are deleted while
// it searches may be missing.
func (l *Layout) Search(ctx context.Context, e Engine, q *Encoding, o *SearchOptions) ([]Hit, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if opts.Exact || opts.Probe > 0 {
		return nil, fmt.Errorf("%w search: an engine chooses by itself what it looks at; leave out Exact and Probe", ErrInvalid)
	}
	if q == nil {
		return nil, fmt.Errorf("%w query: no encoding", ErrInvalid)
	}
	if q.Model != l.spec.Model {
		return nil, modelMismatch(q.Model, l.spec.Model)
	}
	if err := q.check(l.spec.Dim, l.spec.TokenDim); err != nil {
		return nil, err
	}
	from := &recalled{layout: l, engine: e}
	s := &search{from: from, tokens: l.tokens, opts: opts, threads: runtime.GOMAXPROCS(0), last: time.Now()}
	n := s.recalls(q)
	items, err := e.Recall(ctx, q.Matching, n, &opts)
	if err != nil {
		return nil, err
	}
	hits, err := from.match(q, items, n)
	if err != nil {
		return nil, err
	}
	s.lap(&s.stats.Match)
	hits, err = s.rank(ctx, q, hits)
	if err == nil && opts.Stats != nil {
		*opts.Stats = s.stats
	}
	return hits, err
}

// recalled are the items that an engine recalled for a query: rows to rank and explain hits by.
type recalled struct {
	layout *Layout
	engine Engine
	items  []Packed
	codes  []codes
	rests  map[int]*loaded
}

// loaded is what the engine has of an item besides its codes.
type loaded struct {
	rest   rest
	record record
	tags   []string
}

// match makes hits of the best n items, ranked as a scan of a file would.
func (r *recalled) match(q *Encoding, items []Packed, n int) ([]Hit, error) {
	spec := &r.layout.spec
	query, err := vector.NewQuery(spec.Match, q.Matching, nil)
	if err != nil {
		return nil, fmt.Errorf("%w query: %v", ErrInvalid, err)
	}
	r.items, r.codes = items, make([]codes, len(items))
	rows := &vector.Rows{Codec: spec.Match, Dim: spec.Dim, N: len(items), Codes: make([]byte, 0, len(items)*vector.RowBytes(spec.Match, spec.Dim))}
	for i := range items {
		c, err := r.layout.split(items[i].Codes)
		if err != nil {
			return nil, fmt.Errorf("item %.100q: %w", items[i].ID, err)
		}
		r.codes[i] = c
		rows.Codes = append(rows.Codes, c.row...)
		if vector.HasScale(spec.Match) {
			rows.Scales = append(rows.Scales, c.scale)
		}
	}
	top := vector.NewTopK(len(items))
	vector.Scan(rows, query, nil, 0, top)
	found := top.Hits()
	slices.SortFunc(found, func(a, b vector.Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(items[a.Pos].ID, items[b.Pos].ID))
	})
	hits := make([]Hit, min(n, len(found)))
	for i := range hits {
		f := found[i]
		match := min(f.Score, 1)
		hits[i] = Hit{ID: items[f.Pos].ID, Kind: items[f.Pos].Kind, Score: match, Match: match, MatchRank: i + 1, at: location{row: f.Pos}}
	}
	return hits, nil
}

func (r *recalled) tokens(at location) (block []byte, weights []float32, err error) {
	c := &r.codes[at.row]
	return c.block, c.weights, nil
}

// load asks the engine for what it has not been asked for yet.
func (r *recalled) load(ctx context.Context, hits []Hit) ([]Hit, error) {
	if r.rests == nil {
		r.rests = make(map[int]*loaded, len(hits))
	}
	var ids []string
	rows := map[string]int{}
	for i := range hits {
		if row := hits[i].at.row; r.rests[row] == nil {
			ids, rows[hits[i].ID] = append(ids, hits[i].ID), row
		}
	}
	if len(ids) > 0 {
		items, err := r.engine.Rest(ctx, ids)
		if err != nil {
			return nil, err
		}
		for i := range items {
			row, ok := rows[items[i].ID]
			if !ok {
				continue
			}
			l := &loaded{tags: items[i].Tags}
			if l.rest, l.record, err = readRest(items[i].Rest); err != nil {
				return nil, fmt.Errorf("item %.100q: %w", items[i].ID, err)
			}
			r.rests[row] = l
		}
	}
	return slices.DeleteFunc(hits, func(h Hit) bool { return r.rests[h.at.row] == nil }), nil
}

func (r *recalled) region(at location, i int) (Box, string, error) {
	box, label := r.rests[at.row].rest.region(i)
	return box, label, nil
}

func (r *recalled) words(at location) ([]Word, error) {
	if words := r.rests[at.row].record.words; len(words) == r.codes[at.row].n {
		return words, nil
	}
	return nil, nil
}

func (r *recalled) fields(at location) (*Fields, error) {
	l := r.rests[at.row]
	return &Fields{Kind: r.items[at.row].Kind, Text: l.record.text, Meta: l.record.meta, Tags: l.tags, State: l.rest.state}, nil
}

func (r *recalled) guard(f func() error) error { return f() }
