package onnx

import (
	"fmt"
	"slices"

	"github.com/aladin-go/aladin/internal/elem"
)

// An Editor adds to a model that somebody else made. Nodes go to the end of the graph, or to its start.
type Editor struct {
	m     *Model
	taken map[string]bool
}

// Edit begins to add to a model.
func (m *Model) Edit() *Editor {
	e := &Editor{m: m, taken: map[string]bool{}}
	for _, t := range m.Graph.Initializers {
		e.taken[t.Name] = true
	}
	for _, v := range slices.Concat(m.Graph.Inputs, m.Graph.Outputs) {
		e.taken[v.Name] = true
	}
	for _, n := range m.Graph.Nodes {
		e.taken[n.Name] = true
		for _, name := range slices.Concat(n.Inputs, n.Outputs) {
			e.taken[name] = true
		}
	}
	return e
}

// name makes a name that nothing in the graph bears.
func (e *Editor) name(like string) string {
	name := like
	for i := 2; e.taken[name]; i++ {
		name = fmt.Sprintf("%s_%d", like, i)
	}
	e.taken[name] = true
	return name
}

// Node adds a node with one output, whose name it returns.
func (e *Editor) Node(op string, attrs []*Attr, in ...string) string {
	out := e.name("aladin/" + op)
	e.m.Graph.Nodes = append(e.m.Graph.Nodes, &Node{Name: e.name("n_" + out), OpType: op, Inputs: in, Outputs: []string{out}, Attrs: attrs})
	return out
}

// Ints and Floats add constants.
func (e *Editor) Ints(v ...int64) string {
	return e.constant(Int64, elem.Bytes(v), int64(len(v)))
}

// Floats is a constant of the given shape.
func (e *Editor) Floats(v []float32, dims ...int64) string {
	return e.constant(Float, elem.Bytes(v), dims...)
}

func (e *Editor) constant(t Type, raw []byte, dims ...int64) string {
	name := e.name("aladin/constant")
	e.m.Graph.Initializers = append(e.m.Graph.Initializers, &Tensor{Name: name, Type: t, Dims: dims, Raw: raw})
	return name
}

// Cast, Reshape, Slice, Concat, Unit and Product add the nodes of their names: Unit makes rows of length 1.
func (e *Editor) Cast(x string, t Type) string {
	return e.Node("Cast", []*Attr{intAttr("to", int(t))}, x)
}

// Reshape is to constant dimensions.
func (e *Editor) Reshape(x string, dims ...int64) string {
	return e.Node("Reshape", nil, x, e.Ints(dims...))
}

// ReshapeLike gives x the leading dimensions of like and one more.
func (e *Editor) ReshapeLike(x, like string, last int64) string {
	shape := e.Node("Concat", []*Attr{intAttr("axis", 0)}, e.Node("Shape", nil, like), e.Ints(last))
	return e.Node("Reshape", nil, x, shape)
}

// Slice takes from…to of an axis.
func (e *Editor) Slice(x string, axis, from, to int64) string {
	return e.Node("Slice", nil, x, e.Ints(from), e.Ints(to), e.Ints(axis))
}

// Unit brings rows to length 1.
func (e *Editor) Unit(x string) string {
	return e.Node("LpNormalization", []*Attr{intAttr("axis", -1), intAttr("p", 2)}, x)
}

// Product multiplies matrices.
func (e *Editor) Product(x, y string) string { return e.Node("MatMul", nil, x, y) }

// Input puts an input of another name, type and shape in the place of one that the model has.
func (e *Editor) Input(old string, v *ValueInfo) bool {
	at := slices.IndexFunc(e.m.Graph.Inputs, func(i *ValueInfo) bool { return i.Name == old })
	if at < 0 {
		return false
	}
	was := e.m.Graph.Inputs[at]
	n := &Node{Name: e.name("n_aladin/" + v.Name), OpType: "Identity", Inputs: []string{v.Name}, Outputs: []string{old}}
	if was.Type != v.Type {
		n.OpType, n.Attrs = "Cast", []*Attr{intAttr("to", int(was.Type))}
	}
	if v.Name == old {
		if was.Type != v.Type { // the old name becomes that of an inner value
			inner := e.name(old + "/inner")
			for _, node := range e.m.Graph.Nodes {
				for i, in := range node.Inputs {
					if in == old {
						node.Inputs[i] = inner
					}
				}
			}
			n.Outputs[0] = inner
			e.m.Graph.Nodes = slices.Insert(e.m.Graph.Nodes, 0, n)
		}
		e.m.Graph.Inputs[at] = v
		return true
	}
	e.m.Graph.Nodes = slices.Insert(e.m.Graph.Nodes, 0, n)
	e.m.Graph.Inputs[at] = v
	e.taken[v.Name] = true
	return true
}

// Rename gives a value that a node makes another name, which is returned; outputs of the old name must go.
func (e *Editor) Rename(old, like string) string {
	name := e.name(like)
	for _, n := range e.m.Graph.Nodes {
		for _, list := range [][]string{n.Inputs, n.Outputs} {
			for i := range list {
				if list[i] == old {
					list[i] = name
				}
			}
		}
	}
	delete(e.taken, old)
	return name
}

// Output makes a value an output under a name of its own, of float32.
func (e *Editor) Output(name, value string) {
	if name != value {
		e.m.Graph.Nodes = append(e.m.Graph.Nodes, &Node{Name: e.name("n_" + name), OpType: "Identity", Inputs: []string{value}, Outputs: []string{name}})
		e.taken[name] = true
	}
	e.m.Graph.Outputs = append(e.m.Graph.Outputs, &ValueInfo{Name: name, Type: Float, NoShape: true})
}

// Replay computes a second time what the model makes of value from on the way to value to, with another value in
// place of from, and returns the name of what comes of it.
func (e *Editor) Replay(from, with, to string) (string, error) {
	renamed := map[string]string{from: with}
	var more []*Node
	for _, n := range e.m.Graph.Nodes {
		if !slices.ContainsFunc(n.Inputs, func(in string) bool { return renamed[in] != "" }) {
			continue
		}
		if n.branches() {
			return "", fmt.Errorf("%w: %s holds graphs of its own", ErrGraph, n.Name)
		}
		c := *n
		c.Name = e.name(n.Name + "/again")
		c.Inputs, c.Outputs = slices.Clone(n.Inputs), slices.Clone(n.Outputs)
		for i, in := range c.Inputs {
			if r := renamed[in]; r != "" {
				c.Inputs[i] = r
			}
		}
		for i, out := range c.Outputs {
			if out != "" {
				c.Outputs[i] = e.name(out + "/again")
				renamed[out] = c.Outputs[i]
			}
		}
		more = append(more, &c)
	}
	if renamed[to] == "" {
		return "", fmt.Errorf("%w: %s does not depend on %s", ErrNoValue, to, from)
	}
	e.m.Graph.Nodes = append(e.m.Graph.Nodes, more...)
	return renamed[to], nil
}
