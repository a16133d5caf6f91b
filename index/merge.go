package index

import (
	"context"

	"github.com/RoaringBitmap/roaring/v2"
)

// cursor walks the live rows of a segment in order of id.
type cursor struct {
	sn   *snapshot
	seg  int
	s    *segment
	dead *roaring.Bitmap // rows to leave out besides those that are dead already
	i    int             // next place in order of id
	row  int             // current row, -1 at the end
	id   []byte
}

func (c *cursor) next() error {
	for ; c.i < c.s.n; c.i++ {
		row, err := c.s.byID(c.i)
		if err != nil {
			return err
		}
		if !c.s.isLive(uint32(row)) || c.dead != nil && c.dead.Contains(uint32(row)) {
			continue
		}
		c.row = row
		c.id, err = c.s.id(row)
		c.i++
		return err
	}
	c.row = -1
	return nil
}

// copyTo adds the current row to a segment in the making.
func (c *cursor) copyTo(p *pending) error {
	rec, err := c.sn.rawRecord(c.seg, c.row)
	if err != nil {
		return err
	}
	state, err := c.s.state(c.row)
	if err != nil {
		return err
	}
	return p.copy(c.s, c.row, rec, state)
}

// merge calls each for the live rows of some segments, in order of id.
func (sn *snapshot) merge(segments []int, dead map[int]*roaring.Bitmap, each func(*cursor) error) error {
	cursors := make([]*cursor, len(segments))
	for i, seg := range segments {
		cursors[i] = &cursor{sn: sn, seg: seg, s: sn.segments[seg], dead: dead[seg]}
		if err := cursors[i].next(); err != nil {
			return err
		}
	}
	for {
		var first *cursor
		for _, c := range cursors {
			if c.row >= 0 && (first == nil || string(c.id) < string(first.id)) {
				first = c
			}
		}
		if first == nil {
			return nil
		}
		if err := each(first); err != nil {
			return err
		}
		if err := first.next(); err != nil {
			return err
		}
	}
}

// Every commit makes a segment, and every manifest lists all segments. So that
// many small commits do not add up to a long list, a commit that finds
// mergeFanIn committed segments of about one size makes one of them, as
// log-structured stores do. Sizes are in steps of mergeFanIn, so an item is
// copied at most once a step, and never once its segment has mergeLimit items.
const (
	mergeFanIn = 16
	mergeLimit = mergeFanIn * mergeFanIn * mergeFanIn
)

// mergeSmall merges the segments of the first size that has enough of them.
func (a *appender) mergeSmall(ctx context.Context) error {
	if a.base == nil {
		return nil
	}
	for limit := mergeFanIn; limit <= mergeLimit; limit *= mergeFanIn {
		var small []int
		for i, s := range a.base.segments {
			if s.n < limit && s.n >= limit/mergeFanIn && a.edits[i] == nil {
				small = append(small, i)
			}
		}
		if len(small) >= mergeFanIn {
			return a.mergeSegments(ctx, small)
		}
	}
	return nil
}

func (a *appender) mergeSegments(ctx context.Context, segments []int) error {
	p := newPending(a.fw, a.store)
	err := a.base.merge(segments, a.dead, func(c *cursor) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return c.copyTo(p)
	})
	if err != nil {
		return err
	}
	if len(p.ids) > 0 {
		seg, _, err := p.finish(ctx)
		if err != nil {
			return err
		}
		a.man.Segments = append(a.man.Segments, seg)
	}
	for _, i := range segments {
		a.man.Segments[i].Deleted = a.man.Segments[i].Items // commit drops it
		delete(a.dead, i)
	}
	return nil
}
