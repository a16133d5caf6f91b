// Package onnxref evaluates graphs under construction in float64, in plain Go: the reference against
// which gradients are checked by finite differences and a runtime's float32 results are compared.
//
// It knows the ops that [onnx.Builder] and the gradients of package grad emit, with the attributes that
// they use; any other op is ErrOp. Values flow as float64 or int64 whatever the width of the declared
// type: a Cast between float types changes nothing. It is made for small sizes and for being obviously
// right, not for speed.
package onnxref

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/onnx"
)

// ErrOp is returned when a graph holds an op, or a use of one, that is not implemented here.
var ErrOp = errors.New("onnxref: op not implemented")

// ErrValue is returned when an input is missing or an op's operands do not fit at run time.
var ErrValue = errors.New("onnxref: values do not fit")

// A Tensor is a row-major tensor: F of the float types, I of integers and bools (0 and 1).
type Tensor struct {
	Shape []int
	F     []float64
	I     []int64
}

// Floats is a float tensor.
func Floats(data []float64, shape ...int) *Tensor { return &Tensor{Shape: shape, F: data} }

// Ints is an integer tensor.
func Ints(data []int64, shape ...int) *Tensor { return &Tensor{Shape: shape, I: data} }

// Len is the number of elements.
func (t *Tensor) Len() int { return size(t.Shape) }

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

func isFloat(t onnx.Type) bool {
	return t == onnx.Float || t == onnx.Double || t == onnx.Float16 || t == onnx.BFloat16
}

// newTensor is a zero tensor of a type.
func newTensor(t onnx.Type, shape []int) *Tensor {
	if isFloat(t) {
		return &Tensor{Shape: shape, F: make([]float64, size(shape))}
	}
	return &Tensor{Shape: shape, I: make([]int64, size(shape))}
}

// Eval computes values of the graph in b from the graph's inputs by name. Only what the wanted values
// depend on is evaluated.
func Eval(b *onnx.Builder, inputs map[string]*Tensor, want ...*onnx.Value) ([]*Tensor, error) {
	return eval(b, inputs, nil, want)
}

// eval is Eval with some values given.
func eval(b *onnx.Builder, inputs map[string]*Tensor, given map[*onnx.Value]*Tensor, want []*onnx.Value) (out []*Tensor, err error) {
	if err := b.Err(); err != nil {
		return nil, err
	}
	e := &evaluation{b: b, have: map[*onnx.Value]*Tensor{}, dims: map[string]int{}}
	for v, t := range given {
		e.have[v] = t
	}
	for _, v := range b.Inputs() {
		if t := inputs[v.Name]; t != nil {
			if t.Len() != len(t.F)+len(t.I) || (t.F != nil) != isFloat(v.Type) && t.Len() > 0 {
				return nil, fmt.Errorf("%w: input %s: shape %v of %v with %d values", ErrValue, v.Name, t.Shape, v.Type, len(t.F)+len(t.I))
			}
			e.have[v] = t
			if err := e.fits(v, t); err != nil {
				return nil, fmt.Errorf("input %s: %w", v.Name, err)
			}
		}
	}
	live := map[*onnx.Value]bool{}
	for _, v := range want {
		live[v] = true
	}
	ops := b.Ops()
	needed := make([]bool, len(ops))
	for i := len(ops) - 1; i >= 0; i-- {
		for _, o := range ops[i].Out {
			needed[i] = needed[i] || live[o] && given[o] == nil
		}
		if needed[i] {
			for _, v := range ops[i].In {
				live[v] = true
			}
		}
	}
	for i, op := range ops {
		if needed[i] {
			if err := e.run(op); err != nil {
				return nil, fmt.Errorf("%s (%s): %w", op.Kind, op.Out[0].Name, err)
			}
		}
	}
	for _, v := range want {
		t, err := e.value(v)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// An evaluation holds the values computed so far.
type evaluation struct {
	b    *onnx.Builder
	have map[*onnx.Value]*Tensor
	dims map[string]int // what each symbol turned out to be
}

// fits checks a tensor against the shape that the graph states. A symbol is the same size everywhere.
func (e *evaluation) fits(v *onnx.Value, t *Tensor) error {
	ok := len(v.Shape) == len(t.Shape)
	for k := 0; ok && k < len(t.Shape); k++ {
		d, n := v.Shape[k], t.Shape[k]
		if d.Fixed() {
			ok = int(d.Size) == n
			continue
		}
		was, known := e.dims[d.Name]
		ok = !known || was == n
		e.dims[d.Name] = n
	}
	if !ok {
		return fmt.Errorf("%w: %s has shape %v, the graph says %v", ErrValue, v.Name, t.Shape, v.Shape)
	}
	return nil
}

func (e *evaluation) value(v *onnx.Value) (*Tensor, error) {
	if t := e.have[v]; t != nil {
		return t, nil
	}
	c := e.b.Constant(v)
	if c == nil {
		return nil, fmt.Errorf("%w: no value for %s", ErrValue, v.Name)
	}
	t, err := decode(c)
	e.have[v] = t
	return t, err
}

// decode reads a constant.
func decode(c *onnx.Tensor) (*Tensor, error) {
	shape := make([]int, len(c.Dims))
	for i, d := range c.Dims {
		shape[i] = int(d)
	}
	t := newTensor(c.Type, shape)
	for i := range t.Len() {
		switch c.Type {
		case onnx.Float:
			t.F[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(c.Raw[4*i:])))
		case onnx.Double:
			t.F[i] = math.Float64frombits(binary.LittleEndian.Uint64(c.Raw[8*i:]))
		case onnx.Int64:
			t.I[i] = int64(binary.LittleEndian.Uint64(c.Raw[8*i:]))
		case onnx.Int32:
			t.I[i] = int64(int32(binary.LittleEndian.Uint32(c.Raw[4*i:])))
		case onnx.Int8:
			t.I[i] = int64(int8(c.Raw[i]))
		case onnx.Uint8, onnx.Bool:
			t.I[i] = int64(c.Raw[i])
		default:
			return nil, fmt.Errorf("%w: constant %s of %v", ErrOp, c.Name, c.Type)
		}
	}
	return t, nil
}

// run evaluates one op and checks the results against the shapes that the builder inferred.
func (e *evaluation) run(op *onnx.Op) error {
	f := ops[op.Kind]
	if f == nil || op.Domain != "" {
		return fmt.Errorf("%w: %s %s", ErrOp, op.Domain, op.Kind)
	}
	in := make([]*Tensor, len(op.In))
	for i, v := range op.In {
		if v == nil {
			continue
		}
		var err error
		if in[i], err = e.value(v); err != nil {
			return err
		}
	}
	out, err := f(op, in)
	if err != nil {
		return err
	}
	for i, v := range op.Out {
		if i < len(out) {
			if err := e.fits(v, out[i]); err != nil {
				return err
			}
			e.have[v] = out[i]
		}
	}
	return nil
}

// An opFunc computes an op's results.
type opFunc func(op *onnx.Op, in []*Tensor) ([]*Tensor, error)

func attrInt(op *onnx.Op, name string, otherwise int) int {
	if a := op.Attr(name); a != nil {
		return int(a.I)
	}
	return otherwise
}

// axisOf is an attribute that names an axis of a tensor of a rank.
func axisOf(op *onnx.Op, rank, otherwise int) (int, error) {
	a := attrInt(op, "axis", otherwise)
	if a < 0 {
		a += rank
	}
	if a < 0 || a >= rank {
		return 0, fmt.Errorf("%w: axis %d of %d", ErrValue, a, rank)
	}
	return a, nil
}

// split is how a shape falls apart around an axis: the number of places before it, along it, after it.
func split(shape []int, axis int) (outer, n, inner int) {
	return size(shape[:axis]), shape[axis], size(shape[axis+1:])
}

// sized is shape with another length along an axis.
func sized(shape []int, axis, n int) []int {
	s := append([]int(nil), shape...)
	s[axis] = n
	return s
}
