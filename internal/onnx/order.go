package onnx

import (
	"cmp"
	"slices"
)

// EarlyOutputs orders the nodes so that ONNX Runtime computes every output as soon as what it needs is there. The
// runtime chooses an order of its own: it walks back, depth first, from the last of the nodes whose results no other
// node reads, then from the one before it. A training step whose gradients of weights stand where they were made
// so keeps all activations until its end. Here those nodes come last in the model, the one with the longest way
// behind it first. Models with control flow stay as they are.
func (m *Model) EarlyOutputs() {
	g := m.Graph
	if slices.ContainsFunc(g.Nodes, (*Node).branches) {
		return
	}
	maker := map[string]int{}
	for i, n := range g.Nodes {
		for _, o := range n.Outputs {
			maker[o] = i
		}
	}
	read := make([]int, len(g.Nodes))  // how many inputs of other nodes
	depth := make([]int, len(g.Nodes)) // nodes on the longest way to it
	for i, n := range g.Nodes {
		for _, in := range n.Inputs {
			if p, ok := maker[in]; ok && in != "" {
				read[p]++
				depth[i] = max(depth[i], depth[p]+1)
			}
		}
	}
	type leaf struct {
		nodes []int // the last, and with an Identity what it names anew, for the runtime leaves that out
		depth int
	}
	var leaves []leaf
	last := make([]bool, len(g.Nodes))
	for i, n := range g.Nodes {
		if read[i] > 0 {
			continue
		}
		l := leaf{nodes: []int{i}, depth: depth[i]}
		if p, ok := maker[n.first()]; ok && n.OpType == "Identity" && read[p] == 1 {
			l.nodes = []int{p, i}
		}
		for _, i := range l.nodes {
			last[i] = true
		}
		leaves = append(leaves, l)
	}
	slices.SortStableFunc(leaves, func(a, b leaf) int { return cmp.Compare(b.depth, a.depth) })
	var ordered []*Node
	for i, n := range g.Nodes {
		if !last[i] {
			ordered = append(ordered, n)
		}
	}
	for _, l := range leaves {
		for _, i := range l.nodes {
			ordered = append(ordered, g.Nodes[i])
		}
	}
	g.Nodes = ordered
}

// first is the node's first input, or "".
func (n *Node) first() string {
	if len(n.Inputs) == 0 {
		return ""
	}
	return n.Inputs[0]
}
