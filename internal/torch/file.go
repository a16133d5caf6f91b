package torch

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/aladin-go/aladin/internal/mapped"
)

// A File is an open file of torch.save.
type File struct {
	format string
	value  any
	file   *mapped.File
	path   string
	zip    *zip.Reader
	size   int // of the zip in bytes
}

const (
	// maxPickle bounds data.pkl, which holds everything but the tensors' elements.
	maxPickle = 1 << 30
	// PyTorch never compresses, but a file may have been packed again. All that is decompressed of it together may have
	// inflateBase bytes, and inflateFactor for each byte of the file: parameters hardly shrink, pickles to a tenth.
	inflateBase   = 1 << 20
	inflateFactor = 24
	// maxEntries bounds the files of a zip.
	maxEntries = 1 << 20
)

// Open opens a file and reads its tree of values; tensors are left in the file.
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
	f.file, f.path = m, path
	return f, nil
}

// Parse reads a file that is in memory. Its tensors refer to data.
func Parse(data []byte) (*File, error) {
	switch {
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return parseZip(data)
	case len(data) > 262 && string(data[257:262]) == "ustar":
		return nil, fmt.Errorf("%w: a tar container, as PyTorch wrote before 0.1.10; load and save it again there", ErrUnsupported)
	}
	return parseLegacy(data)
}

// Value is the tree that was saved.
func (f *File) Value() any { return f.value }

// Format is the container: "zip" or "legacy".
func (f *File) Format() string { return f.format }

// Close unmaps the file. Slices that alias it must not be used any more.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// Verify reads the whole of a zip container and compares its checksums. Open does not, and neither does
// PyTorch. The legacy container has none. It reads the file anew, not through the mapping, whose pages would count as
// this process's memory.
func (f *File) Verify() error {
	if f.zip == nil {
		return nil
	}
	entries := f.zip.File
	if f.path != "" {
		z, err := zip.OpenReader(f.path)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
		defer z.Close()
		entries = z.File
	}
	budget := inflationOf(f.size)
	for _, e := range entries {
		if err := budget.spend(e.UncompressedSize64); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		if err := verify(e); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrFormat, e.Name, err)
		}
	}
	return nil
}

func verify(e *zip.File) error {
	r, err := e.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

// An inflation is how many bytes may still be decompressed.
type inflation uint64

func inflationOf(size int) inflation { return inflateBase + inflateFactor*inflation(size) }

func (b *inflation) spend(n uint64) error {
	if n > uint64(*b) {
		return fmt.Errorf("%w: it unpacks to more than %d times the file's size", ErrLimit, inflateFactor)
	}
	*b -= inflation(n)
	return nil
}

// A container is the zip of one file being parsed.
type container struct {
	data      []byte
	prefix    string // of the names of its entries, "archive/"
	entries   map[string]*zip.File
	bigEndian bool
	storages  map[storageID]*Storage
	inflation inflation
}

func parseZip(data []byte) (*File, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(z.File) > maxEntries {
		return nil, fmt.Errorf("%w: a zip of %d files", ErrLimit, len(z.File))
	}
	c := &container{data: data, entries: make(map[string]*zip.File, len(z.File)), storages: map[storageID]*Storage{}, inflation: inflationOf(len(data))}
	if err := c.index(z.File); err != nil {
		return nil, err
	}
	if e := c.entries["byteorder"]; e != nil {
		order, err := c.read(e, 16)
		if err != nil {
			return nil, err
		}
		c.bigEndian = string(order) == "big"
	}
	if e := c.entries["data.pkl"]; e.Method != zip.Store {
		if err := c.inflation.spend(e.UncompressedSize64); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	pickle, err := c.read(c.entries["data.pkl"], maxPickle)
	if err != nil {
		return nil, err
	}
	raw, _, err := unpickle(pickle, 0, c.persistent)
	if err != nil {
		return nil, err
	}
	value, err := freeze(raw, len(pickle))
	if err != nil {
		return nil, err
	}
	return &File{format: "zip", value: value, zip: z, size: len(data)}, nil
}

// index finds data.pkl and the entries that share its folder.
func (c *container) index(files []*zip.File) error {
	found := false
	for _, f := range files {
		if prefix, ok := strings.CutSuffix(f.Name, "data.pkl"); ok && strings.Count(f.Name, "/") <= 1 &&
			(prefix == "" || strings.HasSuffix(prefix, "/")) {
			if found {
				return fmt.Errorf("%w: two files data.pkl in the zip", ErrFormat)
			}
			c.prefix, found = prefix, true
		}
	}
	if !found {
		return fmt.Errorf("%w: a zip without data.pkl is not of torch.save", ErrFormat)
	}
	for _, f := range files {
		name, ok := strings.CutPrefix(f.Name, c.prefix)
		if !ok {
			continue
		}
		if c.entries[name] != nil {
			return fmt.Errorf("%w: two files %s in the zip", ErrFormat, f.Name)
		}
		c.entries[name] = f
	}
	if c.entries["constants.pkl"] != nil {
		return fmt.Errorf("%w: a TorchScript archive; save the module's state_dict() instead", ErrUnsupported)
	}
	return nil
}

// stored is the bytes of an entry that is not compressed, in place.
func (c *container) stored(e *zip.File) ([]byte, error) {
	off, err := e.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFormat, e.Name, err)
	}
	n := e.UncompressedSize64
	if n != e.CompressedSize64 || off < 0 || off > int64(len(c.data)) || n > uint64(int64(len(c.data))-off) {
		return nil, fmt.Errorf("%w: %s lies outside the file", ErrFormat, e.Name)
	}
	return c.data[off:][:n:n], nil
}

// read is the bytes of any entry.
func (c *container) read(e *zip.File, limit uint64) ([]byte, error) {
	if e.UncompressedSize64 > limit {
		return nil, fmt.Errorf("%w: %s has %d bytes", ErrLimit, e.Name, e.UncompressedSize64)
	}
	if e.Method == zip.Store {
		return c.stored(e)
	}
	r, err := e.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFormat, e.Name, err)
	}
	defer r.Close()
	var b bytes.Buffer // grows with what arrives, whatever the entry claims
	if _, err := io.Copy(&b, io.LimitReader(r, int64(e.UncompressedSize64)+1)); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFormat, e.Name, err)
	}
	return b.Bytes(), nil
}

// persistent finds the storage that a persistent id names.
func (c *container) persistent(id any) (any, error) {
	sid, err := parseStorageID(id)
	if err != nil {
		return nil, err
	}
	sid.view = nil // the zip container has no views
	if s := c.storages[sid]; s != nil {
		return s, nil
	}
	s := &Storage{Type: sid.typ, Len: sid.len, Key: sid.key, Location: sid.location, bigEndian: c.bigEndian}
	e := c.entries["data/"+sid.key]
	switch {
	case s.Len == 0:
	case e == nil:
		return nil, fmt.Errorf("%w: no storage %q in the zip", ErrFormat, sid.key)
	case e.UncompressedSize64 < uint64(s.size()):
		return nil, fmt.Errorf("%w: storage %q has %d of %d bytes", ErrFormat, sid.key, e.UncompressedSize64, s.size())
	case e.Method == zip.Store:
		if s.data, err = c.stored(e); err != nil {
			return nil, err
		}
	case e.Method == zip.Deflate:
		if err := c.inflation.spend(e.UncompressedSize64); err != nil {
			return nil, fmt.Errorf("storage %q: %w", sid.key, err)
		}
		s.load = func() ([]byte, error) { return c.read(e, e.UncompressedSize64) }
	default:
		return nil, fmt.Errorf("%w: storage %q is compressed by method %d", ErrUnsupported, sid.key, e.Method)
	}
	c.storages[sid] = s
	return s, nil
}
