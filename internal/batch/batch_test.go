package batch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log records the runs of a queue, each of which takes a second of the bubble's clock.
type log struct {
	mu   sync.Mutex
	runs [][]int
	err  error
}

func (l *log) run(ctx context.Context, items []int) error {
	l.mu.Lock()
	l.runs = append(l.runs, slices.Clone(items))
	err := l.err
	l.mu.Unlock()
	select {
	case <-time.After(time.Second):
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The first runs alone and at once; those who come meanwhile go together, in order, as many as may.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		q := NewQueue(l.run)
		began := time.Now()
		var wg sync.WaitGroup
		for _, items := range [][]int{{1}, {2, 3}, {4}, {5, 6, 7, 8, 9}, {10}, {11}, {12, 13, 14, 15, 16, 17}} {
			wg.Go(func() { assert.NoError(t, q.Do(t.Context(), 4, items)) })
			synctest.Wait()
		}
		wg.Wait()
		assert.Equal(t, [][]int{{1}, {2, 3, 4}, {5, 6, 7, 8, 9}, {10, 11}, {12, 13, 14, 15, 16, 17}}, l.runs)
		assert.Equal(t, 5*time.Second, time.Since(began))
		require.NoError(t, q.Do(t.Context(), 4, []int{18}), "idle again")
		assert.Equal(t, []int{18}, l.runs[5])
	})
}

// One who goes away while waiting goes at once; in a run it takes nobody else along.
func TestQueueContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		q := NewQueue(l.run)
		var wg sync.WaitGroup
		do := func(ctx context.Context, item int, want error, after time.Duration) {
			began := time.Now()
			wg.Go(func() {
				assert.ErrorIs(t, q.Do(ctx, 9, []int{item}), want)
				assert.Equal(t, after, time.Since(began), "item %d", item)
			})
			synctest.Wait()
		}
		soon, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer stop()
		later, stopLater := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer stopLater()
		do(t.Context(), 1, nil, time.Second)
		do(soon, 2, context.DeadlineExceeded, 500*time.Millisecond) // waits in vain
		do(later, 3, nil, 2*time.Second)                            // ends within the run, whose result is there
		do(t.Context(), 4, nil, 2*time.Second)
		wg.Wait()
		assert.Equal(t, [][]int{{1}, {3, 4}}, l.runs)

		// When all have gone, the run ends.
		l.runs = nil
		gone, stopGone := context.WithTimeout(t.Context(), 1200*time.Millisecond)
		defer stopGone()
		last, stopLast := context.WithTimeout(t.Context(), 1400*time.Millisecond)
		defer stopLast()
		do(t.Context(), 1, nil, time.Second)
		do(gone, 2, context.DeadlineExceeded, 1400*time.Millisecond)
		do(last, 3, context.DeadlineExceeded, 1400*time.Millisecond)
		wg.Wait()
		assert.Len(t, l.runs, 2)

		ended, end := context.WithCancel(t.Context())
		end()
		assert.ErrorIs(t, q.Do(ended, 9, []int{5}), context.Canceled)
	})
}

func TestQueueErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := log{err: errors.New("no memory")}
		q := NewQueue(l.run)
		var failed atomic.Int64
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if err := q.Do(t.Context(), 9, []int{i}); errors.Is(err, l.err) {
					failed.Add(1)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		assert.EqualValues(t, 4, failed.Load())
		assert.Len(t, l.runs, 2)
	})
}

// A run that panics does not leave the others waiting for ever.
func TestQueuePanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		q := NewQueue(func(context.Context, []int) error {
			time.Sleep(time.Second)
			if first {
				first = false
				return nil
			}
			panic("bug")
		})
		var wg sync.WaitGroup
		wg.Go(func() { assert.NoError(t, q.Do(t.Context(), 9, []int{1})) })
		synctest.Wait()
		wg.Go(func() { assert.Panics(t, func() { _ = q.Do(t.Context(), 9, []int{2}) }) })
		synctest.Wait()
		wg.Go(func() { assert.ErrorIs(t, q.Do(t.Context(), 9, []int{3}), errPanic) })
		wg.Wait()
		assert.False(t, q.busy)
	})
}

// Everybody gets their own result, whoever ran it.
func TestQueueConcurrent(t *testing.T) {
	type item struct{ in, out int }
	var most atomic.Int64
	q := NewQueue(func(_ context.Context, items []*item) error {
		most.Store(max(most.Load(), int64(len(items))))
		for _, x := range items {
			x.out = 2 * x.in
		}
		return nil
	})
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 200 {
				x := &item{in: g*1000 + i}
				assert.NoError(t, q.Do(t.Context(), 5, []*item{x}))
				assert.Equal(t, 2*x.in, x.out)
			}
		})
	}
	wg.Wait()
	assert.LessOrEqual(t, most.Load(), int64(5))
	assert.Empty(t, q.waiting)
}
