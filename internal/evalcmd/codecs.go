package evalcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/eval"
)

// codecRow is what an index gains and loses with one codec.
type codecRow struct {
	Part         string         `json:"part"` // match: recall by codes alone; regions: re-ranking the exact recall's candidates
	Codec        string         `json:"codec"`
	BytesPerItem float64        `json:"bytes_per_item"`
	Milliseconds float64        `json:"ms"` // median of one query by text
	Retrieval    eval.Retrieval `json:"figures"`
}

var (
	matchCodecs  = []string{"f32", "f16", "int8", "bits"}
	regionCodecs = []string{"f16", "int8", "4bit", "2bit"}
)

// checkCodecs refuses codecs that there are not.
func checkCodecs(wanted []string) error {
	for _, c := range wanted {
		if c != "all" && !slices.Contains(matchCodecs, c) && !slices.Contains(regionCodecs, c) {
			return cli.Misuse("--index-codec %q: want all, f32, f16, int8, bits, 4bit or 2bit", c)
		}
	}
	return nil
}

// compareCodecs fills the table of codecs.
func (e *evaluation) compareCodecs(ctx context.Context) error {
	if len(e.codecs) == 0 || e.d.imageVectors.Dim == 0 {
		return nil
	}
	p := e.tell("trying codecs", 0)
	defer p.Done()
	try := func(known []string, row func(context.Context, string) (*codecRow, error)) error {
		for _, name := range known {
			if !slices.Contains(e.codecs, "all") && !slices.Contains(e.codecs, name) {
				continue
			}
			r, err := row(ctx, name)
			if err != nil {
				return fmt.Errorf("codec %s: %w", name, err)
			}
			e.doc.Codecs = append(e.doc.Codecs, *r)
			p.Add(1)
		}
		return nil
	}
	if err := try(matchCodecs, e.matchCodec); err != nil {
		return err
	}
	if !e.d.mode.MaxSim() {
		e.warn("no codec of regions is tried: an index aligns each word with its best region, and this model aligns by %s", e.d.mode)
	}
	if !e.searchAligns() || len(e.candidates) == 0 {
		return nil
	}
	return try(regionCodecs, e.regionCodec)
}

// timedQueries is how many queries a codec's speed is taken from.
const timedQueries = 30

// matchCodec ranks by the codes alone, in an index.
func (e *evaluation) matchCodec(ctx context.Context, name string) (_ *codecRow, err error) {
	var codec index.Codec
	err = codec.UnmarshalText([]byte(name))
	if err != nil {
		return nil, err
	}
	o := index.BuildOptions{Match: codec, Regions: index.None}
	if codec == index.Bits { // signs about each side's own mean: the two sides do not overlap
		o.QueryMean, o.NoRescore = mean(e.d.captionVectors), true
	}
	c, err := e.collect(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	scores, err := e.searchScores(ctx, c)
	if err != nil {
		return nil, err
	}
	out, err := eval.RankSplit(ctx, scores, e.owners, e.d.owner, e.split, e.ranking(nil))
	if err != nil {
		return nil, err
	}
	ms, err := e.timeSearch(ctx, c, func(s *index.SearchStats) time.Duration { return s.Match })
	if err != nil {
		return nil, err
	}
	bytes, err := c.bytesPerItem(ctx, "matching vectors", "matching scales")
	if err != nil {
		return nil, err
	}
	return &codecRow{"match", name, bytes, ms, out.Retrieval()}, nil
}

// searchScores are the scores of all images for every caption by searching.
func (e *evaluation) searchScores(ctx context.Context, c *collection) (*eval.Matrix, error) {
	n, m := len(e.d.images), len(e.d.captions)
	out := &eval.Matrix{Images: n, Captions: m, Data: make([]float32, n*m)}
	const atOnce = 64
	for from := 0; from < m; from += atOnce {
		var queries []*index.Encoding
		for k := from; k < min(from+atOnce, m); k++ {
			queries = append(queries, e.query(c, k))
		}
		lists, err := c.file.SearchBatch(ctx, queries, &index.SearchOptions{K: n, MatchOnly: true, NoExplain: true, Exact: true})
		if err != nil {
			return nil, err
		}
		for k, hits := range lists {
			for at, i := range c.images(hits) {
				out.Data[i*m+from+k] = hits[at].Match
			}
		}
	}
	return out, nil
}

// timeSearch is the median milliseconds that a stage of a search takes.
func (e *evaluation) timeSearch(ctx context.Context, c *collection, stage func(*index.SearchStats) time.Duration) (float64, error) {
	most := index.DefaultK
	if len(e.candidates) > 0 {
		most = e.candidates[len(e.candidates)-1]
	}
	var times []time.Duration
	for k := range timedQueries {
		var stats index.SearchStats
		q := e.query(c, k*len(e.d.captions)/timedQueries)
		if _, err := c.Search(ctx, q, &index.SearchOptions{Candidates: most, NoExplain: true, Stats: &stats}); err != nil {
			return 0, err
		}
		times = append(times, stage(&stats))
	}
	return quantilesOf(times).P50, nil
}

func mean(v eval.Vectors) []float32 {
	sum := make([]float64, v.Dim)
	for k := range v.Len() {
		for j, x := range v.Row(k) {
			sum[j] += float64(x)
		}
	}
	out := make([]float32, v.Dim)
	for j := range out {
		out[j] = float32(sum[j] / float64(v.Len()))
	}
	return out
}

// regionCodec re-ranks the candidates of matching in full precision by coded regions.
func (e *evaluation) regionCodec(ctx context.Context, name string) (_ *codecRow, err error) {
	var codec index.Codec
	err = codec.UnmarshalText([]byte(name))
	if err != nil {
		return nil, err
	}
	c, err := e.collect(ctx, index.BuildOptions{Regions: codec})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	ms, err := e.timeSearch(ctx, c, func(s *index.SearchStats) time.Duration { return s.Align })
	if err != nil {
		return nil, err
	}
	bytes, err := c.bytesPerItem(ctx, "tokens")
	if err != nil {
		return nil, err
	}
	coded, err := c.regions(ctx, e.d)
	if err != nil {
		return nil, err
	}
	a, err := newAligner(coded, e.d.captionTokens, e.d.mode, "f32")
	if err != nil {
		return nil, err
	}
	k := e.candidates[len(e.candidates)-1]
	out := eval.NewOutcome(e.d.owner, e.split)
	o := e.ranking(nil)
	for _, g := range e.galleries {
		own, err := e.owners.Select(g.Images, g.Captions)
		if err != nil {
			return nil, err
		}
		scores := eval.Select(e.matching, g.Images, g.Captions)
		first, err := eval.Rank(ctx, scores, own, o)
		if err != nil {
			return nil, err
		}
		lists, err := eval.Top(ctx, scores, k, o)
		if err != nil {
			return nil, err
		}
		again, err := eval.Rescore(ctx, lists, &selectedPairs{a, g}, o)
		if err != nil {
			return nil, err
		}
		ranks, err := again.Ranks(first, own, k)
		if err != nil {
			return nil, err
		}
		out.Put(g, ranks)
	}
	return &codecRow{"regions", name, bytes, ms, out.Retrieval()}, nil
}

func codecTable(w io.Writer, rows []codecRow) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%-8s %-6s %12s %9s %8s %8s %8s\n", "part", "codec", "bytes/item", "ms/query", "i2t R@1", "t2i R@1", "rsum")
	for _, r := range rows {
		fmt.Fprintf(w, "%-8s %-6s %12.0f %9.3f %8.2f %8.2f %8.2f\n", r.Part, r.Codec, r.BytesPerItem, r.Milliseconds, r.Retrieval.I2T.R1, r.Retrieval.T2I.R1, r.Retrieval.RSum)
	}
	fmt.Fprintln(w)
}
