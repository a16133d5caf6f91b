package evalcmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"

	"github.com/aladin-go/aladin/internal/eval"
)

// document is what --json prints: one object, its figures named as the project's interface has them.
type document struct {
	Images     int       `json:"images"`
	Captions   int       `json:"captions"`
	Protocol   string    `json:"protocol"`
	TieRule    string    `json:"tie_rule"`
	Galleries  []gallery `json:"galleries"`
	Source     string    `json:"source,omitempty"`
	Model      string    `json:"model,omitempty"`
	Matching   *figures  `json:"matching,omitempty"`
	Alignment  *figures  `json:"alignment,omitempty"`
	Rerank     *figures  `json:"rerank,omitempty"`     // at the largest number of candidates
	RerankAll  []figures `json:"rerank_all,omitempty"` // at every number, ascending
	Fused      *figures  `json:"fused,omitempty"`      // the same candidates by alignment and matching: what a search does
	NDCG       *ndcg     `json:"ndcg,omitempty"`
	Judgments  *judged   `json:"judgments,omitempty"`
	Duplicates *doubles  `json:"duplicates,omitempty"`
	// Grounding is the share of noun words whose best region finds the object.
	Grounding       *float64          `json:"grounding,omitempty"`
	GroundingDetail *grounded         `json:"grounding_detail,omitempty"`
	UniqueCaptions  *float64          `json:"unique_captions,omitempty"`
	Concepts        *concepts         `json:"concepts,omitempty"`
	Relevance       *relevanceFigures `json:"relevance,omitempty"`
	Latency         *latencies        `json:"latency_ms,omitempty"`
	Speed           *speed            `json:"speed,omitempty"`
	Codecs          []codecRow        `json:"codecs,omitempty"`
	Compare         *compared         `json:"compare,omitempty"`
	Bootstrap       *resampled        `json:"bootstrap,omitempty"`
	Warnings        []string          `json:"warnings,omitempty"`
	// Queries holds the rank of every query, so that another run can be compared with this one.
	Queries *queryRanks `json:"queries,omitempty"`
}

// gallery is the size of one set in which queries are answered.
type gallery struct {
	Images   int `json:"images"`
	Captions int `json:"captions"`
	// Distractors are images without a caption: they can be found, but do not ask.
	Distractors int `json:"distractors,omitempty"`
}

type figures struct {
	eval.Retrieval
	Candidates int         `json:"candidates,omitempty"`
	CI         *intervals  `json:"ci95,omitempty"`
	MAPAtR     *bothWays   `json:"map_at_r,omitempty"`
	RPrecision *bothWays   `json:"r_precision,omitempty"`
	Ties       *tieCount   `json:"ties,omitempty"`
	Curve      *recallLine `json:"curve,omitempty"`
}

// recallLine is R@k for each k.
type recallLine struct {
	K   []int     `json:"k"`
	I2T []float64 `json:"i2t"`
	T2I []float64 `json:"t2i"`
}

type intervals struct {
	I2T  recallCI      `json:"i2t"`
	T2I  recallCI      `json:"t2i"`
	RSum eval.Interval `json:"rsum"`
}

type recallCI struct {
	R1    eval.Interval `json:"r1"`
	R5    eval.Interval `json:"r5"`
	R10   eval.Interval `json:"r10"`
	MedR  eval.Interval `json:"medr"`
	MeanR eval.Interval `json:"meanr"`
}

func intervalsOf(v []eval.Interval) *intervals {
	return &intervals{
		I2T:  recallCI{v[0], v[1], v[2], v[3], v[4]},
		T2I:  recallCI{v[5], v[6], v[7], v[8], v[9]},
		RSum: v[10],
	}
}

// bothWays is a figure of each direction, 0…1.
type bothWays struct {
	I2T float64   `json:"i2t"`
	T2I float64   `json:"t2i"`
	CI  *bothCI95 `json:"ci95,omitempty"`
}

type bothCI95 struct {
	I2T eval.Interval `json:"i2t"`
	T2I eval.Interval `json:"t2i"`
}

type tieCount struct {
	I2T int `json:"i2t"`
	T2I int `json:"t2i"`
}

type ndcg struct {
	At        int       `json:"at"`
	Relevance string    `json:"relevance"`
	Matching  *bothWays `json:"matching,omitempty"`
	Alignment *bothWays `json:"alignment,omitempty"`
	Rerank    *bothWays `json:"rerank,omitempty"`
	Fused     *bothWays `json:"fused,omitempty"`
}

type judged struct {
	Pairs     int          `json:"pairs"`
	Matching  *correlation `json:"matching,omitempty"`
	Alignment *correlation `json:"alignment,omitempty"`
	Fused     *correlation `json:"fused,omitempty"`
}

type correlation struct {
	Spearman float64        `json:"spearman"`
	Kendall  float64        `json:"kendall_tau_b"`
	CI       *correlationCI `json:"ci95,omitempty"`
}

type correlationCI struct {
	Spearman eval.Interval `json:"spearman"`
	Kendall  eval.Interval `json:"kendall_tau_b"`
}

// doubles counts the same picture or sentence occurring twice, and has the figures that accept them.
type doubles struct {
	Images    int             `json:"images"`
	Captions  int             `json:"captions"`
	Siblings  int             `json:"siblings"`
	Matching  *eval.Retrieval `json:"matching,omitempty"`
	Alignment *eval.Retrieval `json:"alignment,omitempty"`
	Rerank    *eval.Retrieval `json:"rerank,omitempty"`
	Fused     *eval.Retrieval `json:"fused,omitempty"`
}

type grounded struct {
	Words  int            `json:"words"`
	Chance float64        `json:"chance"`
	CI     *eval.Interval `json:"ci95,omitempty"`
}

type speed struct {
	ImagesPerSecond   float64 `json:"images_per_s,omitempty"`   // encoded
	CaptionsPerSecond float64 `json:"captions_per_s,omitempty"` // encoded
	AlignmentPairs    int     `json:"alignment_pairs,omitempty"`
	PairsPerSecond    float64 `json:"pairs_per_s,omitempty"`
	KernelPairs       float64 `json:"kernel_pairs_per_s,omitempty"` // the kernel alone, on as many threads
	KernelShare       float64 `json:"kernel_share,omitempty"`
	Threads           int     `json:"threads,omitempty"`
	MemoryPeak        int64   `json:"memory_peak_bytes,omitempty"`
	IndexBytesPerItem float64 `json:"index_bytes_per_item,omitempty"`
	Seconds           float64 `json:"seconds,omitempty"`
}

type resampled struct {
	Resamples int    `json:"resamples"`
	Seed      uint64 `json:"seed"`
	Unit      string `json:"unit"`
}

type queryRanks struct {
	Images   []string             `json:"image_ids"`
	Captions []string             `json:"caption_ids"`
	Owner    []int                `json:"caption_image"`
	Fold     []int                `json:"gallery"` // of every image
	Ranks    map[string]twoRanks  `json:"ranks"`   // 0-based; −1: no query
	NDCG     map[string]twoValues `json:"ndcg,omitempty"`
}

type twoRanks struct {
	I2T []int32 `json:"i2t"`
	T2I []int32 `json:"t2i"`
}

// twoValues are per-query values; null where a query has none.
type twoValues struct {
	I2T []*float32 `json:"i2t"`
	T2I []*float32 `json:"t2i"`
}

// write prints the document with one line a top-level key: readable, and rank lists stay on one line.
func (d *document) write(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString("{")
	v, t := reflect.ValueOf(d).Elem(), reflect.TypeFor[document]()
	first := true
	for k := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(k).Tag.Get("json"), ",")
		if strings.Contains(options, "omitempty") && v.Field(k).IsZero() {
			continue
		}
		value, err := json.Marshal(v.Field(k).Interface())
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !first {
			b.WriteString(",")
		}
		first = false
		fmt.Fprintf(&b, "\n  %q: %s", name, value)
	}
	b.WriteString("\n}\n")
	_, err := w.Write(b.Bytes())
	return err
}

// table prints the figures for people.
func (d *document) table(w io.Writer) {
	fmt.Fprintf(w, "%d images, %d captions, protocol %s", d.Images, d.Captions, d.Protocol)
	if len(d.Galleries) > 1 {
		fmt.Fprintf(w, ", mean of %d galleries of %d images", len(d.Galleries), d.Galleries[0].Images)
	}
	fmt.Fprintf(w, "\n\n%-14s %31s   %31s\n", "", "image → text", "text → image")
	fmt.Fprintf(w, "%-14s %6s %6s %6s %5s %5s   %6s %6s %6s %5s %5s %7s\n", "", "R@1", "R@5", "R@10", "medR", "meanR", "R@1", "R@5", "R@10", "medR", "meanR", "rsum")
	row := func(name string, f *figures) {
		if f == nil {
			return
		}
		a, b := f.I2T, f.T2I
		fmt.Fprintf(w, "%-14s %6.2f %6.2f %6.2f %5.0f %5.1f   %6.2f %6.2f %6.2f %5.0f %5.1f %7.2f\n", name, a.R1, a.R5, a.R10, a.MedR, a.MeanR, b.R1, b.R5, b.R10, b.MedR, b.MeanR, f.RSum)
		if f.CI != nil {
			half := func(v eval.Interval) string { return fmt.Sprintf("±%.2f", (v[1]-v[0])/2) }
			fmt.Fprintf(w, "%-14s %6s %6s %6s %11s   %6s %6s %6s %11s %7s\n", "  95 %", half(f.CI.I2T.R1), half(f.CI.I2T.R5), half(f.CI.I2T.R10), "",
				half(f.CI.T2I.R1), half(f.CI.T2I.R5), half(f.CI.T2I.R10), "", half(f.CI.RSum))
		}
	}
	row("matching", d.Matching)
	row("alignment", d.Alignment)
	for k := range d.RerankAll {
		row(fmt.Sprintf("rerank @%d", d.RerankAll[k].Candidates), &d.RerankAll[k])
	}
	if d.Fused != nil {
		row(fmt.Sprintf("fused @%d", d.Fused.Candidates), d.Fused)
	}
	d.tieTable(w)
	fmt.Fprintln(w)
	both := func(name string, f *bothWays, scale float64) {
		if f != nil {
			fmt.Fprintf(w, "%-26s i2t %6.2f   t2i %6.2f\n", name, scale*f.I2T, scale*f.T2I)
		}
	}
	for _, h := range d.rankings() {
		if h.f != nil {
			both(h.name+" mAP@R", h.f.MAPAtR, 100)
			both(h.name+" R-Precision", h.f.RPrecision, 100)
		}
	}
	if n := d.NDCG; n != nil {
		at := fmt.Sprintf(" nDCG@%d", n.At)
		both("matching"+at, n.Matching, 100)
		both("alignment"+at, n.Alignment, 100)
		both("rerank"+at, n.Rerank, 100)
		both("fused"+at, n.Fused, 100)
	}
	if j := d.Judgments; j != nil {
		for _, h := range []struct {
			name string
			c    *correlation
		}{{"matching", j.Matching}, {"alignment", j.Alignment}, {"fused", j.Fused}} {
			if h.c != nil {
				fmt.Fprintf(w, "%-26s Spearman %.4f   Kendall τ-b %.4f (%d pairs)\n", h.name+" against people", h.c.Spearman, h.c.Kendall, j.Pairs)
			}
		}
	}
	if d.Grounding != nil {
		fmt.Fprintf(w, "%-26s %.1f %% of %d noun words (chance %.1f %%)\n", "grounding", 100**d.Grounding, d.GroundingDetail.Words, 100*d.GroundingDetail.Chance)
	}
	if c := d.Concepts; c != nil {
		fmt.Fprintf(w, "%-26s \"a red mug\": first hit %.1f %%, first five %.1f %%; \"a mug\": first ten %.1f %%; two things: first hit %.1f %%\n", "things found",
			100*c.ColourShapeP1, 100*c.ColourShapeP5, 100*c.ShapeP10, 100*c.PairP1)
	}
	if r := d.Relevance; r != nil && r.FirstRight != nil && r.Nonsense != nil {
		fmt.Fprintf(w, "%-26s AUC %.3f for the first hit being right, %.3f for captions against nonsense; said not to fit: %.1f %% of captions, %.1f %% of nonsense\n",
			"relevance", *r.FirstRight, *r.Nonsense, 100*r.Below.Captions, 100*r.Below.Nonsense)
	}
	if d.UniqueCaptions != nil {
		fmt.Fprintf(w, "%-26s %.1f %% fit exactly one image\n", "captions", 100**d.UniqueCaptions)
	}
	if x := d.Duplicates; x != nil && x.Images+x.Captions+x.Siblings > 0 {
		fmt.Fprintf(w, "%-26s %d images, %d captions said of other images too, %d repeated for the same image\n", "duplicates", x.Images, x.Captions, x.Siblings)
	}
	d.Latency.table(w)
	if s := d.Speed; s != nil {
		if s.ImagesPerSecond > 0 {
			fmt.Fprintf(w, "%-26s %.1f images/s, %.1f captions/s\n", "encoding", s.ImagesPerSecond, s.CaptionsPerSecond)
		}
		if s.PairsPerSecond > 0 {
			fmt.Fprintf(w, "%-26s %.0f pairs/s, %.2f of the kernel alone\n", "alignment", s.PairsPerSecond, s.KernelShare)
		}
		fmt.Fprintf(w, "%-26s %.0f MiB at most, %.1f s in all\n", "memory, time", float64(s.MemoryPeak)/(1<<20), s.Seconds)
	}
	codecTable(w, d.Codecs)
	d.Compare.table(w)
	for _, warning := range d.Warnings {
		fmt.Fprintf(w, "note: %s\n", warning)
	}
}

// rankedBy is the figures of a ranking, nil where there is none.
type rankedBy struct {
	name string
	f    *figures
}

func (d *document) rankings() []rankedBy {
	return []rankedBy{{"matching", d.Matching}, {"alignment", d.Alignment}, {"rerank", d.Rerank}, {"fused", d.Fused}}
}

// tieTable says how many queries a tie decides, where there are any.
func (d *document) tieTable(w io.Writer) {
	for _, h := range d.rankings() {
		if h.f != nil && h.f.Ties != nil && h.f.Ties.I2T+h.f.Ties.T2I > 0 {
			fmt.Fprintf(w, "%s: ties with a wrong answer decide the rank of %d images and %d captions (rule: %s)\n", h.name, h.f.Ties.I2T, h.f.Ties.T2I, d.TieRule)
		}
	}
}

// finite is v, or nil where v is NaN, which JSON cannot hold.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// finites is v in single precision, which is enough to compare queries by.
func finites(v []float64) []*float32 {
	out := make([]*float32, len(v))
	for k, x := range v {
		if !math.IsNaN(x) {
			y := float32(x)
			out[k] = &y
		}
	}
	return out
}
