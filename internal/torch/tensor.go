package torch

import (
	"bytes"
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/elem"
)

// A Storage is a run of elements that one or more tensors look into.
type Storage struct {
	Type     elem.Type
	Len      int    // elements
	Key      string // its name in the file
	Location string // where it lived: "cpu", "cuda:0"

	data      []byte                 // the elements as stored, or nil:
	load      func() ([]byte, error) // reads them where they have to be decompressed
	bigEndian bool
	parent    *Storage // what a view of an old file looks into, from byte from
	from      int
}

func (s *Storage) size() int { return s.Len * s.Type.Size() }

// bytes is the elements as little-endian bytes of elements of the given size.
func (s *Storage) bytes(size int) ([]byte, error) {
	n := s.size()
	if s.parent != nil {
		b, err := s.parent.bytes(size)
		if err != nil {
			return nil, err
		}
		return b[s.from:][:n], nil
	}
	b := s.data
	if s.load != nil {
		var err error
		if b, err = s.load(); err != nil {
			return nil, err
		}
	}
	if len(b) < n {
		return nil, fmt.Errorf("%w: storage %q has %d of %d bytes", ErrFormat, s.Key, len(b), n)
	}
	b = b[:n:n]
	if s.bigEndian && size > 1 {
		b = bytes.Clone(b)
		elem.Swap(b, size)
	}
	return b, nil
}

// A Tensor is a strided view of a Storage. Offset and Stride count elements.
type Tensor struct {
	Type         elem.Type
	Shape        []int
	Stride       []int
	Offset       int
	RequiresGrad bool
	Storage      *Storage
}

const (
	maxDims = 64
	// maxExpand bounds what an expanded tensor (stride 0) may grow to, in elements, beyond its storage.
	maxExpand = 1 << 24
)

// NewTensor is a tensor of values in C order, which it keeps.
func NewTensor[T elem.Number](shape []int, values []T) (*Tensor, error) {
	typ := elem.Of[T]()
	t := &Tensor{Type: typ, Shape: shape, Stride: contiguous(shape), Storage: &Storage{
		Type: typ, Len: len(values), Location: "cpu", data: elem.Bytes(values),
	}}
	n, ok := elem.Product(shape, typ.Size(), math.MaxInt64)
	if !ok || n != len(values) {
		return nil, fmt.Errorf("%w: %d values for shape %v", ErrFormat, len(values), shape)
	}
	return t, t.check()
}

// contiguous is the strides of a C-ordered array.
func contiguous(shape []int) []int {
	stride := make([]int, len(shape))
	s := 1
	for i := len(shape) - 1; i >= 0; i-- {
		stride[i] = s
		s *= max(shape[i], 1)
	}
	return stride
}

// check tells whether every element lies inside the storage.
func (t *Tensor) check() error {
	size := t.Type.Size()
	bad := func(why string) error {
		return fmt.Errorf("%w: tensor of shape %v, stride %v, offset %d: %s", ErrFormat, t.Shape, t.Stride, t.Offset, why)
	}
	switch {
	case t.Storage == nil:
		return bad("no storage")
	case size == 0:
		return bad("no element type")
	case len(t.Shape) > maxDims || len(t.Shape) != len(t.Stride):
		return bad("dimensions")
	}
	n, ok := elem.Product(t.Shape, size, math.MaxInt64/2)
	if !ok {
		return bad("impossible size")
	}
	room := t.Storage.size() / size
	if t.Offset < 0 || t.Offset > room {
		return bad("offset outside the storage")
	}
	if n == 0 {
		return nil
	}
	last := t.Offset
	for i, d := range t.Shape {
		s := t.Stride[i]
		if s < 0 {
			return bad("negative stride")
		}
		if d > 1 {
			if s > 0 && d-1 > (room-last)/s {
				return bad(fmt.Sprintf("beyond its storage of %d elements", room))
			}
			last += (d - 1) * s
		}
	}
	if last >= room {
		return bad(fmt.Sprintf("beyond its storage of %d elements", room))
	}
	if n > max(room, maxExpand) {
		return fmt.Errorf("%w: %d elements expanded from %d", ErrLimit, n, room)
	}
	return nil
}

// Len is the number of elements.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

func (t *Tensor) String() string { return fmt.Sprintf("tensor(%s%v)", t.Type, t.Shape) }

// Contiguous tells whether the elements lie in C order without gaps.
func (t *Tensor) Contiguous() bool {
	want := contiguous(t.Shape)
	for i, d := range t.Shape {
		if d == 0 {
			return true
		}
		if d > 1 && t.Stride[i] != want[i] {
			return false
		}
	}
	return true
}

// Bytes is the elements in C order, little-endian. It aliases the file where the tensor is contiguous:
// read-only, and valid until File.Close.
func (t *Tensor) Bytes() ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	n, size := t.Len(), t.Type.Size()
	if n == 0 {
		return nil, nil
	}
	unit := size
	if t.Type == elem.Complex64 || t.Type == elem.Complex128 {
		unit /= 2
	}
	b, err := t.Storage.bytes(unit)
	if err != nil {
		return nil, err
	}
	if t.Contiguous() {
		return b[t.Offset*size:][: n*size : n*size], nil
	}
	out := make([]byte, n*size)
	t.gather(out, b)
	return out, nil
}

// gather copies the strided elements of b to out in C order, a row of the last dimension at a time.
func (t *Tensor) gather(out, b []byte) {
	size, last := t.Type.Size(), len(t.Shape)-1
	index := make([]int, last)
	from := t.Offset
	for len(out) > 0 {
		row := out[:t.Shape[last]*size]
		out = out[len(row):]
		if t.Stride[last] == 1 {
			copy(row, b[from*size:])
		} else {
			for at := from * size; len(row) > 0; at += t.Stride[last] * size {
				copy(row[:size], b[at:])
				row = row[size:]
			}
		}
		for axis := last - 1; axis >= 0; axis-- {
			index[axis]++
			from += t.Stride[axis]
			if index[axis] < t.Shape[axis] {
				break
			}
			from -= t.Stride[axis] * t.Shape[axis]
			index[axis] = 0
		}
	}
}

// Float32 is the elements in C order as float32. A contiguous, aligned float32 tensor is not copied:
// the slice is read-only and valid until File.Close.
func (t *Tensor) Float32() ([]float32, error) {
	b, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	if t.Type == elem.Float32 {
		return elem.Load[float32](b), nil
	}
	out := make([]float32, t.Len())
	_, err = elem.Floats(out, b, t.Type)
	return out, err
}

// Float64 is Float32 in double precision.
func (t *Tensor) Float64() ([]float64, error) {
	b, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	if t.Type == elem.Float64 {
		return elem.Load[float64](b), nil
	}
	out := make([]float64, t.Len())
	_, err = elem.Floats(out, b, t.Type)
	return out, err
}

// Int64 is the elements of a tensor of integers or booleans; floats are an error.
func (t *Tensor) Int64() ([]int64, error) {
	b, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	if t.Type == elem.Int64 {
		return elem.Load[int64](b), nil
	}
	out := make([]int64, t.Len())
	_, err = elem.Ints(out, b, t.Type)
	return out, err
}
