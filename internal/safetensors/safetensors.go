// Package safetensors reads and writes Hugging Face's .safetensors files.
//
// A file is the length of a header as a little-endian uint64, the header as JSON, and the tensors' bytes
// one after another, without gaps:
//
//	{"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …, "__metadata__": {"format": "pt"}}
//
// Files are mapped: a tensor's bytes are touched when its values are asked for and not copied where type
// and alignment allow. Such slices are read-only and end with File.Close. All lengths, overlaps and
// gaps are checked by Open. A File is safe for concurrent use.
package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/mapped"
)

var (
	// ErrFormat is returned when a file is no safetensors file or is damaged.
	ErrFormat = errors.New("safetensors: malformed file")
	// ErrUnsupported is returned for element types that this package does not read.
	ErrUnsupported = errors.New("safetensors: unsupported")
)

const (
	maxHeader   = 32 << 20
	maxDims     = 64
	metadataKey = "__metadata__"
)

// types are the element types by name, narrow to wide: the order, backwards, in which Hugging Face's
// library puts tensors.
var types = []struct {
	name string
	typ  elem.Type
}{
	{"BOOL", elem.Bool}, {"U8", elem.Uint8}, {"I8", elem.Int8},
	{"I16", elem.Int16}, {"U16", elem.Uint16}, {"F16", elem.Float16}, {"BF16", elem.BFloat16},
	{"I32", elem.Int32}, {"U32", elem.Uint32}, {"F32", elem.Float32},
	{"F64", elem.Float64}, {"I64", elem.Int64}, {"U64", elem.Uint64},
}

// rank is the position of a type in types; -1 if a file cannot have it.
func rank(t elem.Type) int {
	for i := range types {
		if types[i].typ == t {
			return i
		}
	}
	return -1
}

// A Tensor is a dense array in C order. Data is its elements, little-endian.
type Tensor struct {
	Type  elem.Type
	Shape []int
	Data  []byte
}

// NewTensor is a tensor of the given values, which it keeps.
func NewTensor[T elem.Number](shape []int, values []T) *Tensor {
	return &Tensor{Type: elem.Of[T](), Shape: shape, Data: elem.Bytes(values)}
}

// Len is the number of elements.
func (t *Tensor) Len() int {
	if size := t.Type.Size(); size > 0 {
		return len(t.Data) / size
	}
	return 0
}

func (t *Tensor) check() error {
	size := t.Type.Size()
	if rank(t.Type) < 0 {
		return fmt.Errorf("%w: element type %s", ErrUnsupported, t.Type)
	}
	n, ok := elem.Product(t.Shape, size, math.MaxInt64/2)
	if !ok || len(t.Shape) > maxDims || n*size != len(t.Data) {
		return fmt.Errorf("%w: %d bytes for %s of shape %v", ErrFormat, len(t.Data), t.Type, t.Shape)
	}
	return nil
}

// Float32 is the elements as float32: Data itself where it holds aligned float32, else a copy.
func (t *Tensor) Float32() ([]float32, error) {
	if t.Type == elem.Float32 {
		return elem.Load[float32](t.Data), nil
	}
	out := make([]float32, t.Len())
	_, err := elem.Floats(out, t.Data, t.Type)
	return out, err
}

// Int64 is the elements of a tensor of integers or booleans; floats are an error.
func (t *Tensor) Int64() ([]int64, error) {
	if t.Type == elem.Int64 {
		return elem.Load[int64](t.Data), nil
	}
	out := make([]int64, t.Len())
	_, err := elem.Ints(out, t.Data, t.Type)
	return out, err
}

// A File is an open file.
type File struct {
	file     *mapped.File
	names    []string // in the order of their data
	tensors  map[string]*Tensor
	metadata map[string]string
}

// Open opens a file and reads its header.
func Open(path string) (*File, error) {
	m, err := mapped.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := Parse(m.Bytes())
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.file = m
	return f, nil
}

// Parse reads a file that is in memory. Its tensors alias data.
func Parse(data []byte) (*File, error) {
	if len(data) < 8 {
		return nil, fmt.Errorf("%w: %d bytes", ErrFormat, len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	data = data[8:]
	switch {
	case n > maxHeader:
		return nil, fmt.Errorf("%w: a header of %d bytes", ErrFormat, n)
	case n > uint64(len(data)):
		return nil, fmt.Errorf("%w: a header of %d bytes where %d are left", ErrFormat, n, len(data))
	}
	f := &File{tensors: map[string]*Tensor{}}
	spans, err := f.header(data[:n])
	if err != nil {
		return nil, err
	}
	if err := f.place(spans, data[n:]); err != nil {
		return nil, err
	}
	return f, nil
}

// A span is where a tensor's bytes lie.
type span struct {
	name     string
	from, to uint64
}

// header reads the JSON. It goes token by token, since a name that comes twice must be an error.
func (f *File) header(text []byte) ([]span, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	bad := func(err error) ([]span, error) { return nil, fmt.Errorf("%w: header: %w", ErrFormat, err) }
	if tok, err := d.Token(); err != nil {
		return bad(err)
	} else if tok != json.Delim('{') {
		return bad(errors.New("no JSON object"))
	}
	var spans []span
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			return bad(err)
		}
		name, _ := tok.(string)
		if name == metadataKey {
			if f.metadata != nil {
				return bad(errors.New("metadata twice"))
			}
			if err := d.Decode(&f.metadata); err != nil {
				return bad(err)
			}
			continue
		}
		var h struct {
			DType   string    `json:"dtype"`
			Shape   []int     `json:"shape"`
			Offsets [2]uint64 `json:"data_offsets"`
		}
		if err := d.Decode(&h); err != nil {
			return bad(fmt.Errorf("tensor %q: %w", name, err))
		}
		if f.tensors[name] != nil {
			return bad(fmt.Errorf("tensor %q twice", name))
		}
		t := &Tensor{Shape: h.Shape}
		for _, k := range types {
			if k.name == h.DType {
				t.Type = k.typ
			}
		}
		if t.Type == elem.Invalid {
			return nil, fmt.Errorf("%w: tensor %q has element type %q", ErrUnsupported, name, h.DType)
		}
		f.tensors[name] = t
		spans = append(spans, span{name, h.Offsets[0], h.Offsets[1]})
	}
	if _, err := d.Token(); err != nil {
		return bad(err)
	}
	if rest := bytes.TrimRight(text[d.InputOffset():], " \t\r\n\x00"); len(rest) > 0 {
		return bad(errors.New("text after the object"))
	}
	return spans, nil
}

// place gives each tensor its bytes. They must follow one another and fill the file.
func (f *File) place(spans []span, data []byte) error {
	slices.SortStableFunc(spans, func(a, b span) int {
		switch {
		case a.from != b.from:
			if a.from < b.from {
				return -1
			}
			return 1
		case a.to < b.to: // empty tensors before the one that starts where they are
			return -1
		case a.to > b.to:
			return 1
		}
		return 0
	})
	at := uint64(0)
	for _, s := range spans {
		switch {
		case s.from != at || s.to < s.from:
			return fmt.Errorf("%w: tensor %q lies at %d…%d where %d should begin", ErrFormat, s.name, s.from, s.to, at)
		case s.to > uint64(len(data)):
			return fmt.Errorf("%w: tensor %q lies at %d…%d of %d bytes: the file is cut short", ErrFormat, s.name, s.from, s.to, len(data))
		}
		at = s.to
		t := f.tensors[s.name]
		t.Data = data[s.from:s.to:s.to]
		if err := t.check(); err != nil {
			return fmt.Errorf("tensor %q: %w", s.name, err)
		}
		f.names = append(f.names, s.name)
	}
	if at != uint64(len(data)) {
		return fmt.Errorf("%w: %d bytes after the last tensor", ErrFormat, uint64(len(data))-at)
	}
	return nil
}

// Names lists the tensors in the order of their data. It is not to be changed.
func (f *File) Names() []string { return f.names }

// Tensor finds a tensor; nil if there is none of that name.
func (f *File) Tensor(name string) *Tensor { return f.tensors[name] }

// Metadata is the free text of the header, mostly {"format": "pt"}.
func (f *File) Metadata() map[string]string { return f.metadata }

// Close unmaps the file. Slices that alias it must not be used any more.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}
