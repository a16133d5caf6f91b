package onnx

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Marshal writes the ModelProto. The same model gives the same bytes.
func (m *Model) Marshal() []byte {
	size := 1 << 12
	for _, t := range m.Graph.Initializers {
		size += len(t.Raw) + 64
	}
	b := make([]byte, 0, size)
	b = appendInt(b, 1, m.IRVersion)
	b = appendString(b, 2, m.Producer)
	b = appendMessage(b, 7, m.Graph.marshal(nil))
	for _, o := range m.Opsets {
		var s []byte
		s = appendString(s, 1, o.Domain)
		s = appendInt(s, 2, o.Version)
		b = appendMessage(b, 8, s)
	}
	for _, e := range m.Metadata {
		b = appendMessage(b, 14, e.marshal())
	}
	return append(b, m.unknown...)
}

func (e Entry) marshal() []byte {
	return appendString(appendString(nil, 1, e.Key), 2, e.Value)
}

func (g *Graph) marshal(b []byte) []byte {
	for _, n := range g.Nodes {
		b = appendMessage(b, 1, n.marshal())
	}
	b = appendString(b, 2, g.Name)
	for _, t := range g.Initializers {
		b = appendMessage(b, 5, t.marshal())
	}
	for _, v := range g.Inputs {
		b = appendMessage(b, 11, v.marshal())
	}
	for _, v := range g.Outputs {
		b = appendMessage(b, 12, v.marshal())
	}
	for _, v := range g.Values {
		b = appendMessage(b, 13, v.marshal())
	}
	return append(b, g.unknown...)
}

func (n *Node) marshal() []byte {
	var b []byte
	for _, s := range n.Inputs { // an empty name is an omitted optional input: it must be written
		b = protowire.AppendTag(b, 1, protowire.BytesType)
		b = protowire.AppendString(b, s)
	}
	for _, s := range n.Outputs {
		b = protowire.AppendTag(b, 2, protowire.BytesType)
		b = protowire.AppendString(b, s)
	}
	b = appendString(b, 3, n.Name)
	b = appendString(b, 4, n.OpType)
	for _, a := range n.Attrs {
		b = appendMessage(b, 5, a.marshal())
	}
	b = appendString(b, 7, n.Domain)
	return append(b, n.unknown...)
}

func (a *Attr) marshal() []byte {
	b := appendString(nil, 1, a.Name)
	switch a.Kind {
	case AttrFloat:
		b = protowire.AppendTag(b, 2, protowire.Fixed32Type)
		b = protowire.AppendFixed32(b, math.Float32bits(a.F))
	case AttrInt:
		b = protowire.AppendTag(b, 3, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(a.I))
	case AttrString:
		b = appendMessage(b, 4, a.S)
	case AttrTensor:
		b = appendMessage(b, 5, a.T.marshal())
	case AttrFloats:
		for _, f := range a.Floats {
			b = protowire.AppendTag(b, 7, protowire.Fixed32Type)
			b = protowire.AppendFixed32(b, math.Float32bits(f))
		}
	case AttrInts:
		for _, i := range a.Ints {
			b = protowire.AppendTag(b, 8, protowire.VarintType)
			b = protowire.AppendVarint(b, uint64(i))
		}
	}
	b = appendInt(b, 20, int64(a.Kind))
	return append(b, a.unknown...)
}

func (t *Tensor) marshal() []byte {
	b := make([]byte, 0, len(t.Raw)+64)
	for _, d := range t.Dims {
		b = protowire.AppendTag(b, 1, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(d))
	}
	b = appendInt(b, 2, int64(t.Type))
	b = appendString(b, 8, t.Name)
	if t.Raw != nil {
		b = appendMessage(b, 9, t.Raw)
	}
	for _, e := range t.External {
		b = appendMessage(b, 13, e.marshal())
	}
	if len(t.External) > 0 {
		b = appendInt(b, 14, 1) // DataLocation EXTERNAL
	}
	return append(b, t.unknown...)
}

func (v *ValueInfo) marshal() []byte {
	b := appendString(nil, 1, v.Name)
	if v.Type != Undefined {
		tt := appendInt(nil, 1, int64(v.Type))
		if !v.NoShape {
			var sh []byte
			for _, d := range v.Shape {
				var dim []byte
				if d.Name != "" {
					dim = appendString(dim, 2, d.Name)
				} else {
					dim = protowire.AppendTag(dim, 1, protowire.VarintType)
					dim = protowire.AppendVarint(dim, uint64(d.Size))
				}
				sh = appendMessage(sh, 1, dim)
			}
			tt = appendMessage(tt, 2, sh)
		}
		b = appendMessage(b, 2, appendMessage(nil, 1, tt))
	}
	return append(b, v.unknown...)
}

func appendMessage(b []byte, num protowire.Number, msg []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendBytes(b, msg)
}

// appendString and appendInt leave out zero values, as proto3 does.
func appendString(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendString(b, s)
}

func appendInt(b []byte, num protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(v))
}
