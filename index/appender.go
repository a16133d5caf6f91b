package index

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/container"
)

// Stats counts what happened to the items given to a Builder or Writer.
type Stats struct {
	Added    int // items added, replaced ones included
	Skipped  int // duplicates that were left out
	Replaced int // items that took the place of an older one
	Deleted  int // items deleted by Delete
	Updated  int // items changed by Update or Rename
}

// appender is what Builder and Writer share: it adds items to a file and
// prepares the next commit.
type appender struct {
	fw    *container.Writer
	man   *container.Manifest
	store *store
	base  *snapshot // the current commit; nil in a new file
	cur   *pending
	inCur map[string]struct{} // ids of cur and of held
	held  []arrival           // items that wait until there are enough to train on
	heldN int                 // values they hold
	once  bool                // every id comes once, so that none is looked up

	written []writtenSegment // by segment, beyond those of base
	dead    map[int]*roaring.Bitmap
	edits   map[int]*edits // by segment of base
	state   []byte         // of the file, to be written; nil: as it was
	stats   Stats
	err     error
}

// writtenSegment remembers the ids of a segment that is in the file but not yet
// committed: sorted hashes, each with its row. 12 bytes an item.
type writtenSegment struct {
	hashes []uint64
	rows   []uint32
	ids    container.Section
	items  int
}

var hashSeed = maphash.MakeSeed()

// An arrival is an item on its way into a segment. One that comes from a file keeps the codes that it has there.
type arrival struct {
	Item
	from *origin
}

// heldValues is how many values (of float32) are held for training: enough for a
// codebook and a mean.
const heldValues = 32 << 20

func (a *appender) add(ctx context.Context, it Item) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.err != nil {
		return a.err
	}
	if err := it.check(a.store.dim, a.store.tokenDim); err != nil {
		return err
	}
	if a.man.Model == "" && len(a.man.Segments) == 0 && len(a.inCur) == 0 {
		a.man.Model = it.Encoding.Model
	}
	if it.Encoding.Model != a.man.Model {
		return fmt.Errorf("item %q: %w", it.ID, modelMismatch(it.Encoding.Model, a.man.Model))
	}
	ok, err := a.makeRoom(ctx, it.ID)
	if err != nil || !ok {
		return a.fail(err)
	}
	return a.fail(a.accept(ctx, &arrival{Item: it}))
}

// accept takes an item that there is room for.
func (a *appender) accept(ctx context.Context, it *arrival) error {
	a.stats.Added++
	a.note(it.ID)
	// Dimensions are fixed by the first item that shows them.
	if a.store.dim == 0 {
		a.store.setDim(len(it.Encoding.Matching))
	}
	if n := it.Encoding.N(); n > 0 && a.store.tokenDim == 0 && a.store.opts.Regions != None {
		a.store.tokenDim = len(it.Encoding.Tokens) / n
	}
	if !a.mustHold(&it.Item) {
		return a.put(ctx, it)
	}
	kept := *it
	if it.from == nil { // the caller may use its memory again
		kept.Encoding, kept.Tags, kept.Meta = it.Encoding.clone(), slices.Clone(it.Tags), slices.Clone(it.Meta)
		kept.State = slices.Clone(it.State)
	}
	a.held = append(a.held, kept)
	a.heldN += len(kept.Encoding.Tokens) + len(kept.Encoding.Matching)
	if a.heldN < heldValues {
		return nil
	}
	return a.release(ctx)
}

// note remembers an id that is not in the file yet.
func (a *appender) note(id string) {
	if !a.once {
		a.inCur[id] = struct{}{}
	}
}

// fail makes errors of the file last; those of an item do not.
func (a *appender) fail(err error) error {
	if err != nil && !errors.Is(err, ErrDuplicate) && !errors.Is(err, ErrNotFound) {
		a.err = err
	}
	return err
}

func modelMismatch(item, index string) error {
	return fmt.Errorf("%w: encoding made by model %q, index holds model %q", ErrModelMismatch, item, index)
}

// mustHold says that an item cannot be encoded before there is more to train on.
func (a *appender) mustHold(it *Item) bool {
	s := a.store
	if len(a.held) > 0 || s.opts.Match == Bits && s.centre == nil {
		return true
	}
	return residual(s.opts.Regions) && s.tokens == nil && it.Encoding.N() > 0
}

// release trains on the held items and encodes them.
func (a *appender) release(ctx context.Context) error {
	if len(a.held) == 0 {
		return nil
	}
	if err := a.store.train(ctx, a.fw, a.held); err != nil {
		return err
	}
	a.heldN = 0
	for len(a.held) > 0 {
		it := a.held[0]
		a.held = a.held[1:]
		if err := a.put(ctx, &it); err != nil {
			return err
		}
	}
	return nil
}

func (a *appender) put(ctx context.Context, it *arrival) error {
	if err := a.openTokens(ctx); err != nil {
		return err
	}
	if err := a.makeCur(ctx, it.ID); err != nil {
		return err
	}
	return a.cur.add(it)
}

// openTokens settles how tokens are coded, where that need not be learned.
func (a *appender) openTokens(ctx context.Context) error {
	if a.store.tokens == nil && a.store.tokenDim > 0 && !residual(a.store.opts.Regions) {
		if err := a.store.trainTokens(ctx, a.fw, nil); err != nil {
			return err
		}
	}
	return nil
}

// makeCur makes room for an item in the current segment.
func (a *appender) makeCur(ctx context.Context, id string) error {
	if a.cur != nil && a.cur.full() {
		if err := a.flush(ctx); err != nil {
			return err
		}
		a.note(id)
		for i := range a.held {
			a.note(a.held[i].ID)
		}
	}
	if a.cur == nil {
		a.cur = newPending(a.fw, a.store)
	}
	return nil
}

// makeRoom looks for an older item of the same id and does with it what the
// options say. It returns false when the new one is to be left out.
func (a *appender) makeRoom(ctx context.Context, id string) (bool, error) {
	_, pending := a.inCur[id]
	if !pending {
		_, _, err := a.find(id)
		if errors.Is(err, ErrNotFound) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	switch a.store.opts.Duplicates {
	case SkipDuplicate:
		a.stats.Skipped++
		return false, nil
	case ReplaceDuplicate:
		a.stats.Replaced++
		return true, a.remove(ctx, id)
	}
	return false, fmt.Errorf("%q: %w", id, ErrDuplicate)
}

// remove deletes an id from whatever holds it.
func (a *appender) remove(ctx context.Context, id string) error {
	if _, ok := a.inCur[id]; ok {
		if err := a.flushAll(ctx); err != nil {
			return err
		}
	}
	seg, row, err := a.find(id)
	if err != nil {
		return err
	}
	rows := a.dead[seg]
	if rows == nil {
		rows = roaring.New()
		if a.base != nil && seg < len(a.base.segments) && a.base.segments[seg].dead != nil {
			rows = a.base.segments[seg].dead.Clone()
		}
		a.dead[seg] = rows
	}
	rows.Add(row)
	return nil
}

// find looks an id up in all written segments. It does not see cur and held.
func (a *appender) find(id string) (seg int, row uint32, err error) {
	n := 0
	if a.base != nil {
		n = len(a.base.segments)
		for i := range slices.Backward(a.base.segments) {
			row, ok, err := a.base.segments[i].find(id)
			if err != nil {
				return 0, 0, err
			}
			if !ok {
				continue
			}
			// a.dead, where present, includes what was dead before.
			if d := a.dead[i]; d != nil && !d.Contains(row) || d == nil && a.base.segments[i].isLive(row) {
				return i, row, nil
			}
		}
	}
	h := maphash.String(hashSeed, id)
	for i := range a.written {
		row, ok, err := a.written[i].find(a.fw, h, id)
		if err != nil {
			return 0, 0, err
		}
		if ok && (a.dead[n+i] == nil || !a.dead[n+i].Contains(row)) {
			return n + i, row, nil
		}
	}
	return 0, 0, fmt.Errorf("%q: %w", id, ErrNotFound)
}

func (w *writtenSegment) find(fw *container.Writer, h uint64, id string) (uint32, bool, error) {
	i, ok := slices.BinarySearch(w.hashes, h)
	for ; ok && i < len(w.hashes) && w.hashes[i] == h; i++ {
		var b [8]byte
		if err := fw.ReadAt(b[:], w.ids.Offset+4*int64(w.rows[i])); err != nil {
			return 0, false, err
		}
		from, to := binary.LittleEndian.Uint32(b[:]), binary.LittleEndian.Uint32(b[4:])
		if int(to-from) != len(id) {
			continue
		}
		got := make([]byte, len(id))
		if err := fw.ReadAt(got, w.ids.Offset+4*int64(w.items+1)+int64(from)); err != nil {
			return 0, false, err
		}
		if string(got) == id {
			return w.rows[i], true, nil
		}
	}
	return 0, false, nil
}

// flushAll writes held and pending items to the file.
func (a *appender) flushAll(ctx context.Context) error {
	if err := a.release(ctx); err != nil {
		return err
	}
	return a.flush(ctx)
}

// flush ends the current segment.
func (a *appender) flush(ctx context.Context) error {
	if a.cur == nil {
		return nil
	}
	p := a.cur
	a.cur = nil
	seg, rowOf, err := p.finish(ctx)
	if err != nil {
		return err
	}
	a.man.Segments = append(a.man.Segments, seg)
	if a.once {
		return nil
	}
	w := writtenSegment{items: len(p.ids), hashes: make([]uint64, len(p.ids)), rows: make([]uint32, len(p.ids))}
	w.ids, _ = seg.Section(format.KindID)
	type entry struct {
		hash uint64
		row  uint32
	}
	entries := make([]entry, len(p.ids))
	for i, id := range p.ids {
		entries[i] = entry{maphash.String(hashSeed, id), rowOf[i]}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.hash, b.hash) })
	for i, e := range entries {
		w.hashes[i], w.rows[i] = e.hash, e.row
	}
	a.written = append(a.written, w)
	clear(a.inCur)
	return nil
}

// commit writes all that is pending and makes it current.
func (a *appender) commit(ctx context.Context) error {
	if err := cmp.Or(a.err, ctx.Err()); err != nil {
		return err
	}
	if err := a.flushAll(ctx); err != nil {
		return a.fail(err)
	}
	if err := a.mergeSmall(ctx); err != nil {
		return a.fail(err)
	}
	for _, i := range slices.Sorted(maps.Keys(a.edits)) {
		if d := a.dead[i]; d != nil && int(d.GetCardinality()) == a.man.Segments[i].Items {
			continue // the whole segment goes
		}
		if err := a.edits[i].write(a.fw, a.base.segments[i], &a.man.Segments[i]); err != nil {
			return a.fail(err)
		}
	}
	if err := a.store.setState(a.fw, a.state); err != nil {
		return a.fail(err)
	}
	for _, i := range slices.Sorted(maps.Keys(a.dead)) {
		if err := a.writeTombstones(i, a.dead[i]); err != nil {
			return a.fail(err)
		}
	}
	a.man.Segments = slices.DeleteFunc(a.man.Segments, func(s container.Segment) bool { return s.Deleted == s.Items })
	a.man.Dim, a.man.TokenDim = a.store.dim, a.store.tokenDim
	a.man.Shared = a.store.shared
	if err := a.fw.Commit(a.man); err != nil {
		return a.fail(err)
	}
	a.dead, a.edits, a.state = make(map[int]*roaring.Bitmap), make(map[int]*edits), nil
	a.written = nil
	return nil
}

func (a *appender) writeTombstones(i int, rows *roaring.Bitmap) error {
	seg := &a.man.Segments[i]
	seg.Deleted = int(rows.GetCardinality())
	seg.Sections = slices.DeleteFunc(slices.Clone(seg.Sections), func(s container.Section) bool { return s.Kind == format.KindTombstone })
	if seg.Deleted == seg.Items {
		return nil // the whole segment goes
	}
	b, err := rowsToBytes(rows)
	if err != nil {
		return err
	}
	s, err := a.fw.Append(format.KindTombstone, 0, b)
	seg.Sections = append(seg.Sections, s)
	return err
}

func (e *Encoding) clone() *Encoding {
	c := *e
	c.Matching = slices.Clone(e.Matching)
	c.Tokens = slices.Clone(e.Tokens)
	c.Weights = slices.Clone(e.Weights)
	c.Words = slices.Clone(e.Words)
	c.Boxes = slices.Clone(e.Boxes)
	c.Labels = slices.Clone(e.Labels)
	return &c
}
