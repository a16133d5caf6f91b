package container

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/mapped"
)

// Reader is one commit of a file, mapped into memory. It is safe for concurrent
// use; Close must come after the last use of any bytes it returned.
type Reader struct {
	name     string
	file     format.File
	info     os.FileInfo // of the file as it was opened; nil if it is none of the operating system's
	meta     Meta
	manifest *Manifest
	data     []byte
	mapped   *mapped.File // nil where data was read
}

// Open opens the current commit of a file. It reads the meta slots and the
// manifest and checks them; sections are mapped, not read. A nil fs is [OS].
func Open(fs format.FS, name string) (*Reader, error) {
	if fs == nil {
		fs = OS
	}
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	r, err := newReader(f, name)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

func newReader(f format.File, name string) (*Reader, error) {
	info, err := statOf(f)
	if err != nil {
		return nil, err
	}
	meta, manifest, err := readCommit(f)
	if err != nil {
		return nil, err
	}
	r := &Reader{name: name, file: f, info: info, meta: meta, manifest: manifest}
	if meta.End > math.MaxInt {
		return nil, fmt.Errorf("%d bytes cannot be mapped on a 32-bit machine: %w", meta.End, format.ErrTooLarge)
	}
	if m, ok := f.(mapper); ok {
		if r.mapped, err = m.mapFile(meta.End); err != nil {
			return nil, err
		}
		r.data = r.mapped.Bytes()
		return r, nil
	}
	r.data = make([]byte, meta.End)
	return r, readFull(f, r.data, 0)
}

// readFull fills b with the bytes at off, in as many reads as it takes.
func readFull(f io.ReaderAt, b []byte, off int64) error {
	n, err := io.ReadFull(io.NewSectionReader(f, off, int64(len(b))), b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the file ends at %d, expected %d: %w", off+int64(n), off+int64(len(b)), format.ErrCorrupt)
	}
	if err != nil {
		return fmt.Errorf("reading at %d: %w", off+int64(n), err)
	}
	return nil
}

// readCommit reads and checks the current commit's meta slot and manifest.
func readCommit(f format.File) (Meta, *Manifest, error) {
	meta, err := readMeta(f)
	if err != nil {
		return Meta{}, nil, err
	}
	// The length is at most the file's size: decodeMeta has checked it.
	buf := make([]byte, meta.Manifest.Length)
	if err := readFull(f, buf, meta.Manifest.Offset); err != nil {
		return Meta{}, nil, fmt.Errorf("the manifest: %w", err)
	}
	m, err := decodeManifest(buf, meta)
	return meta, m, err
}

// Changed says whether the file has another commit than the one that the reader shows, or is another file: one that
// took its place, or one whose bytes were put right, or wrong, where they are. It costs little. A writer that has not
// committed yet only makes the file longer.
func (r *Reader) Changed(fs format.FS) (bool, error) {
	if fs == nil {
		fs = OS
	}
	f, err := fs.Open(r.name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	m, err := readMeta(f)
	if err != nil {
		return false, fmt.Errorf("%s: %w", r.name, err)
	}
	if m != r.meta || r.info == nil {
		return m != r.meta, nil
	}
	now, err := statOf(f)
	if err != nil || now == nil {
		return false, err
	}
	return !os.SameFile(now, r.info) || now.Size() < r.info.Size() || now.Size() == r.info.Size() && !now.ModTime().Equal(r.info.ModTime()), nil
}

// statOf describes a file of the operating system; nil is none.
func statOf(f format.File) (os.FileInfo, error) {
	s, ok := f.(interface{ Stat() (os.FileInfo, error) })
	if !ok {
		return nil, nil
	}
	return s.Stat()
}

// Name is the path that the reader was opened with.
func (r *Reader) Name() string { return r.name }

// Meta returns the commit's meta slot.
func (r *Reader) Meta() Meta { return r.meta }

// Manifest returns the commit's manifest. It must not be modified.
func (r *Reader) Manifest() *Manifest { return r.manifest }

// Bytes returns a section's bytes, valid until Close. The section must come from
// this reader's manifest, whose bounds were checked when it was opened.
func (r *Reader) Bytes(s Section) []byte {
	return r.data[s.Offset:s.end():s.end()]
}

// CheckSize returns ErrCorrupt when the file has become shorter than the
// mapping, so that reading the missing part would fault.
func (r *Reader) CheckSize() error {
	size, err := r.file.Size()
	if err != nil {
		return err
	}
	if size < r.meta.End {
		return fmt.Errorf("%s shrank from %d to %d bytes while open: %w", r.name, r.meta.End, size, format.ErrCorrupt)
	}
	return nil
}

// Close unmaps and closes the file. Bytes returned by the reader are gone.
func (r *Reader) Close() error {
	var err error
	if r.mapped != nil {
		err = r.mapped.Close()
	}
	r.data = nil
	return errors.Join(err, r.file.Close())
}

// Verify reads the whole file as of this commit and compares every byte with its
// checksum, or with zero where it is padding. It goes through the file, not the
// mapping. The error joins all damages found, each with its offset and matching
// ErrCorrupt. Bytes after the commit's end, which an unfinished write leaves, are
// no damage; a meta slot that a crash left half written is reported, though the
// other one serves, until the next commit writes it anew. progress may be nil; it is called with bytes done and in all.
func (r *Reader) Verify(ctx context.Context, progress func(done, total int64)) error {
	v := &verifyPass{r: r, ctx: ctx, progress: progress, buf: make([]byte, min(1<<20, r.meta.End))}
	return v.run()
}

type verifyPass struct {
	r        *Reader
	ctx      context.Context
	progress func(done, total int64)
	buf      []byte
	done     int64
	damage   []error
}

// maxDamages bounds the list; a file of noise would fill memory with messages.
const maxDamages = 100

func (v *verifyPass) report(message string, args ...any) {
	if len(v.damage) < maxDamages {
		v.damage = append(v.damage, fmt.Errorf("%s: %s: %w", v.r.name, fmt.Sprintf(message, args...), format.ErrCorrupt))
	}
}

func (v *verifyPass) run() error {
	for slot := range 2 {
		if err := v.slot(slot); err != nil {
			return err
		}
	}
	tiles, err := v.r.manifest.tiles(v.r.meta)
	if err != nil {
		return err
	}
	at := int64(format.DataStart)
	for _, e := range tiles {
		if err := v.zeros(at, e.Offset); err != nil {
			return err
		}
		if err := v.extent(e); err != nil {
			return err
		}
		at = e.end()
	}
	if err := v.zeros(at, v.r.meta.End); err != nil {
		return err
	}
	return errors.Join(v.damage...)
}

func (v *verifyPass) slot(slot int) error {
	page := v.buf[:format.MetaPage]
	if err := readFull(v.r.file, page, int64(slot)*format.MetaPage); err != nil {
		return fmt.Errorf("%s: meta slot %d: %w", v.r.name, slot, err)
	}
	// The slot may be newer than this reader's commit, so its end is held
	// against the file as it is now.
	size, err := v.r.file.Size()
	if err != nil {
		return err
	}
	if _, _, err := decodeMeta(page, slot, size); err != nil {
		v.report("%v", err)
	}
	if !allZero(page[metaSize:]) {
		v.report("meta slot %d: bytes other than zero after the slot", slot)
	}
	v.done += format.MetaPage
	return nil
}

func (v *verifyPass) extent(e Extent) error {
	var crc uint32
	err := v.read(e.Offset, e.end(), func(b []byte) { crc = crc32.Update(crc, castagnoli, b) })
	if err == nil && crc != e.CRC {
		v.report("%s at offset %d, %d bytes: checksum %08x, expected %08x", v.what(e), e.Offset, e.Length, crc, e.CRC)
	}
	return err
}

func (v *verifyPass) zeros(from, to int64) error {
	return v.read(from, to, func(b []byte) {
		if !allZero(b) {
			v.report("padding at offset %d is not zero", from)
		}
	})
}

func (v *verifyPass) read(from, to int64, each func([]byte)) error {
	for from < to {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		b := v.buf[:min(int64(len(v.buf)), to-from)]
		if err := readFull(v.r.file, b, from); err != nil {
			return fmt.Errorf("%s: %w", v.r.name, err)
		}
		each(b)
		from += int64(len(b))
		v.done += int64(len(b))
		if v.progress != nil {
			v.progress(v.done, v.r.meta.End)
		}
	}
	return nil
}

// what names the content of an extent for a message.
func (v *verifyPass) what(e Extent) string {
	if e.Offset == v.r.meta.Manifest.Offset {
		return "manifest"
	}
	for i := range v.r.manifest.Segments {
		for _, s := range v.r.manifest.Segments[i].Sections {
			if s.Extent == e {
				return fmt.Sprintf("segment %d, %v", i, s.Kind)
			}
		}
	}
	for _, s := range v.r.manifest.Shared {
		if s.Extent == e {
			return s.Kind.String()
		}
	}
	return "dead bytes of an earlier commit"
}
