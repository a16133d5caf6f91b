// Package lru has the one cache that forgets what was not used for longest.
package lru

import (
	"container/list"
	"sync"
)

// Cache holds values whose sizes add up to a bound at most. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	max int64

	mu      sync.Mutex
	stats   Stats
	order   list.List // of *entry[K, V], the last used first
	entries map[K]*list.Element
}

// Stats are figures of a cache.
type Stats struct {
	Size, Entries int64
	Hits, Misses  uint64
}

type entry[K comparable, V any] struct {
	key   K
	value V
	size  int64
}

// New returns an empty cache. What sizes count is the caller's business: bytes, or entries of size 1.
func New[K comparable, V any](maxSize int64) *Cache[K, V] {
	return &Cache[K, V]{max: maxSize, entries: make(map[K]*list.Element)}
}

// Get returns the value of a key and says whether it is there.
func (c *Cache[K, V]) Get(key K) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok {
		c.stats.Misses++
		return v, false
	}
	c.stats.Hits++
	c.order.MoveToFront(e)
	return e.Value.(*entry[K, V]).value, true
}

// Put keeps a value in the place of an older one; one that is larger than the whole cache is not kept.
func (c *Cache[K, V]) Put(key K, v V, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok {
		c.remove(e)
	}
	if size > c.max {
		return
	}
	for c.stats.Size+size > c.max {
		c.remove(c.order.Back())
	}
	c.entries[key] = c.order.PushFront(&entry[K, V]{key, v, size})
	c.stats.Size += size
}

func (c *Cache[K, V]) remove(e *list.Element) {
	old := c.order.Remove(e).(*entry[K, V])
	delete(c.entries, old.key)
	c.stats.Size -= old.size
}

// Stats returns the figures so far.
func (c *Cache[K, V]) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Entries = int64(len(c.entries))
	return s
}
