package featurecache

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"

	"github.com/gofrs/flock"

	"github.com/aladin-go/aladin/internal/region"
)

// A Writer makes a cache. It is not safe for concurrent use.
type Writer struct {
	path    string
	shape   Shape
	lock    *flock.Flock
	file    *os.File
	offsets []uint64 // of chunks, and of the next
	buf     []byte
	err     error
}

// part is the name of an unfinished cache.
func part(path string) string { return path + ".part" }

// Create makes the cache at path, or goes on with one that was interrupted: see Done. While another process
// makes it, Create waits. End with Finish or Close.
func Create(ctx context.Context, path string, key Key, shape Shape) (_ *Writer, err error) {
	if err := shape.check(); err != nil {
		return nil, err
	}
	w := &Writer{path: path, shape: shape, lock: flock.New(path + ".lock")}
	if _, err := w.lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return nil, fmt.Errorf("waiting for the lock of %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	if w.file, err = os.OpenFile(part(path), os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, err
	}
	if err := w.resume(key); err != nil {
		return nil, err
	}
	end := int64(w.offsets[len(w.offsets)-1])
	if err := w.file.Truncate(end); err != nil {
		return nil, err
	}
	_, err = w.file.Seek(end, io.SeekStart)
	return w, err
}

// resume reads how far an earlier Writer came, or starts anew.
func (w *Writer) resume(key Key) error {
	head := w.shape.header(key)
	old := make([]byte, headerSize)
	w.offsets = []uint64{headerSize}
	if _, err := io.ReadFull(w.file, old); err != nil || string(old) != string(head) {
		_, err := w.file.WriteAt(head, 0)
		return err
	}
	r := bufio.NewReaderSize(w.file, 1<<20)
	var body []byte
	for len(w.offsets) <= w.shape.Items*w.shape.Views {
		var h [chunkHead]byte
		if _, err := io.ReadFull(r, h[:]); err != nil {
			break
		}
		n := binary.LittleEndian.Uint32(h[:])
		if n > maxChunk {
			break
		}
		var err error
		if body, err = readN(r, body[:0], int(n)); err != nil || crc32.Checksum(body, table) != binary.LittleEndian.Uint32(h[4:]) {
			break
		}
		w.offsets = append(w.offsets, w.offsets[len(w.offsets)-1]+chunkHead+uint64(n))
	}
	whole := (len(w.offsets) - 1) / w.shape.Views * w.shape.Views
	w.offsets = w.offsets[:whole+1]
	return nil
}

// readN reads n bytes; memory grows with what is there, not with what is promised.
func readN(r io.Reader, b []byte, n int) ([]byte, error) {
	for len(b) < n {
		step := min(n-len(b), 1<<20)
		at := len(b)
		b = append(b, make([]byte, step)...)
		if _, err := io.ReadFull(r, b[at:]); err != nil {
			return b, err
		}
	}
	return b, nil
}

// Done is the number of items that are in the file.
func (w *Writer) Done() int { return (len(w.offsets) - 1) / w.shape.Views }

// Append adds the next item: one set a view.
func (w *Writer) Append(sets []*region.Set) error {
	if len(sets) != w.shape.Views {
		return fmt.Errorf("%w: %d views, want %d", ErrInvalid, len(sets), w.shape.Views)
	}
	for v, s := range sets {
		if s.Len() == 0 || s.Dim != w.shape.Dim {
			return fmt.Errorf("%w: view %d has %d regions of %d features, want %d", ErrInvalid, v, s.Len(), s.Dim, w.shape.Dim)
		}
		if err := s.Validate(); err != nil {
			return err
		}
	}
	return w.write(sets)
}

// Skip says that the next item could not be used.
func (w *Writer) Skip(reason string) error {
	sets := make([]*region.Set, w.shape.Views)
	for v := range sets {
		sets[v] = &region.Set{Dim: w.shape.Dim, Tags: []string{reason}}
	}
	return w.write(sets)
}

// write writes an item at once.
func (w *Writer) write(sets []*region.Set) error {
	if w.err != nil {
		return w.err
	}
	if w.Done() == w.shape.Items {
		return fmt.Errorf("%w: all %d items are there", ErrInvalid, w.shape.Items)
	}
	w.buf = w.buf[:0]
	start := w.offsets[len(w.offsets)-1]
	offsets := w.offsets
	for _, s := range sets {
		before := len(w.buf)
		if w.buf = w.shape.appendChunk(w.buf, s); len(w.buf)-before > maxChunk {
			return fmt.Errorf("%w: %d bytes in one picture", ErrInvalid, len(w.buf)-before)
		}
		offsets = append(offsets, start+uint64(len(w.buf)))
	}
	if _, err := w.file.Write(w.buf); err != nil {
		w.err = err // the file's end is unknown now; the next Create finds it
		return err
	}
	w.offsets = offsets
	return nil
}

// Finish completes the file and gives it its name.
func (w *Writer) Finish() error {
	if w.err != nil {
		return w.err
	}
	if w.Done() != w.shape.Items {
		return fmt.Errorf("%w: %d of %d items", ErrInvalid, w.Done(), w.shape.Items)
	}
	le := binary.LittleEndian
	var b []byte
	for _, o := range w.offsets {
		b = le.AppendUint64(b, o)
	}
	sum := crc32.Checksum(b, table)
	b = le.AppendUint64(b, w.offsets[len(w.offsets)-1])
	b = le.AppendUint32(b, sum)
	b = append(b, endMagic...)
	if _, err := w.file.Write(b); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	err := w.file.Close()
	w.file = nil
	if err != nil {
		return err
	}
	if err := os.Rename(part(w.path), w.path); err != nil {
		return err
	}
	return w.Close()
}

// Close lets the file go; what is in it waits for the next Create. After Finish it does nothing.
func (w *Writer) Close() error {
	var err error
	if w.file != nil {
		err = w.file.Close()
		w.file = nil
	}
	if w.lock != nil {
		// The lock's file stays: removing it would let two processes hold two of them.
		err = errors.Join(err, w.lock.Close())
		w.lock = nil
	}
	if w.err == nil {
		w.err = errClosed
	}
	return err
}
