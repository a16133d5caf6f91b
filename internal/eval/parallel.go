package eval

import (
	"context"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Options are common to the functions that go over all scores.
type Options struct {
	Threads  int                   // 0 means GOMAXPROCS; the results do not depend on it
	Progress func(done, total int) // called now and then with the rows or queries done; may be nil
	// Optimistic counts only answers with a higher score before the first right one, so that a tie is decided in
	// the model's favour. Without it, of equal scores the lower index comes first.
	Optimistic bool
}

func (o *Options) optimistic() bool { return o != nil && o.Optimistic }

func (o *Options) threads() int {
	if o == nil || o.Threads <= 0 {
		return runtime.GOMAXPROCS(0)
	}
	return o.Threads
}

func (o *Options) progress(done, total int) {
	if o != nil && o.Progress != nil {
		o.Progress(done, total)
	}
}

// parallel cuts 0…n into runs of step and hands them to workers. Each worker is made by its own call
// of worker, so that it may keep scratch memory. Progress is reported from one goroutine at a time
// only as far as the callback itself is safe for that: calls may come from any of them.
func parallel(ctx context.Context, o *Options, n, step int, worker func() func(from, to int) error) error {
	var next, done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(o.threads(), max(1, (n+step-1)/step)) {
		g.Go(func() error {
			work := worker()
			for {
				from := int(next.Add(int64(step))) - step
				if from >= n {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				to := min(from+step, n)
				if err := work(from, to); err != nil {
					return err
				}
				o.progress(int(done.Add(int64(to-from))), n)
			}
		})
	}
	return g.Wait()
}
