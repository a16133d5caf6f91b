package ort

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// The tests' models are written here field by field, so that the package's tests need none of its neighbours.

// node is an ONNX node; attrs are encoded AttributeProtos.
type node struct {
	op      string
	in, out []string
	attrs   [][]byte
}

// value is a graph input or output; dims are int or string (a name, "" for unknown); nil dims = no shape.
type value struct {
	name string
	elem uint64
	dims []any
}

const (
	elemFloat32, elemUint8, elemInt8, elemInt32, elemInt64, elemString, elemBool, elemFloat16, elemFloat64 = 1, 2, 3, 6, 7, 8, 9, 10, 11
)

func buildModel(nodes []node, inputs, outputs []value, initializers ...[]byte) []byte {
	var g []byte
	for _, n := range nodes {
		var b []byte
		for _, s := range n.in {
			b = str(b, 1, s)
		}
		for _, s := range n.out {
			b = str(b, 2, s)
		}
		b = str(b, 4, n.op)
		for _, a := range n.attrs {
			b = msg(b, 5, a)
		}
		g = msg(g, 1, b)
	}
	g = str(g, 2, "test")
	for _, t := range initializers {
		g = msg(g, graphInitializer, t)
	}
	for _, v := range inputs {
		g = msg(g, graphInput, v.encode())
	}
	for _, v := range outputs {
		g = msg(g, graphOutput, v.encode())
	}
	m := num(nil, 1, 8) // IR version
	m = msg(m, modelGraph, g)
	return msg(m, 8, num(nil, 2, 17)) // opset
}

func (v value) encode() []byte {
	t := num(nil, tensorElem, v.elem)
	if v.dims != nil {
		var shape []byte
		for _, d := range v.dims {
			var dim []byte
			switch d := d.(type) {
			case int:
				dim = num(dim, dimValue, uint64(d))
			case string:
				if d != "" {
					dim = str(dim, dimParam, d)
				}
			}
			shape = msg(shape, shapeDim, dim)
		}
		t = msg(t, tensorShape, shape)
	}
	return msg(str(nil, valueName, v.name), valueType, msg(nil, typeTensor, t))
}

// weight is a float32 TensorProto; an external one names a file instead of holding data.
func weight(name, external string, raw []byte, dims ...int) []byte {
	var b []byte
	for _, d := range dims {
		b = num(b, 1, uint64(d))
	}
	b = num(b, 2, elemFloat32)
	b = str(b, tensorName, name)
	if external == "" {
		return msg(b, 9, raw)
	}
	b = msg(b, 13, str(str(nil, 1, "location"), 2, external))
	return num(b, 14, 1)
}

func intAttr(name string, v int) []byte {
	return num(num(str(nil, 1, name), 3, uint64(v)), 20, 2)
}

func num(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func str(b []byte, field protowire.Number, s string) []byte { return msg(b, field, []byte(s)) }

func msg(b []byte, field protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), m)
}
