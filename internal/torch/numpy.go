package torch

import (
	"math"
	"strings"
	"unsafe"

	"github.com/aladin-go/aladin/internal/elem"
)

// fromNumpy turns NumPy's pickled scalars and arrays, which checkpoints hold where a metric was not
// made a Python float, into plain values and tensors. What it cannot read stays the object it is.
func fromNumpy(o *Object) any {
	if !strings.HasPrefix(o.Class.Module, "numpy.") {
		return o
	}
	switch o.Class.Name {
	case "scalar": // scalar(dtype, bytes)
		if len(o.Args) == 2 {
			if t := numpyTensor(Tuple{}, o.Args[0], false, o.Args[1]); t != nil {
				if v, ok := scalar(t); ok {
					return v
				}
			}
		}
	case "_frombuffer": // protocol 5: _frombuffer(bytes, dtype, shape, order)
		if len(o.Args) == 4 {
			if t := numpyTensor(o.Args[2], o.Args[1], o.Args[3] == any("F"), o.Args[0]); t != nil {
				return t
			}
		}
	case "_reconstruct": // state: (version, shape, dtype, is Fortran, bytes)
		if s, ok := o.State.(Tuple); ok && len(s) == 5 {
			if fortran, ok := s[3].(bool); ok {
				if t := numpyTensor(s[1], s[2], fortran, s[4]); t != nil {
					return t
				}
			}
		}
	}
	return o
}

func numpyTensor(shape, dtype any, fortran bool, data any) *Tensor {
	dims, ok := Ints(shape)
	typ, bigEndian, ok2 := numpyType(dtype)
	if !ok || !ok2 {
		return nil
	}
	var b []byte
	switch data := data.(type) {
	case []byte:
		b = data
	case string: // Python 2. No copy, since many arrays may share one string; nothing writes to it.
		b = unsafe.Slice(unsafe.StringData(data), len(data))
	default:
		return nil
	}
	n, ok := elem.Product(dims, typ.Size(), math.MaxInt64/2)
	if !ok || n*typ.Size() != len(b) {
		return nil
	}
	t := &Tensor{Type: typ, Shape: dims, Stride: contiguous(dims), Storage: &Storage{
		Type: typ, Len: n, Location: "cpu", data: b, bigEndian: bigEndian,
	}}
	if fortran {
		s := 1
		for i, d := range dims {
			t.Stride[i] = s
			s *= max(d, 1)
		}
	}
	if t.check() != nil {
		return nil
	}
	return t
}

// numpyType reads a pickled numpy.dtype: dtype("f8", align, copy) with the byte order in its state.
func numpyType(v any) (typ elem.Type, bigEndian, ok bool) {
	o, _ := v.(*Object)
	if o == nil || o.Class != (Class{"numpy", "dtype"}) || len(o.Args) == 0 {
		return elem.Invalid, false, false
	}
	code, _ := o.Args[0].(string)
	typ, ok = map[string]elem.Type{
		"b1": elem.Bool, "u1": elem.Uint8, "i1": elem.Int8, "u2": elem.Uint16, "i2": elem.Int16,
		"u4": elem.Uint32, "i4": elem.Int32, "u8": elem.Uint64, "i8": elem.Int64,
		"f2": elem.Float16, "f4": elem.Float32, "f8": elem.Float64,
	}[code]
	if s, _ := o.State.(Tuple); len(s) > 1 {
		bigEndian = s[1] == any(">")
	}
	return typ, bigEndian, ok
}

// scalar is the only element of a tensor.
func scalar(t *Tensor) (any, bool) {
	switch t.Type {
	case elem.Float16, elem.Float32, elem.Float64:
		if v, err := t.Float64(); err == nil {
			return v[0], true
		}
	default:
		if v, err := t.Int64(); err == nil {
			if t.Type == elem.Bool {
				return v[0] != 0, true
			}
			return v[0], true
		}
	}
	return nil, false
}
