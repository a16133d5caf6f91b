package onnx

import (
	"errors"
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/nearest"
)

// Versions that the Builder writes. IR version 8 is the one that came with opset 18.
const (
	IRVersion = 8
	Opset     = 18
)

// ErrModel is returned when bytes are not a well-formed ModelProto.
var ErrModel = errors.New("onnx: malformed model")

// ErrNoValue is returned when a model has no value of the name asked for.
var ErrNoValue = errors.New("onnx: no such value")

// A Type is TensorProto.DataType.
type Type int32

// The element types in use here, numbered as onnx.proto3 does.
const (
	Undefined Type = 0
	Float     Type = 1
	Uint8     Type = 2
	Int8      Type = 3
	Uint16    Type = 4
	Int16     Type = 5
	Int32     Type = 6
	Int64     Type = 7
	String    Type = 8
	Bool      Type = 9
	Float16   Type = 10
	Double    Type = 11
	BFloat16  Type = 16
)

// String is the type's name in ONNX documentation.
func (t Type) String() string {
	switch t {
	case Float:
		return "float32"
	case Uint8:
		return "uint8"
	case Int8:
		return "int8"
	case Uint16:
		return "uint16"
	case Int16:
		return "int16"
	case Int32:
		return "int32"
	case Int64:
		return "int64"
	case String:
		return "string"
	case Bool:
		return "bool"
	case Float16:
		return "float16"
	case Double:
		return "float64"
	case BFloat16:
		return "bfloat16"
	}
	return fmt.Sprintf("type(%d)", int32(t))
}

// A Model is a ModelProto.
type Model struct {
	IRVersion    int64
	Producer     string
	Opsets       []OpsetID
	Graph        *Graph
	Metadata     []Entry
	unknown      []byte
	graphPresent bool
}

// An OpsetID names an operator set; the default domain is "".
type OpsetID struct {
	Domain  string
	Version int64
}

// An Entry is a StringStringEntryProto.
type Entry struct{ Key, Value string }

// A Graph is a GraphProto.
type Graph struct {
	Name         string
	Nodes        []*Node
	Initializers []*Tensor
	Inputs       []*ValueInfo
	Outputs      []*ValueInfo
	Values       []*ValueInfo // value_info: types of inner values
	unknown      []byte
}

// A Node is a NodeProto.
type Node struct {
	Name, OpType, Domain string
	Inputs, Outputs      []string
	Attrs                []*Attr
	unknown              []byte
}

// An AttrKind is AttributeProto.AttributeType.
type AttrKind int32

// The attribute kinds that this package models; others are kept as bytes.
const (
	AttrFloat  AttrKind = 1
	AttrInt    AttrKind = 2
	AttrString AttrKind = 3
	AttrTensor AttrKind = 4
	AttrGraph  AttrKind = 5
	AttrFloats AttrKind = 6
	AttrInts   AttrKind = 7
)

// An Attr is an AttributeProto: the field that Kind names is the one that counts.
type Attr struct {
	Name    string
	Kind    AttrKind
	F       float32
	I       int64
	S       []byte
	T       *Tensor
	G       *Graph // of graphs made here; those that are read stay bytes
	Floats  []float32
	Ints    []int64
	unknown []byte
}

// A Tensor is a TensorProto whose values are raw little-endian bytes, or lie in another file.
type Tensor struct {
	Name     string
	Type     Type
	Dims     []int64
	Raw      []byte
	External []Entry // location, offset, length when the data is in another file
	unknown  []byte
}

// A ValueInfo is a ValueInfoProto of a tensor.
type ValueInfo struct {
	Name    string
	Type    Type
	Shape   Shape
	NoShape bool // the rank is not known either
	rawType []byte
	unknown []byte
}

// Expose adds inner values to the model's outputs, by name, so that a runtime returns them: how a
// classifier or detector that somebody else trained serves as a feature extractor. Names that are
// outputs already are left alone. A value whose type the model does not state is taken for float32; change
// the new output's Type where that is wrong. ErrNoValue lists the nearest names.
func (m *Model) Expose(names ...string) error {
	have := map[string]bool{}
	var all []string
	for _, n := range m.Graph.Nodes {
		for _, o := range n.Outputs {
			if o != "" {
				have[o] = true
				all = append(all, o)
			}
		}
	}
	types := map[string]*ValueInfo{}
	for _, v := range m.Graph.Values {
		types[v.Name] = v
	}
	for _, name := range names {
		if m.Graph.output(name) != nil {
			continue
		}
		if !have[name] {
			return fmt.Errorf("%w: %q; nearest: %q", ErrNoValue, name, nearest.Names(name, all, 5))
		}
		if v := types[name]; v != nil {
			m.Graph.Outputs = append(m.Graph.Outputs, v)
			continue
		}
		// Runtimes infer the shape of an output that states none, but not its type.
		m.Graph.Outputs = append(m.Graph.Outputs, &ValueInfo{Name: name, Type: Float, NoShape: true})
	}
	return nil
}

func (g *Graph) output(name string) *ValueInfo {
	for _, o := range g.Outputs {
		if o.Name == name {
			return o
		}
	}
	return nil
}

// Float32s are the values of a float32 tensor whose data is in the model. They must not be changed: where the
// machine allows it, they are the model's own.
func (t *Tensor) Float32s() ([]float32, error) {
	if t.Type != Float || len(t.External) > 0 || len(t.Raw)%4 != 0 {
		return nil, fmt.Errorf("%w: %s is %v with %d bytes, want float32 data in the model", ErrModel, t.Name, t.Type, len(t.Raw))
	}
	n := int64(1)
	for _, d := range t.Dims {
		if d < 0 || d > 0 && n > math.MaxInt64/d {
			return nil, fmt.Errorf("%w: %s has shape %v", ErrModel, t.Name, t.Dims)
		}
		n *= d
	}
	if n != int64(len(t.Raw)/4) { // values may lie in float_data, which only old models use
		return nil, fmt.Errorf("%w: %s has %d raw values for shape %v", ErrModel, t.Name, len(t.Raw)/4, t.Dims)
	}
	return elem.Load[float32](t.Raw), nil
}
