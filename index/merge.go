package index

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"

	"github.com/RoaringBitmap/roaring/v2"
)

// cursor walks the live rows of a segment in order of id.
type cursor struct {
	sn   *snapshot
	seg  int
	s    *segment
	dead *roaring.Bitmap // rows to leave out besides those that are dead already
	rank int             // of rows of one id, that of the lowest rank comes first
	i    int             // next place in order of id
	row  int             // current row, -1 at the end
	id   []byte
	tags *rowTags // made when first needed
}

// cursors are those of all segments of a commit.
func (sn *snapshot) cursors(rank int) []*cursor {
	out := make([]*cursor, len(sn.segments))
	for i, s := range sn.segments {
		out[i] = &cursor{sn: sn, seg: i, s: s, rank: rank}
	}
	return out
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
	c.row, c.tags = -1, nil
	return nil
}

// tagsOf returns the current row's tags in ascending order.
func (c *cursor) tagsOf() (tags []string, err error) {
	if c.tags == nil {
		if c.tags, err = c.s.tagsByRow(); err != nil {
			return nil, err
		}
	}
	return c.tags.of(c.row), nil
}

// copyTo adds the current row to a segment in the making, with its codes as they are.
func (c *cursor) copyTo(p *pending) error {
	rec, err := c.sn.rawRecord(c.seg, c.row)
	if err != nil {
		return err
	}
	state, err := c.s.state(c.row)
	if err != nil {
		return err
	}
	tags, err := c.tagsOf()
	if err != nil {
		return err
	}
	return p.copy(string(c.id), origin{c.s, c.row}, rec, state, tags)
}

// cursorHeap has the cursor with the least id on top.
type cursorHeap []*cursor

func (h cursorHeap) Len() int { return len(h) }
func (h cursorHeap) Less(i, j int) bool {
	return cmp.Or(bytes.Compare(h[i].id, h[j].id), cmp.Compare(h[i].rank, h[j].rank)) < 0
}
func (h cursorHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *cursorHeap) Push(x any)   { *h = append(*h, x.(*cursor)) }
func (h *cursorHeap) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	*h = (*h)[:last]
	return c
}

// mergeRows calls each for the live rows of some segments, in order of id.
func mergeRows(all []*cursor, each func(*cursor) error) error {
	var h cursorHeap
	for _, c := range all {
		if err := guard(c.sn.r.Name(), c.next); err != nil {
			return err
		}
		if c.row >= 0 {
			h = append(h, c)
		}
	}
	heap.Init(&h)
	for len(h) > 0 {
		c := h[0]
		err := guard(c.sn.r.Name(), func() error {
			if err := each(c); err != nil {
				return err
			}
			return c.next()
		})
		switch {
		case err != nil:
			return err
		case c.row < 0:
			heap.Pop(&h)
		default:
			heap.Fix(&h, 0)
		}
	}
	return nil
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
	cursors := make([]*cursor, len(segments))
	for i, seg := range segments {
		cursors[i] = &cursor{sn: a.base, seg: seg, s: a.base.segments[seg], dead: a.dead[seg]}
	}
	err := mergeRows(cursors, func(c *cursor) error {
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
