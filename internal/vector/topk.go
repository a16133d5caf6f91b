package vector

import (
	"cmp"
	"math"
	"slices"
)

// A Hit is a row and its score.
type Hit struct {
	Pos   int     // base + index of the row
	Score float32 // higher is better
}

// before is the order of results: best score first, lowest position on ties.
func before(a, b Hit) bool { return a.Score > b.Score || a.Score == b.Score && a.Pos < b.Pos }

func compareHits(a, b Hit) int {
	if c := cmp.Compare(b.Score, a.Score); c != 0 {
		return c
	}
	return cmp.Compare(a.Pos, b.Pos)
}

// A TopK keeps the k best hits of those pushed. What it keeps does not depend on
// the order of pushes. Use NewTopK to make one.
type TopK struct {
	k    int
	hits []Hit
	// Hits that do not come before worst cannot be among the best k. It is
	// set once k hits were seen, and tightened each time the buffer is cut.
	worst Hit
	full  bool
}

// NewTopK returns an empty collector of the best k hits. k < 1 keeps nothing.
func NewTopK(k int) *TopK {
	t := &TopK{k: max(k, 0)}
	t.Reset()
	return t
}

// Reset empties t and keeps its memory.
func (t *TopK) Reset() {
	t.hits = t.hits[:0]
	t.full = t.k == 0
	t.worst = Hit{Pos: math.MinInt, Score: float32(math.Inf(1))}
}

// K returns the number of hits that t keeps.
func (t *TopK) K() int { return t.k }

// Len returns how many hits Hits would return.
func (t *TopK) Len() int { return min(len(t.hits), t.k) }

// Push offers one hit. A score that is not a number is never kept.
func (t *TopK) Push(h Hit) {
	if t.full && !before(h, t.worst) || h.Score != h.Score {
		return
	}
	if t.hits == nil {
		t.hits = make([]Hit, 0, min(t.limit(), 1024))
	}
	t.hits = append(t.hits, h)
	if len(t.hits) >= t.limit() {
		t.cut()
	}
}

// Merge offers all hits of o, which stays as it is.
func (t *TopK) Merge(o *TopK) {
	for _, h := range o.hits {
		t.Push(h)
	}
}

// Threshold returns a score below which nothing can be kept any more: −∞ until k
// hits were seen.
func (t *TopK) Threshold() float32 {
	if !t.full {
		return float32(math.Inf(-1))
	}
	return t.worst.Score
}

// Tighten raises the threshold to that of all pushed so far.
func (t *TopK) Tighten() {
	if len(t.hits) >= t.k && t.k > 0 {
		t.cut()
	}
}

// Hits returns the best k hits pushed so far, best first. The slice is the
// caller's.
func (t *TopK) Hits() []Hit {
	if t.k == 0 {
		return nil
	}
	out := slices.Clone(t.hits)
	slices.SortFunc(out, compareHits)
	return out[:min(len(out), t.k):min(len(out), t.k)]
}

// limit is the buffer length at which the best k are picked out. Twice k makes
// the cost of picking constant a push; the floor spares small k.
func (t *TopK) limit() int { return 2*t.k + 16 }

func (t *TopK) cut() {
	selectBest(t.hits, t.k)
	t.hits = t.hits[:t.k]
	t.worst = t.hits[0]
	for _, h := range t.hits[1:] {
		if before(t.worst, h) {
			t.worst = h
		}
	}
	t.full = true
}

// Ranking hands out hits best first, and sorts no more of them than are asked for.
type Ranking struct {
	hits   []Hit
	sorted int // so many are in order
	next   int
}

// NewRanking ranks hits, which it reorders.
func NewRanking(hits []Hit) *Ranking { return &Ranking{hits: hits} }

// Next returns the next best hit.
func (r *Ranking) Next() (Hit, bool) {
	if r.next == len(r.hits) {
		return Hit{}, false
	}
	if r.next == r.sorted {
		rest := r.hits[r.sorted:]
		n := min(max(r.sorted, 32), len(rest))
		selectBest(rest, n)
		slices.SortFunc(rest[:n], compareHits)
		r.sorted += n
	}
	r.next++
	return r.hits[r.next-1], true
}

// Rest are the hits that Next has not returned yet, the best of them first and the others in any order.
func (r *Ranking) Rest() []Hit { return r.hits[r.next:] }

// selectBest moves the k best hits to the front, in any order: quickselect with
// the median of three, which needs no randomness to be deterministic.
func selectBest(h []Hit, k int) {
	for len(h) > 12 {
		n := len(h)
		a, b, c := h[n/4], h[n/2], h[3*n/4]
		if before(b, a) {
			a, b = b, a
		}
		if before(c, b) {
			b = c
			if before(b, a) {
				b = a
			}
		}
		i, j := 0, n-1
		for i <= j {
			for before(h[i], b) {
				i++
			}
			for before(b, h[j]) {
				j--
			}
			if i <= j {
				h[i], h[j] = h[j], h[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			h = h[:j+1]
		case k >= i:
			h, k = h[i:], k-i
		default:
			return
		}
	}
	slices.SortFunc(h, compareHits)
}
