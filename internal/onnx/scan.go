package onnx

import (
	"encoding/binary"
	"fmt"
)

// Scan makes a model that runs this one's graph once for every entry along a new first axis, of size times, of
// those inputs that each names; the others are the same for all. The outputs that sum names are added up and
// multiplied with the input scale (float32 [1]); they must be float32 of a fixed shape. All others come out
// stacked along the new axis. The receiver's graph becomes the inner one.
func (m *Model) Scan(each, sum func(name string) bool, times, scale string) (*Model, error) {
	inner := m.Graph
	outer := &Graph{Name: inner.Name}
	node := &Node{Name: "scan", OpType: "Scan"}
	var scanned, stacked []*ValueInfo
	rename := map[string]string{} // an inner value must not bear an outer one's name
	for _, v := range inner.Inputs {
		if !each(v.Name) {
			outer.Inputs = append(outer.Inputs, v)
			continue
		}
		outer.Inputs = append(outer.Inputs, stackedInfo(v, v.Name, times))
		rename[v.Name] = v.Name + ":one"
		scanned = append(scanned, &ValueInfo{Name: rename[v.Name], Type: v.Type, Shape: v.Shape})
	}
	outer.Inputs = append(outer.Inputs, &ValueInfo{Name: scale, Type: Float, Shape: Of(1)})
	var states, results []*ValueInfo
	var after []*Node
	for _, v := range inner.Outputs {
		rename[v.Name] = v.Name + ":one"
		if !sum(v.Name) {
			stacked = append(stacked, &ValueInfo{Name: rename[v.Name], Type: v.Type, Shape: v.Shape})
			outer.Outputs = append(outer.Outputs, stackedInfo(v, v.Name, times))
			continue
		}
		raw := make([]byte, 0, 8*len(v.Shape))
		for _, d := range v.Shape {
			if !d.Fixed() || v.Type != Float {
				return nil, fmt.Errorf("%w: Scan: %s of %v is no sum", ErrGraph, v.Name, v.Shape)
			}
			raw = binary.LittleEndian.AppendUint64(raw, uint64(d.Size))
		}
		before, total, shape := v.Name+":before", v.Name+":sum", v.Name+":shape"
		states = append(states, &ValueInfo{Name: before, Type: Float, Shape: v.Shape})
		results = append(results, &ValueInfo{Name: v.Name + ":after", Type: Float, Shape: v.Shape})
		inner.Nodes = append(inner.Nodes, &Node{Name: "n_" + v.Name + ":after", OpType: "Add", Inputs: []string{before, v.Name}, Outputs: []string{v.Name + ":after"}})
		outer.Initializers = append(outer.Initializers, &Tensor{Name: shape, Type: Int64, Dims: []int64{int64(len(v.Shape))}, Raw: raw})
		outer.Nodes = append(outer.Nodes, &Node{Name: "n_" + v.Name + ":zero", OpType: "ConstantOfShape", Inputs: []string{shape}, Outputs: []string{v.Name + ":zero"}})
		after = append(after, &Node{Name: "n_" + v.Name, OpType: "Mul", Inputs: []string{total, scale}, Outputs: []string{v.Name}})
		node.Inputs = append(node.Inputs, v.Name+":zero")
		node.Outputs = append(node.Outputs, total)
		outer.Outputs = append(outer.Outputs, &ValueInfo{Name: v.Name, Type: Float, Shape: v.Shape})
	}
	for _, n := range inner.Nodes {
		for _, names := range [][]string{n.Inputs, n.Outputs} {
			for i, name := range names {
				if to, ok := rename[name]; ok {
					names[i] = to
				}
			}
		}
	}
	for _, v := range inner.Values {
		if to, ok := rename[v.Name]; ok {
			v.Name = to
		}
	}
	for _, v := range outer.Inputs {
		if each(v.Name) {
			node.Inputs = append(node.Inputs, v.Name)
		}
	}
	for _, v := range inner.Outputs {
		if !sum(v.Name) {
			node.Outputs = append(node.Outputs, v.Name)
		}
	}
	inner.Inputs, inner.Outputs = append(states, scanned...), append(results, stacked...)
	node.Attrs = []*Attr{{Name: "body", Kind: AttrGraph, G: inner}, {Name: "num_scan_inputs", Kind: AttrInt, I: int64(len(scanned))}}
	outer.Nodes = append(append(outer.Nodes, node), after...)
	out := *m
	out.Graph = outer
	return &out, nil
}

func stackedInfo(v *ValueInfo, name, times string) *ValueInfo {
	return &ValueInfo{Name: name, Type: v.Type, Shape: append(Shape{Sym(times)}, v.Shape...)}
}
