package npy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aladin-go/aladin/internal/elem"
)

// Write writes one array.
func Write(w io.Writer, a *Array) error {
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

// WriteFile writes one array to a file that appears, or replaces an older one, only when it is whole.
func WriteFile(path string, a *Array) error {
	return replace(path, func(f *os.File) error { return Write(f, a) })
}

// replace writes path by way of a temporary file beside it.
func replace(path string, write func(*os.File) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return commit(f, path)
}

// commit syncs and closes a temporary file and gives it its name.
func commit(f *os.File, path string) error {
	err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	// The rename itself must outlast a crash. Systems that cannot sync a folder do without.
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync()
		dir.Close()
	}
	return nil
}

// A Writer writes a two-dimensional .npy file row by row, so that the matrix need not fit in memory.
// It is not safe for concurrent use.
type Writer struct {
	path  string
	f     *os.File
	buf   *bufio.Writer
	dtype elem.Type
	rows  int
	cols  int
	err   error
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
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	w := &Writer{path: path, f: f, buf: bufio.NewWriterSize(f, 1<<20), dtype: dtype, cols: cols}
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
	if w.f == nil {
		return nil
	}
	if w.err == nil {
		w.err = w.finish()
	}
	if w.err != nil {
		return errors.Join(w.err, w.Discard())
	}
	f := w.f
	w.f = nil
	return commit(f, w.path)
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
	if w.f == nil {
		return nil
	}
	f := w.f
	w.f = nil
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
