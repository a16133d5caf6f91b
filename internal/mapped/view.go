package mapped

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// nativeLittle is true where a section's bytes are numbers as the CPU has them.
var nativeLittle = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// View returns b as a slice of numbers. On little-endian machines the result
// shares b's memory and must not be written to; elsewhere, or when b is not
// aligned, it is a copy. A remainder of b shorter than one number is left out.
func View[T int8 | uint8 | uint16 | uint32 | uint64 | float32](b []byte) []T {
	var zero T
	size := int(unsafe.Sizeof(zero))
	n := len(b) / size
	if n == 0 {
		return nil
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	if size == 1 || nativeLittle && uintptr(p)%uintptr(size) == 0 {
		return unsafe.Slice((*T)(p), n)
	}
	out := make([]T, n)
	for i := range out {
		switch v := any(&out[i]).(type) {
		case *uint16:
			*v = binary.LittleEndian.Uint16(b[2*i:])
		case *uint32:
			*v = binary.LittleEndian.Uint32(b[4*i:])
		case *uint64:
			*v = binary.LittleEndian.Uint64(b[8*i:])
		case *float32:
			*v = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	}
	return out
}

// Bytes returns numbers as the file holds them. On little-endian machines the
// result shares v's memory.
func Bytes[T int8 | uint8 | uint16 | uint32 | uint64 | float32](v []T) []byte {
	if len(v) == 0 {
		return nil
	}
	size := int(unsafe.Sizeof(v[0]))
	if size == 1 || nativeLittle {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*size)
	}
	out := make([]byte, 0, len(v)*size)
	for i := range v {
		switch x := any(v[i]).(type) {
		case uint16:
			out = binary.LittleEndian.AppendUint16(out, x)
		case uint32:
			out = binary.LittleEndian.AppendUint32(out, x)
		case uint64:
			out = binary.LittleEndian.AppendUint64(out, x)
		case float32:
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
		}
	}
	return out
}
