package vector

import (
	"math/bits"
	"slices"
)

// Candidates collects the rows of a Bits scan that are worth a second look: the
// k of the highest score, ties by the lowest position. It does what a TopK would
// do, faster when k is in the thousands: the scores of signs are small integers, so counting
// them tells the threshold at any time, and nothing is sorted by score.
type Candidates struct {
	k      int
	limit  int32   // rows that differ in more signs are not among the best k
	within int     // rows kept that differ in up to limit signs; fewer than k
	counts []int32 // of rows seen, by differing signs up to the limit of their time
	kept   []candidate
}

type candidate struct {
	pos  int
	diff int32
}

// NewCandidates returns an empty collector of k rows. k < 1 keeps nothing.
func NewCandidates(k int) *Candidates { return &Candidates{k: max(k, 0)} }

// Reset empties c and keeps its memory.
func (c *Candidates) Reset() {
	c.kept, c.within = c.kept[:0], 0
	clear(c.counts)
	c.limit = int32(len(c.counts)) - 1
}

// Scan is the function Scan for Bits rows. Positions ascend from call to call.
func (c *Candidates) Scan(rows *Rows, q *Query, filter []uint64, base int) {
	q.fits(rows)
	if rows.Codec != Bits {
		panic("vector: candidates of " + rows.Codec.String() + " rows, want bits")
	}
	if c.k == 0 {
		return
	}
	if n := Stride(rows.Dim) + 1; len(c.counts) != n {
		if len(c.kept) > 0 {
			panic("vector: candidates of two dimensions")
		}
		c.counts = make([]int32, n)
		c.Reset()
	}
	s := scanPool.Get().(*scanScratch)
	defer scanPool.Put(s)
	for at := 0; at < rows.N; at += blockRows {
		n := min(blockRows, rows.N-at)
		if passing(filter, at, n) == 0 {
			continue
		}
		s.score(rows, q, at, n, float32(int32(rows.Dim)-2*c.limit))
		for w, m := range s.pass[:(n+63)/64] {
			if filter != nil {
				m &= filterWord(filter, at/64+w)
			}
			for ; m != 0; m &= m - 1 {
				i := w*64 + bits.TrailingZeros64(m)
				c.push(candidate{base + at + i, s.dots[i]})
			}
		}
	}
}

func (c *Candidates) push(x candidate) {
	if x.diff > c.limit { // the limit fell within the block
		return
	}
	if len(c.kept) >= 4*c.k+64 {
		c.drop()
	}
	c.kept = append(c.kept, x)
	c.counts[x.diff]++
	c.within++
	c.tighten()
}

// tighten lowers the limit as far as the rows within it are k or more. Those
// that differ in limit+1 signs then fill up what is missing.
func (c *Candidates) tighten() {
	for c.within >= c.k {
		c.within -= int(c.counts[c.limit])
		c.limit--
	}
}

// drop forgets rows that cannot be among the best any more.
func (c *Candidates) drop() {
	c.kept = slices.DeleteFunc(c.kept, func(x candidate) bool { return x.diff > c.limit+1 })
}

// Merge offers all that o has seen; o stays as it is. Scan must not be called
// afterwards but for Reset.
func (c *Candidates) Merge(o *Candidates) {
	c.kept = append(c.kept, o.kept...)
	if len(o.counts) > len(c.counts) {
		c.counts = make([]int32, len(o.counts))
	}
	kept := c.kept
	c.Reset()
	c.kept, c.within = kept, len(kept)
	for _, x := range kept {
		c.counts[x.diff]++
	}
	if c.k > 0 {
		c.tighten()
	}
	c.drop()
}

// Rows returns the positions of the best k rows in ascending order, as Rescore
// likes them. The slice is the caller's.
func (c *Candidates) Rows() []int {
	out := make([]int, 0, min(c.k, len(c.kept)))
	var ties []int
	for _, x := range c.kept {
		switch {
		case x.diff <= c.limit:
			out = append(out, x.pos)
		case x.diff == c.limit+1:
			ties = append(ties, x.pos)
		}
	}
	slices.Sort(ties)
	out = append(out, ties[:min(len(ties), c.k-len(out))]...)
	slices.Sort(out)
	return out
}
