package tokenizer

import (
	"container/heap"
	"fmt"
)

// mergeTable says what two neighbouring pieces become, and how early. It is a hash table of its own, because
// a large vocabulary has half a million merges and a program that searches once should not wait for a map.
type mergeTable struct {
	keys []uint64 // left and right id, each plus one; 0 is a free place
	vals []bpMerge
	n    int
}

type bpMerge struct{ rank, id int32 }

func newMergeTable(n int) *mergeTable {
	size := 16
	for size < 2*n {
		size *= 2
	}
	return &mergeTable{keys: make([]uint64, size), vals: make([]bpMerge, size)}
}

// place is where the pair is or would be.
func (t *mergeTable) place(left, right int32) (int, uint64) {
	key := uint64(uint32(left+1))<<32 | uint64(uint32(right+1))
	h := key * 0x9E3779B97F4A7C15
	i := int(h>>32) & (len(t.keys) - 1)
	for t.keys[i] != 0 && t.keys[i] != key {
		i = (i + 1) & (len(t.keys) - 1)
	}
	return i, key
}

// set adds a merge; of two of the same pair the later one counts. There is room for as many as newMergeTable was
// told.
func (t *mergeTable) set(left, right int32, m bpMerge) {
	i, key := t.place(left, right)
	if t.keys[i] == 0 {
		t.n++
	}
	t.keys[i], t.vals[i] = key, m
}

func (t *mergeTable) get(left, right int32) (bpMerge, bool) {
	i, _ := t.place(left, right)
	return t.vals[i], t.keys[i] != 0
}

// resolveMerges turns merges written as pieces into ids.
func resolveMerges(id map[string]int32, merges [][2]string) (*mergeTable, error) {
	t := newMergeTable(len(merges))
	for rank, m := range merges {
		a, okA := id[m[0]]
		b, okB := id[m[1]]
		if !okA || !okB {
			return nil, fmt.Errorf("%w: merge %d joins %q and %q, which are not both pieces of the vocabulary", ErrVocabulary, rank+1, m[0], m[1])
		}
		joined, ok := id[m[0]+m[1]]
		if !ok {
			return nil, fmt.Errorf("%w: merge %d makes %q, which is no piece of the vocabulary", ErrVocabulary, rank+1, m[0]+m[1])
		}
		t.set(a, b, bpMerge{int32(rank), joined})
	}
	return t, nil
}

// A bpe merges the symbols of one part. Its buffers are kept between parts.
type bpe struct {
	sym  []symbol
	heap pairHeap
	due  []pair
}

// A symbol is a run of bytes; dead ones were swallowed by the symbol to their left.
type symbol struct {
	id         int32
	start, end int // of the original text
	prev, next int32
	dead       bool
}

// add appends a symbol to the part.
func (b *bpe) add(id int32, c char) {
	i := int32(len(b.sym))
	b.sym = append(b.sym, symbol{id: id, start: c.start, end: c.end, prev: i - 1, next: i + 1})
}

// merge merges the symbols added and appends what is left as tokens of word, n log n.
//
// The originals differ in a detail. CLIP's own takes the pair of lowest rank and merges all its occurrences from
// left to right before it looks for the next (waves); Hugging Face's takes one occurrence, then the lowest rank
// again. That tells only where a merge makes a pair of lower rank than its own.
func (b *bpe) merge(tokens []Token, table *mergeTable, waves bool, word int) []Token {
	if len(b.sym) == 0 {
		return tokens
	}
	b.heap = b.heap[:0]
	b.sym[len(b.sym)-1].next = -1

	find := func(i int32) (pair, bool) {
		if i < 0 || b.sym[i].next < 0 {
			return pair{}, false
		}
		l, r := b.sym[i].id, b.sym[b.sym[i].next].id
		m, ok := table.get(l, r)
		return pair{m.rank, i, l, r, m.id}, ok
	}
	for i := range b.sym {
		if p, ok := find(int32(i)); ok {
			b.heap = append(b.heap, p)
		}
	}
	heap.Init(&b.heap)
	for len(b.heap) > 0 {
		b.due = append(b.due[:0], heap.Pop(&b.heap).(pair))
		for waves && len(b.heap) > 0 && b.heap[0].rank == b.due[0].rank {
			b.due = append(b.due, heap.Pop(&b.heap).(pair))
		}
		for _, p := range b.due {
			l := &b.sym[p.at]
			if l.dead || l.id != p.left || l.next < 0 || b.sym[l.next].id != p.right {
				continue // a merge since then has taken one of the two
			}
			r := &b.sym[l.next]
			r.dead = true
			if l.start == l.end {
				l.start = r.start // a blank covers nothing
			}
			l.id, l.end, l.next = p.id, r.end, r.next
			if l.next >= 0 {
				b.sym[l.next].prev = p.at
			}
			for _, at := range [...]int32{l.prev, p.at} {
				if p, ok := find(at); ok {
					heap.Push(&b.heap, p)
				}
			}
		}
	}
	for i := int32(0); i >= 0; i = b.sym[i].next {
		s := b.sym[i]
		tokens = append(tokens, Token{int(s.id), s.start, s.end, word})
	}
	b.sym = b.sym[:0]
	return tokens
}

// A pair is a merge that was possible when it was found.
type pair struct {
	rank, at, left, right, id int32
}

// pairHeap orders by rank, then from left to right.
type pairHeap []pair

func (h pairHeap) Len() int      { return len(h) }
func (h pairHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h pairHeap) Less(i, j int) bool {
	return h[i].rank < h[j].rank || h[i].rank == h[j].rank && h[i].at < h[j].at
}
func (h *pairHeap) Push(x any) { *h = append(*h, x.(pair)) }
func (h *pairHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
