package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/container"
	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/vector"
)

// CompactOptions say how Compact arranges a file. Nil and zero mean defaults.
type CompactOptions struct {
	// Cells is the number of cells that rows are grouped by, so that a query need
	// look at a part of them only; 0 chooses by the number of items (none below
	// 200,000), negative makes none.
	Cells int

	// Progress is called with what is done and in all, counted in items: each is
	// copied once, and those that cells are learned from are looked at some times
	// before.
	Progress func(done, total int)
}

// compactSegmentBytes is the memory that Compact lets a segment take: larger
// segments than a build's, because long runs of a cell scan faster.
const compactSegmentBytes = 256 << 20

// Compact commits what is pending and rewrites the file without what was deleted,
// in order of id, as few segments as fit into memory, with the same codes.
// Readers keep the old file until they Refresh; an operating system that does
// not replace files in use (Windows) refuses while there are some. It needs room
// for both files, memory for a segment (256 MiB), and, with cells, for 64 vectors
// a cell.
func (w *Writer) Compact(ctx context.Context, opts *CompactOptions) error {
	var o CompactOptions
	if opts != nil {
		o = *opts
	}
	if o.Cells > maxCells {
		return fmt.Errorf("%w option: %d cells, at most %d", ErrInvalid, o.Cells, maxCells)
	}
	if w.a != nil && w.a.dirty() {
		if err := w.Commit(ctx); err != nil {
			return err
		}
	}
	return w.run(func(a *appender) error {
		if a.err != nil {
			return a.err
		}
		if err := w.compact(ctx, o); err != nil {
			return fmt.Errorf("compacting %s: %w", w.path, err)
		}
		return nil
	})
}

// Outgrown reports whether Compact would make searches faster: the last commit
// has 200,000 items or more, and no cells or far fewer than that many want. An
// index that keeps nothing but bits never is, for it can have no cells.
func (w *Writer) Outgrown() bool {
	if w.a == nil || w.a.base == nil {
		return false
	}
	sn, have := w.a.base, 0
	if sn.store.opts.Match == Bits && !sn.store.rescores() {
		return false
	}
	if sn.store.cells != nil {
		have = sn.store.cells.n
	}
	return 2*have < autoCells(sn.items) // half as many suit a quarter of the items
}

// dirty says whether there is something to commit.
func (a *appender) dirty() bool {
	return a.cur != nil || len(a.held) > 0 || len(a.written) > 0 || len(a.dead) > 0 || len(a.edits) > 0 || a.state != nil
}

func (w *Writer) compact(ctx context.Context, o CompactOptions) error {
	tmp := w.path + ".tmp"
	fw, err := container.Create(w.opts.FS, tmp)
	if err != nil {
		return err
	}
	c := &compactor{src: w.a.base, fw: fw, opts: o}
	if err := c.run(ctx); err != nil {
		return errors.Join(err, fw.Close(), w.opts.FS.Remove(tmp), w.opts.FS.Remove(container.LockName(tmp)))
	}
	if err := fw.Publish(w.path); err != nil {
		return err
	}
	old := w.a
	if err := old.fw.Reopen(); err != nil {
		old.err = err
		return err
	}
	if err := w.load(old.fw); err != nil {
		old.err = err
		return err
	}
	w.a.stats = old.stats
	old.close()
	return nil
}

// compactor copies the live rows of a snapshot into a new file.
type compactor struct {
	src  *snapshot
	fw   *container.Writer
	opts CompactOptions
	a    *appender

	learned int // items looked at for cells
	copied  int
}

func (c *compactor) run(ctx context.Context) error {
	s := *c.src.store
	s.opts.SegmentBytes = compactSegmentBytes
	s.shared, s.cells = nil, nil
	c.a = newAppender(c.fw, &s)
	m := c.src.r.Manifest()
	c.a.man = &container.Manifest{Generation: m.Generation + 1, Model: m.Model, MatchCodec: m.MatchCodec, TokenCodec: m.TokenCodec}
	for _, sec := range m.Shared {
		switch sec.Kind {
		case format.KindDictionary, format.KindCodebook, format.KindBits, format.KindFileState:
			if err := s.share(c.fw, sec.Kind, sec.Codec, c.src.r.Bytes(sec)); err != nil {
				return err
			}
		}
	}
	c.a.store = &s
	if err := c.trainCells(ctx, &s); err != nil {
		return err
	}
	c.a.once = true
	if err := mergeRows(c.src.cursors(0), func(cur *cursor) error { return c.copyRow(ctx, cur) }); err != nil {
		return err
	}
	return c.a.commit(ctx)
}

// trainCells finds centroids from live rows at even distances.
func (c *compactor) trainCells(ctx context.Context, s *store) error {
	n := c.opts.Cells
	if n == 0 {
		n = autoCells(c.src.items)
	}
	if n <= 0 || c.src.items == 0 {
		return nil
	}
	if s.opts.Match == Bits && !s.rescores() {
		if c.opts.Cells > 0 {
			return fmt.Errorf("%w option: cells need more than bits, and this index was built with NoRescore", ErrInvalid)
		}
		return nil
	}
	const samplePerCell = 64
	every := max(c.src.items/(samplePerCell*n), 1)
	sample := vector.Rows{Codec: vector.Int8, Dim: s.dim}
	seen := 0
	for _, seg := range c.src.segments {
		var which []int
		for row := range seg.n {
			if seg.isLive(uint32(row)) {
				if seen%every == 0 {
					which = append(which, row)
				}
				seen++
			}
		}
		if len(which) > 0 {
			part := int8Rows(seg.fine(), which)
			sample.Codes = append(sample.Codes, part.Codes...)
			sample.Scales = append(sample.Scales, part.Scales...)
			sample.N += part.N
		}
	}
	centroids, err := vector.KMeans(ctx, &sample, n, &vector.KMeansOptions{Spherical: true, Progress: func(done, total int) {
		c.learned = done * sample.N
		c.progress((total - done) * sample.N)
	}})
	if err != nil {
		return err
	}
	s.cells = &cells{n: len(centroids) / s.dim, dim: s.dim, centroids: centroids}
	if err := s.cells.learnShape(ctx, &sample); err != nil {
		return err
	}
	return cmp.Or(s.share(c.fw, format.KindCells, 0, elem.Bytes(centroids)), s.share(c.fw, format.KindCellShape, 0, s.cells.shape()))
}

func (c *compactor) copyRow(ctx context.Context, cur *cursor) error {
	if c.copied%256 == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.progress(0)
	}
	c.copied++
	if err := c.a.makeCur(ctx, ""); err != nil {
		return err
	}
	return cur.copyTo(c.a.cur)
}

// progress tells how far it is; toLearn items are still to be looked at for cells.
func (c *compactor) progress(toLearn int) {
	if c.opts.Progress != nil {
		c.opts.Progress(c.learned+c.copied, c.learned+toLearn+c.src.items)
	}
}
