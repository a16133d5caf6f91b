package index

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/container"
)

// Builder writes a new index file. Items stream through it: it keeps at most
// BuildOptions.SegmentBytes of them, and 12 bytes for each item before. The same
// items in the same order give the same bytes. A Builder is not safe for
// concurrent use.
//
// The file appears under its name when Finish returns; until then it is written
// beside it, and an older file there stays as it is.
type Builder struct {
	a     *appender // nil when finished or closed
	stats Stats     // then
	path  string
	lock  io.Closer
	fs    format.FS
}

// NewBuilder begins a new index file, which replaces what is at path once it is
// finished. Call Close when done, whether finished or not.
func NewBuilder(path string, opts *BuildOptions) (*Builder, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	// A writer that has the old file open would go on writing to a file that is gone.
	lock, err := o.FS.Lock(container.LockName(path))
	if err != nil {
		return nil, err
	}
	fw, err := container.Create(o.FS, path+".tmp")
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	a := newAppender(fw, &store{opts: o, records: newBlockCodec(nil)})
	a.state = slices.Clone(o.State)
	a.man = &container.Manifest{Model: o.Model, MatchCodec: o.Match, TokenCodec: o.Regions}
	return &Builder{a: a, path: path, lock: lock, fs: o.FS}, nil
}

func newAppender(fw *container.Writer, s *store) *appender {
	return &appender{fw: fw, store: s, inCur: make(map[string]struct{}), dead: make(map[int]*roaring.Bitmap), edits: make(map[int]*edits)}
}

// Add appends an item. The item's encoding may be reused once Add returns. An
// item that breaks a rule (ErrInvalid, ErrDuplicate, ErrModelMismatch) is left
// out and the Builder can go on; after any other error it cannot.
func (b *Builder) Add(ctx context.Context, it Item) error {
	if b.a == nil {
		return fmt.Errorf("builder of %s: %w", b.path, ErrClosed)
	}
	return b.a.add(ctx, it)
}

// SetState replaces BuildOptions.State.
func (b *Builder) SetState(state []byte) error {
	if b.a == nil {
		return fmt.Errorf("builder of %s: %w", b.path, ErrClosed)
	}
	return b.a.setState(state)
}

// Stats counts the items so far, also once the Builder is closed.
func (b *Builder) Stats() Stats {
	if b.a == nil {
		return b.stats
	}
	return b.a.stats
}

// Finish completes the file and gives it its name.
func (b *Builder) Finish(ctx context.Context) error {
	if b.a == nil {
		return fmt.Errorf("builder of %s: %w", b.path, ErrClosed)
	}
	if err := b.a.commit(ctx); err != nil {
		return err
	}
	a := b.a
	b.a, b.stats = nil, a.stats
	err := a.fw.Publish(b.path)
	if err != nil {
		b.discard()
	}
	return errors.Join(err, b.unlock())
}

// Close gives up a Builder that was not finished and removes what it wrote. After
// Finish it does nothing.
func (b *Builder) Close() error {
	if b.a == nil {
		return b.unlock()
	}
	a := b.a
	b.a, b.stats = nil, a.stats
	err := a.fw.Close()
	b.discard()
	return errors.Join(err, b.unlock())
}

// discard removes the unfinished file. It is best effort: another error is
// being reported, or the file is not wanted.
func (b *Builder) discard() {
	_ = b.fs.Remove(b.path + ".tmp")
	_ = b.fs.Remove(container.LockName(b.path + ".tmp"))
}

func (b *Builder) unlock() error {
	if b.lock == nil {
		return nil
	}
	l := b.lock
	b.lock = nil
	return l.Close()
}
