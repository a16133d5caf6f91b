package weaviate

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aladin-go/aladin/index"
)

// ErrPartial is returned when some shard of a collection is on no node that is well: an answer would be without its items.
// It is an index.ErrUnavailable.
var ErrPartial = fmt.Errorf("%w: some shards are on no node, and answers would be without their items", index.ErrUnavailable)

// How old what is known of shards may be before it is looked up beside the next call, and before that waits for it.
const (
	watchAfter = time.Second
	trustFor   = 5 * time.Second
)

// watch knows whether all shards are within reach. The engine answers without an error from those that are left once
// it has noticed that a node is gone.
type watch struct {
	want    int // shards of the collection; 0: not known
	mu      sync.Mutex
	at      time.Time // of the last look
	missing error
	looking chan struct{} // closed when the look that is under way is done; nil: none is

	ctx  context.Context
	stop context.CancelFunc
}

func newWatch() *watch {
	w := &watch{}
	w.ctx, w.stop = context.WithCancel(context.Background())
	return w
}

// whole returns ErrPartial if some shard is known to be out of reach.
func (c *Collection) whole(ctx context.Context) error {
	w := c.shards
	if w.want == 0 {
		return nil
	}
	w.mu.Lock()
	age := time.Since(w.at)
	if age > watchAfter && w.looking == nil && w.ctx.Err() == nil {
		w.looking = make(chan struct{})
		go c.look(w.looking)
	}
	looking := w.looking
	w.mu.Unlock()
	if age > trustFor && looking != nil {
		select {
		case <-looking:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.missing
}

// look asks which shards are on which nodes. While a node that is gone has not been noticed, there is no answer; then
// the engine itself fails where that node is asked.
func (c *Collection) look(done chan struct{}) {
	w := c.shards
	ctx, cancel := context.WithTimeout(w.ctx, trustFor)
	defer cancel()
	var out struct {
		Nodes []struct {
			Status string `json:"status"`
			Shards []struct {
				Name string `json:"name"`
			} `json:"shards"`
		} `json:"nodes"`
	}
	err := c.c.rest(ctx, http.MethodGet, "/v1/nodes/"+c.a.class+"?output=verbose", nil, &out)
	there := map[string]bool{}
	for _, n := range out.Nodes {
		for _, s := range n.Shards {
			there[s.Name] = there[s.Name] || n.Status == "HEALTHY"
		}
	}
	have := 0
	for _, ok := range there {
		if ok {
			have++
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at, w.looking = time.Now(), nil
	switch {
	case err != nil:
	case have < w.want:
		w.missing = fmt.Errorf("%w: %d of %d are there", ErrPartial, have, w.want)
	default:
		w.missing = nil
	}
	close(done)
}

// close waits for a look that is under way.
func (w *watch) close() {
	w.stop()
	w.mu.Lock()
	looking := w.looking
	w.mu.Unlock()
	if looking != nil {
		<-looking
	}
}
