package segments

// An edge joins two neighbouring pixels; its weight is the distance of their colours in steps of 1/edgeSteps.
type edge struct{ a, b, weight int32 }

const (
	edgeSteps = 4
	maxWeight = 442 * edgeSteps // white beside black
)

// gridEdges are the edges of the 8-neighbourhood of a picture's pixels, lightest first; edges of equal weight stay in
// the order of the pixels.
func gridEdges(p *Picture) []edge {
	all := make([]edge, 0, 4*p.W*p.H)
	starts := make([]int32, maxWeight+2)
	add := func(a, b int) {
		w := min(int32(edgeSteps*p.distance(a, b)), maxWeight)
		starts[w+1]++
		all = append(all, edge{int32(a), int32(b), w})
	}
	for y := range p.H {
		for x := range p.W {
			i := y*p.W + x
			if x+1 < p.W {
				add(i, i+1)
			}
			if y+1 == p.H {
				continue
			}
			add(i, i+p.W)
			if x+1 < p.W {
				add(i, i+p.W+1)
			}
			if x > 0 {
				add(i, i+p.W-1)
			}
		}
	}
	for w := range maxWeight + 1 {
		starts[w+1] += starts[w]
	}
	sorted := make([]edge, len(all))
	for _, e := range all {
		sorted[starts[e.weight]] = e
		starts[e.weight]++
	}
	return sorted
}

// forest is a union-find over pixels.
type forest struct {
	parent, size []int32
	threshold    []float32 // of a component: the weight up to which an edge may join it to another
}

func newForest(n int, threshold float32) *forest {
	f := &forest{make([]int32, n), make([]int32, n), make([]float32, n)}
	for i := range n {
		f.parent[i], f.size[i], f.threshold[i] = int32(i), 1, threshold
	}
	return f
}

func (f *forest) find(i int32) int32 {
	for f.parent[i] != i {
		f.parent[i] = f.parent[f.parent[i]]
		i = f.parent[i]
	}
	return i
}

func (f *forest) join(a, b int32) int32 {
	if f.size[a] < f.size[b] {
		a, b = b, a
	}
	f.parent[b] = a
	f.size[a] += f.size[b]
	return a
}

// partition joins two components where the edge between them is no heavier than the heaviest of either's spanning tree
// plus k over its size; then every component of fewer than least pixels joins its most similar neighbour. It numbers
// the n components in the order of their first pixels.
func partition(edges []edge, pixels int, k float32, least int32) (labels []int32, n int) {
	k *= edgeSteps
	f := newForest(pixels, k)
	for _, e := range edges {
		a, b := f.find(e.a), f.find(e.b)
		if w := float32(e.weight); a != b && w <= f.threshold[a] && w <= f.threshold[b] {
			r := f.join(a, b)
			f.threshold[r] = w + k/float32(f.size[r])
		}
	}
	for _, e := range edges {
		if a, b := f.find(e.a), f.find(e.b); a != b && (f.size[a] < least || f.size[b] < least) {
			f.join(a, b)
		}
	}
	labels = make([]int32, pixels)
	number := make([]int32, pixels) // of the component with this root, from 1
	for i := range labels {
		r := f.find(int32(i))
		if number[r] == 0 {
			n++
			number[r] = int32(n)
		}
		labels[i] = number[r] - 1
	}
	return labels, n
}
