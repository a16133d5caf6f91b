package evalcmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/vector"
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

// measure times single queries by text: the recall over int8 codes and the alignment of the candidates
// with int8 regions, as an index holds them.
func (e *evaluation) measure(ctx context.Context) error {
	d := e.d
	e.doc.Speed.Threads = e.threadCount()
	if c := d.cost; c.images > 0 && c.imageTime > 0 && c.captionTime > 0 {
		e.doc.Speed.ImagesPerSecond = float64(c.images) / c.imageTime.Seconds()
		e.doc.Speed.CaptionsPerSecond = float64(c.captions) / c.captionTime.Seconds()
	}
	if e.latency <= 0 || d.imageVectors.Dim == 0 {
		return nil
	}
	l := &latencies{EncodeText: quantilesOf(d.cost.captionCalls), EncodeImage: quantilesOf(d.cost.imageCalls)}
	e.doc.Latency = l
	rows, err := vector.NewRows(vector.Int8, d.imageVectors.Dim, d.imageVectors.Data, nil)
	if err != nil {
		return err
	}
	var layout *vector.Tokens
	var blocks [][]byte
	bytes := float64(vector.RowBytes(vector.Int8, d.imageVectors.Dim) + 4)
	if d.imageTokens != nil && e.alignment != "none" && d.mode.MaxSim() {
		if layout, err = vector.NewTokens(vector.Int8, d.imageTokens.dim); err != nil {
			return err
		}
		if blocks, err = encodeBlocks("image", layout, d.imageTokens); err != nil {
			return err
		}
		bytes += meanLength(blocks)
	}
	e.doc.Speed.IndexBytesPerItem = bytes // vectors alone
	if d.indexBytes > 0 {
		e.doc.Speed.IndexBytesPerItem = d.indexBytes
	}
	most := 10
	if len(e.candidates) > 0 {
		most = e.candidates[len(e.candidates)-1]
	}
	var match []time.Duration
	align := make([][]time.Duration, len(e.candidates))
	queries := min(e.latency, len(d.captions)) + 1
	p := e.tell("timing queries", queries)
	defer p.Done()
	for k := range queries {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := k * len(d.captions) / queries // spread over all
		began := time.Now()
		q, err := vector.NewQuery(vector.Int8, d.captionVectors.Row(c), nil)
		if err != nil {
			return err
		}
		hits, err := vector.Search(ctx, []vector.Segment{{Rows: rows}}, []*vector.Query{q}, most, e.threads)
		if err != nil {
			return err
		}
		match = append(match, time.Since(began))
		if layout != nil {
			for at, n := range e.candidates {
				began := time.Now()
				s, err := vector.NewMaxSim(layout, d.captionTokens.rows(c), d.captionTokens.weightsOf(c))
				if err != nil {
					return err
				}
				chosen := make([][]byte, 0, n)
				for _, h := range hits[0][:min(n, len(hits[0]))] {
					chosen = append(chosen, blocks[h.Pos])
				}
				if err := s.ScoreAll(ctx, chosen, make([]float32, len(chosen)), e.threads); err != nil {
					return err
				}
				align[at] = append(align[at], time.Since(began))
			}
		}
		p.Add(1)
	}
	l.Match = quantilesOf(match)
	for at, n := range e.candidates {
		if q := quantilesOf(align[at]); q != nil {
			l.AlignAt = append(l.AlignAt, candidateLatency{n, *q})
			l.Align = q
		}
	}
	l.Query = e.wholeQuery(match, align)
	if e.doc.Speed.PairsPerSecond > 0 {
		e.doc.Speed.KernelPairs = e.kernelSpeed()
		e.doc.Speed.KernelShare = e.doc.Speed.PairsPerSecond / e.doc.Speed.KernelPairs
	}
	return nil
}

// wholeQuery adds up the stages of each query.
func (e *evaluation) wholeQuery(match []time.Duration, align [][]time.Duration) *quantiles {
	whole := slices.Clone(match)
	encode := e.d.cost.captionCalls
	for k := range whole {
		if len(align) > 0 && len(align[len(align)-1]) > k {
			whole[k] += align[len(align)-1][k]
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
