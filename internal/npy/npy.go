// Package npy reads and writes NumPy's .npy files and .npz archives.
//
// Numbers and booleans of every width are read, little- or big-endian, C or Fortran order (turned
// into C order), format versions 1 to 3, and text in one dimension. Pickled objects and records are errors:
// nothing in a file is ever executed. Writing is always little-endian, C order, version 1, and the same array
// gives the same bytes.
//
// An Array holds its values in memory. For matrices larger than that, OpenMatrix maps a file
// and Create writes a file row by row.
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

// A kind is how values of one Go type stand in a file.
type kind struct {
	dtype elem.Type
	descr string // as NumPy writes it, without the order of bytes
	// bytes are the little-endian bytes and the number of values where data is a slice of the type.
	bytes func(data any) (b []byte, n int, ok bool)
	load  func(b []byte) any
}

func kindOf[T elem.Number](descr string) kind {
	return kind{elem.Of[T](), descr, func(data any) ([]byte, int, bool) {
		v, ok := data.([]T)
		return elem.Bytes(v), len(v), ok
	}, func(b []byte) any { return elem.Load[T](b) }}
}

// kinds are the types of arrays. Halves are only read.
var kinds = []kind{
	{elem.Bool, "b1", boolBytes, loadBools},
	kindOf[uint8]("u1"), kindOf[int8]("i1"), kindOf[uint16]("u2"), kindOf[int16]("i2"), kindOf[uint32]("u4"), kindOf[int32]("i4"),
	kindOf[uint64]("u8"), kindOf[int64]("i8"), kindOf[float32]("f4"), kindOf[float64]("f8"),
	{elem.Float16, "f2", func(any) ([]byte, int, bool) { return nil, 0, false }, loadHalves},
}

func boolBytes(data any) ([]byte, int, bool) {
	v, ok := data.([]bool)
	b := make([]byte, len(v))
	for i, x := range v {
		if x {
			b[i] = 1
		}
	}
	return b, len(v), ok
}

func loadBools(b []byte) any {
	v := make([]bool, len(b))
	for i := range v {
		v[i] = b[i] != 0
	}
	return v
}

func loadHalves(b []byte) any {
	v := make([]float32, len(b)/2)
	for i, h := range elem.Load[uint16](b) {
		v[i] = elem.FromHalf(h)
	}
	return v
}

// kindWith finds a kind; nil if there is none.
func kindWith(is func(k *kind) bool) *kind {
	for i := range kinds {
		if is(&kinds[i]) {
			return &kinds[i]
		}
	}
	return nil
}

// raw gives the little-endian bytes of any Data.
func raw(data any) ([]byte, elem.Type, int, error) {
	for _, k := range kinds {
		if b, n, ok := k.bytes(data); ok {
			return b, k.dtype, n, nil
		}
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
	k := kindWith(func(k *kind) bool { return k.dtype == h.dtype })
	return &Array{Shape: h.shape, Data: k.load(b[:h.bytes():h.bytes()])}, nil
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
