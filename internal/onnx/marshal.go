package onnx

import (
	"fmt"
	"io"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxModel is where protobuf ends: no runtime reads a larger message.
const maxModel = math.MaxInt32

// inlineRaw is the size up to which a tensor's bytes are copied beside the fields around them.
const inlineRaw = 1 << 12

// Marshal is the ModelProto. The same model gives the same bytes.
func (m *Model) Marshal() []byte { return slices.Concat(m.pieces()...) }

// WriteTo writes what Marshal gives, without a copy of the tensors' bytes. Models that protobuf cannot
// hold are refused.
func (m *Model) WriteTo(w io.Writer) (int64, error) {
	pieces := m.pieces()
	if n := total(pieces); n > maxModel {
		return 0, fmt.Errorf("%w: %d bytes; an ONNX file ends at 2 GiB", ErrModel, n)
	}
	var done int64
	for _, p := range pieces {
		n, err := w.Write(p)
		done += int64(n)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// pieces are the parts whose concatenation is the ModelProto; big ones are the tensors' own bytes.
func (m *Model) pieces() [][]byte {
	var head, tail []byte
	head = appendInt(head, 1, m.IRVersion)
	head = appendString(head, 2, m.Producer)
	graph := m.Graph.pieces()
	head = protowire.AppendTag(head, 7, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(total(graph)))
	for _, o := range m.Opsets {
		var s []byte
		s = appendString(s, 1, o.Domain)
		s = appendInt(s, 2, o.Version)
		tail = appendMessage(tail, 8, s)
	}
	for _, e := range m.Metadata {
		tail = appendMessage(tail, 14, e.marshal())
	}
	return append(append([][]byte{head}, graph...), append(tail, m.unknown...))
}

func total(pieces [][]byte) int64 {
	var n int64
	for _, p := range pieces {
		n += int64(len(p))
	}
	return n
}

func (e Entry) marshal() []byte {
	return appendString(appendString(nil, 1, e.Key), 2, e.Value)
}

func (g *Graph) pieces() [][]byte {
	var pieces [][]byte
	var b []byte
	for _, n := range g.Nodes {
		b = appendMessage(b, 1, n.marshal())
	}
	b = appendString(b, 2, g.Name)
	for _, t := range g.Initializers {
		head, tail := t.around()
		b = protowire.AppendTag(b, 5, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(len(head)+len(t.Raw)+len(tail)))
		b = append(b, head...)
		if len(t.Raw) <= inlineRaw {
			b = append(b, t.Raw...)
		} else {
			pieces = append(pieces, b, t.Raw)
			b = nil
		}
		b = append(b, tail...)
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
	return append(pieces, append(b, g.unknown...))
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
		if a.T != nil {
			b = appendMessage(b, 5, a.T.marshal())
		}
	case AttrGraph:
		if a.G != nil {
			b = appendMessage(b, 6, slices.Concat(a.G.pieces()...))
		}
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
	head, tail := t.around()
	return slices.Concat(head, t.Raw, tail)
}

// around is the TensorProto before and after its raw bytes.
func (t *Tensor) around() (head, tail []byte) {
	for _, d := range t.Dims {
		head = protowire.AppendTag(head, 1, protowire.VarintType)
		head = protowire.AppendVarint(head, uint64(d))
	}
	head = appendInt(head, 2, int64(t.Type))
	head = appendString(head, 8, t.Name)
	if t.Raw != nil {
		head = protowire.AppendTag(head, 9, protowire.BytesType)
		head = protowire.AppendVarint(head, uint64(len(t.Raw)))
	}
	for _, e := range t.External {
		tail = appendMessage(tail, 13, e.marshal())
	}
	if len(t.External) > 0 {
		tail = appendInt(tail, 14, 1) // DataLocation EXTERNAL
	}
	return head, append(tail, t.unknown...)
}

func (v *ValueInfo) marshal() []byte {
	b := appendString(nil, 1, v.Name)
	switch {
	case v.sameType(): // with what else the foreign model says about it
		b = appendMessage(b, 2, v.rawType)
	case v.Type != Undefined:
		b = appendMessage(b, 2, appendMessage(nil, 1, v.marshalTensorType()))
	}
	return append(b, v.unknown...)
}

func (v *ValueInfo) marshalTensorType() []byte {
	b := appendInt(nil, 1, int64(v.Type))
	if v.NoShape {
		return b
	}
	var shape []byte
	for _, d := range v.Shape {
		var dim []byte
		switch {
		case d.Name == unknownDim: // says nothing
		case d.Fixed():
			dim = protowire.AppendTag(dim, 1, protowire.VarintType)
			dim = protowire.AppendVarint(dim, uint64(d.Size))
		default:
			dim = appendString(dim, 2, d.Name)
		}
		shape = appendMessage(shape, 1, dim)
	}
	return appendMessage(b, 2, shape)
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
