package evalcmd

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/vector"
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

// compareCodecs fills the table of codecs.
func (e *evaluation) compareCodecs(ctx context.Context) error {
	if len(e.codecs) == 0 {
		return nil
	}
	wanted := func(known []string) (out []string) {
		for _, c := range known {
			if slices.Contains(e.codecs, "all") || slices.Contains(e.codecs, c) {
				out = append(out, c)
			}
		}
		return out
	}
	for _, c := range e.codecs {
		if c != "all" && !slices.Contains(matchCodecs, c) && !slices.Contains(regionCodecs, c) {
			return cli.Misuse("--index-codec %q: want all, f32, f16, int8, bits, 4bit or 2bit", c)
		}
	}
	p := e.tell("trying codecs", 0)
	defer p.Done()
	if e.d.imageVectors.Dim > 0 {
		for _, name := range wanted(matchCodecs) {
			row, err := e.matchCodec(ctx, name)
			if err != nil {
				return fmt.Errorf("codec %s: %w", name, err)
			}
			e.doc.Codecs = append(e.doc.Codecs, *row)
			p.Add(1)
		}
	}
	if !e.d.mode.MaxSim() {
		e.warn("no codec of regions is tried: an index aligns each word with its best region, and this model aligns by %s", e.d.mode)
	} else if e.matching != nil && e.d.imageTokens != nil && len(e.candidates) > 0 {
		for _, name := range wanted(regionCodecs) {
			row, err := e.regionCodec(ctx, name)
			if err != nil {
				return fmt.Errorf("codec %s: %w", name, err)
			}
			e.doc.Codecs = append(e.doc.Codecs, *row)
			p.Add(1)
		}
	}
	return nil
}

// timedQueries is how many queries a codec's speed is taken from.
const timedQueries = 30

func (e *evaluation) matchCodec(ctx context.Context, name string) (*codecRow, error) {
	codec, err := index.ParseCodec(name)
	if err != nil {
		return nil, err
	}
	images, captions := e.d.imageVectors, e.d.captionVectors
	var imageCentre, textCentre []float32
	if codec == vector.Bits { // signs about each side's own mean: the two sides do not overlap
		imageCentre, textCentre = mean(images), mean(captions)
	}
	s := &codedScores{queries: make([]*vector.Query, captions.Len())}
	if s.rows, err = vector.NewRows(codec, images.Dim, images.Data, imageCentre); err != nil {
		return nil, err
	}
	for c := range s.queries {
		if s.queries[c], err = vector.NewQuery(codec, captions.Row(c), textCentre); err != nil {
			return nil, err
		}
	}
	o, err := eval.RankSplit(ctx, s, e.owners, e.d.owner, e.split, e.ranking(nil))
	if err != nil {
		return nil, err
	}
	most := 10
	if len(e.candidates) > 0 {
		most = e.candidates[len(e.candidates)-1]
	}
	var times []time.Duration
	for k := range timedQueries {
		began := time.Now()
		q := s.queries[k*len(s.queries)/timedQueries]
		if _, err := vector.Search(ctx, []vector.Segment{{Rows: s.rows}}, []*vector.Query{q}, most, e.threads); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	bytes := float64(vector.RowBytes(codec, images.Dim))
	if vector.HasScale(codec) {
		bytes += 4
	}
	return &codecRow{"match", name, bytes, quantilesOf(times).P50, o.Retrieval()}, nil
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

// codedScores are those of images kept as codes.
type codedScores struct {
	rows    *vector.Rows
	queries []*vector.Query
}

func (s *codedScores) Dims() (images, captions int) { return s.rows.N, len(s.queries) }

func (s *codedScores) Rows(images []int, dst []float32) error {
	m := len(s.queries)
	for c, q := range s.queries {
		for k, i := range images {
			dst[k*m+c] = vector.Score(s.rows, q, i)
		}
	}
	return nil
}

func (e *evaluation) regionCodec(ctx context.Context, name string) (*codecRow, error) {
	codec, err := index.ParseCodec(name)
	if err != nil {
		return nil, err
	}
	regions, words := e.d.imageTokens, e.d.captionTokens
	var layout *vector.Tokens
	if codec == vector.Residual4 || codec == vector.Residual2 {
		layout, err = vector.TrainTokens(ctx, codec, regions.dim, sampleTokens(regions, 20000), nil)
	} else {
		layout, err = vector.NewTokens(codec, regions.dim)
	}
	if err != nil {
		return nil, err
	}
	a := &indexAligner{captions: make([]*vector.MaxSim, words.items())}
	if a.blocks, err = encodeBlocks("image", layout, regions); err != nil {
		return nil, err
	}
	bytes := meanLength(a.blocks)
	for c := range a.captions {
		if a.captions[c], err = vector.NewMaxSim(layout, words.rows(c), words.weightsOf(c)); err != nil {
			return nil, err
		}
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
	var times []time.Duration
	chosen := a.blocks[:min(k, len(a.blocks))]
	scores := make([]float32, len(chosen))
	for q := range timedQueries {
		began := time.Now()
		if err := a.captions[q*len(a.captions)/timedQueries].ScoreAll(ctx, chosen, scores, e.threads); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	return &codecRow{"regions", name, bytes, quantilesOf(times).P50, out.Retrieval()}, nil
}

func meanLength(blocks [][]byte) float64 {
	total := 0
	for _, b := range blocks {
		total += len(b)
	}
	return float64(total) / float64(max(1, len(blocks)))
}

// sampleTokens is up to n tokens spread over all items, null tokens left out.
func sampleTokens(t *tokens, n int) []float32 {
	total := len(t.data) / t.dim
	step := max(1, total/n)
	var out []float32
	for k := 0; k < total; k += step {
		row := t.data[k*t.dim : (k+1)*t.dim]
		if slices.ContainsFunc(row, func(v float32) bool { return v != 0 }) {
			out = append(out, row...)
		}
	}
	return out
}

// indexAligner scores words against coded regions, the way a search in an index does.
type indexAligner struct {
	blocks   [][]byte
	captions []*vector.MaxSim
}

func (a *indexAligner) Pairs(image int, captions []int32, dst []float32) error {
	for k, c := range captions {
		a.captions[c].Score(a.blocks[image:image+1], dst[k:k+1])
	}
	return nil
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
