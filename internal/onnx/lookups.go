package onnx

import (
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/elem"
)

// largeTable is the size from which a table that is looked up in is worth codes.
const largeTable = 1 << 16

// QuantizeLookups replaces lookups of rows in large constant tables (Gather) by lookups of int8 codes and of a
// scale for each row, and returns how many it replaced: for word embeddings, which are a good part of a small
// network and of which a text needs a few rows.
func (m *Model) QuantizeLookups() (int, error) {
	q := newQuantizer(m.Graph)
	replaced := 0
	for _, n := range m.Graph.Nodes {
		table := q.table(n)
		if table == nil {
			q.nodes = append(q.nodes, n)
			continue
		}
		c, err := q.rows(table)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", n.Name, err)
		}
		q.uses[table.Name]--
		out := n.Outputs[0]
		codes := q.add("Gather", out+"/codes", n.Attrs, c.codes, n.Inputs[1])
		scales := q.add("Gather", out+"/scales", n.Attrs, c.scales, n.Inputs[1])
		codes = q.add("Cast", out+"/float", []*Attr{intAttr("to", int(Float))}, codes)
		q.node("Mul", out, nil, codes, scales)
		replaced++
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

// table is the constant whose rows a node looks up, nil if it does something else.
func (q *quantizer) table(n *Node) *Tensor {
	if n.Domain != "" || n.OpType != "Gather" || len(n.Inputs) != 2 {
		return nil
	}
	for _, a := range n.Attrs {
		if a.Name == "axis" && a.I != 0 {
			return nil
		}
	}
	t := q.inits[n.Inputs[0]]
	if t == nil || t.Type != Float || len(t.Dims) != 2 || len(t.Raw)/4 < largeTable {
		return nil
	}
	return t
}

// rows makes codes of a table with a scale for each row.
func (q *quantizer) rows(t *Tensor) (coded, error) {
	key := t.Name + " rows"
	if c, ok := q.codes[key]; ok {
		return c, nil
	}
	v, err := t.Float32s()
	if err != nil {
		return coded{}, err
	}
	rows, cols := int(t.Dims[0]), int(t.Dims[1])
	codes, scales := make([]byte, len(v)), make([]float32, rows)
	for i := range rows {
		row := v[i*cols : (i+1)*cols]
		var most float32
		for _, x := range row {
			if x-x != 0 {
				return coded{}, fmt.Errorf("%w: %s is not finite", ErrModel, t.Name)
			}
			most = max(most, x, -x)
		}
		if most == 0 {
			continue
		}
		scales[i] = most / math.MaxInt8
		for j, x := range row {
			codes[i*cols+j] = byte(int8(math.RoundToEven(float64(x) * math.MaxInt8 / float64(most))))
		}
	}
	c := coded{
		codes:  q.constant(t.Name+"/codes", Int8, codes, t.Dims...),
		scales: q.constant(t.Name+"/scales", Float, elem.Bytes(scales), t.Dims[0], 1),
	}
	q.codes[key] = c
	return c, nil
}
