package ort

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// A graph is a program that whoever wrote the file chose, and ONNX Runtime gives it the time and the memory that it asks
// for, and values from the files that it names. So what honest graphs do without is refused before the library sees the
// file: graphs within graphs (Loop, If, Scan, SequenceMap), functions, which may call each other and grow with every
// call, operators of nobody's, constants of sizes that no network has, and values outside the model's folder. What a
// graph computes from its inputs is not bounded by this: layers may be large, and many.

// Field numbers of onnx.proto3 for what is refused.
const (
	modelFunctions  = 25
	graphNode       = 1
	graphSparse     = 15
	nodeInput       = 1
	nodeOutput      = 2
	nodeOp          = 4
	nodeAttr        = 5
	nodeDomain      = 7
	attrTensor      = 5
	attrGraph       = 6
	attrInts        = 8
	attrGraphs      = 11
	tensorInt64s    = 7
	tensorRaw       = 9
	tensorExternal  = 13
	entryKey        = 1
	entryValue      = 2
	shortTensor     = 1 << 10 // no shape's tensor is longer
	maxConstant     = 1 << 28 // elements of a constant: 1 GiB of float32
	maxSizes        = 16      // dimensions of a constant
	externalPlace   = "location"
	controlFlowHint = "it may run for ever, whatever its caller wants"
)

// domains are those of operators that ONNX Runtime has itself.
var domains = []string{"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}

// sized are operators whose output has the shape that a constant says: which of the inputs, -1 for an attribute.
var sized = map[string]int{"ConstantOfShape": 0, "Expand": 1, "RandomNormal": -1, "RandomUniform": -1}

// A check looks at the parts of a graph.
type check struct {
	w       *window
	allowed bool // control flow
	sizes   map[string][]int64
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %w: %s", ErrModel, ErrRefused, fmt.Sprintf(format, args...))
}

// function is called when a model has functions of its own.
func (c *check) function() error {
	if c.allowed {
		return nil
	}
	return refused("it has functions of its own; export it with functions inlined")
}

// sparse is called for a sparse constant, which may be of any size in a few bytes.
func (c *check) sparse() error { return refused("it has sparse constants") }

// node looks at a node of the outermost graph.
func (c *check) node(from, to int64) error {
	var (
		op, domain      string
		inputs, outputs []string
		shape           []int64
		nested          bool
	)
	short := func(dst *string, from, to int64) error {
		b, err := c.w.bytes(from, to)
		*dst = string(b)
		return err
	}
	err := c.w.fields(from, to, func(num protowire.Number, from, to int64) (err error) {
		switch num {
		case nodeOp:
			return short(&op, from, to)
		case nodeDomain:
			return short(&domain, from, to)
		case nodeInput, nodeOutput:
			list := &inputs
			if num == nodeOutput {
				list = &outputs
			}
			if len(*list) == maxSizes { // more are of no interest
				return nil
			}
			*list = append(*list, "")
			return short(&(*list)[len(*list)-1], from, to)
		case nodeAttr:
			if to-from <= shortTensor {
				b, err := c.w.bytes(from, to)
				if err != nil {
					return err
				}
				if ints := intsOf(b, attrInts); ints != nil {
					shape = ints
				}
			}
			return c.w.fields(from, to, func(num protowire.Number, from, to int64) error {
				switch num {
				case attrGraph, attrGraphs:
					nested = true
				case attrTensor:
					values, err := c.tensor(from, to)
					if values != nil {
						shape = values
					}
					return err
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if nested && !c.allowed {
		return refused("%q is a graph within the graph: %s", op, controlFlowHint)
	}
	if !slices.Contains(domains, domain) {
		return refused("operator %q of %q, which ONNX Runtime does not have", op, domain)
	}
	if op == "Constant" && len(outputs) == 1 && shape != nil {
		c.sizes[outputs[0]] = shape
	}
	at, ok := sized[op]
	if !ok {
		return nil
	}
	if at >= 0 {
		shape = nil
		if at < len(inputs) {
			shape = c.sizes[inputs[at]]
		}
	}
	n := int64(1)
	for _, d := range shape {
		if d > 1 && n > maxConstant/d {
			return refused("%q makes a constant of shape %v", op, shape)
		}
		n *= max(d, 1)
	}
	return nil
}

// tensor looks at a constant and returns its values if it can be a shape.
func (c *check) tensor(from, to int64) (values []int64, err error) {
	if to-from <= shortTensor {
		b, err := c.w.bytes(from, to)
		if err != nil {
			return nil, err
		}
		values = intsOf(b, tensorInt64s)
	}
	err = c.w.fields(from, to, func(num protowire.Number, from, to int64) error {
		switch num {
		case tensorRaw:
			if to-from > 8*maxSizes || (to-from)%8 != 0 {
				return nil
			}
			b, err := c.w.bytes(from, to)
			values = nil
			for ; len(b) >= 8; b = b[8:] {
				values = append(values, int64(binary.LittleEndian.Uint64(b)))
			}
			return err
		case tensorExternal:
			return c.external(from, to)
		}
		return nil
	})
	return values, err
}

// external looks at where a constant's values lie.
func (c *check) external(from, to int64) error {
	b, err := c.w.bytes(from, to)
	if err != nil {
		return err
	}
	var key, value string
	if err := eachField(b, func(num protowire.Number, _ uint64, b []byte) error {
		switch num {
		case entryKey:
			key = string(b)
		case entryValue:
			value = string(b)
		}
		return nil
	}); err != nil {
		return err
	}
	if key == externalPlace && !filepath.IsLocal(value) {
		return refused("values lie in %q, outside the model's folder", value)
	}
	return nil
}

// intsOf is a repeated integer of a short message, packed or not; nil where there is none, or it is no shape.
func intsOf(b []byte, field protowire.Number) (values []int64) {
	add := func(v uint64) {
		if len(values) < maxSizes {
			values = append(values, int64(v))
		}
	}
	if eachField(b, func(num protowire.Number, v uint64, b []byte) error {
		if num != field {
			return nil
		}
		if b == nil {
			add(v)
		}
		for len(b) > 0 {
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return protowire.ParseError(n)
			}
			add(v)
			b = b[n:]
		}
		return nil
	}) != nil {
		return nil
	}
	return values
}
