package ort

import (
	"fmt"
	"math"
	"slices"
)

// Type is the element type of a tensor.
type Type uint8

// The element types that tensors can have.
const (
	TypeUnknown Type = iota
	TypeFloat32
	TypeFloat64
	TypeFloat16 // as its bits, in uint16
	TypeInt8
	TypeUint8
	TypeInt32
	TypeInt64
	TypeBool
)

var typeNames = [...]string{"unknown", "float32", "float64", "float16", "int8", "uint8", "int32", "int64", "bool"}

// String is the type's name as Go writes it.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// Tensor is a shape and the Go slice of its elements in row-major order. The slice is shared, not copied:
// writing to it changes the tensor. A shape that does not fit the slice is reported by the run that uses it.
type Tensor struct {
	typ   Type
	shape []int64
	data  any // []float32, …, as typ says
}

// Float32 is a tensor over data; nil data allocates zeros. The other constructors are alike.
func Float32(shape []int64, data []float32) *Tensor { return newTensor(TypeFloat32, shape, data) }

// Float64 is a tensor of float64.
func Float64(shape []int64, data []float64) *Tensor { return newTensor(TypeFloat64, shape, data) }

// Float16 is a tensor of half-precision numbers given as their bits.
func Float16(shape []int64, data []uint16) *Tensor { return newTensor(TypeFloat16, shape, data) }

// Int8 is a tensor of int8.
func Int8(shape []int64, data []int8) *Tensor { return newTensor(TypeInt8, shape, data) }

// Uint8 is a tensor of uint8.
func Uint8(shape []int64, data []uint8) *Tensor { return newTensor(TypeUint8, shape, data) }

// Int32 is a tensor of int32.
func Int32(shape []int64, data []int32) *Tensor { return newTensor(TypeInt32, shape, data) }

// Int64 is a tensor of int64.
func Int64(shape []int64, data []int64) *Tensor { return newTensor(TypeInt64, shape, data) }

// Bool is a tensor of bool.
func Bool(shape []int64, data []bool) *Tensor { return newTensor(TypeBool, shape, data) }

func newTensor[T any](typ Type, shape []int64, data []T) *Tensor {
	if data == nil {
		if n, err := elements(shape); err == nil {
			data = make([]T, n)
		}
	}
	return &Tensor{typ: typ, shape: slices.Clone(shape), data: data}
}

// Type is the element type.
func (t *Tensor) Type() Type { return t.typ }

// Shape is the tensor's shape; it must not be changed. A scalar has an empty one.
func (t *Tensor) Shape() []int64 { return t.shape }

// Len is the number of elements in the tensor's slice.
func (t *Tensor) Len() int {
	switch d := t.data.(type) {
	case []float32:
		return len(d)
	case []float64:
		return len(d)
	case []uint16:
		return len(d)
	case []int8:
		return len(d)
	case []uint8:
		return len(d)
	case []int32:
		return len(d)
	case []int64:
		return len(d)
	case []bool:
		return len(d)
	}
	return 0
}

// Float32 is the tensor's slice, nil when it holds another type. The other accessors are alike.
func (t *Tensor) Float32() []float32 { return values[float32](t) }

// Float64 is the slice of a float64 tensor.
func (t *Tensor) Float64() []float64 { return values[float64](t) }

// Float16 is the slice of a float16 tensor: the numbers' bits.
func (t *Tensor) Float16() []uint16 { return values[uint16](t) }

// Int8 is the slice of an int8 tensor.
func (t *Tensor) Int8() []int8 { return values[int8](t) }

// Uint8 is the slice of a uint8 tensor.
func (t *Tensor) Uint8() []uint8 { return values[uint8](t) }

// Int32 is the slice of an int32 tensor.
func (t *Tensor) Int32() []int32 { return values[int32](t) }

// Int64 is the slice of an int64 tensor.
func (t *Tensor) Int64() []int64 { return values[int64](t) }

// Bool is the slice of a bool tensor.
func (t *Tensor) Bool() []bool { return values[bool](t) }

func values[T any](t *Tensor) []T {
	d, _ := t.data.([]T)
	return d
}

// check says whether the slice has as many elements as the shape.
func (t *Tensor) check() error {
	n, err := elements(t.shape)
	if err != nil {
		return err
	}
	if n != t.Len() {
		return fmt.Errorf("shape %v has %d elements, the slice has %d", t.shape, n, t.Len())
	}
	return nil
}

// elements is the number of elements of a shape.
func elements(shape []int64) (int, error) {
	n := int64(1)
	for i, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v: dimension %d is negative", shape, i)
		}
		if d > 0 && n > math.MaxInt/8/d {
			return 0, fmt.Errorf("shape %v is too large", shape)
		}
		n *= d
	}
	return int(n), nil
}

// fill copies the elements of o, which has t's type and size, into t's slice.
func (t *Tensor) fill(o *Tensor) {
	switch d := t.data.(type) {
	case []float32:
		copy(d, o.Float32())
	case []float64:
		copy(d, o.Float64())
	case []uint16:
		copy(d, o.Float16())
	case []int8:
		copy(d, o.Int8())
	case []uint8:
		copy(d, o.Uint8())
	case []int32:
		copy(d, o.Int32())
	case []int64:
		copy(d, o.Int64())
	case []bool:
		copy(d, o.Bool())
	}
}
