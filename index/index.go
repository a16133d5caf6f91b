package index

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
)

// Index is an open index file. All methods are safe for concurrent use.
type Index struct {
	path string
	opts Options

	items atomic.Int64
	model atomic.Pointer[string]

	mu      sync.Mutex
	snap    *snapshot   // nil when closed
	retired []*snapshot // replaced by Refresh, perhaps still in use
}

// Open opens an index file for searching. It takes milliseconds whatever the
// file's size: the file is mapped, not read.
func Open(path string, opts *Options) (*Index, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	sn, err := openSnapshot(o.FS, path, o.CacheBytes)
	if err != nil {
		return nil, err
	}
	ix := &Index{path: path, opts: o, snap: sn}
	ix.describe(sn)
	if m := sn.r.Manifest().Model; o.Model != "" && m != o.Model {
		sn.release()
		return nil, fmt.Errorf("%s: %w: asked for model %q, index holds model %q", path, ErrModelMismatch, o.Model, m)
	}
	return ix, nil
}

// describe notes what Len and Model return.
func (ix *Index) describe(sn *snapshot) {
	ix.items.Store(int64(sn.items))
	ix.model.Store(&sn.r.Manifest().Model)
}

// Refresh moves the index on to the file's current commit and reports whether
// there was a newer one, or another file in its place: a damaged one that was put
// right has the same commit. Calls that are under way finish on the commit that
// they began with.
func (ix *Index) Refresh(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	sn, err := ix.acquire()
	if err != nil {
		return false, err
	}
	changed, err := sn.r.Changed(ix.opts.FS)
	sn.release()
	if err != nil || !changed {
		return false, err
	}
	next, err := openSnapshot(ix.opts.FS, ix.path, ix.opts.CacheBytes)
	if err != nil {
		return false, err
	}
	if a, b := sn.r.Manifest().Model, next.r.Manifest().Model; ix.opts.Model != "" && a != b {
		next.release()
		return false, fmt.Errorf("%s: %w: opened with model %q, now holds model %q", ix.path, ErrModelMismatch, a, b)
	}
	ix.mu.Lock()
	if ix.snap == nil {
		ix.mu.Unlock()
		next.release()
		return false, fmt.Errorf("%s: %w", ix.path, ErrClosed)
	}
	last := ix.snap
	ix.snap = next
	ix.describe(next)
	ix.retired = append(slices.DeleteFunc(ix.retired, (*snapshot).gone), last)
	ix.mu.Unlock()
	last.release()
	return true, nil
}

// gone says that nobody uses the snapshot any more.
func (sn *snapshot) gone() bool {
	select {
	case <-sn.closed:
		return true
	default:
		return false
	}
}

// Close waits for calls that are under way and unmaps the file.
func (ix *Index) Close() error {
	ix.mu.Lock()
	sn, retired := ix.snap, ix.retired
	ix.snap, ix.retired = nil, nil
	ix.mu.Unlock()
	if sn == nil {
		return nil
	}
	sn.release()
	for _, s := range retired {
		<-s.closed
	}
	<-sn.closed
	return sn.err
}

func (ix *Index) acquire() (*snapshot, error) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if ix.snap == nil || !ix.snap.acquire() {
		return nil, fmt.Errorf("%s: %w", ix.path, ErrClosed)
	}
	return ix.snap, nil
}

// view runs f on the current snapshot, which stays mapped until f returns.
func (ix *Index) view(f func(*snapshot) error) error {
	sn, err := ix.acquire()
	if err != nil {
		return err
	}
	defer sn.release()
	if err := sn.r.CheckSize(); err != nil {
		return err
	}
	return guard(ix.path, func() error { return f(sn) })
}

// viewCtx is view unless ctx is done.
func (ix *Index) viewCtx(ctx context.Context, f func(*snapshot) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return ix.view(f)
}

// Len is the number of items, of the last commit that was looked at once the
// Index is closed.
func (ix *Index) Len() int { return int(ix.items.Load()) }

// Model is the fingerprint of the model whose encodings the index holds. It
// stays what it is once the Index is closed.
func (ix *Index) Model() string { return *ix.model.Load() }

// Item returns what is stored of an item. Its encoding is what the codecs left of
// the one that was added: values differ from it by their precision.
func (ix *Index) Item(ctx context.Context, id string) (*Item, error) {
	var it *Item
	err := ix.viewCtx(ctx, func(sn *snapshot) error {
		at, err := sn.find(id)
		if err != nil {
			return err
		}
		it, err = sn.item(at.seg, at.row)
		return err
	})
	return it, err
}

// Fields returns what is stored of an item besides its encoding.
func (ix *Index) Fields(ctx context.Context, id string) (*Fields, error) {
	var f *Fields
	err := ix.viewCtx(ctx, func(sn *snapshot) error {
		at, err := sn.find(id)
		if err != nil {
			return err
		}
		f, err = sn.fields(at)
		return err
	})
	return f, err
}

func (sn *snapshot) fields(at location) (*Fields, error) {
	rec, err := sn.record(at.seg, at.row)
	if err != nil {
		return nil, err
	}
	f := &Fields{Kind: sn.segments[at.seg].kind(at.row), Text: rec.text, Meta: rec.meta}
	state, err := sn.segments[at.seg].state(at.row)
	if err != nil {
		return nil, err
	}
	f.State = slices.Clone(state)
	f.Tags, err = sn.segments[at.seg].tagsOf(at.row)
	return f, err
}

// IDs yields the ids of all items, in ascending order within each segment. It
// holds the snapshot that it began with until it ends.
func (ix *Index) IDs(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for r, err := range ix.each(ctx, func(*segment, *ItemState, int) error { return nil }) {
			if !yield(r.ID, err) {
				return
			}
		}
	}
}

// An ItemState is what a program remembers of an item; see Item.State.
type ItemState struct {
	ID    string
	Kind  Kind
	State []byte
}

// States yields the states of all items, in the order of IDs, without a look at anything else of them.
func (ix *Index) States(ctx context.Context) iter.Seq2[ItemState, error] {
	return ix.each(ctx, func(s *segment, it *ItemState, row int) error {
		state, err := s.state(row)
		it.Kind, it.State = s.kind(row), slices.Clone(state)
		return err
	})
}

// each yields all live items with their ids and what fill adds.
func (ix *Index) each(ctx context.Context, fill func(s *segment, it *ItemState, row int) error) iter.Seq2[ItemState, error] {
	return func(yield func(ItemState, error) bool) {
		sn, err := ix.acquire()
		if err != nil {
			yield(ItemState{}, err)
			return
		}
		defer sn.release()
		for _, s := range sn.segments {
			for i := range s.n {
				var it ItemState
				live := false
				err := guard(ix.path, func() error {
					row, err := s.byID(i)
					if err == nil {
						err = ctx.Err()
					}
					if err != nil || !s.isLive(uint32(row)) {
						return err
					}
					live = true
					b, err := s.id(row)
					if err != nil {
						return err
					}
					it.ID = string(b)
					return fill(s, &it, row)
				})
				if (live || err != nil) && (!yield(it, err) || err != nil) {
					return
				}
			}
		}
	}
}

// Verify reads the whole file as of this commit and compares every byte with its checksum. The error joins all
// damages found, each with its offset, and matches [ErrCorrupt].
func (ix *Index) Verify(ctx context.Context, progress func(done, total int64)) error {
	return ix.view(func(sn *snapshot) error { return sn.r.Verify(ctx, progress) })
}

func (sn *snapshot) item(seg, row int) (*Item, error) {
	it, err := sn.untagged(seg, row)
	if err != nil {
		return nil, err
	}
	it.Tags, err = sn.segments[seg].tagsOf(row)
	return it, err
}

// untagged is item without its tags.
func (sn *snapshot) untagged(seg, row int) (*Item, error) {
	s := sn.segments[seg]
	id, err := s.id(row)
	if err != nil {
		return nil, err
	}
	rec, err := sn.record(seg, row)
	if err != nil {
		return nil, err
	}
	e := &Encoding{Kind: s.kind(row), Model: sn.r.Manifest().Model, Text: rec.text}
	e.Matching = make([]float32, s.store.dim)
	s.matching(e.Matching, row)
	if err := s.decodeTokens(e, row, rec.words); err != nil {
		return nil, err
	}
	state, err := s.state(row)
	if err != nil {
		return nil, err
	}
	return &Item{ID: string(id), Encoding: e, Meta: rec.meta, State: slices.Clone(state)}, nil
}

func (s *segment) decodeTokens(e *Encoding, row int, words []Word) error {
	block, first, n, err := s.block(row)
	if err != nil || n == 0 {
		return err
	}
	d := s.store.tokenDim
	e.Tokens = make([]float32, n*d)
	e.Weights = make([]float32, n)
	for i := range n {
		takesPart := s.store.tokens.Decode(e.Tokens[i*d:(i+1)*d], block, i)
		switch {
		case !takesPart:
		case s.weights != nil:
			e.Weights[i] = s.weights[first+i]
		default:
			e.Weights[i] = 1
		}
	}
	if len(words) == n {
		e.Words = words
	}
	if e.Kind == Caption {
		return nil
	}
	e.Boxes, e.Labels = make([]Box, n), make([]string, n)
	for i := range n {
		e.Boxes[i] = s.box(first + i)
		if e.Labels[i], err = s.label(first + i); err != nil {
			return err
		}
	}
	return nil
}

// tagsOf looks through all tags: fine for one item.
func (s *segment) tagsOf(row int) ([]string, error) {
	var tags []string
	for i := range s.tags.len() {
		rows, err := s.tagged(i)
		if err != nil {
			return nil, err
		}
		if rows.Contains(uint32(row)) {
			b, err := s.tags.at(i)
			if err != nil {
				return nil, err
			}
			tags = append(tags, string(b))
		}
	}
	return tags, nil
}
