package vector

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"github.com/aladin-go/aladin/internal/elem"
)

// A MaxSim is a set of tokens prepared to be aligned with blocks of other
// tokens: the words of a caption against the regions of images (Score), or the
// regions of an image against the words of captions (ScoreReverse).
type MaxSim struct {
	tokens  *Tokens
	n       int       // tokens of the query, those that take no part included
	used    []int     // the tokens that take part, ascending; lane i%16 of group i/16
	weights []float32 // of the used ones
	packs   []*pack   // all codecs but F16 and F32
	floats  [][]float32
	// Residual codecs: the inner products of each lane with all centroids, and a
	// last row of zeros for null tokens.
	tables [][]float32
}

// NewMaxSim prepares tokens (n × dim, row-major) to be aligned with blocks that t
// made. weights are ≥ 0, one a token; nil is all 1. A token of weight 0 takes
// no part. tokens and weights are not kept.
func NewMaxSim(t *Tokens, tokens, weights []float32) (*MaxSim, error) {
	n := len(tokens) / t.dim
	if len(tokens)%t.dim != 0 || weights != nil && len(weights) != n {
		return nil, fmt.Errorf("%w: %d values and %d weights for tokens of %d values", ErrShape, len(tokens), len(weights), t.dim)
	}
	m := &MaxSim{tokens: t, n: n}
	code := make([]int8, t.stride)
	for i := range n {
		w := float32(1)
		if weights != nil {
			w = weights[i]
		}
		if !(w > 0) {
			continue
		}
		lane := len(m.used) % lanes
		if lane == 0 {
			m.packs = append(m.packs, newPack(t.stride))
		}
		p := m.packs[len(m.packs)-1]
		v := tokens[i*t.dim : (i+1)*t.dim]
		if t.float() {
			if lane == 0 {
				m.floats = append(m.floats, make([]float32, t.stride*lanes))
			}
			f := m.floats[len(m.floats)-1]
			for d, x := range v {
				f[d*lanes+lane] = finite(x, math.MaxFloat32)
			}
			p.scale[lane], p.plus[lane] = 1, 0
		} else {
			p.set(lane, code, QuantizeInt8(code, v))
		}
		m.used = append(m.used, i)
		m.weights = append(m.weights, w)
	}
	if r := t.residual; r != nil {
		for _, p := range m.packs {
			m.tables = append(m.tables, centroidTable(r, p))
		}
	}
	return m, nil
}

// centroidTable scores all centroids once a query instead of once a region.
func centroidTable(r *residual, p *pack) []float32 {
	dots := make([]int32, r.n*lanes)
	kernel.dotU8x16(p.code, &p.bias, r.centroids, dots, nil)
	table := make([]float32, (r.n+1)*lanes)
	for i, d := range dots {
		table[i] = float32(d) * r.scales[i/lanes]
	}
	return table
}

// Len returns the number of tokens in the query.
func (m *MaxSim) Len() int { return m.n }

// A Best is the counterpart of one word.
type Best struct {
	Region     int     // −1: the word or all regions take no part
	Similarity float32 // of word and region; 0 without a region
}

// maxScratch holds what one call needs; it grows to the largest block seen.
type maxScratch struct {
	dots      []int32
	floats    []float32
	scales    []float32
	centroids []int32
	expanded  []byte
	codes     []byte // of the block, or expanded
	wide      []float32
	rows      []float32      // of the block, or wide
	best      [lanes]float32 // of each word, forward
	arg       [lanes]int32
	rowBest   []float32 // of each word, reverse
	rowArg    []int32
}

var maxPool = sync.Pool{New: func() any { return new(maxScratch) }}

// grow returns s with length n, keeping memory but not contents.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// Score aligns the words of m with each block of regions: scores[i] =
// Σ_w weight_w · max_r ⟨w, r⟩ for blocks[i]. It runs on the calling goroutine
// and fetches the next block from memory while it works on one.
func (m *MaxSim) Score(blocks [][]byte, scores []float32) {
	eachBlock(blocks, scores, func(s *maxScratch, _ int, block, next []byte) float32 {
		return m.forward(s, block, next, nil)
	})
}

// eachBlock fills scores with what f returns for each block and the one after it.
func eachBlock(blocks [][]byte, scores []float32, f func(s *maxScratch, i int, block, next []byte) float32) {
	s := maxPool.Get().(*maxScratch)
	defer maxPool.Put(s)
	scores = scores[:len(blocks)]
	for i, b := range blocks {
		var next []byte
		if i+1 < len(blocks) {
			next = blocks[i+1]
		}
		scores[i] = f(s, i, b, next)
	}
}

// Explain returns, for each word of m, the region of the block that it matches
// best, and the score that Score gives.
func (m *MaxSim) Explain(block []byte) (words []Best, score float32) {
	s := maxPool.Get().(*maxScratch)
	defer maxPool.Put(s)
	words = make([]Best, m.n)
	for i := range words {
		words[i].Region = -1
	}
	return words, m.forward(s, block, nil, words)
}

func (m *MaxSim) forward(s *maxScratch, block, next []byte, words []Best) (score float32) {
	n := s.load(m.tokens, block)
	for g := range m.packs {
		s.multiply(m, g, n, share(next, g, len(m.packs)))
		for l := range s.best {
			s.best[l], s.arg[l] = float32(math.Inf(-1)), -1
		}
		s.maximum(m, g, n)
		for l := range min(lanes, len(m.used)-g*lanes) {
			if s.arg[l] < 0 {
				continue
			}
			i := g*lanes + l
			sim := s.best[l] * m.packs[g].scale[l]
			score += float32(m.weights[i] * sim)
			if words != nil {
				words[m.used[i]] = Best{int(s.arg[l]), sim}
			}
		}
	}
	return score
}

// share cuts what is to be fetched into a part for each group of lanes.
func share(next []byte, g, groups int) []byte {
	return next[len(next)*g/groups : len(next)*(g+1)/groups]
}

// load reads the heads of a block and turns residual codes into int8 levels, or
// half precision into single. It returns the number of tokens.
func (s *maxScratch) load(t *Tokens, block []byte) int {
	codes, heads := t.split(block)
	n := len(heads) / headBytes
	s.scales = grow(s.scales, n)
	switch r := t.residual; {
	case r != nil:
		s.centroids = grow(s.centroids, n)
		for i := range n {
			c, scale := r.head(heads[headBytes*i:])
			s.centroids[i], s.scales[i] = int32(min(c, r.n)), scale
		}
		s.expanded = grow(s.expanded, n*t.stride)
		kernel.expand(r.bits, codes, &r.table, s.expanded)
		codes = s.expanded
	default:
		for i := range n {
			s.scales[i] = math.Float32frombits(binary.LittleEndian.Uint32(heads[headBytes*i:]))
		}
	}
	if t.float() {
		if t.codec == F32 {
			s.rows = elem.Load[float32](codes)
		} else {
			s.wide = grow(s.wide, n*t.stride)
			kernel.expandF16(codes, s.wide)
			s.rows = s.wide
		}
		s.floats = grow(s.floats, n*lanes)
		return n
	}
	s.codes = codes
	s.dots = grow(s.dots, n*lanes)
	return n
}

// multiply computes all inner products of the block with one group of lanes.
func (s *maxScratch) multiply(m *MaxSim, g, n int, ahead []byte) {
	if m.tokens.float() {
		kernel.prefetch(ahead)
		kernel.dotF32x16(m.floats[g], s.rows[:n*m.tokens.stride], s.floats[:n*lanes])
		return
	}
	p := m.packs[g]
	kernel.dotU8x16(p.code, &p.bias, s.codes, s.dots[:n*lanes], ahead)
}

// maximum finds the best token of the block for each lane of a group.
func (s *maxScratch) maximum(m *MaxSim, g, n int) {
	switch {
	case m.tokens.float():
		kernel.maxFloat16(s.floats[:n*lanes], s.scales[:n], 0, &s.best, &s.arg)
	case m.tables != nil:
		kernel.maxResidual16(s.dots[:n*lanes], s.scales[:n], s.centroids[:n], m.tables[g], 0, &s.best, &s.arg)
	default:
		kernel.max16(s.dots[:n*lanes], s.scales[:n], 0, &s.best, &s.arg)
	}
}
