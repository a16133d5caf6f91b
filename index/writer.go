package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aladin-go/aladin/internal/container"
)

// Writer changes an existing index file. It holds the file's lock: one Writer at a
// time, beside any number of readers, which see its changes once Commit returns
// and they Refresh. A Writer is not safe for concurrent use.
type Writer struct {
	a     *appender // nil when closed
	stats Stats     // then
	path  string
	opts  BuildOptions
}

// OpenWriter opens an index file to change it. Codecs and model come from the
// file; those in opts are ignored. Call Close when done.
func OpenWriter(path string, opts *BuildOptions) (*Writer, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	fw, err := container.OpenWriter(o.FS, path)
	if err != nil {
		return nil, err
	}
	w := &Writer{path: path, opts: o}
	if err := w.load(fw); err != nil {
		return nil, errors.Join(err, fw.Close())
	}
	return w, nil
}

// load makes the appender for the file's current commit.
func (w *Writer) load(fw *container.Writer) error {
	base, err := openSnapshot(w.opts.FS, w.path, -1)
	if err != nil {
		return err
	}
	if base.r.Meta() != fw.Meta() {
		base.release()
		return fmt.Errorf("%s changed while it was opened: %w", w.path, ErrLocked)
	}
	s := *base.store
	s.opts.Duplicates, s.opts.SegmentBytes, s.opts.FS = w.opts.Duplicates, w.opts.SegmentBytes, w.opts.FS
	s.opts.QueryMean = w.opts.QueryMean
	if len(base.segments) == 0 {
		s.opts.NoRescore = w.opts.NoRescore
	}
	a := newAppender(fw, &s)
	a.man, a.base = fw.Manifest().Clone(), base
	a.man.Shared = nil
	w.a = a
	return nil
}

// run calls f with the appender, guarded as reads of mapped memory are.
func (w *Writer) run(f func(*appender) error) error {
	if w.a == nil {
		return fmt.Errorf("writer of %s: %w", w.path, ErrClosed)
	}
	return guard(w.path, func() error { return f(w.a) })
}

// Add appends an item, as Builder.Add does. An id that was deleted can be added
// again.
func (w *Writer) Add(ctx context.Context, it Item) error {
	return w.run(func(a *appender) error { return a.add(ctx, it) })
}

// Delete removes an item. Its bytes stay in the file until Compact.
func (w *Writer) Delete(ctx context.Context, id string) error {
	return w.run(func(a *appender) error {
		if err := cmp.Or(a.err, ctx.Err()); err != nil {
			return err
		}
		if err := a.remove(ctx, id); err != nil {
			return a.fail(err)
		}
		delete(a.inCur, id)
		a.stats.Deleted++
		return nil
	})
}

// Commit makes all changes so far visible and durable, at once. It costs what was
// changed, whatever the file's size; where nothing was, nothing is written. The Writer can go on afterwards.
func (w *Writer) Commit(ctx context.Context) error {
	if w.a != nil && !w.a.dirty() {
		return cmp.Or(w.a.err, ctx.Err())
	}
	err := w.run(func(a *appender) error { return a.commit(ctx) })
	if err != nil {
		return err
	}
	old, stats := w.a, w.a.stats
	if err := w.load(old.fw); err != nil {
		old.err = err
		return err
	}
	old.close()
	w.a.stats = stats
	return nil
}

// SetState replaces what is kept with the file for whom it means something: at
// most 1 MiB. It is written by Commit, and read by Info.
func (w *Writer) SetState(state []byte) error {
	return w.run(func(a *appender) error { return a.setState(state) })
}

func (a *appender) setState(state []byte) error {
	if len(state) > maxFileState {
		return fmt.Errorf("%w state of %d bytes, at most %d", ErrInvalid, len(state), maxFileState)
	}
	a.state = append([]byte{}, state...)
	return nil
}

// Stats counts what was changed since OpenWriter, also once the Writer is closed.
func (w *Writer) Stats() Stats {
	if w.a == nil {
		return w.stats
	}
	return w.a.stats
}

// Close releases the file. Changes since the last Commit are lost.
func (w *Writer) Close() error {
	if w.a == nil {
		return nil
	}
	a := w.a
	w.a, w.stats = nil, a.stats
	a.close()
	return a.fw.Close()
}

// close lets go of what the appender reads.
func (a *appender) close() {
	if a.base != nil {
		a.base.release()
	}
}
