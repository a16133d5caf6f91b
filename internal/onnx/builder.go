package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"

	"github.com/aladin-go/aladin/internal/elem"
)

// ErrGraph is returned when operands do not fit an op or a graph is put together wrongly.
var ErrGraph = errors.New("onnx: invalid graph")

// A Builder puts a graph together. Each op method adds a node and returns its output. The first
// mistake is kept, with the line of the caller's code that made it, and every later op returns a value
// that may be used but means nothing: check Err, or the error of Model, once at the end.
type Builder struct {
	ops     []*Op
	inits   []*Tensor
	inputs  []*Value
	outputs []*Value
	names   map[string]int     // times used: a name may be made only once
	tensors map[*Value]*Tensor // of the constants
	consts  map[string]*Value  // small constants by content
	dims    map[string]dimSource
	scope   string
	part    int // of Recompute
	parts   int // made so far
	err     error
}

// A Value is a tensor in a graph under construction.
type Value struct {
	Name  string
	Type  Type
	Shape Shape
	Op    *Op // that makes it; nil for inputs and constants
	Const bool
	b     *Builder
}

// An Op is a node of the graph with its operands as values; an absent optional operand is nil.
type Op struct {
	Kind    string
	Domain  string
	In, Out []*Value
	Attrs   []*Attr
	// Whole is set on the last node of a function that is made of several nodes and has a gradient of its
	// own: its kind, operands and results, the intermediate values that the gradient uses among them. It is
	// not part of the model.
	Whole *Op
	// Part numbers the calls of [Builder.Recompute]: that in which the node was made, or 0. It is not part of
	// the model either.
	Part int
}

type dimSource struct {
	v    *Value
	axis int
}

// NewBuilder starts an empty graph.
func NewBuilder() *Builder {
	return &Builder{names: map[string]int{}, tensors: map[*Value]*Tensor{}, consts: map[string]*Value{}, dims: map[string]dimSource{}}
}

// Err is the first mistake made so far.
func (b *Builder) Err() error { return b.err }

// Ops are the nodes so far, each after those it depends on. The slice must not be changed.
func (b *Builder) Ops() []*Op { return b.ops }

// Inputs are the graph inputs in the order they were declared.
func (b *Builder) Inputs() []*Value { return b.inputs }

// Outputs are the graph outputs in the order they were declared.
func (b *Builder) Outputs() []*Value { return b.outputs }

// Scope prefixes the names of the values made inside fn, so that a profile or a viewer shows which part
// of the network a node belongs to.
func (b *Builder) Scope(name string, fn func()) {
	old := b.scope
	b.scope = old + name + "/"
	fn()
	b.scope = old
}

// Recompute marks the nodes made inside fn as a part whose values are not worth keeping for a gradient, but
// computed again from what goes into the part (Chen et al., arXiv 1604.06174). The graph itself stays the same.
func (b *Builder) Recompute(fn func()) {
	if b.part == 0 {
		b.parts++
		b.part = b.parts
		defer func() { b.part = 0 }()
	}
	fn()
}

// Input declares a graph input. Its symbolic dimensions become known: shapes may name them.
func (b *Builder) Input(name string, t Type, shape Shape) *Value {
	v := &Value{Name: name, Type: t, Shape: shape, b: b}
	b.claim("input", name)
	b.inputs = append(b.inputs, v)
	for i, d := range shape {
		if _, ok := b.dims[d.Name]; !ok && !d.Fixed() {
			b.dims[d.Name] = dimSource{v, i}
		}
	}
	return v
}

// Output declares v as a graph output under a name of its own.
func (b *Builder) Output(name string, v *Value) {
	if v.Name == name {
		b.outputs = append(b.outputs, v)
		return
	}
	if !b.claim("output", name) {
		return
	}
	out := &Value{Name: name, Type: v.Type, Shape: v.Shape, b: b}
	op := &Op{Kind: "Identity", In: []*Value{v}, Out: []*Value{out}}
	out.Op = op
	b.ops = append(b.ops, op)
	b.outputs = append(b.outputs, out)
}

// claim takes a name for a value; a graph must not have it twice.
func (b *Builder) claim(what, name string) bool {
	if b.names[name]++; b.names[name] > 1 {
		b.fail("%s %q: the name is taken", what, name)
		return false
	}
	return true
}

// Weights adds an initialiser: a named constant of the graph. Its length must be the shape's. The model
// keeps data, without a copy on little-endian machines: it must not change while the model is in use.
func (b *Builder) Weights(name string, data []float32, dims ...int) *Value {
	b.claim("constant", name)
	return b.initializer(name, Float, elem.Bytes(data), dims)
}

// Ints is a constant int64 vector; Scalar and ConstOf are the other small constants.
func (b *Builder) Ints(vs ...int64) *Value {
	raw := make([]byte, 8*len(vs))
	for i, v := range vs {
		binary.LittleEndian.PutUint64(raw[8*i:], uint64(v))
	}
	return b.constant(Int64, raw, []int{len(vs)})
}

// Int is a rank-0 int64 constant.
func (b *Builder) Int(v int64) *Value {
	return b.constant(Int64, binary.LittleEndian.AppendUint64(nil, uint64(v)), []int{})
}

// Scalar is a rank-0 float32 constant.
func (b *Builder) Scalar(f float32) *Value {
	return b.constant(Float, binary.LittleEndian.AppendUint32(nil, math.Float32bits(f)), []int{})
}

// Raw is a constant of any type from its little-endian bytes.
func (b *Builder) Raw(name string, t Type, raw []byte, dims ...int) *Value {
	b.claim("constant", name)
	return b.initializer(name, t, raw, dims)
}

func (b *Builder) constant(t Type, raw []byte, dims []int) *Value {
	key := fmt.Sprint(t, dims, string(raw))
	if v, ok := b.consts[key]; ok {
		return v
	}
	v := b.initializer(b.unique("const"), t, raw, dims)
	b.consts[key] = v
	return v
}

func (b *Builder) initializer(name string, t Type, raw []byte, dims []int) *Value {
	ten := &Tensor{Name: name, Type: t, Raw: raw}
	v := &Value{Name: name, Type: t, b: b, Const: true}
	n := int64(1)
	for _, d := range dims {
		ten.Dims = append(ten.Dims, int64(d))
		v.Shape = append(v.Shape, D(d))
		n *= int64(d)
	}
	if want := n * int64(elemSize(t)); want != int64(len(raw)) {
		b.fail("constant %q: %d bytes for %v of %v (want %d)", name, len(raw), v.Shape, t, want)
	}
	b.inits = append(b.inits, ten)
	b.tensors[v] = ten
	return v
}

func elemSize(t Type) int {
	switch t {
	case Uint8, Int8, Bool:
		return 1
	case Uint16, Int16, Float16, BFloat16:
		return 2
	case Int64, Double:
		return 8
	}
	return 4
}

// Node adds any op by hand: for operators that have no method here. Shapes of the outputs are the
// caller's word.
func (b *Builder) Node(kind, domain string, in []*Value, attrs []*Attr, outs ...Value) []*Value {
	op := &Op{Kind: kind, Domain: domain, In: in, Attrs: attrs, Part: b.part}
	for _, v := range in {
		if v != nil && v.b != b {
			b.fail("%s: operand %s belongs to another graph", kind, v.Name)
		}
	}
	for _, o := range outs {
		v := &Value{Name: b.unique(kind), Type: o.Type, Shape: o.Shape, Op: op, b: b}
		op.Out = append(op.Out, v)
	}
	b.ops = append(b.ops, op)
	return op.Out
}

func (b *Builder) one(kind string, t Type, shape Shape, attrs []*Attr, in ...*Value) *Value {
	return b.Node(kind, "", in, attrs, Value{Type: t, Shape: shape})[0]
}

// unique makes a name that no value bears yet. Its count lives under a key that no value can have.
func (b *Builder) unique(kind string) string {
	base := b.scope + kind
	for {
		b.names["\x00"+base]++
		name := base
		if n := b.names["\x00"+base]; n > 1 || b.scope == "" {
			name = fmt.Sprintf("%s_%d", base, n)
		}
		if b.names[name] == 0 {
			b.names[name] = 1
			return name
		}
	}
}

// fail keeps the first mistake and the first caller's line outside this package.
func (b *Builder) fail(format string, args ...any) {
	if b.err != nil {
		return
	}
	where := ""
	for skip := 2; skip < 12; skip++ {
		_, file, line, ok := runtime.Caller(skip)
		if !ok {
			break
		}
		if !strings.Contains(file, "/internal/onnx/") || strings.HasSuffix(file, "_test.go") {
			parts := strings.Split(file, "/")
			where = fmt.Sprintf(" (%s:%d)", strings.Join(parts[max(0, len(parts)-2):], "/"), line)
			break
		}
	}
	b.err = fmt.Errorf("%w: %s%s%s", ErrGraph, b.scope, fmt.Sprintf(format, args...), where)
}

// Model finishes the graph. Nodes that no output depends on are left out.
func (b *Builder) Model(name string) (*Model, error) {
	if b.err != nil {
		return nil, b.err
	}
	if len(b.outputs) == 0 {
		return nil, fmt.Errorf("%w: %s has no outputs", ErrGraph, name)
	}
	live := map[*Value]bool{}
	for _, o := range b.outputs {
		live[o] = true
	}
	keep := make([]bool, len(b.ops))
	contrib := false
	for i := len(b.ops) - 1; i >= 0; i-- {
		for _, o := range b.ops[i].Out {
			keep[i] = keep[i] || live[o]
		}
		if keep[i] {
			contrib = contrib || b.ops[i].Domain == "com.microsoft"
			for _, v := range b.ops[i].In {
				live[v] = true
			}
		}
	}
	used := map[string]bool{}
	for v := range live {
		if v != nil {
			used[v.Name] = true
		}
	}
	g := &Graph{Name: name}
	for i, op := range b.ops {
		if !keep[i] {
			continue
		}
		n := &Node{Name: "n_" + op.Out[0].Name, OpType: op.Kind, Domain: op.Domain, Attrs: op.Attrs}
		for _, v := range op.In {
			if v == nil {
				n.Inputs = append(n.Inputs, "")
			} else {
				n.Inputs = append(n.Inputs, v.Name)
			}
		}
		for _, v := range op.Out {
			if live[v] {
				n.Outputs = append(n.Outputs, v.Name)
			} else {
				n.Outputs = append(n.Outputs, "")
			}
		}
		for len(n.Outputs) > 1 && n.Outputs[len(n.Outputs)-1] == "" {
			n.Outputs = n.Outputs[:len(n.Outputs)-1]
		}
		g.Nodes = append(g.Nodes, n)
	}
	for _, t := range b.inits {
		if used[t.Name] {
			g.Initializers = append(g.Initializers, t)
		}
	}
	for _, v := range b.inputs {
		g.Inputs = append(g.Inputs, &ValueInfo{Name: v.Name, Type: v.Type, Shape: v.Shape})
	}
	for _, v := range b.outputs {
		g.Outputs = append(g.Outputs, &ValueInfo{Name: v.Name, Type: v.Type, Shape: v.Shape})
	}
	m := &Model{IRVersion: IRVersion, Producer: "aladin", Opsets: []OpsetID{{"", Opset}}, Graph: g, graphPresent: true}
	if contrib {
		m.Opsets = append(m.Opsets, OpsetID{"com.microsoft", 1})
	}
	return m, nil
}

// Attribute makers.

func intAttr(name string, v int) *Attr       { return &Attr{Name: name, Kind: AttrInt, I: int64(v)} }
func floatAttr(name string, f float32) *Attr { return &Attr{Name: name, Kind: AttrFloat, F: f} }
func stringAttr(name, s string) *Attr        { return &Attr{Name: name, Kind: AttrString, S: []byte(s)} }
func intsAttr(name string, vs []int) *Attr {
	a := &Attr{Name: name, Kind: AttrInts}
	for _, v := range vs {
		a.Ints = append(a.Ints, int64(v))
	}
	return a
}

// Attr finds an attribute by name, or nil.
func (o *Op) Attr(name string) *Attr {
	for _, a := range o.Attrs {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Constant is the tensor behind a constant; nil if v is not one. It must not be changed.
func (b *Builder) Constant(v *Value) *Tensor { return b.tensors[v] }

// ConstInts reads back a constant made by Ints or Int; nil if v is not one.
func (b *Builder) ConstInts(v *Value) []int64 {
	t := b.tensors[v]
	if t == nil || t.Type != Int64 {
		return nil
	}
	out := make([]int64, len(t.Raw)/8)
	for i := range out {
		out[i] = int64(binary.LittleEndian.Uint64(t.Raw[8*i:]))
	}
	return out
}
