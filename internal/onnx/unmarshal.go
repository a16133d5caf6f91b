package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Unmarshal reads a ModelProto. Big byte fields (initializer data) alias data, which must not change
// while the model is in use. Damaged bytes give ErrModel with the offset inside the message at fault.
func Unmarshal(data []byte) (*Model, error) {
	m := &Model{Graph: &Graph{}}
	err := read(data, "ModelProto", &m.unknown, fields{
		1: integer(&m.IRVersion), 2: text(&m.Producer),
		7: func(f field) error {
			m.graphPresent = true
			return m.Graph.unmarshal(f.b)
		},
		8: messages(&m.Opsets, (*OpsetID).unmarshal), 14: messages(&m.Metadata, (*Entry).unmarshal),
	})
	if err == nil && !m.graphPresent {
		err = fmt.Errorf("%w: no graph (is this an ONNX file?)", ErrModel)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (o *OpsetID) unmarshal(data []byte) error {
	return read(data, "OperatorSetIdProto", nil, fields{1: text(&o.Domain), 2: integer(&o.Version)})
}

func (e *Entry) unmarshal(data []byte) error {
	return read(data, "StringStringEntryProto", nil, fields{1: text(&e.Key), 2: text(&e.Value)})
}

func (g *Graph) unmarshal(data []byte) error {
	return read(data, "GraphProto", &g.unknown, fields{
		1: pointers(&g.Nodes, (*Node).unmarshal), 2: text(&g.Name), 5: pointers(&g.Initializers, (*Tensor).unmarshal),
		11: pointers(&g.Inputs, (*ValueInfo).unmarshal), 12: pointers(&g.Outputs, (*ValueInfo).unmarshal),
		13: pointers(&g.Values, (*ValueInfo).unmarshal),
	})
}

func (n *Node) unmarshal(data []byte) error {
	return read(data, "NodeProto", &n.unknown, fields{
		1: texts(&n.Inputs), 2: texts(&n.Outputs), 3: text(&n.Name), 4: text(&n.OpType),
		5: pointers(&n.Attrs, (*Attr).unmarshal), 7: text(&n.Domain),
	})
}

func (a *Attr) unmarshal(data []byte) error {
	var implied AttrKind // models before IR version 2 do not state the kind
	of := func(k AttrKind, set func(f field) error) func(field) error {
		return func(f field) error {
			implied = k
			return set(f)
		}
	}
	err := read(data, "AttributeProto", &a.unknown, fields{
		1: text(&a.Name),
		2: of(AttrFloat, func(f field) error { a.F = math.Float32frombits(uint32(f.v)); return nil }),
		3: of(AttrInt, integer(&a.I)),
		4: of(AttrString, func(f field) error { a.S = f.b; return nil }),
		5: of(AttrTensor, func(f field) error {
			a.T = &Tensor{}
			return a.T.unmarshal(f.b)
		}),
		7:  of(AttrFloats, func(f field) error { a.Floats = f.appendFloats(a.Floats); return nil }),
		8:  of(AttrInts, integers(&a.Ints)),
		20: integer(&a.Kind),
	})
	if a.Kind == 0 {
		a.Kind = implied
	}
	return err
}

func (t *Tensor) unmarshal(data []byte) error {
	return read(data, "TensorProto", &t.unknown, fields{
		1: integers(&t.Dims), 2: integer(&t.Type), 8: text(&t.Name), 9: func(f field) error { t.Raw = f.b; return nil },
		13: messages(&t.External, (*Entry).unmarshal), 14: func(field) error { return nil }, // implied by External
	})
}

func (v *ValueInfo) unmarshal(data []byte) error {
	v.NoShape = true
	return read(data, "ValueInfoProto", &v.unknown, fields{1: text(&v.Name), 2: func(f field) error {
		v.rawType = f.b
		return v.unmarshalType(f.b)
	}})
}

// unmarshalType reads a TypeProto; types other than tensors leave v without one.
func (v *ValueInfo) unmarshalType(data []byte) error {
	v.Type, v.Shape, v.NoShape = Undefined, nil, true
	return read(data, "TypeProto", nil, fields{1: func(f field) error {
		return read(f.b, "TypeProto.Tensor", nil, fields{1: integer(&v.Type), 2: func(f field) error {
			v.NoShape = false
			return read(f.b, "TensorShapeProto", nil, fields{1: messages((*[]Dim)(&v.Shape), (*Dim).unmarshal)})
		}})
	}})
}

func (d *Dim) unmarshal(data []byte) error {
	*d = Dim{Name: unknownDim}
	return read(data, "Dimension", nil, fields{
		1: func(f field) error { *d = Dim{Size: int64(f.v)}; return nil },
		2: func(f field) error {
			if len(f.b) > 0 {
				*d = Dim{Name: string(f.b)}
			}
			return nil
		},
	})
}

// sameType tells whether v still has the type that it was read with.
func (v *ValueInfo) sameType() bool {
	var was ValueInfo
	return v.rawType != nil && was.unmarshalType(v.rawType) == nil &&
		was.Type == v.Type && was.NoShape == v.NoShape && was.Shape.Equal(v.Shape)
}

// fields says what becomes of a message's fields.
type fields map[protowire.Number]func(field) error

// read hands the fields of a message to those who want them; the others are appended to unknown unless it is nil.
func read(data []byte, message string, unknown *[]byte, want fields) error {
	return eachField(data, message, func(f field) error {
		if set := want[f.num]; set != nil {
			return set(f)
		}
		if unknown != nil {
			*unknown = append(*unknown, f.raw...)
		}
		return nil
	})
}

func text(dst *string) func(field) error {
	return func(f field) error { *dst = string(f.b); return nil }
}

func texts(dst *[]string) func(field) error {
	return func(f field) error { *dst = append(*dst, string(f.b)); return nil }
}

func integer[T ~int32 | ~int64](dst *T) func(field) error {
	return func(f field) error { *dst = T(f.v); return nil }
}

// integers reads a repeated integer, packed or not.
func integers(dst *[]int64) func(field) error {
	return func(f field) error {
		if f.typ == protowire.VarintType {
			*dst = append(*dst, int64(f.v))
			return nil
		}
		for b := f.b; len(b) > 0; {
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return fmt.Errorf("%w: packed integers: %v", ErrModel, protowire.ParseError(n))
			}
			*dst = append(*dst, int64(v))
			b = b[n:]
		}
		return nil
	}
}

// maxList bounds the nodes and values of a graph, which may be a hundred times as large in memory as in a file; the
// largest networks have some ten thousand.
const maxList = 1 << 18

// messages and pointers append a message.
func messages[T any](dst *[]T, unmarshal func(*T, []byte) error) func(field) error {
	return func(f field) error {
		var v T
		err := unmarshal(&v, f.b)
		*dst = append(*dst, v)
		return err
	}
}

func pointers[T any](dst *[]*T, unmarshal func(*T, []byte) error) func(field) error {
	return func(f field) error {
		if len(*dst) == maxList {
			return fmt.Errorf("%w: more than %d nodes or values", ErrModel, maxList)
		}
		v := new(T)
		*dst = append(*dst, v)
		return unmarshal(v, f.b)
	}
}

// A field is one decoded protobuf field: v for the numeric wire types, b for bytes.
type field struct {
	num protowire.Number
	typ protowire.Type
	v   uint64
	b   []byte
	raw []byte // tag and value
}

// appendFloats reads a repeated float, packed or not.
func (f field) appendFloats(dst []float32) []float32 {
	if f.typ == protowire.Fixed32Type {
		return append(dst, math.Float32frombits(uint32(f.v)))
	}
	for b := f.b; len(b) >= 4; b = b[4:] {
		dst = append(dst, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return dst
}

// eachField walks the fields of a message until fn returns an error.
func eachField(data []byte, message string, fn func(field) error) error {
	for off := 0; off < len(data); {
		num, typ, n := protowire.ConsumeTag(data[off:])
		if n < 0 {
			return fmt.Errorf("%w: %s at byte %d: %v", ErrModel, message, off, protowire.ParseError(n))
		}
		f := field{num: num, typ: typ}
		rest := data[off+n:]
		var m int
		switch typ {
		case protowire.VarintType:
			f.v, m = protowire.ConsumeVarint(rest)
		case protowire.Fixed32Type:
			var v uint32
			v, m = protowire.ConsumeFixed32(rest)
			f.v = uint64(v)
		case protowire.Fixed64Type:
			f.v, m = protowire.ConsumeFixed64(rest)
		case protowire.BytesType:
			f.b, m = protowire.ConsumeBytes(rest)
		default:
			m = protowire.ConsumeFieldValue(num, typ, rest)
		}
		if m < 0 {
			return fmt.Errorf("%w: %s field %d at byte %d: %v", ErrModel, message, num, off, protowire.ParseError(m))
		}
		f.raw = data[off : off+n+m]
		off += n + m
		if err := fn(f); err != nil {
			return err
		}
	}
	return nil
}
