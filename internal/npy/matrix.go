package npy

import (
	"bytes"
	"fmt"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/mapped"
)

// A Matrix is a mapped two-dimensional .npy file, which may be larger than memory. It is safe for concurrent use
// until Close.
type Matrix struct {
	file *mapped.File
	head *header
	data []byte
}

// OpenMatrix opens a C-ordered [N, M] file.
func OpenMatrix(path string) (*Matrix, error) {
	f, err := mapped.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := newMatrix(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func newMatrix(f *mapped.File) (*Matrix, error) {
	b := f.Bytes()
	h, err := readHeader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	switch {
	case h.chars > 0:
		return nil, fmt.Errorf("%w: text where a matrix is wanted", ErrUnsupported)
	case len(h.shape) != 2:
		return nil, fmt.Errorf("%w: shape %v where a matrix is wanted", ErrFormat, h.shape)
	case h.fortran && h.shape[0] > 1 && h.shape[1] > 1:
		return nil, fmt.Errorf("%w: rows of a Fortran-ordered matrix; save it with numpy.ascontiguousarray", ErrUnsupported)
	case int64(len(b)-h.size) < h.bytes():
		return nil, fmt.Errorf("%w: %d of %d data bytes: the file is cut short", ErrFormat, len(b)-h.size, h.bytes())
	}
	return &Matrix{file: f, head: h, data: b[h.size:][:h.bytes()]}, nil
}

// Float32s is the whole matrix, without a copy where the file's layout allows it: read-only and valid
// until Close. It reports false where values have to be converted.
func (m *Matrix) Float32s() ([]float32, bool) {
	if m.head.bigEndian || m.head.dtype != elem.Float32 {
		return nil, false
	}
	return elem.View[float32](m.data)
}

// Close unmaps the file.
func (m *Matrix) Close() error { return m.file.Close() }
