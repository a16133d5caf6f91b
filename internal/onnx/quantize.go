package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/aladin-go/aladin/internal/elem"
)

const (
	// weightLevels bounds the codes of weights, −63…63. Seven bits, because processors without VNNI add two
	// products of a byte and a code in 16 bits: 2·255·127 would not fit, and they saturate without a word.
	weightLevels = 63
	// Activations are codes 1…255 around activationZero.
	activationLevels, activationZero = 127, 128
)

// QuantizeWeights replaces products of activations with constant matrices (MatMul, and Gemm with its bias)
// by products of bytes (MatMulInteger), and returns how many it replaced. A matrix becomes int8 with a scale
// for each column. Activations are rounded at run time to bytes with a scale for each row, a token's, by its
// largest magnitude: unlike DynamicQuantizeLinear, which has one scale for everything, this leaves a
// sequence untouched by what else is in its batch. Everything else, lookups included, stays as it is. It is
// meant for a CPU.
func (m *Model) QuantizeWeights() (int, error) {
	q := newQuantizer(m.Graph)
	const axesAsInput = 18 // since this opset
	q.oldReduce = m.opset() < axesAsInput
	replaced := 0
	for _, n := range m.Graph.Nodes {
		done, err := q.replace(n)
		if err != nil {
			return 0, err
		}
		if done {
			replaced++
		} else {
			q.nodes = append(q.nodes, n)
		}
	}
	m.Graph.Nodes = q.nodes
	var kept []*Tensor
	for _, t := range m.Graph.Initializers {
		if q.uses[t.Name] > 0 {
			kept = append(kept, t)
		}
	}
	m.Graph.Initializers = append(kept, q.added...)
	return replaced, nil
}

// opset is the version of the standard operators.
func (m *Model) opset() int64 {
	for _, o := range m.Opsets {
		if o.Domain == "" || o.Domain == "ai.onnx" {
			return o.Version
		}
	}
	return Opset
}

// A quantizer rewrites one graph.
type quantizer struct {
	nodes          []*Node
	added          []*Tensor
	inits          map[string]*Tensor
	taken          map[string]bool
	uses           map[string]int     // of values, by nodes that stay and outputs
	codes          map[string]coded   // of matrices done, by name and orientation
	bytes          map[string]coded   // of activations done
	float          map[float32]string // constants
	oldReduce      bool               // the axes of ReduceMax are an attribute
	axis, byteZero string             // constants: the last axis, the code of 0
}

// coded are the names of a value's codes and scales.
type coded struct{ codes, scales string }

func newQuantizer(g *Graph) *quantizer {
	q := &quantizer{
		inits: map[string]*Tensor{}, taken: map[string]bool{}, uses: map[string]int{},
		codes: map[string]coded{}, bytes: map[string]coded{}, float: map[float32]string{},
	}
	for _, t := range g.Initializers {
		q.inits[t.Name], q.taken[t.Name] = t, true
	}
	for _, v := range slices.Concat(g.Inputs, g.Outputs) {
		q.taken[v.Name] = true
		q.uses[v.Name]++
	}
	for _, n := range g.Nodes {
		for _, name := range slices.Concat(n.Inputs, n.Outputs) {
			q.taken[name] = true
		}
		for _, name := range n.Inputs {
			q.uses[name]++
		}
	}
	return q
}

func (q *quantizer) replace(n *Node) (bool, error) {
	matrix, transposed := q.matrix(n)
	if matrix == nil {
		return false, nil
	}
	w, err := q.weights(matrix, transposed)
	if err != nil {
		return false, fmt.Errorf("%s: %w", n.Name, err)
	}
	q.uses[matrix.Name]--
	x := q.activations(n.Inputs[0])
	out := n.Outputs[0]
	sum := q.add("MatMulInteger", out+"/sum", nil, x.codes, w.codes, q.zero())
	sum = q.add("Cast", out+"/float", []*Attr{intAttr("to", int(Float))}, sum)
	sum = q.add("Mul", out+"/rows", nil, sum, x.scales)
	if len(n.Inputs) == 3 && n.Inputs[2] != "" {
		sum = q.add("Mul", out+"/product", nil, sum, w.scales)
		q.node("Add", out, nil, sum, n.Inputs[2])
	} else {
		q.node("Mul", out, nil, sum, w.scales)
	}
	return true, nil
}

// matrix is the constant that a node multiplies by, and whether it lies transposed; nil if there is none,
// or if the node is a Gemm that does more than A·B + C.
func (q *quantizer) matrix(n *Node) (t *Tensor, transposed bool) {
	if n.Domain != "" || n.OpType != "MatMul" && n.OpType != "Gemm" || len(n.Inputs) < 2 {
		return nil, false
	}
	t = q.inits[n.Inputs[1]]
	if t == nil || t.Type != Float || len(t.Dims) != 2 || q.inits[n.Inputs[0]] != nil {
		return nil, false
	}
	for _, a := range n.Attrs {
		switch {
		case a.Name == "transB":
			transposed = a.I == 1
		case a.Name == "transA" && a.I != 0, (a.Name == "alpha" || a.Name == "beta") && a.F != 1:
			return nil, false
		}
	}
	return t, transposed
}

// weights makes codes of a matrix, with a row for each input and a column for each output.
func (q *quantizer) weights(t *Tensor, transposed bool) (coded, error) {
	key := fmt.Sprint(t.Name, transposed)
	if c, ok := q.codes[key]; ok {
		return c, nil
	}
	v, err := t.Float32s()
	if err != nil {
		return coded{}, err
	}
	rows, cols := int(t.Dims[0]), int(t.Dims[1])
	nextRow, nextCol := cols, 1
	if transposed {
		rows, cols, nextRow, nextCol = cols, rows, nextCol, nextRow
	}
	codes, scales := make([]byte, rows*cols), make([]float32, cols)
	for j := range cols {
		var most float32
		for i := range rows {
			x := v[i*nextRow+j*nextCol]
			if x-x != 0 {
				return coded{}, fmt.Errorf("%w: %s is not finite", ErrModel, t.Name)
			}
			most = max(most, x, -x)
		}
		if most == 0 {
			continue // codes and scale stay 0
		}
		scales[j] = most / weightLevels
		for i := range rows {
			codes[i*cols+j] = byte(int8(math.RoundToEven(float64(v[i*nextRow+j*nextCol]) * weightLevels / float64(most))))
		}
	}
	c := coded{
		codes:  q.constant(t.Name+"/codes", Int8, codes, int64(rows), int64(cols)),
		scales: q.constant(t.Name+"/scales", Float, elem.Bytes(scales), int64(cols)),
	}
	q.codes[key] = c
	return c, nil
}

// activations rounds a value to bytes, once for all who use it.
func (q *quantizer) activations(x string) coded {
	if c, ok := q.bytes[x]; ok {
		return c
	}
	if q.axis == "" && !q.oldReduce {
		q.axis = q.constant("last-axis", Int64, elem.Bytes([]int64{-1}), 1)
	}
	most := q.add("Abs", x+"/abs", nil, x)
	if q.oldReduce {
		most = q.add("ReduceMax", x+"/max", []*Attr{intAttr("keepdims", 1), intsAttr("axes", []int{-1})}, most)
	} else {
		most = q.add("ReduceMax", x+"/max", []*Attr{intAttr("keepdims", 1)}, most, q.axis)
	}
	scales := q.add("Mul", x+"/share", nil, most, q.scalar(1.0/activationLevels))
	const tiny = 1e-30 // a row of zeros needs a scale too
	scales = q.add("Max", x+"/scale", nil, scales, q.scalar(tiny))
	levels := q.add("Div", x+"/levels", nil, x, scales)
	levels = q.add("Add", x+"/shifted", nil, levels, q.scalar(activationZero))
	levels = q.add("Round", x+"/rounded", nil, levels)
	c := coded{codes: q.add("Cast", x+"/codes", []*Attr{intAttr("to", int(Uint8))}, levels), scales: scales}
	q.bytes[x] = c
	return c
}

// add adds a node with one output, which gets a name like the one given.
func (q *quantizer) add(op, like string, attrs []*Attr, in ...string) string {
	out := q.name(like)
	q.node(op, out, attrs, in...)
	return out
}

func (q *quantizer) node(op, out string, attrs []*Attr, in ...string) {
	q.nodes = append(q.nodes, &Node{Name: q.name("n_" + out), OpType: op, Inputs: in, Outputs: []string{out}, Attrs: attrs})
}

func (q *quantizer) scalar(v float32) string {
	if _, ok := q.float[v]; !ok {
		q.float[v] = q.constant("scalar", Float, elem.Bytes([]float32{v}))
	}
	return q.float[v]
}

// zero is the code of an activation of 0.
func (q *quantizer) zero() string {
	if q.byteZero == "" {
		q.byteZero = q.constant("byte-zero", Uint8, []byte{activationZero})
	}
	return q.byteZero
}

func (q *quantizer) constant(like string, t Type, raw []byte, dims ...int64) string {
	name := q.name(like)
	if dims == nil {
		dims = []int64{} // a scalar
	}
	q.added = append(q.added, &Tensor{Name: name, Type: t, Dims: dims, Raw: raw})
	return name
}

// name makes a name that nothing in the graph bears.
func (q *quantizer) name(like string) string {
	name := like
	for i := 2; q.taken[name]; i++ {
		name = fmt.Sprintf("%s_%d", like, i)
	}
	q.taken[name] = true
	return name
}
