// Package npy reads and writes NumPy's .npy files and .npz archives.
//
// Numbers and booleans of every width are read, little- or big-endian, C or Fortran order (turned
// into C order), format versions 1 to 3, and text in one dimension. Pickled objects and records are errors:
// nothing in a file is ever executed. Writing is always little-endian, C order, version 1, and the same array
// gives the same bytes.
//
// An Array holds its values in memory. For matrices larger than that, OpenMatrix reads rows from a
// mapped file and Create writes a file row by row.
package npy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aladin-go/aladin/internal/elem"
)

var (
	// ErrFormat is returned when a file is no .npy file or is damaged.
	ErrFormat = errors.New("npy: malformed file")
	// ErrUnsupported is returned when a file is sound but holds what this package does not read.
	ErrUnsupported = errors.New("npy: unsupported")
)

// An Array is a dense array in C order. Data is a []bool, []uint8, []int8, []uint16, []int16, []uint32,
// []int32, []uint64, []int64, []float32 or []float64 of as many values as Shape says; float16 files are
// read as []float32. A one-dimensional array of text is a []string. A scalar has an empty Shape and one value.
type Array struct {
	Shape []int
	Data  any
}

// Len is the number of values that the shape calls for.
func (a *Array) Len() int {
	n := 1
	for _, d := range a.Shape {
		n *= d
	}
	return n
}

// Float32s is the values as float32: Data itself where it is a []float32, else a converted copy.
func (a *Array) Float32s() ([]float32, error) {
	if v, ok := a.Data.([]float32); ok {
		return v, nil
	}
	return floats[float32](a.Data)
}

// Float64s is the values as float64: Data itself where it is a []float64, else a converted copy.
func (a *Array) Float64s() ([]float64, error) {
	if v, ok := a.Data.([]float64); ok {
		return v, nil
	}
	return floats[float64](a.Data)
}

// Int64s is the values of an array of integers or booleans; floats are an error.
func (a *Array) Int64s() ([]int64, error) {
	if v, ok := a.Data.([]int64); ok {
		return v, nil
	}
	b, t, n, err := raw(a.Data)
	if err != nil {
		return nil, err
	}
	out := make([]int64, n)
	_, err = elem.Ints(out, b, t)
	return out, err
}

func floats[F float32 | float64](data any) ([]F, error) {
	b, t, n, err := raw(data)
	if err != nil {
		return nil, err
	}
	out := make([]F, n)
	_, err = elem.Floats(out, b, t)
	return out, err
}

// raw gives the little-endian bytes of any Data.
func raw(data any) ([]byte, elem.Type, int, error) {
	switch v := data.(type) {
	case []bool:
		b := make([]byte, len(v))
		for i, x := range v {
			if x {
				b[i] = 1
			}
		}
		return b, elem.Bool, len(v), nil
	case []uint8:
		return v, elem.Uint8, len(v), nil
	case []int8:
		return elem.Bytes(v), elem.Int8, len(v), nil
	case []uint16:
		return elem.Bytes(v), elem.Uint16, len(v), nil
	case []int16:
		return elem.Bytes(v), elem.Int16, len(v), nil
	case []uint32:
		return elem.Bytes(v), elem.Uint32, len(v), nil
	case []int32:
		return elem.Bytes(v), elem.Int32, len(v), nil
	case []uint64:
		return elem.Bytes(v), elem.Uint64, len(v), nil
	case []int64:
		return elem.Bytes(v), elem.Int64, len(v), nil
	case []float32:
		return elem.Bytes(v), elem.Float32, len(v), nil
	case []float64:
		return elem.Bytes(v), elem.Float64, len(v), nil
	}
	return nil, elem.Invalid, 0, fmt.Errorf("%w: %T is no array data", ErrUnsupported, data)
}

// ReadFile reads one .npy file.
func ReadFile(path string) (*Array, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// Read reads one array from r. Memory grows with the bytes that arrive, not with the size that the
// header claims, so r may be untrusted.
func Read(r io.Reader) (*Array, error) {
	h, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	size := h.bytes()
	if size <= maxTrust {
		buf.Grow(int(size))
	}
	if n, err := io.CopyN(&buf, r, size); err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: %d of %d data bytes: the file is cut short", ErrFormat, n, size)
		}
		return nil, err
	}
	return h.decode(buf.Bytes())
}

// maxTrust is how much memory a header alone may ask for.
const maxTrust = 1 << 20

// decode makes the array from its bytes, which it may change and keep.
func (h *header) decode(b []byte) (*Array, error) {
	if h.chars > 0 {
		return h.texts(b)
	}
	if h.bigEndian {
		elem.Swap(b, h.dtype.Size())
	}
	if h.fortran && len(h.shape) > 1 {
		b = transpose(b, h.shape, h.dtype.Size())
	}
	a := &Array{Shape: h.shape}
	n := h.count
	switch h.dtype {
	case elem.Bool:
		v := make([]bool, n)
		for i := range v {
			v[i] = b[i] != 0
		}
		a.Data = v
	case elem.Uint8:
		a.Data = b[:n:n]
	case elem.Int8:
		a.Data = elem.Load[int8](b)
	case elem.Uint16:
		a.Data = elem.Load[uint16](b)
	case elem.Int16:
		a.Data = elem.Load[int16](b)
	case elem.Uint32:
		a.Data = elem.Load[uint32](b)
	case elem.Int32:
		a.Data = elem.Load[int32](b)
	case elem.Uint64:
		a.Data = elem.Load[uint64](b)
	case elem.Int64:
		a.Data = elem.Load[int64](b)
	case elem.Float64:
		a.Data = elem.Load[float64](b)
	case elem.Float32:
		a.Data = elem.Load[float32](b)
	case elem.Float16:
		v := make([]float32, n)
		if _, err := elem.Floats(v, b, elem.Float16); err != nil {
			return nil, err
		}
		a.Data = v
	default:
		return nil, fmt.Errorf("%w: element type %s", ErrUnsupported, h.dtype)
	}
	return a, nil
}

// transpose turns column-major bytes into row-major ones.
func transpose(src []byte, shape []int, size int) []byte {
	dst := make([]byte, len(src))
	strides := make([]int, len(shape)) // of src, in bytes
	s := size
	for i, d := range shape {
		strides[i] = s
		s *= d
	}
	index := make([]int, len(shape))
	from := 0
	for to := 0; to < len(dst); to += size {
		copy(dst[to:to+size], src[from:])
		for axis := len(shape) - 1; axis >= 0; axis-- {
			index[axis]++
			from += strides[axis]
			if index[axis] < shape[axis] {
				break
			}
			from -= strides[axis] * shape[axis]
			index[axis] = 0
		}
	}
	return dst
}
