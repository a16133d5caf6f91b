// Package resident keeps tokens of images on a device, and aligns the words of queries with them there: what a search moves
// to the device is then a few kilobytes of words and places, and what comes back a score for each candidate.
//
// Scores are those of the CPU's int8 kernels but for the last bits: words are rounded to the same codes, and sums of their
// products are integers that float32 holds.
package resident

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/vector"
)

// DefaultBound is how many bytes of tokens a Ranker keeps unless it is told otherwise.
const DefaultBound = 1 << 30

// rest is for how many calls a block that is not asked for stays before another may take its place: blocks that take turns
// must not drive each other out.
const rest = 64

// MaxSpan is the most tokens of an item.
const MaxSpan = 512

// values bounds the largest array of a run, in float32.
const values = 1 << 24

// A Block is tokens that stay together: N rows of int8 codes and their scales, as package vector lays them out.
type Block struct {
	Key  any // identifies the content
	N    int
	Load func(codes []byte, scales []float32) error // fills N rows of Stride(dim) bytes and N scales; a NaN scale takes no part
}

// A Span is an item's tokens in a Block.
type Span struct{ First, N int }

// Query is words and their weights; nil weights are all 1.
type Query struct{ Tokens, Weights []float32 }

// A Ranker aligns queries with blocks on a device. It is safe for concurrent use, one call at a time.
type Ranker struct {
	session     *ort.Session
	dim, stride int
	packed      bool // tokens are int32
	bound       int64

	mu    sync.Mutex
	held  map[any]*held
	calls int64
	stats Stats
}

type held struct {
	on   *ort.Resident
	rows int
	size int64
	last int64 // the call that used it
}

// Stats tell what a Ranker holds and has moved, in bytes.
type Stats struct {
	Held     int64 // on the device now
	Uploaded int64 // tokens, in all
	Moved    int64 // words, places and scores of all calls
	Tokens   int64 // of the candidates of all calls: what would have been moved if nothing stayed
	Calls    int64
	Refused  int64 // calls about a block for which there was no room
}

// New opens a ranker of tokens of dim values. bound is how many bytes of them it keeps; 0 is DefaultBound.
func New(dim int, bound int64, o *ort.Options) (*Ranker, error) {
	if dim < 1 || dim > vector.MaxDim {
		return nil, fmt.Errorf("resident: tokens of %d values", dim)
	}
	stride := vector.Stride(dim)
	if bound == 0 {
		bound = DefaultBound
	}
	r := &Ranker{dim: dim, stride: stride, bound: bound, held: map[any]*held{}}
	return r, r.open(o)
}

// open opens the graph for the device that there is, which shows when it is opened.
func (r *Ranker) open(o *ort.Options) error {
	for {
		m, err := graph(r.stride, r.packed)
		if err != nil {
			return err
		}
		if r.session, err = ort.Load(m.Marshal(), o); err != nil {
			return err
		}
		if r.packed || !strings.HasPrefix(r.session.Device(), ort.WebGPU) {
			return nil
		}
		r.packed = true
		if err := r.session.Close(); err != nil {
			return err
		}
	}
}

// Device is where it runs.
func (r *Ranker) Device() string { return r.session.Device() }

// Stats returns the figures so far.
func (r *Ranker) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// Close frees what it holds.
func (r *Ranker) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	for key, h := range r.held {
		err = errors.Join(err, r.drop(key, h))
	}
	return errors.Join(err, r.session.Close())
}

// Align writes the score of each query with each span of a block: that of query i and span j at i·len(spans)+j. The block is
// brought to the device unless it is there. False says that there is no room for it, and nothing was written.
func (r *Ranker) Align(ctx context.Context, queries []Query, b Block, spans []Span, scores []float32) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := r.hold(b)
	if err != nil || h == nil {
		return false, err
	}
	w, err := r.words(queries)
	if err != nil {
		return false, err
	}
	for from := 0; from < len(spans); {
		rows, n := 1, 0
		for from+n < len(spans) {
			s := spans[from+n]
			if s.First < 0 || s.N < 0 || s.N > MaxSpan || s.First > h.rows-s.N {
				return false, fmt.Errorf("resident: %d tokens from %d on of %d", s.N, s.First, h.rows)
			}
			most := max(rows, s.N)
			if n > 0 && (n+1)*most*max(r.stride, w.n) > values {
				break
			}
			rows, n = most, n+1
		}
		if err := r.run(ctx, h, w, spans[from:from+n], rows, scores[from:], len(spans)); err != nil {
			return false, err
		}
		from += n
	}
	return true, nil
}

// words are those of queries as the graph takes them.
type words struct {
	n, queries     int
	codes, weights *ort.Tensor
}

func (r *Ranker) words(queries []Query) (w words, err error) {
	w.queries = len(queries)
	for i, q := range queries {
		n := len(q.Tokens) / r.dim
		if len(q.Tokens) != n*r.dim || q.Weights != nil && len(q.Weights) != n || n == 0 {
			return w, fmt.Errorf("resident: query %d: %d values and %d weights for words of %d values", i, len(q.Tokens), len(q.Weights), r.dim)
		}
		w.n += n
	}
	codes, weights := make([]float32, w.n*r.stride), make([]float32, len(queries)*w.n)
	row := make([]int8, r.stride)
	at := 0
	for i, q := range queries {
		for k := range len(q.Tokens) / r.dim {
			weight := float32(1)
			if q.Weights != nil {
				weight = q.Weights[k]
			}
			scale := vector.QuantizeInt8(row[:r.dim], q.Tokens[k*r.dim:(k+1)*r.dim])
			r.fill(codes[at*r.stride:(at+1)*r.stride], row)
			weights[i*w.n+at] = weight * scale
			at++
		}
	}
	w.codes = ort.Float32([]int64{int64(w.n), int64(r.stride)}, codes)
	w.weights = ort.Float32([]int64{int64(len(queries)), int64(w.n)}, weights)
	return w, nil
}

// fill writes codes in the order in which the graph has those of tokens.
func (r *Ranker) fill(dst []float32, codes []int8) {
	if r.packed {
		permute(dst, codes)
		return
	}
	for i, c := range codes {
		dst[i] = float32(c)
	}
}

func (r *Ranker) run(ctx context.Context, h *held, w words, spans []Span, rows int, scores []float32, width int) error {
	first, count, places := make([]int32, len(spans)), make([]int32, len(spans)), make([]int32, rows)
	for i := range places {
		places[i] = int32(i)
	}
	for i, s := range spans {
		first[i], count[i] = int32(s.First), int32(s.N)
		r.stats.Tokens += int64(s.N) * int64(r.stride+4)
	}
	c := []int64{int64(len(spans))}
	out := make([]float32, w.queries*len(spans))
	err := h.on.Run(ctx, map[string]*ort.Tensor{
		inFirst: ort.Int32(c, first), inCount: ort.Int32(c, count), inPlaces: ort.Int32([]int64{int64(rows)}, places),
		inWords: w.codes, inWeights: w.weights,
	}, map[string]*ort.Tensor{outScores: ort.Float32([]int64{int64(w.queries), c[0]}, out)})
	if err != nil {
		return err
	}
	r.stats.Moved += 4 * int64(len(first)+len(count)+len(places)+w.codes.Len()+w.weights.Len()+len(out))
	for i := range w.queries {
		copy(scores[i*width:i*width+len(spans)], out[i*len(spans):])
	}
	return nil
}

// hold brings a block to the device; nil if there is no room.
func (r *Ranker) hold(b Block) (*held, error) {
	r.calls++
	r.stats.Calls++
	if h := r.held[b.Key]; h != nil {
		h.last = r.calls
		return h, nil
	}
	size := r.size(b.N)
	if !r.makeRoom(size) {
		r.stats.Refused++
		return nil, nil
	}
	rows := b.N + MaxSpan // a span near the end reads over it
	codes, scales, bias := make([]byte, rows*r.stride), make([]float32, rows), make([]float32, rows)
	if err := b.Load(codes[:b.N*r.stride], scales[:b.N]); err != nil {
		return nil, err
	}
	for i, s := range scales {
		if s != s {
			scales[i], bias[i] = 0, away
		}
	}
	n := int64(rows)
	tokens := ort.Uint8([]int64{n, int64(r.stride)}, codes)
	if r.packed {
		tokens = ort.Int32([]int64{n, int64(r.stride / 4)}, elem.Load[int32](codes))
	}
	on, err := r.session.Keep(map[string]*ort.Tensor{
		inTokens: tokens, inScales: ort.Float32([]int64{n}, scales), inBias: ort.Float32([]int64{n}, bias),
	})
	if err != nil {
		return nil, err
	}
	h := &held{on: on, rows: b.N, size: size, last: r.calls}
	r.held[b.Key] = h
	r.stats.Held += size
	r.stats.Uploaded += size
	return h, nil
}

func (r *Ranker) size(n int) int64 { return int64(n+MaxSpan) * int64(r.stride+8) }

// makeRoom drops blocks that have rested, those unused for longest first, until size bytes fit.
func (r *Ranker) makeRoom(size int64) bool {
	for r.stats.Held+size > r.bound {
		var oldest any
		for key, h := range r.held {
			if r.calls-h.last > rest && (oldest == nil || h.last < r.held[oldest].last) {
				oldest = key
			}
		}
		if oldest == nil || r.drop(oldest, r.held[oldest]) != nil {
			return false
		}
	}
	return true
}

func (r *Ranker) drop(key any, h *held) error {
	delete(r.held, key)
	r.stats.Held -= h.size
	return h.on.Close()
}

// Drop forgets a block.
func (r *Ranker) Drop(key any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.held[key]; h != nil {
		return r.drop(key, h)
	}
	return nil
}
