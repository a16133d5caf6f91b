package onnx

import (
	"fmt"
	"io"
	"math"
	"strconv"
)

// A DataFile is the file beside a model in which the values of its larger tensors lie, so that a runtime maps
// them in place of reading them, and the model may be larger than protobuf allows. Its values are made when
// it is written, one tensor after the other: no more than one of them need be in memory.
type DataFile struct {
	location string
	size     int64
	parts    []dataPart
}

type dataPart struct {
	name   string
	at, n  int64
	values func() ([]byte, error)
}

// dataAlign is what the places of tensors in a DataFile are multiples of: a cache line.
const dataAlign = 64

// NewDataFile starts a data file of the name that it will have beside the model.
func NewDataFile(location string) *DataFile { return &DataFile{location: location} }

// Location is the file's name.
func (d *DataFile) Location() string { return d.location }

// Size is the number of bytes so far.
func (d *DataFile) Size() int64 { return d.size }

// add makes room for n bytes and returns what the model says of them.
func (d *DataFile) add(name string, n int64, values func() ([]byte, error)) []Entry {
	at := (d.size + dataAlign - 1) / dataAlign * dataAlign
	d.parts = append(d.parts, dataPart{name, at, n, values})
	d.size = at + n
	return []Entry{{"location", d.location}, {"offset", strconv.FormatInt(at, 10)}, {"length", strconv.FormatInt(n, 10)}}
}

// Write writes the file.
func (d *DataFile) Write(w io.Writer) error {
	var zeros [dataAlign]byte
	at := int64(0)
	for _, p := range d.parts {
		if _, err := w.Write(zeros[:p.at-at]); err != nil {
			return err
		}
		values, err := p.values()
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if int64(len(values)) != p.n {
			return fmt.Errorf("%w: %s has %d bytes, want %d", ErrModel, p.name, len(values), p.n)
		}
		if _, err := w.Write(values); err != nil {
			return err
		}
		at = p.at + p.n
	}
	return nil
}

// MoveOut moves the values of tensors of at least so many bytes to a data file.
func (m *Model) MoveOut(d *DataFile, atLeast int) {
	for i, t := range m.Graph.Initializers {
		if len(t.Raw) < max(atLeast, 1) || len(t.External) > 0 {
			continue
		}
		moved := *t
		raw := t.Raw
		moved.Raw, moved.External = nil, d.add(t.Name, int64(len(raw)), func() ([]byte, error) { return raw, nil })
		m.Graph.Initializers[i] = &moved
	}
}

// Outside adds a named constant whose values lie in a data file. values is called when that is written.
func (b *Builder) Outside(d *DataFile, name string, t Type, values func() ([]byte, error), dims ...int) *Value {
	b.claim("constant", name)
	ten := &Tensor{Name: name, Type: t}
	v := &Value{Name: name, Type: t, b: b, Const: true}
	n := int64(elemSize(t))
	for _, dim := range dims {
		if dim < 1 || n > math.MaxInt64/int64(dim) {
			b.fail("constant %q has the shape %v", name, dims)
			return v
		}
		ten.Dims = append(ten.Dims, int64(dim))
		v.Shape = append(v.Shape, D(dim))
		n *= int64(dim)
	}
	ten.External = d.add(name, n, values)
	b.inits = append(b.inits, ten)
	b.tensors[v] = ten
	return v
}
