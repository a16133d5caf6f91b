package index

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aladin-go/aladin/internal/vector"
)

// What a search does unless it is told otherwise.
const (
	DefaultK          = 10
	DefaultCandidates = 200
)

// SearchOptions say what is searched for. Nil and zero values find the best 10 of 200 candidates and explain
// them.
type SearchOptions struct {
	// K is how many hits are wanted. That many are found whenever so many items pass the filters.
	// 0 is DefaultK.
	K int

	// Candidates is how many items are recalled by their matching vectors and ranked by alignment: at
	// least K. 0 is DefaultCandidates.
	Candidates int

	// MatchOnly ranks by the matching vectors alone, AlignOnly by alignment alone where the query's Ranking would add
	// other scores to it.
	MatchOnly, AlignOnly bool

	// NoExplain leaves out the words of hits, which cost time for each hit.
	NoExplain bool

	// WithFields adds to each hit what is stored with it.
	WithFields bool

	// Filters apply before the scan; an item must pass all that are set.
	Tags    *Filter  // by tags; nil passes all
	IDs     []string // only these; nil passes all. Unknown ids are ignored
	Exclude []string // all but these
	Kinds   []Kind   // only these kinds; nil passes all

	// Exact scans everything, even when the index has cells. Probe is the number of cells to look into;
	// 0 chooses by size.
	Exact bool
	Probe int

	// MinCoverage and MinShare leave out hits that have little to do with the query, which is told by how
	// well their regions cover its words: those whose Coverage is less than MinCoverage, or less than
	// MinShare of the best hit's. A good MinCoverage depends on the model; MinShare, 0…1, adapts to how hard
	// the query is. They apply to hits that are aligned.
	MinCoverage float32
	MinShare    float32

	// Device, when set, aligns candidates in place of the CPU where the index keeps their tokens as int8 codes. Hits are the
	// same, scores but for their last digits. Models set it where they are told to: see aladin.Options.AlignOnDevice.
	Device Device

	// Stats, when set, is filled in. Searches at the same time need one each.
	Stats *SearchStats
}

// SearchStats tell how a search went.
type SearchStats struct {
	Candidates int  // items recalled
	Aligned    bool // ranked by alignment, not by their vectors
	OnDevice   int  // aligned by SearchOptions.Device

	// Time spent on recall, on ranking by alignment, and on explaining the hits.
	Match, Align, Explain time.Duration
}

// Hit is an item found.
type Hit struct {
	ID   string
	Kind Kind

	// Match is the inner product of the matching vectors, at most 1, and MatchRank the item's place among the
	// candidates by it: 1, 2, 3 …
	Match     float32
	MatchRank int

	// Score is what ranks: the larger, the better. It is Align and what the query's [Ranking] adds, or Match where
	// alignment does not rank.
	Score float32

	// Align is the alignment score: the sum over words of weight times the similarity of the region that
	// fits best. Coverage says how well the words are covered by regions: the mean similarity of the
	// query's words, negative ones counted as 0, each by its weight; words of negative weight do not
	// count. Both are 0 if the hit is not aligned.
	Align    float32
	Coverage float32

	// Labelled is what the labels of the item's regions add to Score.
	Labelled float32

	// Words says where the alignment score comes from.
	Words []WordMatch

	// Fields are set by WithFields.
	Fields *Fields

	at location
}

// location is where an item is in a snapshot.
type location struct{ seg, row int }

// WordMatch is a word and the region it matches best.
type WordMatch struct {
	Word       string
	Start, End int // bytes of the word in its text
	Token      int // its number among the tokens of its side, of several pieces that of the first

	// Region is the number of the region among its image's tokens, or -1 when the
	// image has none that takes part. Box and Label are what is known of it.
	Region int
	Box    Box
	Label  string

	// Similarity is the inner product of word and region, Weight what the word counts. The
	// alignment score is the sum of Weight·Similarity. A word of several pieces
	// has the sum of their weights, the weighted mean of their similarities,
	// and the region of the piece that adds most.
	Similarity float32
	Weight     float32

	// Gain is what a label that means the word adds to the hit's Score, for each unit of Weight. Where it is
	// not 0, Region is the one with the label, and Similarity is still that with the best region.
	Gain float32
}

func (o *SearchOptions) withDefaults() (SearchOptions, error) {
	var c SearchOptions
	if o != nil {
		c = *o
	}
	if c.K < 0 || c.Candidates < 0 || c.Probe < 0 {
		return c, fmt.Errorf("%w search: K %d, candidates %d, probe %d", ErrInvalid, c.K, c.Candidates, c.Probe)
	}
	if c.K == 0 {
		c.K = DefaultK
	}
	if c.Candidates == 0 {
		c.Candidates = DefaultCandidates
	}
	c.Candidates = max(c.Candidates, c.K)
	return c, nil
}

// Search finds the items that fit a query best, all on one commit. Candidates are recalled by the inner product
// of their matching vectors and ranked by Score: by alignment and, with a model that is calibrated, matching (see
// [Ranking]); ties by Align, then by Match, then by id. Each hit says which word found which region.
//
// Words belong to the caption when exactly one side is a caption, else to the query; the other side's tokens are
// the regions. Images that an image finds are ranked by the vectors, which know their like better, and so are the
// hits of an untrained query (see [Encoding]); both are explained all the same. Where the query or the index has no
// tokens, the vectors are all there is.
func (ix *Index) Search(ctx context.Context, q *Encoding, o *SearchOptions) ([]Hit, error) {
	hits, err := ix.SearchBatch(ctx, []*Encoding{q}, o)
	if err != nil {
		return nil, err
	}
	return hits[0], nil
}

// SearchBatch is Search for several queries, whose recall shares one pass over the file. Stats sum up all.
func (ix *Index) SearchBatch(ctx context.Context, qs []*Encoding, o *SearchOptions) ([][]Hit, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	var hits [][]Hit
	err = ix.view(func(sn *snapshot) error {
		s := &search{from: sn, tokens: sn.store.tokens, signs: sn.store.opts.Match == Bits && !sn.store.rescores(), opts: opts, threads: ix.opts.Threads}
		hits, err = s.run(ctx, sn, qs)
		if err == nil && opts.Stats != nil {
			*opts.Stats = s.stats
		}
		return err
	})
	return hits, err
}

// search is one call of SearchBatch, or of a search on an engine.
type search struct {
	from    rows
	tokens  *vector.Tokens // of from; nil: it has none
	signs   bool           // Match is a share of equal signs, not an inner product
	opts    SearchOptions
	threads int
	stats   SearchStats
	last    time.Time
}

// lap adds the time since the last lap to a stage.
func (s *search) lap(stage *time.Duration) {
	now := time.Now()
	*stage += now.Sub(s.last)
	s.last = now
}

// run searches a file.
func (s *search) run(ctx context.Context, sn *snapshot, qs []*Encoding) ([][]Hit, error) {
	s.last = time.Now()
	recall := s.opts
	for _, q := range qs {
		if err := sn.accepts(q); err != nil {
			return nil, err
		}
		recall.K = max(recall.K, s.recalls(q))
	}
	recalled, err := (&matcher{sn: sn, opts: &recall, threads: s.threads}).run(ctx, qs)
	if err != nil {
		return nil, err
	}
	s.lap(&s.stats.Match)
	out := make([][]Hit, len(qs))
	for i, q := range qs {
		hits, err := sn.hits(recalled[i])
		if err != nil {
			return nil, err
		}
		if out[i], err = s.rank(ctx, q, hits); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// recalls is how many items a query wants recalled.
func (s *search) recalls(q *Encoding) int {
	if s.ranks(q) && !q.Untrained {
		return s.opts.Candidates
	}
	return s.opts.K
}

// ranks says whether a query's candidates can be ranked by alignment.
func (s *search) ranks(q *Encoding) bool {
	return !s.opts.MatchOnly && q.N() > 0 && s.tokens != nil
}

// rank makes the answer of what was recalled for a query, the best first by Match.
func (s *search) rank(ctx context.Context, q *Encoding, hits []Hit) ([]Hit, error) {
	s.stats.Candidates += len(hits)
	twoImages := func(h Hit) bool { return q.Kind == Image && h.Kind == Image }
	byVector := q.Untrained || slices.ContainsFunc(hits, twoImages)
	if byVector || !s.ranks(q) {
		hits = hits[:min(len(hits), s.opts.K)]
		s.lap(&s.stats.Match)
	}
	if !s.ranks(q) {
		return s.addFields(ctx, hits)
	}
	s.stats.Aligned = s.stats.Aligned || !byVector
	a, err := newAligner(s.from, s.tokens, q)
	if err != nil {
		return nil, err
	}
	if !byVector {
		ranking := q.Ranking
		if s.opts.AlignOnly || s.signs {
			ranking = nil
		}
		a.device = s.opts.Device
		if ranking != nil && ranking.Labels != nil {
			if hits, err = s.from.load(ctx, hits); err != nil {
				return nil, err
			}
		}
		if err := a.rank(ctx, hits, ranking, s.threads); err != nil {
			return nil, err
		}
		s.stats.OnDevice += a.byDevice
	}
	hits = hits[:min(len(hits), s.opts.K)]
	s.lap(&s.stats.Align)
	if !s.opts.NoExplain {
		if hits, err = s.from.load(ctx, hits); err != nil {
			return nil, err
		}
	}
	for i := range hits {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := a.explain(&hits[i], !s.opts.NoExplain); err != nil {
			return nil, err
		}
	}
	if !byVector {
		hits = s.relevant(hits)
	}
	hits, err = s.addFields(ctx, hits)
	s.lap(&s.stats.Explain)
	return hits, err
}

// relevant drops the hits that cover too little of the query.
func (s *search) relevant(hits []Hit) []Hit {
	var best float32
	for i := range hits {
		best = max(best, hits[i].Coverage)
	}
	least := max(s.opts.MinCoverage, s.opts.MinShare*best)
	return slices.DeleteFunc(hits, func(h Hit) bool { return h.Coverage < least })
}

func (s *search) addFields(ctx context.Context, hits []Hit) (_ []Hit, err error) {
	if !s.opts.WithFields {
		return hits, nil
	}
	if hits, err = s.from.load(ctx, hits); err != nil {
		return nil, err
	}
	for i := range hits {
		if hits[i].Fields, err = s.from.fields(hits[i].at); err != nil {
			return nil, err
		}
	}
	return hits, nil
}
