package tokenizer

import (
	"cmp"
	"slices"
)

// prefixes is a set of strings with numbers, searched for what a text begins with. It is a sorted list, which
// a byte at a time narrows down.
type prefixes struct {
	keys []string
	vals []int32
	// from[b]:from[b+1] are the keys that begin with the byte b.
	from    [257]int32
	longest int
}

// newPrefixes sorts keys; of equal ones the last counts. Empty keys are left out.
func newPrefixes(keys []string, vals []int32) *prefixes {
	order := make([]int32, 0, len(keys))
	for i, k := range keys {
		if k != "" {
			order = append(order, int32(i))
		}
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(keys[a], keys[b]) })
	p := &prefixes{keys: make([]string, 0, len(order)), vals: make([]int32, 0, len(order))}
	for _, i := range order {
		if n := len(p.keys); n > 0 && p.keys[n-1] == keys[i] {
			p.vals[n-1] = vals[i]
			continue
		}
		p.keys, p.vals = append(p.keys, keys[i]), append(p.vals, vals[i])
		p.longest = max(p.longest, len(keys[i]))
	}
	k := 0
	for b := range 256 {
		p.from[b] = int32(k)
		for k < len(p.keys) && p.keys[k][0] == byte(b) {
			k++
		}
	}
	p.from[256] = int32(k)
	return p
}

// A walk follows a text into the set.
type walk struct {
	set    *prefixes
	lo, hi int
	depth  int
}

func (p *prefixes) walk() walk { return walk{set: p, hi: len(p.keys)} }

// step takes the next byte and tells whether any key goes on like that.
func (w *walk) step(b byte) bool {
	if w.depth == 0 {
		w.lo, w.hi = int(w.set.from[b]), int(w.set.from[int(b)+1])
	} else {
		keys := w.set.keys
		first := func(b int) int { // the first key of lo:hi with a byte of at least b here
			lo, hi := w.lo, w.hi
			for lo < hi {
				m := int(uint(lo+hi) >> 1)
				if len(keys[m]) <= w.depth || int(keys[m][w.depth]) < b {
					lo = m + 1
				} else {
					hi = m
				}
			}
			return lo
		}
		w.lo, w.hi = first(int(b)), first(int(b)+1)
	}
	w.depth++
	return w.lo < w.hi
}

// value is the number of the key that has been walked to its end.
func (w *walk) value() (int32, bool) {
	if w.lo < w.hi && len(w.set.keys[w.lo]) == w.depth {
		return w.set.vals[w.lo], true
	}
	return 0, false
}
