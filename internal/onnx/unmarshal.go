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
	err := eachField(data, "ModelProto", func(f field) error {
		switch f.num {
		case 1:
			m.IRVersion = int64(f.v)
		case 2:
			m.Producer = string(f.b)
		case 7:
			m.graphPresent = true
			return m.Graph.unmarshal(f.b)
		case 8:
			var o OpsetID
			err := eachField(f.b, "OperatorSetIdProto", func(f field) error {
				switch f.num {
				case 1:
					o.Domain = string(f.b)
				case 2:
					o.Version = int64(f.v)
				}
				return nil
			})
			m.Opsets = append(m.Opsets, o)
			return err
		case 14:
			e, err := unmarshalEntry(f.b)
			m.Metadata = append(m.Metadata, e)
			return err
		default:
			m.unknown = append(m.unknown, f.raw...)
		}
		return nil
	})
	if err == nil && !m.graphPresent {
		err = fmt.Errorf("%w: no graph (is this an ONNX file?)", ErrModel)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (g *Graph) unmarshal(data []byte) error {
	return eachField(data, "GraphProto", func(f field) error {
		switch f.num {
		case 1:
			n := &Node{}
			g.Nodes = append(g.Nodes, n)
			return n.unmarshal(f.b)
		case 2:
			g.Name = string(f.b)
		case 5:
			t := &Tensor{}
			g.Initializers = append(g.Initializers, t)
			return t.unmarshal(f.b)
		case 11, 12, 13:
			v := &ValueInfo{}
			switch f.num {
			case 11:
				g.Inputs = append(g.Inputs, v)
			case 12:
				g.Outputs = append(g.Outputs, v)
			case 13:
				g.Values = append(g.Values, v)
			}
			return v.unmarshal(f.b)
		default:
			g.unknown = append(g.unknown, f.raw...)
		}
		return nil
	})
}

func (n *Node) unmarshal(data []byte) error {
	return eachField(data, "NodeProto", func(f field) error {
		switch f.num {
		case 1:
			n.Inputs = append(n.Inputs, string(f.b))
		case 2:
			n.Outputs = append(n.Outputs, string(f.b))
		case 3:
			n.Name = string(f.b)
		case 4:
			n.OpType = string(f.b)
		case 5:
			a := &Attr{}
			n.Attrs = append(n.Attrs, a)
			return a.unmarshal(f.b)
		case 7:
			n.Domain = string(f.b)
		default:
			n.unknown = append(n.unknown, f.raw...)
		}
		return nil
	})
}

func (a *Attr) unmarshal(data []byte) error {
	var implied AttrKind // models before IR version 2 do not state the kind
	err := eachField(data, "AttributeProto", func(f field) error {
		switch f.num {
		case 1:
			a.Name = string(f.b)
		case 2:
			implied = AttrFloat
			a.F = math.Float32frombits(uint32(f.v))
		case 3:
			implied = AttrInt
			a.I = int64(f.v)
		case 4:
			implied = AttrString
			a.S = f.b
		case 5:
			implied = AttrTensor
			a.T = &Tensor{}
			return a.T.unmarshal(f.b)
		case 7:
			implied = AttrFloats
			if f.typ == protowire.Fixed32Type {
				a.Floats = append(a.Floats, math.Float32frombits(uint32(f.v)))
				break
			}
			for b := f.b; len(b) >= 4; b = b[4:] {
				a.Floats = append(a.Floats, math.Float32frombits(binary.LittleEndian.Uint32(b)))
			}
		case 8:
			implied = AttrInts
			var err error
			a.Ints, err = f.appendInts(a.Ints)
			return err
		case 20:
			a.Kind = AttrKind(f.v)
		default:
			a.unknown = append(a.unknown, f.raw...)
		}
		return nil
	})
	if a.Kind == 0 {
		a.Kind = implied
	}
	return err
}

func (t *Tensor) unmarshal(data []byte) error {
	return eachField(data, "TensorProto", func(f field) error {
		var err error
		switch f.num {
		case 1:
			t.Dims, err = f.appendInts(t.Dims)
		case 2:
			t.Type = Type(f.v)
		case 8:
			t.Name = string(f.b)
		case 9:
			t.Raw = f.b
		case 13:
			var e Entry
			e, err = unmarshalEntry(f.b)
			t.External = append(t.External, e)
		case 14: // implied by External
		default:
			t.unknown = append(t.unknown, f.raw...)
		}
		return err
	})
}

func (v *ValueInfo) unmarshal(data []byte) error {
	v.NoShape = true
	return eachField(data, "ValueInfoProto", func(f field) error {
		switch f.num {
		case 1:
			v.Name = string(f.b)
		case 2:
			v.rawType = f.b
			return v.unmarshalType(f.b)
		default:
			v.unknown = append(v.unknown, f.raw...)
		}
		return nil
	})
}

// unmarshalType reads a TypeProto; types other than tensors leave v without one.
func (v *ValueInfo) unmarshalType(data []byte) error {
	v.Type, v.Shape, v.NoShape = Undefined, nil, true
	return eachField(data, "TypeProto", func(f field) error {
		if f.num != 1 {
			return nil
		}
		return eachField(f.b, "TypeProto.Tensor", func(f field) error {
			switch f.num {
			case 1:
				v.Type = Type(f.v)
			case 2:
				v.NoShape = false
				return v.unmarshalShape(f.b)
			}
			return nil
		})
	})
}

func (v *ValueInfo) unmarshalShape(data []byte) error {
	return eachField(data, "TensorShapeProto", func(f field) error {
		if f.num != 1 {
			return nil
		}
		d := Dim{Name: unknownDim}
		err := eachField(f.b, "Dimension", func(f field) error {
			switch f.num {
			case 1:
				d = Dim{Size: int64(f.v)}
			case 2:
				if len(f.b) > 0 {
					d = Dim{Name: string(f.b)}
				}
			}
			return nil
		})
		v.Shape = append(v.Shape, d)
		return err
	})
}

// sameType tells whether v still has the type that it was read with.
func (v *ValueInfo) sameType() bool {
	var was ValueInfo
	return v.rawType != nil && was.unmarshalType(v.rawType) == nil &&
		was.Type == v.Type && was.NoShape == v.NoShape && was.Shape.Equal(v.Shape)
}

func unmarshalEntry(data []byte) (e Entry, err error) {
	err = eachField(data, "StringStringEntryProto", func(f field) error {
		switch f.num {
		case 1:
			e.Key = string(f.b)
		case 2:
			e.Value = string(f.b)
		}
		return nil
	})
	return e, err
}

// A field is one decoded protobuf field: v for the numeric wire types, b for bytes.
type field struct {
	num protowire.Number
	typ protowire.Type
	v   uint64
	b   []byte
	raw []byte // tag and value
}

// appendInts reads a repeated integer, packed or not.
func (f field) appendInts(dst []int64) ([]int64, error) {
	if f.typ == protowire.VarintType {
		return append(dst, int64(f.v)), nil
	}
	for b := f.b; len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return nil, fmt.Errorf("%w: packed integers: %v", ErrModel, protowire.ParseError(n))
		}
		dst = append(dst, int64(v))
		b = b[n:]
	}
	return dst, nil
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
