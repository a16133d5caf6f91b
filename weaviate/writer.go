package weaviate

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aladin-go/aladin/index"
)

// ErrNotWritten is returned when items could not be written or deleted after some tries. A WriteError names them.
var ErrNotWritten = errors.New("not written")

// A WriteError names items that were not written. All others were.
type WriteError struct {
	IDs []string
	Err error // why; of the last of them
}

// Error implements error.
func (e *WriteError) Error() string {
	const named = 5
	names := make([]string, 0, named)
	for _, id := range e.IDs[:min(len(e.IDs), named)] {
		names = append(names, fmt.Sprintf("%.100q", id))
	}
	more := ""
	if n := len(e.IDs) - named; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%d items %v: %s%s: %v", len(e.IDs), ErrNotWritten, strings.Join(names, ", "), more, e.Err)
}

// Unwrap gives ErrNotWritten and the reason.
func (e *WriteError) Unwrap() []error { return []error{ErrNotWritten, e.Err} }

// How items travel.
const (
	batchItems = 128
	batchBytes = 8 << 20
	inFlight   = 4 // batches at a time
	tries      = 6 // of a batch; the pauses between them double and are 6 s together
	firstPause = 200 * time.Millisecond
)

// A Writer changes a collection. Changes may be seen at once, and are certain to be kept by a quorum of replicas when
// Commit has returned without an error. Many Writers may work at the same time; of two that write one item, the
// last wins. A Writer is not safe for concurrent use.
type Writer struct {
	c       *Collection
	pending []*entry
	bytes   int
	busy    map[string]bool // ids that are pending or under way
	stats   index.Stats
	slots   chan struct{}
	flights sync.WaitGroup

	mu  sync.Mutex
	err error // of batches under way
}

// entry is an object on its way.
type entry struct {
	id      string
	message []byte
}

// Writer makes a Writer of the collection.
func (c *Collection) Writer() *Writer {
	return &Writer{c: c, busy: map[string]bool{}, slots: make(chan struct{}, inFlight)}
}

// Add adds an item of the collection's model, or replaces the one of its id.
func (w *Writer) Add(ctx context.Context, it index.Item) error {
	p, err := w.c.layout.Pack(&it)
	if err != nil {
		return err
	}
	return w.AddPacked(ctx, p)
}

// AddPacked is Add for an item that the collection's [index.Layout] packed.
func (w *Writer) AddPacked(ctx context.Context, p *index.Packed) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := object{
		uuid: itemUUID(p.ID), vector: p.Matching,
		texts: map[string]string{
			propKey: p.ID, propKind: p.Kind.String(),
			propCodes: base64.StdEncoding.EncodeToString(p.Codes), propRest: base64.StdEncoding.EncodeToString(p.Rest),
		},
		lists: map[string][]string{propTags: slices.Clone(p.Tags)},
	}
	for i, t := range p.Tags {
		o.lists[propTags][i] = encodeTag(t)
	}
	if w.busy[p.ID] { // in the order of the calls
		if err := w.settle(ctx); err != nil {
			return err
		}
	}
	w.put(&entry{p.ID, o.encode(w.c.a.class)})
	w.stats.Added++
	if len(w.pending) >= batchItems || w.bytes >= batchBytes {
		return w.send(ctx)
	}
	return nil
}

func (w *Writer) put(e *entry) {
	w.busy[e.id] = true
	w.pending, w.bytes = append(w.pending, e), w.bytes+len(e.message)
}

// send sends what is pending, when fewer batches than inFlight are under way.
func (w *Writer) send(ctx context.Context) error {
	batch := w.pending
	w.pending, w.bytes = nil, 0
	if len(batch) == 0 {
		return nil
	}
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	w.flights.Go(func() {
		defer func() { <-w.slots }()
		if err := w.c.write(ctx, batch); err != nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.err = errors.Join(w.err, err)
		}
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// settle sends what is pending and waits for all that is under way.
func (w *Writer) settle(ctx context.Context) error {
	err := w.send(ctx)
	w.flights.Wait()
	clear(w.busy)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		err, w.err = w.err, nil
	}
	return err
}

// Commit waits until all changes are acknowledged. The error names those that are not; the Writer can go on.
func (w *Writer) Commit(ctx context.Context) error { return w.settle(ctx) }

// Stats counts what was changed. Nobody looks whether an added item replaces one.
func (w *Writer) Stats() index.Stats { return w.stats }

// Close waits for batches under way. Changes since the last Commit may be kept or lost.
func (w *Writer) Close() error {
	w.pending = nil
	w.flights.Wait()
	return nil
}

// Delete deletes an item.
func (w *Writer) Delete(ctx context.Context, id string) error {
	if err := w.settle(ctx); err != nil {
		return err
	}
	if _, err := w.c.packed(ctx, id); err != nil {
		return err
	}
	err := w.c.again(ctx, func() error {
		return w.c.ask(ctx, "BatchDelete", deleteRequest(w.c.a.class, anyOf(propUUID, uuids([]string{id}))), func(reply []byte) error {
			_, failed, err := decodeDelete(reply)
			if err == nil && len(failed) > 0 {
				err = &nodeError{node: w.c.a.name, err: errors.New(failed[0])}
			}
			return err
		})
	})
	if err != nil {
		return &WriteError{[]string{id}, err}
	}
	w.stats.Deleted++
	return nil
}

// Update changes what is stored with an item besides its encoding, as [index.Writer.Update] does.
func (w *Writer) Update(ctx context.Context, id string, change func(*index.Fields)) error {
	if w.busy[id] {
		if err := w.settle(ctx); err != nil {
			return err
		}
	}
	p, err := w.c.packed(ctx, id, propCodes, propRest)
	if err != nil {
		return err
	}
	tags, rest := p.Tags, p.Rest
	if err := w.c.layout.Update(p, change); err != nil {
		return err
	}
	if slices.Equal(tags, p.Tags) && string(rest) == string(p.Rest) {
		return nil
	}
	it, err := w.c.layout.Unpack(p)
	if err != nil {
		return err
	}
	p.Matching = it.Encoding.Matching
	if err := w.AddPacked(ctx, p); err != nil {
		return err
	}
	w.stats.Added--
	w.stats.Updated++
	return nil
}

// write writes objects. Those that failed are written again, because writing twice is writing once.
func (c *Collection) write(ctx context.Context, batch []*entry) error {
	err := c.again(ctx, func() error {
		messages := make([][]byte, len(batch))
		for i, e := range batch {
			messages[i] = e.message
		}
		var failed map[int]string
		err := c.ask(ctx, "BatchObjects", batchRequest(messages), func(reply []byte) (err error) {
			failed, err = decodeBatch(reply, len(batch))
			return err
		})
		if err != nil || len(failed) == 0 {
			return err
		}
		at := slices.Sorted(maps.Keys(failed))
		var left []*entry
		for _, i := range at {
			left = append(left, batch[i])
		}
		batch = left
		return &nodeError{node: c.a.name, err: errors.New(failed[at[len(at)-1]])}
	})
	if err == nil {
		return nil
	}
	e := &WriteError{Err: err}
	for _, o := range batch {
		e.IDs = append(e.IDs, o.id)
	}
	return e
}

// again does what may fail for a moment, as when a node goes or comes.
func (c *Collection) again(ctx context.Context, do func() error) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := do()
		if err == nil || try == tries || !elsewhere(ctx, err) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
		pause *= 2
	}
}
