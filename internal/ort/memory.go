//go:build cgo

package ort

import (
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	onnxruntime "github.com/yalue/onnxruntime_go"
)

// memory holds the values of a run. ONNX Runtime works in the memory of Go's own slices, so these stay
// pinned from the value's making until free.
type memory struct {
	pins   runtime.Pinner
	values []onnxruntime.Value
}

func (m *memory) free() {
	for _, v := range m.values {
		_ = v.Destroy()
	}
	m.values = nil
	m.pins.Unpin()
}

// keep takes over values that a run has made.
func (m *memory) keep(values []onnxruntime.Value) {
	for _, v := range values {
		if v != nil && !slices.Contains(m.values, v) {
			m.values = append(m.values, v)
		}
	}
}

// input wraps t as the value of an input or preallocated output.
func (m *memory) input(info Info, t *Tensor) (onnxruntime.Value, error) {
	if err := info.fits(t); err != nil {
		return nil, err
	}
	v, err := m.wrap(t)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", info, err)
	}
	m.values = append(m.values, v)
	return v, nil
}

func (m *memory) wrap(t *Tensor) (onnxruntime.Value, error) {
	switch d := t.data.(type) {
	case []float32:
		return wrap(m, t.shape, d)
	case []float64:
		return wrap(m, t.shape, d)
	case []int8:
		return wrap(m, t.shape, d)
	case []uint8:
		return wrap(m, t.shape, d)
	case []int32:
		return wrap(m, t.shape, d)
	case []int64:
		return wrap(m, t.shape, d)
	case []bool:
		return wrap(m, t.shape, d)
	case []uint16:
		return m.wrapFloat16(t.shape, d)
	}
	return nil, fmt.Errorf("tensors of %s cannot be passed", t.typ)
}

func wrap[T onnxruntime.TensorData](m *memory, shape []int64, data []T) (onnxruntime.Value, error) {
	if len(shape) == 0 { // the binding's Tensor refuses these
		return onnxruntime.NewScalar(data[0])
	}
	if len(data) > 0 {
		m.pins.Pin(&data[0])
	}
	return onnxruntime.NewTensor(shape, data)
}

func (m *memory) wrapFloat16(shape []int64, data []uint16) (onnxruntime.Value, error) {
	if len(shape) == 0 {
		return nil, fmt.Errorf("%w: the binding cannot pass float16 scalars; make it a [1]", ErrInput)
	}
	if len(data) == 0 {
		data = make([]uint16, 1) // the binding wants an address, also for nothing
	}
	m.pins.Pin(&data[0])
	raw := unsafe.Slice((*byte)(unsafe.Pointer(&data[0])), 2*len(data))
	return onnxruntime.NewCustomDataTensor(shape, raw, onnxruntime.TensorElementDataTypeFloat16)
}

// place makes room for an output where the binding cannot receive what ONNX Runtime allocates: scalars,
// and float16, of which it would copy only half. Nil lets ONNX Runtime allocate.
func (m *memory) place(info Info, inputs []Info, given map[string]*Tensor) (onnxruntime.Value, error) {
	scalar := info.Shape != nil && len(info.Shape) == 0
	if !scalar && info.Type != TypeFloat16 {
		return nil, nil
	}
	shape, err := resolve(info, inputs, given)
	if err != nil {
		return nil, err
	}
	return m.input(info, zeros(info.Type, shape))
}

// resolve finds an output's shape from the inputs whose dimensions have the same names.
func resolve(info Info, inputs []Info, given map[string]*Tensor) ([]int64, error) {
	if info.Shape == nil {
		return nil, fmt.Errorf("%w: output %s: float16 outputs need a declared shape; add a Cast to float32", ErrModel, info)
	}
	shape := slices.Clone(info.Shape)
	for k := range shape {
		if shape[k] >= 0 {
			continue
		}
		size, ok := dimension(info.Dims[k], inputs, given)
		if !ok {
			return nil, fmt.Errorf("%w: output %s: float16 outputs need dimensions named like an input's; add a Cast to float32", ErrModel, info)
		}
		shape[k] = size
	}
	return shape, nil
}

func dimension(name string, inputs []Info, given map[string]*Tensor) (int64, bool) {
	for _, in := range inputs {
		for k, dim := range in.Dims {
			if dim == name && name != "" {
				return given[in.Name].shape[k], true
			}
		}
	}
	return 0, false
}

func zeros(typ Type, shape []int64) *Tensor {
	switch typ {
	case TypeFloat32:
		return Float32(shape, nil)
	case TypeFloat64:
		return Float64(shape, nil)
	case TypeFloat16:
		return Float16(shape, nil)
	case TypeInt8:
		return Int8(shape, nil)
	case TypeUint8:
		return Uint8(shape, nil)
	case TypeInt32:
		return Int32(shape, nil)
	case TypeInt64:
		return Int64(shape, nil)
	case TypeBool:
		return Bool(shape, nil)
	}
	return &Tensor{typ: typ, shape: shape}
}

// fromValue is the Go side of a value: its slice was allocated by Go and outlives the value.
func fromValue(v onnxruntime.Value) (*Tensor, error) {
	switch v := v.(type) {
	case *onnxruntime.Tensor[float32]:
		return Float32(v.GetShape(), v.GetData()), nil
	case *onnxruntime.Tensor[float64]:
		return Float64(v.GetShape(), v.GetData()), nil
	case *onnxruntime.Tensor[int8]:
		return Int8(v.GetShape(), v.GetData()), nil
	case *onnxruntime.Tensor[uint8]:
		return Uint8(v.GetShape(), v.GetData()), nil
	case *onnxruntime.Tensor[int32]:
		return Int32(v.GetShape(), v.GetData()), nil
	case *onnxruntime.Tensor[int64]:
		return Int64(v.GetShape(), v.GetData()), nil
	case *onnxruntime.Tensor[bool]:
		return Bool(v.GetShape(), v.GetData()), nil
	case *onnxruntime.Scalar[float32]:
		return Float32(nil, []float32{v.GetData()}), nil
	case *onnxruntime.Scalar[float64]:
		return Float64(nil, []float64{v.GetData()}), nil
	case *onnxruntime.Scalar[int8]:
		return Int8(nil, []int8{v.GetData()}), nil
	case *onnxruntime.Scalar[uint8]:
		return Uint8(nil, []uint8{v.GetData()}), nil
	case *onnxruntime.Scalar[int32]:
		return Int32(nil, []int32{v.GetData()}), nil
	case *onnxruntime.Scalar[int64]:
		return Int64(nil, []int64{v.GetData()}), nil
	case *onnxruntime.Scalar[bool]:
		return Bool(nil, []bool{v.GetData()}), nil
	case *onnxruntime.CustomDataTensor:
		shape := v.GetShape()
		n, err := elements(shape)
		if err != nil {
			return nil, err
		}
		raw := v.GetData()
		return Float16(shape, unsafe.Slice((*uint16)(unsafe.Pointer(&raw[0])), len(raw)/2)[:n]), nil
	}
	return nil, fmt.Errorf("%w: a result of type %T cannot be received", ErrModel, v)
}
