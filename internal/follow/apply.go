package follow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
)

// apply does what is planned.
func (r *run) apply(ctx context.Context) error {
	r.committed = time.Now()
	if err := r.setState(ctx); err != nil {
		return err
	}
	p := &r.plan
	for _, k := range p.remove {
		if err := r.w.Delete(ctx, k.id); err != nil {
			return err
		}
		r.sum.Removed++
		r.uncommitted++
	}
	for i, k := range p.touch {
		if k.file.root.XMP && !k.described {
			r.Progress("reading metadata", i, len(p.touch))
		}
		if err := r.update(ctx, k, k.file); err != nil {
			if ctx.Err() != nil {
				break // what is done is kept
			}
			return err
		}
	}
	if ctx.Err() == nil {
		if err := r.move(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
	if err := r.commit(ctx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.encode(ctx)
}

// setState remembers the roots, if they are not what they were.
func (r *run) setState(ctx context.Context) error {
	state, err := r.state()
	if err != nil {
		return err
	}
	info, err := r.ix.Info(ctx)
	if err != nil || bytes.Equal(state, info.State) {
		return err
	}
	r.uncommitted++
	return r.w.SetState(state)
}

// commit makes what was done durable, if anything was.
func (r *run) commit(ctx context.Context) error {
	if r.uncommitted == 0 {
		return nil
	}
	r.uncommitted, r.committed = 0, time.Now()
	if err := r.w.Commit(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	if r.Committed != nil {
		r.Committed()
	}
	return nil
}

// update writes what is to be remembered of a photo that is now in file f.
func (r *run) update(ctx context.Context, k *known, f *file) error {
	s := *f.stamp
	s.described, s.keywords = k.described, k.keywords
	var said *description
	if f.root.XMP && !k.described {
		said = describe(f.path)
	}
	r.uncommitted++
	return r.w.Update(ctx, k.id, func(fields *index.Fields) {
		said.apply(fields, &s)
		fields.State = s.append(nil)
	})
}

// A rename is one to be done.
type rename struct{ from, to string }

// move gives moved photos their ids. One that moves to where another moves away comes after it; in a circle, one
// goes by way of a third id.
func (r *run) move(ctx context.Context) error {
	moving := make(map[string]*rename, len(r.plan.moves)) // by from
	waits := make(map[string]*rename)                     // by to, which is taken by one that moves
	var ready, late []*rename
	for _, k := range r.plan.moves {
		if err := r.update(ctx, k, k.to); err != nil {
			return err
		}
		moving[k.id] = &rename{k.id, k.to.id}
	}
	for _, k := range r.plan.moves {
		m := moving[k.id]
		if moving[m.to] != nil {
			waits[m.to] = m
		} else {
			ready = append(ready, m)
		}
	}
	do := func() error {
		for len(ready) > 0 {
			m := ready[len(ready)-1]
			ready = ready[:len(ready)-1]
			if err := r.w.Rename(ctx, m.from, m.to); err != nil {
				return err
			}
			if next := waits[m.from]; next != nil {
				delete(waits, m.from)
				ready = append(ready, next)
			}
		}
		return nil
	}
	if err := do(); err != nil {
		return err
	}
	for _, k := range r.plan.moves {
		if m := waits[k.to.id]; m != nil { // one of a circle
			delete(waits, m.to)
			aside := &rename{m.from, m.from + "\x00"}
			ready = append(ready, aside)
			late = append(late, &rename{aside.to, m.to})
			if err := do(); err != nil {
				return err
			}
		}
	}
	if len(late) > 0 {
		if err := r.commit(ctx); err != nil { // what was renamed can be renamed again once that is committed
			return err
		}
		ready, waits = late, nil
		r.uncommitted += len(late)
		if err := do(); err != nil {
			return err
		}
	}
	r.sum.Moved += len(r.plan.moves)
	return nil
}

// job is a photo to be encoded.
type job struct {
	*file
	old  *index.Fields // of the item that it takes the place of
	said *description
}

// queue are the jobs that were handed out and have not come back.
type queue struct {
	mu   sync.Mutex
	jobs []*job
}

func (q *queue) push(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = append(q.jobs, j)
}

func (q *queue) pop() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := q.jobs[0]
	q.jobs = q.jobs[1:]
	return j
}

// encode encodes what is new or changed.
func (r *run) encode(ctx context.Context) error {
	total := len(r.plan.change) + len(r.plan.add)
	if total == 0 {
		return nil
	}
	jobs := make([]*job, 0, total)
	for _, f := range r.plan.change {
		old, err := r.ix.Fields(ctx, f.id)
		if err != nil {
			return err
		}
		jobs = append(jobs, &job{file: f, old: old})
	}
	for _, f := range r.plan.add {
		jobs = append(jobs, &job{file: f})
	}
	var q queue
	done := 0
	r.Progress("encoding photos", 0, total)
	err := r.encoded(ctx, r.inputs(jobs, &q), &q, func() {
		done++
		r.Progress("encoding photos", done, total)
	})
	return errors.Join(err, r.commit(ctx))
}

// inputs hands photos out, those that can be read.
func (r *run) inputs(jobs []*job, q *queue) iter.Seq[aladin.Input] {
	return func(yield func(aladin.Input) bool) {
		for _, j := range jobs {
			if !r.read(j.file) {
				continue
			}
			if j.root.XMP {
				j.said = describe(j.path)
			}
			q.push(j)
			if !yield(aladin.ImageFile(j.path)) {
				return
			}
		}
	}
}

// encoded adds what comes back.
func (r *run) encoded(ctx context.Context, inputs iter.Seq[aladin.Input], q *queue, done func()) error {
	whole := context.WithoutCancel(ctx)
	for enc, err := range r.enc.EncodeSeq(ctx, inputs) {
		var bad *aladin.InputError
		switch {
		case errors.As(err, &bad):
			r.unreadable(q.pop().id, bad.Err)
			done()
			continue
		case err != nil:
			return err
		}
		j := q.pop()
		if err := r.w.Add(whole, j.item(enc)); errors.Is(err, index.ErrInvalid) {
			r.unreadable(j.id, err)
			done()
			continue
		} else if err != nil {
			return fmt.Errorf("%s: %w", j.id, err)
		}
		if j.old != nil {
			r.sum.Changed++
		} else {
			r.sum.Added++
		}
		r.uncommitted++
		done()
		if r.uncommitted >= r.CommitItems || time.Since(r.committed) >= r.CommitTime {
			if err := r.commit(ctx); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// item is what the index gets.
func (j *job) item(enc *aladin.Encoding) index.Item {
	s := *j.stamp
	fields := index.Fields{}
	if j.old != nil {
		fields = *j.old
		if before, ok := parseStamp(j.old.State); ok {
			s.keywords = before.keywords
		}
	}
	j.said.apply(&fields, &s)
	it := index.Item{ID: j.id, Encoding: enc, Tags: fields.Tags, Meta: fields.Meta, State: s.append(nil)}
	if j.said != nil {
		enc.Text = fields.Text
	}
	return it
}
