package index

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/container"
)

// edits are changes to the items of a committed segment that leave their codes as they are.
type edits struct {
	tags  map[string]*roaring.Bitmap // all of the segment; nil until one changes
	items map[uint32][]byte          // by row: what KindEdit holds
}

// Update changes what is stored with an item besides its encoding: change gets the item's fields and writes to
// Tags, Meta and State what they shall be, and to Text of an image. It costs about what it changes, and the tags of
// the item's segment if those change. As everything else, it is visible and durable once Commit returns.
//
// An item that was added since the last commit cannot be updated.
func (w *Writer) Update(ctx context.Context, id string, change func(*Fields)) error {
	return w.run(func(a *appender) error {
		if err := cmp.Or(a.err, ctx.Err()); err != nil {
			return err
		}
		at, err := a.committed(id)
		if err != nil {
			return err
		}
		if err := a.update(at, change); err != nil {
			return fmt.Errorf("item %q: %w", id, err)
		}
		return nil
	})
}

// Rename gives an item another id, and leaves all else as it is: what becomes of a photo that was moved.
// ErrDuplicate says that the new id is taken. An item that was added since the last commit cannot be renamed.
func (w *Writer) Rename(ctx context.Context, from, to string) error {
	return w.run(func(a *appender) error {
		if err := cmp.Or(a.err, ctx.Err(), checkID(to)); err != nil {
			return err
		}
		at, err := a.committed(from)
		if err != nil {
			return err
		}
		_, taken := a.inCur[to]
		if !taken {
			_, _, err = a.find(to)
			taken = err == nil
		}
		if taken {
			return fmt.Errorf("%q: %w", to, ErrDuplicate)
		}
		if !errors.Is(err, ErrNotFound) {
			return a.fail(err)
		}
		return a.fail(a.rename(ctx, at, from, to))
	})
}

// committed finds an item that can be changed.
func (a *appender) committed(id string) (location, error) {
	_, pending := a.inCur[id]
	if !pending {
		seg, row, err := a.find(id)
		if err != nil {
			return location{}, a.fail(err)
		}
		if a.base != nil && seg < len(a.base.segments) {
			return location{seg, int(row)}, nil
		}
	}
	return location{}, fmt.Errorf("%w change: %q was added since the last commit; commit first", ErrInvalid, id)
}

func (a *appender) rename(ctx context.Context, at location, from, to string) error {
	f, rec, err := a.fields(at)
	if err != nil {
		return err
	}
	if err := a.makeCur(ctx, to); err != nil {
		return err
	}
	if err := a.cur.copy(to, origin{a.base.segments[at.seg], at.row}, rec.encode(), f.State, f.Tags); err != nil {
		return err
	}
	a.inCur[to] = struct{}{}
	a.stats.Updated++
	return a.remove(ctx, from)
}

// fields returns what is stored of a committed item as of the last Update.
func (a *appender) fields(at location) (f Fields, rec record, err error) {
	s, row := a.base.segments[at.seg], uint32(at.row)
	e := a.edits[at.seg]
	if e == nil {
		e = &edits{}
	}
	var state []byte
	if b, ok := e.items[row]; ok {
		if b, state, err = splitEdit(b); err == nil {
			rec, err = decodeRecord(b)
		}
	} else if rec, err = a.base.record(at.seg, at.row); err == nil {
		state, err = s.state(at.row)
	}
	if err != nil {
		return f, rec, err
	}
	f = Fields{Kind: s.kind(at.row), Text: rec.text, Meta: rec.meta, State: slices.Clone(state)}
	f.Tags, err = e.tagsOf(s, row)
	return f, rec, err
}

func (a *appender) update(at location, change func(*Fields)) error {
	old, rec, err := a.fields(at)
	if err != nil {
		return err
	}
	f := old
	f.Tags, f.Meta, f.State = slices.Clone(f.Tags), slices.Clone(f.Meta), slices.Clone(f.State)
	change(&f)
	if err := f.check(); err != nil {
		return err
	}
	tags := slices.Compact(slices.Sorted(slices.Values(f.Tags)))
	if old.Kind != Image {
		f.Text = old.Text // its words are places in it
	}
	other := f.Text != old.Text || !bytes.Equal(f.Meta, old.Meta) || !bytes.Equal(f.State, old.State)
	if !other && slices.Equal(tags, old.Tags) {
		return nil
	}
	e := a.edits[at.seg]
	if e == nil {
		e = &edits{items: make(map[uint32][]byte)}
		a.edits[at.seg] = e
	}
	if other {
		rec.text, rec.meta = f.Text, f.Meta
		e.items[uint32(at.row)] = appendEdit(rec.encode(), f.State)
	}
	a.stats.Updated++
	if slices.Equal(tags, old.Tags) {
		return nil
	}
	return a.fail(e.setTags(a.base.segments[at.seg], uint32(at.row), old.Tags, tags))
}

// tagsOf returns the tags of a row as of the last Update, in ascending order.
func (e *edits) tagsOf(s *segment, row uint32) ([]string, error) {
	if e.tags == nil {
		return s.tagsOf(int(row))
	}
	var out []string
	for tag, rows := range e.tags {
		if rows.Contains(row) {
			out = append(out, tag)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (e *edits) setTags(s *segment, row uint32, before, after []string) error {
	if e.tags == nil {
		all := make(map[string]*roaring.Bitmap)
		for i := range s.tags.len() {
			name, err := s.tags.at(i)
			if err != nil {
				return err
			}
			if all[string(name)], err = s.tagged(i); err != nil {
				return err
			}
		}
		e.tags = all
	}
	for _, t := range before {
		e.tags[t].Remove(row)
	}
	for _, t := range after {
		if e.tags[t] == nil {
			e.tags[t] = roaring.New()
		}
		e.tags[t].Add(row)
	}
	return nil
}

// write replaces the sections of a segment that its edits change.
func (e *edits) write(fw *container.Writer, s *segment, seg *container.Segment) error {
	replace := func(kind format.Kind, b []byte) error {
		seg.Sections = slices.DeleteFunc(slices.Clone(seg.Sections), func(s container.Section) bool { return s.Kind == kind })
		if len(b) == 0 {
			return nil
		}
		sec, err := fw.Append(kind, 0, b)
		seg.Sections = append(seg.Sections, sec)
		return err
	}
	if e.tags != nil {
		names, rows, err := encodeTags(e.tags)
		if err != nil {
			return err
		}
		if err := cmp.Or(replace(format.KindTag, names), replace(format.KindTagRows, rows)); err != nil {
			return err
		}
	}
	if len(e.items) == 0 {
		return nil
	}
	all := make(map[uint32][]byte, len(s.edited.rows)+len(e.items))
	for i, row := range s.edited.rows {
		b, err := s.edited.at(i)
		if err != nil {
			return err
		}
		all[row] = b
	}
	maps.Copy(all, e.items)
	return replace(format.KindEdit, appendRowTable(nil, all))
}

// appendEdit encodes what KindEdit holds of a row: its record, and its state.
func appendEdit(record, state []byte) []byte {
	return append(appendString(nil, string(record)), state...)
}

func splitEdit(b []byte) (record, state []byte, err error) {
	r := recordReader{b: b}
	record = r.bytes(r.uvarint())
	if r.bad {
		return nil, nil, fmt.Errorf("edit of %d bytes does not decode: %w", len(b), ErrCorrupt)
	}
	if len(r.b) > 0 {
		state = r.b
	}
	return record, state, nil
}
