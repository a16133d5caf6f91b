package onnx

import "slices"

// Keep leaves of the model what the named outputs need, which must be outputs already (see
// [Model.Expose]): other outputs go, and with them the nodes, weights and inputs that served only them. In a
// model with control flow, whose branches may read any value, only outputs go.
func (m *Model) Keep(outputs ...string) {
	g := m.Graph
	g.Outputs = slices.DeleteFunc(g.Outputs, func(v *ValueInfo) bool { return !slices.Contains(outputs, v.Name) })
	if slices.ContainsFunc(g.Nodes, (*Node).branches) {
		return
	}
	needed := map[string]bool{}
	for _, o := range outputs {
		needed[o] = true
	}
	// Nodes stand in topological order.
	var kept []*Node
	for _, n := range slices.Backward(g.Nodes) {
		if !slices.ContainsFunc(n.Outputs, func(o string) bool { return needed[o] }) {
			continue
		}
		kept = append(kept, n)
		for _, in := range n.Inputs {
			needed[in] = true
		}
	}
	slices.Reverse(kept)
	g.Nodes = kept
	g.Initializers = slices.DeleteFunc(g.Initializers, func(t *Tensor) bool { return !needed[t.Name] })
	g.Inputs = slices.DeleteFunc(g.Inputs, func(v *ValueInfo) bool { return !needed[v.Name] })
	g.Values = slices.DeleteFunc(g.Values, func(v *ValueInfo) bool { return !needed[v.Name] })
}

// branches tells whether the node holds graphs of its own (If, Loop, Scan).
func (n *Node) branches() bool {
	const graph, graphs AttrKind = 5, 10
	return slices.ContainsFunc(n.Attrs, func(a *Attr) bool { return a.Kind == graph || a.Kind == graphs })
}

// ResizeInput states other dimensions of an input than the model was written with, and forgets what it
// says of the shapes that follow: for networks that are made of convolutions up to the outputs that are
// kept, and so take pictures of any size, though their file names one. A runtime finds out where they do not.
func (m *Model) ResizeInput(name string, shape Shape) bool {
	at := slices.IndexFunc(m.Graph.Inputs, func(v *ValueInfo) bool { return v.Name == name })
	if at < 0 {
		return false
	}
	v := *m.Graph.Inputs[at]
	v.Shape, v.NoShape = shape, false
	m.Graph.Inputs[at] = &v
	m.Graph.Values = nil
	for i, o := range m.Graph.Outputs {
		m.Graph.Outputs[i] = &ValueInfo{Name: o.Name, Type: o.Type, NoShape: true}
	}
	return true
}
