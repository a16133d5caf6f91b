package index

import (
	"cmp"
	"context"
	"slices"
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
