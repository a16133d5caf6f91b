// Package batch lets concurrent callers share runs of something that does many things at once more cheaply
// than one by one, such as a network on a GPU.
//
// There is no timer: who comes while nothing runs is run at once and alone; who comes meanwhile waits for
// that run to end, and then goes together with all others that wait, first come first served, as far as a
// run may hold. So a queue adds nothing to the time of a lonely caller, and no goroutine of its own: a run
// happens on the goroutine of one of its callers.
package batch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// errPanic is what those get whose run panicked on another's goroutine.
var errPanic = errors.New("batch: the run that this was part of panicked")

// A Queue runs one batch at a time. It is safe for concurrent use.
type Queue[T any] struct {
	run func(context.Context, []T) error

	mu      sync.Mutex
	busy    bool
	waiting []*ticket[T] // in the order they came
}

// A ticket is a caller's place in the queue.
type ticket[T any] struct {
	ctx   context.Context
	items []T
	lead  bool          // it is this one's turn to run
	err   error         // else it has been run
	woken chan struct{} // closed when one of both is so
}

// NewQueue makes a queue for run, which is told the items of one or more callers. Its context ends when those
// of all of them have ended; its error goes to all.
func NewQueue[T any](run func(context.Context, []T) error) *Queue[T] {
	return &Queue[T]{run: run}
}

// Do runs items, perhaps with those of others, at most limit together: so many a call may have, too, or it
// runs alone. When ctx ends while it waits it returns at once; once its run has begun, it stays until that
// ends, because the items are in use.
func (q *Queue[T]) Do(ctx context.Context, limit int, items []T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &ticket[T]{ctx: ctx, items: items, woken: make(chan struct{})}
	q.mu.Lock()
	if !q.busy {
		q.busy, t.lead = true, true
		q.mu.Unlock()
		return q.leads(t, limit)
	}
	q.waiting = append(q.waiting, t)
	q.mu.Unlock()
	select {
	case <-t.woken:
	case <-ctx.Done():
		if q.leave(t) {
			return ctx.Err()
		}
		<-t.woken
	}
	if t.lead {
		return q.leads(t, limit)
	}
	return t.result()
}

// leave takes a ticket out of the queue, if it still waits.
func (q *Queue[T]) leave(t *ticket[T]) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, t)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// leads runs t with those who wait and fit, and then wakes the next.
func (q *Queue[T]) leads(t *ticket[T], limit int) error {
	group, items := []*ticket[T]{t}, t.items
	q.mu.Lock()
	for len(q.waiting) > 0 && len(items)+len(q.waiting[0].items) <= limit {
		next := q.waiting[0]
		q.waiting = q.waiting[1:]
		group = append(group, next)
		if len(group) == 2 {
			items = slices.Clone(items) // the caller's own
		}
		items = append(items, next.items...)
	}
	q.mu.Unlock()
	err := errPanic
	defer func() {
		for _, g := range group[1:] {
			g.err = err
			close(g.woken)
		}
		q.pass()
	}()
	ctx, stop := together(group)
	defer stop()
	err = q.run(ctx, items)
	t.err = err
	return t.result()
}

// pass gives the turn to the first who waits.
func (q *Queue[T]) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.busy = false
		return
	}
	next := q.waiting[0]
	q.waiting = q.waiting[1:]
	next.lead = true
	close(next.woken)
}

// result is what a caller is told: of a run that failed after its context ended, that it ended.
func (t *ticket[T]) result() error {
	if t.err != nil && t.ctx.Err() != nil {
		return t.ctx.Err()
	}
	return t.err
}

// together is a context that ends when those of all in the group have ended.
func together[T any](group []*ticket[T]) (context.Context, func()) {
	if len(group) == 1 {
		return group[0].ctx, func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(group[0].ctx))
	var left atomic.Int64
	left.Store(int64(len(group)))
	stops := make([]func() bool, len(group))
	for i, g := range group {
		stops[i] = context.AfterFunc(g.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}
