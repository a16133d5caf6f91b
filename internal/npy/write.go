package npy

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/aladin-go/aladin/internal/atomicfile"
	"github.com/aladin-go/aladin/internal/elem"
)

// Write writes one array.
func Write(w io.Writer, a *Array) error {
	if texts, ok := a.Data.([]string); ok {
		return writeTexts(w, texts)
	}
	b, dtype, n, err := raw(a.Data)
	if err != nil {
		return err
	}
	want, ok := elem.Product(a.Shape, dtype.Size(), maxBytes)
	if !ok || want != n {
		return fmt.Errorf("%w: %d values for shape %v", ErrFormat, n, a.Shape)
	}
	head, err := formatHeader(dtype, a.Shape)
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// WriteMatrix writes a matrix of float32 whose rows are made one by one: it need not fit in memory.
func WriteMatrix(w io.Writer, rows, cols int, row func(i int, dst []float32) error) error {
	head, err := formatHeader(elem.Float32, []int{rows, cols})
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	values := make([]float32, cols)
	for i := range rows {
		if err := row(i, values); err != nil {
			return err
		}
		if _, err := w.Write(elem.Bytes(values)); err != nil {
			return err
		}
	}
	return nil
}

// WriteFile writes one array to a file that appears, or replaces an older one, only when it is whole.
func WriteFile(path string, a *Array) error {
	return atomicfile.Write(path, func(w io.Writer) error { return Write(w, a) })
}

// A Writer writes a two-dimensional .npy file row by row, so that the matrix need not fit in memory.
// It is not safe for concurrent use.
type Writer struct {
	f     *atomicfile.File
	buf   *bufio.Writer
	dtype elem.Type
	rows  int
	cols  int
	// closed is set by Close and Discard.
	closed bool
	err    error
}

// Create starts a [N, cols] file of T; N is the number of rows written by the time of Close, and the
// file has its name only from then on. End with Close or Discard.
func Create[T elem.Number](path string, cols int) (*Writer, error) {
	_, dtype, _, err := raw([]T(nil))
	if err != nil {
		return nil, err
	}
	if cols < 0 {
		return nil, fmt.Errorf("%w: %d columns", ErrFormat, cols)
	}
	head, err := formatHeader(dtype, []int{0, cols})
	if err != nil {
		return nil, err
	}
	f, err := atomicfile.Create(path)
	if err != nil {
		return nil, err
	}
	w := &Writer{f: f, buf: bufio.NewWriterSize(f, 1<<20), dtype: dtype, cols: cols}
	_, w.err = w.buf.Write(head)
	return w, nil
}

// Append writes rows: a slice of the type that Create was given, as many values as whole rows have.
func (w *Writer) Append(rows any) error {
	if w.err != nil {
		return w.err
	}
	b, dtype, n, err := raw(rows)
	switch {
	case err != nil:
		return err
	case dtype != w.dtype:
		return fmt.Errorf("%w: %s rows in a file of %s", ErrFormat, dtype, w.dtype)
	case w.cols == 0 || n%w.cols != 0:
		return fmt.Errorf("%w: %d values are no whole rows of %d", ErrFormat, n, w.cols)
	}
	if _, w.err = w.buf.Write(b); w.err == nil {
		w.rows += n / w.cols
	}
	return w.err
}

// Rows is how many rows have been written.
func (w *Writer) Rows() int { return w.rows }

// Close writes the number of rows into the header and gives the file its name. After an error
// nothing is left behind.
func (w *Writer) Close() error {
	if w.err == nil && !w.closed {
		w.err = w.finish()
	}
	w.closed = true
	if w.err != nil {
		return errors.Join(w.err, w.f.Discard())
	}
	return w.f.Commit()
}

func (w *Writer) finish() error {
	head, err := formatHeader(w.dtype, []int{w.rows, w.cols})
	if err != nil {
		return err
	}
	if err := w.buf.Flush(); err != nil {
		return err
	}
	_, err = w.f.WriteAt(head, 0)
	return err
}

// Discard gives up: the unfinished file is removed. After Close it does nothing.
func (w *Writer) Discard() error {
	w.closed = true
	return w.f.Discard()
}
