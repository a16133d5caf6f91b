package index

import (
	"cmp"
	"context"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// TagCount is a tag and the number of items that have it.
type TagCount struct {
	Tag   string
	Items int
}

// Tags lists all tags of the index's items, those of most items first, ties in
// ascending order: what a page offers to choose from. It reads a bitmap for each
// tag and no items.
func (ix *Index) Tags(ctx context.Context) ([]TagCount, error) {
	var out []TagCount
	err := ix.viewCtx(ctx, func(sn *snapshot) error {
		counts := make(map[string]int)
		for _, s := range sn.segments {
			if err := s.countTags(counts); err != nil {
				return err
			}
		}
		for tag, n := range counts {
			out = append(out, TagCount{tag, n})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b TagCount) int {
		return cmp.Or(cmp.Compare(b.Items, a.Items), cmp.Compare(a.Tag, b.Tag))
	})
	return out, nil
}

// countTags adds the segment's live items to counts.
func (s *segment) countTags(counts map[string]int) error {
	for i := range s.tags.len() {
		tag, err := s.tags.at(i)
		if err != nil {
			return err
		}
		rows, err := s.tagged(i)
		if err != nil {
			return err
		}
		if s.dead != nil {
			rows.AndNot(s.dead)
		}
		if n := int(rows.GetCardinality()); n > 0 {
			counts[string(tag)] += n
		}
	}
	return nil
}

// rowTags are the tags of each row of a segment.
type rowTags struct {
	names []string
	first []uint32 // by row: where its tags begin in tags
	tags  []uint32 // numbers of names, ascending for each row
}

// tagsByRow turns a segment's lists of rows around: for reading the tags of many rows.
func (s *segment) tagsByRow() (*rowTags, error) {
	t := &rowTags{}
	if s.tags.len() == 0 {
		return t, nil
	}
	t.first = make([]uint32, s.n+1)
	all := make([]*roaring.Bitmap, s.tags.len())
	for i := range all {
		name, err := s.tags.at(i)
		if err != nil {
			return nil, err
		}
		t.names = append(t.names, string(name))
		if all[i], err = s.tagged(i); err != nil {
			return nil, err
		}
		for it := all[i].Iterator(); it.HasNext(); {
			t.first[it.Next()+1]++
		}
	}
	for row := range s.n {
		t.first[row+1] += t.first[row]
	}
	t.tags = make([]uint32, t.first[s.n])
	next := slices.Clone(t.first)
	for i, rows := range all {
		for it := rows.Iterator(); it.HasNext(); {
			row := it.Next()
			t.tags[next[row]] = uint32(i)
			next[row]++
		}
	}
	return t, nil
}

func (t *rowTags) of(row int) []string {
	if t.first == nil {
		return nil
	}
	var out []string
	for _, i := range t.tags[t.first[row]:t.first[row+1]] {
		out = append(out, t.names[i])
	}
	return out
}
