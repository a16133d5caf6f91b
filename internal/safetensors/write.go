package safetensors

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/aladin-go/aladin/internal/atomicfile"
)

// Save writes tensors to a file that appears, or replaces an older one, only when it is whole. As Hugging
// Face's writer does, it puts wide elements first, then goes by name, so that all are aligned and the
// same tensors give the same bytes. metadata may be nil.
func Save(path string, tensors map[string]*Tensor, metadata map[string]string) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<20)
		if err := Write(b, tensors, metadata); err != nil {
			return err
		}
		return b.Flush()
	})
}

// Write is Save to a stream.
func Write(w io.Writer, tensors map[string]*Tensor, metadata map[string]string) error {
	names := slices.SortedFunc(maps.Keys(tensors), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(tensors[b].Type), rank(tensors[a].Type)), cmp.Compare(a, b))
	})
	header, err := marshalHeader(names, tensors, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := w.Write(tensors[name].Data); err != nil {
			return err
		}
	}
	return nil
}

func marshalHeader(names []string, tensors map[string]*Tensor, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	put := func(key string, value any) error {
		sep := byte(',')
		if b.Len() == 0 {
			sep = '{'
		}
		b.WriteByte(sep)
		k, err := json.Marshal(key)
		if err != nil {
			return err
		}
		v, err := json.Marshal(value)
		if err != nil {
			return err
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(v)
		return nil
	}
	if len(metadata) > 0 {
		if err := put(metadataKey, metadata); err != nil {
			return nil, err
		}
	}
	at := 0
	for _, name := range names {
		t := tensors[name]
		if name == metadataKey {
			return nil, fmt.Errorf("%w: a tensor named %s", ErrFormat, name)
		}
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		if err := put(name, struct {
			DType   string `json:"dtype"`
			Shape   []int  `json:"shape"`
			Offsets [2]int `json:"data_offsets"`
		}{types[rank(t.Type)].name, shape, [2]int{at, at + len(t.Data)}}); err != nil {
			return nil, err
		}
		at += len(t.Data)
	}
	if b.Len() == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > maxHeader {
		return nil, fmt.Errorf("%w: a header of %d bytes", ErrUnsupported, b.Len())
	}
	return b.Bytes(), nil
}
