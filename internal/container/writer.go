package container

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"

	"github.com/aladin-go/aladin/format"
)

// Writer appends sections to a file and commits them. It holds the file's lock
// until Close. It is not safe for concurrent use.
//
// After an error the writer refuses further work: Close it and open another one,
// which starts from the last commit.
type Writer struct {
	fs       format.FS
	name     string
	file     format.File
	lock     io.Closer
	meta     Meta
	manifest *Manifest // of meta's commit; nil before the first
	end      int64     // where the next byte goes
	open     *SectionWriter
	err      error
}

// Create makes a new file without a commit, taking its lock.
func Create(fs format.FS, name string) (*Writer, error) {
	if fs == nil {
		fs = OS
	}
	lock, err := fs.Lock(LockName(name))
	if err != nil {
		return nil, err
	}
	f, err := fs.Create(name)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	w := &Writer{fs: fs, name: name, file: f, lock: lock, end: format.DataStart}
	if _, err := f.WriteAt(make([]byte, format.DataStart), 0); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), w.Close(), fs.Remove(name))
	}
	return w, nil
}

// OpenWriter opens an existing file for appending, taking its lock. Bytes that an
// unfinished write left after the last commit are cut off.
func OpenWriter(fs format.FS, name string) (*Writer, error) {
	if fs == nil {
		fs = OS
	}
	// Opened first, so that a missing or read-only file leaves no lock behind.
	f, err := fs.OpenWritable(name)
	if err != nil {
		return nil, err
	}
	f.Close()
	lock, err := fs.Lock(LockName(name))
	if err != nil {
		return nil, err
	}
	// Opened again: the file may have been replaced while we had no lock.
	if f, err = fs.OpenWritable(name); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	w := &Writer{fs: fs, name: name, file: f, lock: lock}
	w.meta, w.manifest, err = readCommit(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), w.Close())
	}
	w.end = w.meta.End
	// Cutting the tail is tidiness: it would be overwritten anyway, and some
	// systems refuse while a reader has the file mapped.
	if size, err := f.Size(); err == nil && size > w.end {
		_ = f.Truncate(w.end)
	}
	return w, nil
}

// Name is the path that the writer was opened with.
func (w *Writer) Name() string { return w.name }

// Manifest returns the current commit's manifest, nil before the first commit.
// It must not be modified.
func (w *Writer) Manifest() *Manifest { return w.manifest }

// Meta returns the current commit.
func (w *Writer) Meta() Meta { return w.meta }

// Append writes a whole section. Empty sections are left out of a manifest, not
// written.
func (w *Writer) Append(kind format.Kind, codec format.Codec, b []byte) (Section, error) {
	s, err := w.Begin(kind, codec)
	if err != nil {
		return Section{}, err
	}
	if _, err := s.Write(b); err != nil {
		return Section{}, err
	}
	return s.Close()
}

// ReadAt reads back what was appended, committed or not.
func (w *Writer) ReadAt(b []byte, off int64) error { return readFull(w.file, b, off) }

// Begin starts a section that is written piece by piece. Only one can be open.
func (w *Writer) Begin(kind format.Kind, codec format.Codec) (*SectionWriter, error) {
	if w.err == nil && w.open != nil {
		w.err = fmt.Errorf("%s: section %v begun inside section %v", w.name, kind, w.open.sec.Kind)
	}
	if w.err != nil {
		return nil, w.err
	}
	w.open = &SectionWriter{w: w, sec: Section{Kind: kind, Codec: codec, Extent: Extent{Offset: w.end}}}
	return w.open, nil
}

// SectionWriter writes one section.
type SectionWriter struct {
	w   *Writer
	buf []byte
	sec Section
}

const sectionBuffer = 1 << 20

// Write appends b to the section.
func (s *SectionWriter) Write(b []byte) (int, error) {
	if s.w.err != nil {
		return 0, s.w.err
	}
	n := len(b)
	s.sec.CRC = crc32.Update(s.sec.CRC, castagnoli, b)
	s.sec.Length += int64(n)
	if len(s.buf)+n > sectionBuffer {
		if err := s.flush(); err != nil {
			return 0, err
		}
	}
	if n > sectionBuffer {
		return n, s.w.write(b)
	}
	s.buf = append(s.buf, b...)
	return n, nil
}

func (s *SectionWriter) flush() error {
	err := s.w.write(s.buf)
	s.buf = s.buf[:0]
	return err
}

// Close pads the section to the alignment and returns what the manifest needs.
func (s *SectionWriter) Close() (Section, error) {
	if s.w.err != nil {
		return Section{}, s.w.err
	}
	if pad := -s.sec.Length & (format.Alignment - 1); pad > 0 {
		s.buf = append(s.buf, make([]byte, pad)...)
	}
	s.w.open = nil
	return s.sec, s.flush()
}

func (w *Writer) write(b []byte) error {
	if w.err != nil {
		return w.err
	}
	if _, err := w.file.WriteAt(b, w.end); err != nil {
		w.err = fmt.Errorf("writing %s at %d: %w", w.name, w.end, err)
		return w.err
	}
	w.end += int64(len(b))
	return nil
}

// Commit makes m the file's current commit. It sets m's Dead and its Generation;
// only the first commit of a new file may bring a generation of its own. Every
// section of m must come from Append or Begin, or from the commit before.
// When Commit returns nil, the commit survives a crash.
func (w *Writer) Commit(m *Manifest) error {
	if w.err == nil && w.open != nil {
		w.err = fmt.Errorf("%s: commit inside section %v", w.name, w.open.sec.Kind)
	}
	if w.err != nil {
		return w.err
	}
	if err := w.commit(m); err != nil {
		if w.err == nil {
			w.err = fmt.Errorf("committing to %s: %w", w.name, err)
		}
		return w.err
	}
	return nil
}

func (w *Writer) commit(m *Manifest) error {
	if w.manifest != nil || m.Generation == 0 {
		m.Generation = w.meta.Generation + 1
	}
	m.Dead = w.deadExtents(m)
	buf := m.encode()
	if len(buf) > format.MaxManifest {
		return fmt.Errorf("manifest of %d bytes: %w", len(buf), format.ErrTooLarge)
	}
	next := Meta{Version: format.Version, Generation: m.Generation,
		Manifest: Extent{Offset: w.end, Length: int64(len(buf)), CRC: Checksum(buf)}}
	pad := -next.Manifest.Length & (format.Alignment - 1)
	next.End = next.Manifest.end() + pad
	// A manifest that we could not read back must never become current.
	if err := m.check(next); err != nil {
		return fmt.Errorf("manifest to be written is wrong: %w", err)
	}
	if err := w.write(append(buf, make([]byte, pad)...)); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	if _, err := w.file.WriteAt(next.encode(), slotOffset(next.Generation)); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	w.meta, w.manifest = next, m.Clone()
	return nil
}

// deadExtents lists what the file holds beyond m: what was dead before, the
// former manifest, and its sections that m does not keep.
func (w *Writer) deadExtents(m *Manifest) []Extent {
	if w.manifest == nil {
		return nil
	}
	live := make(map[int64]bool)
	for s := range m.sections {
		live[s.Offset] = true
	}
	dead := append(slices.Clone(w.manifest.Dead), w.meta.Manifest)
	for s := range w.manifest.sections {
		if !live[s.Offset] {
			dead = append(dead, s.Extent)
		}
	}
	slices.SortFunc(dead, func(a, b Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	return joinExtents(dead)
}

// Reopen goes on with the file that has the writer's name now, after another one
// was published under it, without letting go of the lock.
func (w *Writer) Reopen() error {
	if w.err != nil {
		return w.err
	}
	f, err := w.fs.OpenWritable(w.name)
	if err == nil {
		err = w.file.Close()
		w.file = f
		if err == nil {
			w.meta, w.manifest, err = readCommit(f)
		}
	}
	if err != nil {
		w.err = fmt.Errorf("reopening %s: %w", w.name, err)
		return w.err
	}
	w.end = w.meta.End
	return nil
}

// Close closes the file and releases the lock. What was appended since the last
// commit is lost.
func (w *Writer) Close() error {
	if w.err == nil {
		w.err = fmt.Errorf("%s: writer is closed", w.name)
	}
	if w.file == nil {
		return nil
	}
	err := errors.Join(w.file.Close(), w.lock.Close())
	w.file = nil
	return err
}

// Publish closes the writer and gives its file the name to, replacing what is
// there in one step. Readers of the replaced file keep it until they close.
func (w *Writer) Publish(to string) error {
	if w.manifest == nil {
		return fmt.Errorf("%s has no commit to publish", w.name)
	}
	from, lock := w.name, LockName(w.name)
	if err := w.Close(); err != nil {
		return err
	}
	// A private file stays private.
	if err := w.fs.CopyMode(to, from); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := w.fs.Rename(from, to); err != nil {
		return err
	}
	// The temporary file's lock guards a name that nobody else uses.
	_ = w.fs.Remove(lock)
	return w.fs.SyncDir(to)
}
