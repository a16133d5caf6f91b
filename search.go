package aladin

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aladin-go/aladin/index"
)

// SearchOptions say what is searched for. The zero value finds the best 10 of 200 candidates.
type SearchOptions struct {
	K          int // how many hits; 0 is 10
	Candidates int // how many are recalled by their vectors and ranked by alignment; 0 is 200, at least K

	Tags    *index.Filter // only items that pass; nil passes all
	IDs     []string      // only these; nil passes all
	Exclude []string      // all but these
	Kinds   []index.Kind  // only these kinds; nil passes all
	Exact   bool          // look at every item, even when the index is large enough to have cells
	Probe   int           // how many cells to look into; 0 chooses

	// Relevance, when set, leaves out hits that cover too little of the query.
	Relevance index.Relevance
	// MatchOnly ranks by the vectors alone, and explains nothing.
	MatchOnly bool
	// Timing, when set, is told how long each stage took.
	Timing func(Stage, time.Duration)
}

// Search finds the items of an index that fit a query best. Candidates are recalled by their vectors and
// ranked by alignment, and each hit says which word found which region. Queries are texts, images or sums;
// items are images or captions.
//
// Two images cannot be aligned word by word: an image as query for images is answered by the vectors alone,
// as is any query where the index, or the query, has no tokens. Then Align is 0 and Words is nil.
//
// Where nobody trained the tokens to be compared (see [Model.Untrained]), hits are ranked by the vectors, too,
// and explained as well as it goes.
//
// The model that encoded the query may be given, to be sure that it made the index too, or nil.
func Search(ctx context.Context, m *Model, ix *index.Index, q *Encoding, o SearchOptions) ([]Hit, error) {
	if m != nil {
		if err := m.madeBoth(q, ix); err != nil {
			return nil, err
		}
	}
	if o.K <= 0 {
		o.K = 10
	}
	if o.Candidates <= 0 {
		o.Candidates = 200
	}
	if o.MatchOnly || q.N() == 0 || q.Untrained {
		o.Candidates = o.K
	}
	watch := startWatch(o.Timing)
	hits, err := ix.Match(ctx, q, index.Query{
		K: max(o.K, o.Candidates), Tags: o.Tags, IDs: o.IDs, Exclude: o.Exclude, Kinds: o.Kinds, Exact: o.Exact, Probe: o.Probe,
	})
	if err != nil {
		return nil, err
	}
	watch.lap(StageMatch)
	if o.MatchOnly || !alignable(q, hits) {
		return hits[:min(len(hits), o.K)], nil
	}
	aligned, err := ix.Align(ctx, q, hits)
	if errors.Is(err, ErrNoTokens) {
		return hits[:min(len(hits), o.K)], nil
	}
	if err != nil {
		return nil, err
	}
	if q.Untrained {
		slices.SortStableFunc(aligned, func(a, b Hit) int { return cmp.Compare(b.Match, a.Match) })
	}
	watch.lap(StageAlign)
	hits, err = explained(ctx, ix, q, aligned[:min(len(aligned), o.K)])
	if err != nil {
		return nil, err
	}
	watch.lap(StageExplain)
	if q.Untrained {
		return hits, nil
	}
	return o.Relevance.Cut(hits), nil
}

// madeBoth refuses a query or an index of another model.
func (m *Model) madeBoth(q *Encoding, ix *index.Index) error {
	for _, other := range []string{q.Model, ix.Model()} {
		if other != m.Fingerprint() && other != "" {
			return mismatch(other, m.Fingerprint())
		}
	}
	return nil
}

// alignable says whether words can be found in regions: the query or every hit is a caption.
func alignable(q *Encoding, hits []Hit) bool {
	if q.N() == 0 || len(hits) == 0 {
		return false
	}
	for _, h := range hits {
		if q.Kind == index.Image && h.Kind == index.Image {
			return false
		}
	}
	return true
}

// explained explains hits. One that a writer deleted in the meantime, and a Refresh took away, is left out.
func explained(ctx context.Context, ix *index.Index, q *Encoding, hits []Hit) ([]Hit, error) {
	out, err := ix.Explain(ctx, q, hits)
	if !errors.Is(err, index.ErrNotFound) {
		return out, err
	}
	out = nil
	for _, h := range hits {
		one, err := ix.Explain(ctx, q, []Hit{h})
		switch {
		case errors.Is(err, index.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			out = append(out, one...)
		}
	}
	return out, nil
}
