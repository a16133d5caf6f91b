package evalcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/eval"
)

// latencies are milliseconds of each stage of one query by text, one at a time.
type latencies struct {
	EncodeText  *quantiles         `json:"encode_text,omitempty"`
	EncodeImage *quantiles         `json:"encode_image,omitempty"`
	Match       *quantiles         `json:"match,omitempty"` // recall of the largest number of candidates
	Align       *quantiles         `json:"align,omitempty"` // of the largest number of candidates
	AlignAt     []candidateLatency `json:"align_at,omitempty"`
	Query       *quantiles         `json:"query,omitempty"` // encode_text + match + align
}

type candidateLatency struct {
	Candidates int `json:"candidates"`
	quantiles
}

// quantiles are of warm calls; Cold is the first call of the process.
type quantiles struct {
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	Cold float64 `json:"cold"`
	N    int     `json:"n"`
}

// cost is what encoding took, found while it was done.
type cost struct {
	images, captions         int
	imageTime, captionTime   time.Duration
	imageCalls, captionCalls []time.Duration // single items, the first one cold
}

func (c cost) seconds() float64 { return (c.imageTime + c.captionTime).Seconds() }

// quantilesOf takes the first duration as cold; nil for fewer than two.
func quantilesOf(d []time.Duration) *quantiles {
	if len(d) < 2 {
		return nil
	}
	ms := make([]float64, len(d)-1)
	for k, x := range d[1:] {
		ms[k] = x.Seconds() * 1000
	}
	slices.Sort(ms)
	return &quantiles{eval.Quantile(ms, .5), eval.Quantile(ms, .95), eval.Quantile(ms, .99), d[0].Seconds() * 1000, len(ms)}
}

// measure times single queries by text, as an index answers them, and asks scenes for what they show.
func (e *evaluation) measure(ctx context.Context) (err error) {
	d := e.d
	e.doc.Speed.Threads = e.threadCount()
	if c := d.cost; c.images > 0 && c.imageTime > 0 && c.captionTime > 0 {
		e.doc.Speed.ImagesPerSecond = float64(c.images) / c.imageTime.Seconds()
		e.doc.Speed.CaptionsPerSecond = float64(c.captions) / c.captionTime.Seconds()
	}
	if e.latency <= 0 && d.scenes == nil && (d.calibration == nil || d.calibration.Relevance == nil) || d.imageVectors.Dim == 0 {
		return nil
	}
	c, err := e.searched(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if e.doc.Speed.IndexBytesPerItem, err = c.bytesPerItem(ctx); err != nil {
		return err
	}
	if err := errors.Join(e.knowConcepts(ctx, c), e.knowRelevance(ctx, c)); err != nil || e.latency <= 0 {
		return err
	}
	e.doc.Latency, err = e.timeQueries(ctx, c)
	if err == nil && e.doc.Speed.PairsPerSecond > 0 {
		e.doc.Speed.KernelPairs = e.kernelSpeed()
		e.doc.Speed.KernelShare = e.doc.Speed.PairsPerSecond / e.doc.Speed.KernelPairs
	}
	return err
}

// timeQueries searches for captions, one at a time, with every number of candidates.
func (e *evaluation) timeQueries(ctx context.Context, c *collection) (*latencies, error) {
	d := e.d
	l := &latencies{EncodeText: quantilesOf(d.cost.captionCalls), EncodeImage: quantilesOf(d.cost.imageCalls)}
	candidates := e.candidates
	if len(candidates) == 0 {
		candidates = []int{index.DefaultK}
	}
	var match []time.Duration
	align := make([][]time.Duration, len(candidates))
	queries := min(e.latency, len(d.captions)) + 1
	p := e.tell("timing queries", queries)
	defer p.Done()
	for k := range queries {
		q := e.query(c, k*len(d.captions)/queries) // spread over all
		var stats index.SearchStats
		for at, n := range candidates {
			o := &index.SearchOptions{K: min(index.DefaultK, n), Candidates: n, MatchOnly: !e.searchAligns() || len(e.candidates) == 0, NoExplain: true, Stats: &stats}
			if _, err := c.Search(ctx, q, o); err != nil {
				return nil, err
			}
			if stats.Aligned {
				align[at] = append(align[at], stats.Align)
			}
		}
		match = append(match, stats.Match)
		p.Add(1)
	}
	l.Match = quantilesOf(match)
	for at, n := range candidates {
		if q := quantilesOf(align[at]); q != nil {
			l.AlignAt = append(l.AlignAt, candidateLatency{n, *q})
			l.Align = q
		}
	}
	l.Query = e.wholeQuery(match, align[len(align)-1])
	return l, nil
}

// wholeQuery adds up the stages of each query.
func (e *evaluation) wholeQuery(match, align []time.Duration) *quantiles {
	whole := slices.Clone(match)
	encode := e.d.cost.captionCalls
	for k := range whole {
		if k < len(align) {
			whole[k] += align[k]
		}
		switch {
		case k == 0 && len(encode) > 0:
			whole[k] += encode[0]
		case len(encode) > 1:
			whole[k] += encode[1+k%(len(encode)-1)]
		}
	}
	return quantilesOf(whole)
}

// kernelSpeed is the pairs a second of the alignment kernel alone: every thread scores the same few
// images and captions, prepared and in its cache, over and over.
func (e *evaluation) kernelSpeed() float64 {
	const long = 300 * time.Millisecond
	captions := numbered(min(16, len(e.d.captions)))
	images := make([]int, min(64, len(e.d.images)))
	for i := range images {
		images[i] = i
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0.0
	for range e.threadCount() {
		wg.Go(func() {
			scores := make([]float32, len(images)*len(captions))
			pairs, began := 0, time.Now()
			for time.Since(began) < long {
				if e.aligner.block(images, captions, scores) != nil {
					return
				}
				pairs += len(scores)
			}
			mu.Lock()
			total += float64(pairs) / time.Since(began).Seconds()
			mu.Unlock()
		})
	}
	wg.Wait()
	return total
}

func (e *evaluation) threadCount() int {
	if e.threads > 0 {
		return e.threads
	}
	return runtime.GOMAXPROCS(0)
}

func (l *latencies) table(w io.Writer) {
	if l == nil {
		return
	}
	row := func(name string, q *quantiles) {
		if q != nil {
			fmt.Fprintf(w, "%-26s p50 %.3f   p95 %.3f   p99 %.3f   cold %.3f ms\n", name, q.P50, q.P95, q.P99, q.Cold)
		}
	}
	row("encode text", l.EncodeText)
	row("encode image", l.EncodeImage)
	row("match", l.Match)
	for _, a := range l.AlignAt {
		row(fmt.Sprintf("align %d", a.Candidates), &a.quantiles)
	}
	row("whole query", l.Query)
}

// memoryPeak is the most memory the process has held, in bytes; where the system does not tell, what
// the Go runtime has taken.
func memoryPeak() int64 {
	if b, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				if kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64); err == nil {
					return kb << 10
				}
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}
