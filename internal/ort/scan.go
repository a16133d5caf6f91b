package ort

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// The binding can only tell a model's inputs by opening it a second time, and never the names of their
// dimensions. So they are read from the file: of a ModelProto only the graph's inputs, outputs, the names of
// its weights and what nodes are (see refuse.go) are looked at, the weights themselves are skipped, whatever their size.

// Field numbers of onnx.proto3.
const (
	modelGraph       = 7
	graphInitializer = 5
	graphInput       = 11
	graphOutput      = 12
	tensorName       = 8
	valueName        = 1
	valueType        = 2
	typeTensor       = 1
	tensorElem       = 1
	tensorShape      = 2
	shapeDim         = 1
	dimValue         = 1
	dimParam         = 2
)

// maxInfo bounds a graph input's description: a real one has some dozens of bytes.
const maxInfo = 1 << 16

var elemTypes = map[uint64]Type{
	1: TypeFloat32, 2: TypeUint8, 3: TypeInt8, 6: TypeInt32, 7: TypeInt64, 9: TypeBool, 10: TypeFloat16, 11: TypeFloat64,
}

// scanModel lists the inputs that a run must give (those with a default value excluded) and the outputs. A model that
// could run for ever, or asks for more than any network needs, is refused; controlFlow lets graphs within graphs pass.
func scanModel(r io.ReaderAt, size int64, controlFlow bool) (inputs, outputs []Info, err error) {
	w := &window{r: r, size: size}
	c := &check{w: w, allowed: controlFlow, sizes: map[string][]int64{}}
	graph := false
	weights := map[string]bool{}
	var nodes [][2]int64
	onGraph := func(num protowire.Number, from, to int64) error {
		switch num {
		case graphNode:
			nodes = append(nodes, [2]int64{from, to}) // looked at when all constants are known
		case graphSparse:
			return c.sparse()
		case graphInitializer:
			values, err := c.tensor(from, to)
			if err != nil {
				return err
			}
			return w.fields(from, to, func(num protowire.Number, from, to int64) error {
				if num != tensorName {
					return nil
				}
				name, err := w.bytes(from, to)
				weights[string(name)] = true
				if values != nil {
					c.sizes[string(name)] = values
				}
				return err
			})
		case graphInput, graphOutput:
			b, err := w.bytes(from, to)
			if err != nil {
				return err
			}
			info, err := parseInfo(b)
			if err != nil {
				return err
			}
			if num == graphInput {
				inputs = append(inputs, info)
			} else {
				outputs = append(outputs, info)
			}
		}
		return nil
	}
	err = w.fields(0, size, func(num protowire.Number, from, to int64) error {
		if num == modelFunctions {
			return c.function()
		}
		if num != modelGraph {
			return nil
		}
		graph = true
		return w.fields(from, to, onGraph)
	})
	if err != nil {
		return nil, nil, err
	}
	if !graph || len(outputs) == 0 {
		return nil, nil, fmt.Errorf("%w: no ONNX graph with outputs in it", ErrModel)
	}
	for _, n := range nodes {
		if err := c.node(n[0], n[1]); err != nil {
			return nil, nil, err
		}
	}
	needed := inputs[:0]
	for _, in := range inputs {
		if !weights[in.Name] {
			needed = append(needed, in)
		}
	}
	return needed, outputs, nil
}

// window reads a file at any position through one buffer.
type window struct {
	r    io.ReaderAt
	size int64
	off  int64 // file offset of buf
	buf  []byte
}

// peek returns at least n bytes at pos, fewer where the file ends. They live until the next call.
func (w *window) peek(pos int64, n int) ([]byte, error) {
	if pos < w.off || pos+int64(n) > w.off+int64(len(w.buf)) {
		if cap(w.buf) < max(n, 1<<16) {
			w.buf = make([]byte, max(n, 1<<16))
		}
		w.buf = w.buf[:cap(w.buf)]
		got, err := w.r.ReadAt(w.buf, pos)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		w.off, w.buf = pos, w.buf[:got]
	}
	return w.buf[min(pos-w.off, int64(len(w.buf))):], nil
}

// bytes returns [from, to), which must be short.
func (w *window) bytes(from, to int64) ([]byte, error) {
	if to-from > maxInfo {
		return nil, fmt.Errorf("%w: a description of %d bytes at offset %d", ErrModel, to-from, from)
	}
	n := int(to - from)
	b, err := w.peek(from, n)
	if err != nil {
		return nil, err
	}
	if len(b) < n {
		return nil, fmt.Errorf("%w: cut off at offset %d", ErrModel, from+int64(len(b)))
	}
	return b[:n], nil
}

// fields calls visit with the bounds of each length-delimited field of the message in [pos, end).
func (w *window) fields(pos, end int64, visit func(num protowire.Number, from, to int64) error) error {
	for pos < end {
		const head = 20 // a tag and a length
		b, err := w.peek(pos, head)
		if err != nil {
			return err
		}
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%w: no ONNX file, or cut off (offset %d: %w)", ErrModel, pos, protowire.ParseError(n))
		}
		if typ != protowire.BytesType {
			m := protowire.ConsumeFieldValue(num, typ, b[n:])
			if m < 0 {
				return fmt.Errorf("%w: no ONNX file, or cut off (offset %d: %w)", ErrModel, pos, protowire.ParseError(m))
			}
			pos += int64(n + m)
			continue
		}
		length, m := protowire.ConsumeVarint(b[n:])
		from := pos + int64(n+m)
		if m < 0 || length > uint64(max(end-from, 0)) {
			return fmt.Errorf("%w: no ONNX file, or cut off (field %d at offset %d reaches past the end)", ErrModel, num, pos)
		}
		if err := visit(num, from, from+int64(length)); err != nil {
			return err
		}
		pos = from + int64(length)
	}
	return nil
}

// parseInfo reads a ValueInfoProto.
func parseInfo(b []byte) (Info, error) {
	var info Info
	err := eachField(b, func(num protowire.Number, _ uint64, b []byte) error {
		switch num {
		case valueName:
			info.Name = string(b)
		case valueType:
			return eachField(b, func(num protowire.Number, _ uint64, b []byte) error {
				if num != typeTensor {
					return nil // a sequence, map or optional: the type stays unknown
				}
				return eachField(b, info.tensorField)
			})
		}
		return nil
	})
	return info, err
}

// tensorField takes in a field of TypeProto.Tensor.
func (i *Info) tensorField(num protowire.Number, v uint64, b []byte) error {
	switch num {
	case tensorElem:
		i.Type = elemTypes[v]
	case tensorShape:
		i.Shape, i.Dims = []int64{}, []string{}
		return eachField(b, func(num protowire.Number, _ uint64, b []byte) error {
			if num != shapeDim {
				return nil
			}
			size, name := int64(-1), ""
			err := eachField(b, func(num protowire.Number, v uint64, b []byte) error {
				switch num {
				case dimValue:
					size = int64(v)
				case dimParam:
					name = string(b)
				}
				return nil
			})
			if size < 0 {
				size = -1
			}
			i.Shape, i.Dims = append(i.Shape, size), append(i.Dims, name)
			return err
		})
	}
	return nil
}

// eachField visits the varint and length-delimited fields of a message in memory.
func eachField(b []byte, visit func(num protowire.Number, v uint64, b []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrModel, protowire.ParseError(n))
		}
		b = b[n:]
		var (
			v     uint64
			chunk []byte
		)
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			chunk, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrModel, protowire.ParseError(n))
		}
		b = b[n:]
		if err := visit(num, v, chunk); err != nil {
			return err
		}
	}
	return nil
}
