package torch

import (
	"archive/zip"
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/aladin-go/aladin/internal/atomicfile"
	"github.com/aladin-go/aladin/internal/elem"
)

// alignment is where PyTorch, and Write, start each storage: readers then need not copy.
const alignment = 64

// Save writes a value as torch.save does, in the zip container, to a file that appears, or replaces an
// older one, only when it is whole. The same value gives the same bytes.
//
// Beside the kinds of values that Open makes it takes int, float32, []string, []int, []int64, []float64,
// map[string]any (sorted) and *Tensors. Tensors of one Storage share it in the file, too. torch.load reads
// state dicts and plain data with weights_only=True; other objects, a Namespace among them, need False.
func Save(path string, v any) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<20)
		if err := Write(b, v); err != nil {
			return err
		}
		return b.Flush()
	})
}

// Write is Save to a stream.
func Write(w io.Writer, v any) error {
	pickle, storages, err := marshal(v)
	if err != nil {
		return err
	}
	c := &counter{w: w}
	z := zip.NewWriter(c)
	var descriptor int64 // of the entry before, which the zip writer has yet to write
	put := func(name string, b []byte) error {
		// Emptying the zip writer's buffer tells where the next header begins.
		if err := z.Flush(); err != nil {
			return err
		}
		h := &zip.FileHeader{Name: "archive/" + name, Method: zip.Store}
		h.Extra = padding(c.n + descriptor + localHeader + int64(len(h.Name)))
		descriptor = smallDescriptor
		if uint64(len(b)) >= math.MaxUint32 {
			descriptor = largeDescriptor
		}
		e, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		_, err = e.Write(b)
		return err
	}
	if err := put("data.pkl", pickle); err != nil {
		return err
	}
	if err := put("byteorder", []byte("little")); err != nil {
		return err
	}
	for i, s := range storages {
		unit := s.Type.Size()
		if s.Type == elem.Complex64 || s.Type == elem.Complex128 {
			unit /= 2
		}
		b, err := s.bytes(unit)
		if err != nil {
			return fmt.Errorf("storage %d: %w", i, err)
		}
		if err := put("data/"+strconv.Itoa(i), b); err != nil {
			return err
		}
	}
	if err := put("version", []byte("3\n")); err != nil {
		return err
	}
	return z.Close()
}

// Sizes of the parts of a zip entry: its header before the name, and the sizes and checksum after its data.
const (
	localHeader     = 30
	smallDescriptor = 16
	largeDescriptor = 24
)

// padding is an extra field "FB", as PyTorch's, that moves the data behind it to a multiple of alignment.
func padding(at int64) []byte {
	const field = 4 // its own header
	n := (alignment - (at+field)%alignment) % alignment
	b := make([]byte, field+n)
	b[0], b[1], b[2] = 'F', 'B', byte(n)
	for i := range b[field:] {
		b[field+i] = 'Z'
	}
	return b
}

// A counter counts what passes.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
