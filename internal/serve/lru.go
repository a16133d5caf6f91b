package serve

import (
	"container/list"
	"sync"
)

// lru is a cache bounded in bytes that forgets what was not used for longest. It
// is safe for concurrent use.
type lru[V any] struct {
	mu      sync.Mutex
	max     int64
	used    int64
	order   list.List // of *lruEntry[V], the latest first
	entries map[string]*list.Element
	hits    uint64
	misses  uint64
}

type lruEntry[V any] struct {
	key   string
	value V
	size  int64
}

func newLRU[V any](maxBytes int64) *lru[V] {
	return &lru[V]{max: maxBytes, entries: make(map[string]*list.Element)}
}

func (c *lru[V]) get(key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok {
		c.order.MoveToFront(e)
		c.hits++
		return e.Value.(*lruEntry[V]).value, true
	}
	c.misses++
	var zero V
	return zero, false
}

// put keeps a value; one that is larger than the whole cache is not kept.
func (c *lru[V]) put(key string, v V, size int64) {
	const overhead = 128
	size += int64(len(key)) + overhead
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok {
		c.remove(e)
	}
	if size > c.max {
		return
	}
	for c.used+size > c.max {
		c.remove(c.order.Back())
	}
	c.entries[key] = c.order.PushFront(&lruEntry[V]{key, v, size})
	c.used += size
}

func (c *lru[V]) remove(e *list.Element) {
	old := c.order.Remove(e).(*lruEntry[V])
	delete(c.entries, old.key)
	c.used -= old.size
}

// lruStats are figures for the metrics.
type lruStats struct {
	bytes, entries int64
	hits, misses   uint64
}

func (c *lru[V]) stats() lruStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return lruStats{c.used, int64(len(c.entries)), c.hits, c.misses}
}
