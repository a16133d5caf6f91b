package index

import (
	"container/list"
	"sync"
)

type blockKey struct{ seg, block int }

// blockCache keeps recently used record blocks, bounded in bytes.
type blockCache struct {
	limit int64

	mu    sync.Mutex
	size  int64
	order *list.List // of *cachedBlock, the most recently used first
	byKey map[blockKey]*list.Element
}

type cachedBlock struct {
	key blockKey
	raw []byte
}

func newBlockCache(limit int64) *blockCache {
	return &blockCache{limit: limit, order: list.New(), byKey: make(map[blockKey]*list.Element)}
}

// get returns the block of a key, loading it when it is not there. Two callers
// may load the same block at once; that costs time, no harm.
func (c *blockCache) get(key blockKey, load func() ([]byte, error)) ([]byte, error) {
	c.mu.Lock()
	if e, ok := c.byKey[key]; ok {
		c.order.MoveToFront(e)
		raw := e.Value.(*cachedBlock).raw
		c.mu.Unlock()
		return raw, nil
	}
	c.mu.Unlock()
	raw, err := load()
	if err != nil || int64(len(raw)) > c.limit {
		return raw, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[key]; ok {
		return raw, nil
	}
	c.byKey[key] = c.order.PushFront(&cachedBlock{key, raw})
	c.size += int64(len(raw))
	for c.size > c.limit {
		e := c.order.Back()
		old := c.order.Remove(e).(*cachedBlock)
		delete(c.byKey, old.key)
		c.size -= int64(len(old.raw))
	}
	return raw, nil
}
