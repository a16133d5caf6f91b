package serve

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// gate lets a bounded number of searches run at a time. Others wait in a bounded
// queue for a bounded time; the rest is sent away at once.
type gate struct {
	slots   chan struct{}
	queue   int64
	wait    time.Duration
	waiting atomic.Int64
	refused atomic.Uint64
}

func newGate(slots, queue int, wait time.Duration) *gate {
	return &gate{slots: make(chan struct{}, slots), queue: int64(queue), wait: wait}
}

// enter returns the function that ends the stay.
func (g *gate) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-g.slots }
	select {
	case g.slots <- struct{}{}:
		return leave, nil
	default:
	}
	if g.waiting.Add(1) > g.queue {
		g.waiting.Add(-1)
		return nil, g.busy()
	}
	defer g.waiting.Add(-1)
	t := time.NewTimer(g.wait)
	defer t.Stop()
	select {
	case g.slots <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-t.C:
		return nil, g.busy()
	}
}

func (g *gate) busy() error {
	g.refused.Add(1)
	p := failf(http.StatusServiceUnavailable, "busy", "too many searches at a time; try again in a moment")
	p.retryAfter = 1
	return p
}
