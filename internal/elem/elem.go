// Package elem names the element types of stored arrays (.npy, safetensors, torch checkpoints) and
// turns their little-endian bytes into Go slices, without a copy where the machine allows it.
package elem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"
)

// ErrType is returned when values of one element type are asked for as another that cannot hold
// them, such as floats as int64.
var ErrType = errors.New("elem: wrong element type")

// Type is the type of one array element.
type Type uint8

const (
	Invalid Type = iota
	Bool
	Uint8
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Uint64
	Int64
	Float16
	BFloat16
	Float32
	Float64
	Complex64
	Complex128
)

var types = [...]struct {
	name string
	size int
}{
	Invalid: {"invalid", 0},
	Bool:    {"bool", 1},
	Uint8:   {"uint8", 1}, Int8: {"int8", 1},
	Uint16: {"uint16", 2}, Int16: {"int16", 2},
	Uint32: {"uint32", 4}, Int32: {"int32", 4},
	Uint64: {"uint64", 8}, Int64: {"int64", 8},
	Float16: {"float16", 2}, BFloat16: {"bfloat16", 2}, Float32: {"float32", 4}, Float64: {"float64", 8},
	Complex64: {"complex64", 8}, Complex128: {"complex128", 16},
}

// Size is the width of one element in bytes; 0 for Invalid.
func (t Type) Size() int {
	if int(t) >= len(types) {
		return 0
	}
	return types[t].size
}

// String is the name NumPy and PyTorch use: "float32", "bfloat16", "int64".
func (t Type) String() string {
	if int(t) >= len(types) {
		return fmt.Sprintf("Type(%d)", uint8(t))
	}
	return types[t].name
}

// Parse finds a type by its name.
func Parse(name string) (Type, bool) {
	for t := Bool; int(t) < len(types); t++ {
		if types[t].name == name {
			return t, true
		}
	}
	return Invalid, false
}

// Number is any Go type that an element may be held in.
type Number interface {
	~uint8 | ~int8 | ~uint16 | ~int16 | ~uint32 | ~int32 | ~uint64 | ~int64 | ~float32 | ~float64
}

// Of is the element type of a Go type; Invalid for defined types.
func Of[T Number]() Type {
	t, _ := Parse(fmt.Sprintf("%T", *new(T)))
	return t
}

var hostLittle = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// View reads b as a slice of T without copying. It reports false where that is impossible: a
// misaligned start, a length that is no whole number of elements, or a big-endian machine.
// The result aliases b.
func View[T Number](b []byte) ([]T, bool) {
	var zero T
	size := int(unsafe.Sizeof(zero))
	if !hostLittle && size > 1 || len(b)%size != 0 {
		return nil, false
	}
	if len(b) == 0 {
		if b == nil {
			return nil, true
		}
		return []T{}, true
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	if uintptr(p)%unsafe.Alignof(zero) != 0 {
		return nil, false
	}
	return unsafe.Slice((*T)(p), len(b)/size), true
}

// Load reads b as a slice of T: View where that is possible, else a copy. Bytes after the last whole
// element are left out.
func Load[T Number](b []byte) []T {
	var zero T
	size := int(unsafe.Sizeof(zero))
	b = b[:len(b)/size*size]
	if v, ok := View[T](b); ok {
		return v
	}
	v := make([]T, len(b)/size)
	host := native(v)
	copy(host, b)
	if !hostLittle {
		Swap(host, size)
	}
	return v
}

// Bytes is the little-endian form of s: an alias of s, or a copy on a big-endian machine.
func Bytes[T Number](s []T) []byte {
	b := native(s)
	if !hostLittle && len(s) > 0 {
		b = slices.Clone(b)
		Swap(b, len(b)/len(s))
	}
	return b
}

// native is the memory of s.
func native[T Number](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(s[0])))
}

// Swap reverses the bytes of every element of the given size in place. Complex numbers are two
// elements of half their size.
func Swap(b []byte, size int) {
	if size < 2 {
		return
	}
	for ; len(b) >= size; b = b[size:] {
		slices.Reverse(b[:size])
	}
}

// Floats converts the elements of src, stored little-endian as t, to dst, which must have room for
// all of them; it returns how many there were.
func Floats[F float32 | float64](dst []F, src []byte, t Type) (int, error) {
	n, err := count(len(dst), src, t)
	if err != nil {
		return 0, err
	}
	switch t {
	case Float32:
		convert[F, float32](dst, src)
	case Float64:
		convert[F, float64](dst, src)
	case Float16:
		for i, h := range Load[uint16](src) {
			dst[i] = F(FromHalf(h))
		}
	case BFloat16:
		for i, h := range Load[uint16](src) {
			dst[i] = F(math.Float32frombits(uint32(h) << 16))
		}
	case Complex64, Complex128:
		return 0, fmt.Errorf("%w: %s as real numbers", ErrType, t)
	default:
		integers(dst, src, t)
	}
	return n, nil
}

// Ints converts integers and booleans of any width; uint64 values above the int64 range, and
// floating-point types, are errors.
func Ints(dst []int64, src []byte, t Type) (int, error) {
	n, err := count(len(dst), src, t)
	if err != nil {
		return 0, err
	}
	switch t {
	case Float16, BFloat16, Float32, Float64, Complex64, Complex128:
		return 0, fmt.Errorf("%w: %s as integers", ErrType, t)
	}
	integers(dst, src, t)
	for _, v := range dst[:n] {
		if t == Uint64 && v < 0 {
			return 0, fmt.Errorf("%w: uint64 %d is beyond int64", ErrType, uint64(v))
		}
	}
	return n, nil
}

func count(room int, src []byte, t Type) (int, error) {
	size := t.Size()
	if size == 0 {
		return 0, fmt.Errorf("%w: %s", ErrType, t)
	}
	n := len(src) / size
	if n*size != len(src) || n > room {
		return 0, fmt.Errorf("%w: %d bytes of %s for %d elements", ErrType, len(src), t, room)
	}
	return n, nil
}

// integers converts integers and booleans.
func integers[D int64 | float32 | float64](dst []D, src []byte, t Type) {
	switch t {
	case Bool:
		for i, b := range src {
			dst[i] = 0
			if b != 0 {
				dst[i] = 1
			}
		}
	case Uint8:
		convert[D, uint8](dst, src)
	case Int8:
		convert[D, int8](dst, src)
	case Uint16:
		convert[D, uint16](dst, src)
	case Int16:
		convert[D, int16](dst, src)
	case Uint32:
		convert[D, uint32](dst, src)
	case Int32:
		convert[D, int32](dst, src)
	case Uint64:
		convert[D, uint64](dst, src)
	case Int64:
		convert[D, int64](dst, src)
	}
}

func convert[D int64 | float32 | float64, S Number](dst []D, src []byte) {
	for i, v := range Load[S](src) {
		dst[i] = D(v)
	}
}

// Product is the number of elements of a shape; it reports false when a dimension is negative or the
// array of elements of the given size would pass limit bytes.
func Product(shape []int, size int, limit int64) (int, bool) {
	n, size64, limit := int64(1), int64(max(size, 1)), min(limit, math.MaxInt)
	empty := false
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		if d == 0 {
			empty = true
			continue
		}
		if int64(d) > limit/size64/n {
			// A zero elsewhere makes the array empty, but no honest file combines it with such a size.
			return 0, false
		}
		n *= int64(d)
	}
	if empty {
		return 0, true
	}
	return int(n), n*size64 <= limit
}

// Halves is float32 values as the bytes of float16, rounded to the nearest, ties to even. What is beyond
// their range becomes infinite.
func Halves(v []float32) []byte {
	out := make([]byte, 2*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint16(out[2*i:], ToHalf(x))
	}
	return out
}
