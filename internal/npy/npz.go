package npy

import (
	"archive/zip"
	"bufio"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/atomicfile"
)

// An Archive is an open .npz file: named arrays in a zip. It is safe for concurrent use.
type Archive struct {
	path   string
	zip    *zip.ReadCloser
	files  map[string]*zip.File
	sorted []string
}

// OpenZ opens a .npz file. Arrays are read when asked for.
func OpenZ(path string) (*Archive, error) {
	z, err := zip.OpenReader(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, damaged(err))
	}
	a := &Archive{path: path, zip: z, files: make(map[string]*zip.File, len(z.File))}
	for _, f := range z.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		if a.files[name] != nil {
			z.Close()
			return nil, fmt.Errorf("%s: %w: two arrays named %q", path, ErrFormat, name)
		}
		a.files[name] = f
		a.sorted = append(a.sorted, name)
	}
	slices.Sort(a.sorted)
	return a, nil
}

// Names lists the arrays, sorted.
func (a *Archive) Names() []string { return slices.Clone(a.sorted) }

// Has tells whether an array of that name is there.
func (a *Archive) Has(name string) bool { return a.files[name] != nil }

// Read reads one array. Its checksum is verified.
func (a *Archive) Read(name string) (*Array, error) {
	f := a.files[name]
	if f == nil {
		return nil, fmt.Errorf("%s: no array %q: %w", a.path, name, os.ErrNotExist)
	}
	arr, err := readEntry(f)
	if err != nil {
		return nil, fmt.Errorf("%s: array %q: %w", a.path, name, damaged(err))
	}
	return arr, nil
}

// damaged says of errors of the zip that it is malformed.
func damaged(err error) error {
	var corrupt flate.CorruptInputError
	for _, e := range []error{zip.ErrFormat, zip.ErrAlgorithm, zip.ErrChecksum, io.ErrUnexpectedEOF} {
		if errors.Is(err, e) || errors.As(err, &corrupt) {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
	}
	return err
}

// What an array unpacks to may have inflateBase bytes, and inflateFactor for each byte that it has in the file:
// features hardly shrink, and what is all zeros is small.
const (
	inflateBase   = 64 << 20
	inflateFactor = 64
)

func readEntry(f *zip.File) (*Array, error) {
	if f.UncompressedSize64 > inflateBase && (f.UncompressedSize64-inflateBase)/inflateFactor > f.CompressedSize64 {
		return nil, fmt.Errorf("%w: %d bytes unpack to %d", ErrFormat, f.CompressedSize64, f.UncompressedSize64)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	arr, err := Read(io.LimitReader(r, int64(f.UncompressedSize64))) // whatever follows in the file
	if err != nil {
		return nil, err
	}
	// The zip reader compares the checksum at the end of the entry, so go there.
	if n, err := io.Copy(io.Discard, io.LimitReader(r, 1)); err != nil {
		return nil, err
	} else if n > 0 {
		return nil, fmt.Errorf("%w: more data than the shape %v calls for", ErrFormat, arr.Shape)
	}
	return arr, nil
}

// Close closes the file.
func (a *Archive) Close() error { return a.zip.Close() }

// WriteZ writes a .npz file, its arrays in the order of their names; deflate compresses them. The file
// appears only when it is whole.
func WriteZ(path string, arrays map[string]*Array, deflate bool) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		buf := bufio.NewWriterSize(w, 1<<20)
		if err := writeZ(buf, arrays, deflate); err != nil {
			return err
		}
		return buf.Flush()
	})
}

func writeZ(w io.Writer, arrays map[string]*Array, deflate bool) error {
	z := zip.NewWriter(w)
	method := zip.Store
	if deflate {
		method = zip.Deflate
	}
	names := make([]string, 0, len(arrays))
	for name := range arrays {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		e, err := z.CreateHeader(&zip.FileHeader{Name: name + ".npy", Method: method})
		if err != nil {
			return err
		}
		if err := Write(e, arrays[name]); err != nil {
			return fmt.Errorf("array %q: %w", name, err)
		}
	}
	return z.Close()
}
