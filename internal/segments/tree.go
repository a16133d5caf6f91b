package segments

import (
	"cmp"
	"container/heap"
	"slices"
)

// A node is a segment of a partition or the union of two nodes.
type node struct {
	left, right    int32 // children, -1 in a leaf
	size           int32 // pixels
	x0, y0, x1, y1 int32 // box, half-open
	sum            [3]float32
	from           int32 // its pixels are pixels[from : from+size] of the tree
	gone           bool  // part of another node
	near           []int32
}

// A tree holds the segments of a partition and what comes of merging the most alike neighbours until one is left.
type tree struct {
	nodes  []node
	pixels []int32
}

// What makes neighbours alike, and merging them worth while: little difference of mean colours (in hundreds), a small
// union, and a union that fills its box.
const (
	sizeCost = 6
	voidCost = 0.3
)

// newTree merges the n segments that labels assigns to a picture's pixels.
func newTree(p *Picture, labels []int32, n int) *tree {
	t := &tree{nodes: make([]node, n, 2*n)}
	for i := range t.nodes {
		t.nodes[i] = node{left: -1, right: -1, x0: int32(p.W), y0: int32(p.H)}
	}
	for i, l := range labels {
		d, x, y := &t.nodes[l], int32(i%p.W), int32(i/p.W)
		d.size++
		d.x0, d.y0, d.x1, d.y1 = min(d.x0, x), min(d.y0, y), max(d.x1, x+1), max(d.y1, y+1)
		for c := range 3 {
			d.sum[c] += p.plane(c)[i]
		}
	}
	t.merge(p, t.neighbours(p, labels))
	t.order(labels)
	return t
}

// neighbours fills the nodes' lists and returns the pairs, each once.
func (t *tree) neighbours(p *Picture, labels []int32) [][2]int32 {
	var pairs [][2]int32
	add := func(a, b int32) {
		if a != b {
			pairs = append(pairs, [2]int32{min(a, b), max(a, b)})
		}
	}
	for i, l := range labels {
		if i%p.W+1 < p.W {
			add(l, labels[i+1])
		}
		if i+p.W < len(labels) {
			add(l, labels[i+p.W])
		}
	}
	slices.SortFunc(pairs, func(a, b [2]int32) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	pairs = slices.Compact(pairs)
	for _, q := range pairs {
		t.nodes[q[0]].near = append(t.nodes[q[0]].near, q[1])
		t.nodes[q[1]].near = append(t.nodes[q[1]].near, q[0])
	}
	return pairs
}

func (t *tree) merge(p *Picture, pairs [][2]int32) {
	queue := make(mergeQueue, 0, 2*len(pairs))
	for _, q := range pairs {
		queue = append(queue, t.proposal(p, q[0], q[1]))
	}
	heap.Init(&queue)
	for len(queue) > 0 {
		m := heap.Pop(&queue).(proposal)
		if t.nodes[m.a].gone || t.nodes[m.b].gone {
			continue
		}
		for _, other := range t.join(m.a, m.b) {
			heap.Push(&queue, t.proposal(p, other, int32(len(t.nodes)-1)))
		}
	}
}

// join makes the union of two nodes the last node and returns its neighbours.
func (t *tree) join(a, b int32) []int32 {
	l, r := &t.nodes[a], &t.nodes[b]
	l.gone, r.gone = true, true
	u := node{left: a, right: b, size: l.size + r.size,
		x0: min(l.x0, r.x0), y0: min(l.y0, r.y0), x1: max(l.x1, r.x1), y1: max(l.y1, r.y1)}
	for c := range 3 {
		u.sum[c] = l.sum[c] + r.sum[c]
	}
	for _, o := range slices.Concat(l.near, r.near) {
		if !t.nodes[o].gone {
			u.near = append(u.near, o)
		}
	}
	slices.Sort(u.near)
	u.near = slices.Compact(u.near)
	for _, o := range u.near {
		t.nodes[o].near = append(t.nodes[o].near, int32(len(t.nodes)))
	}
	l.near, r.near = nil, nil
	t.nodes = append(t.nodes, u)
	return u.near
}

// order lays the pixels out so that those of every node are next to each other.
func (t *tree) order(labels []int32) {
	at := int32(0)
	var place func(i int32)
	place = func(i int32) {
		t.nodes[i].from = at
		if t.nodes[i].left < 0 {
			at += t.nodes[i].size
			return
		}
		place(t.nodes[i].left)
		place(t.nodes[i].right)
	}
	for i := range t.nodes {
		if !t.nodes[i].gone {
			place(int32(i))
		}
	}
	t.pixels = make([]int32, len(labels))
	filled := make([]int32, len(t.nodes))
	for i, l := range labels {
		t.pixels[t.nodes[l].from+filled[l]] = int32(i)
		filled[l]++
	}
}

// A proposal is a pair that may merge; the cheapest is the first to.
type proposal struct {
	cost float32
	a, b int32
}

func (t *tree) proposal(p *Picture, a, b int32) proposal {
	l, r := &t.nodes[a], &t.nodes[b]
	var apart float32
	for c := range 3 {
		d := l.sum[c]/float32(l.size) - r.sum[c]/float32(r.size)
		apart += float32(d * d)
	}
	size := float32(l.size + r.size)
	box := float32((max(l.x1, r.x1) - min(l.x0, r.x0)) * (max(l.y1, r.y1) - min(l.y0, r.y0)))
	cost := sqrt(apart)/100 + float32(sizeCost*size)/float32(p.W*p.H) + float32(voidCost*(1-size/box))
	return proposal{cost, min(a, b), max(a, b)}
}

type mergeQueue []proposal

func (q mergeQueue) Len() int      { return len(q) }
func (q mergeQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q mergeQueue) Less(i, j int) bool {
	a, b := q[i], q[j]
	return cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(a.a, b.a), cmp.Compare(a.b, b.b)) < 0
}
func (q *mergeQueue) Push(x any) { *q = append(*q, x.(proposal)) }
func (q *mergeQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
