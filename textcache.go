package aladin

import (
	"container/list"
	"slices"
	"sync"
)

// textCache remembers the encodings of the texts that were asked for last. It is safe for concurrent use.
type textCache struct {
	mu    sync.Mutex
	size  int
	order *list.List // of *cachedText, the last used first
	at    map[string]*list.Element
}

type cachedText struct {
	text string
	enc  *Encoding
}

func newTextCache(size int) *textCache {
	return &textCache{size: size, order: list.New(), at: map[string]*list.Element{}}
}

// lookup returns a copy of the encoding, or nil.
func (c *textCache) lookup(text string) *Encoding {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.at[text]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return clone(e.Value.(*cachedText).enc)
}

// add remembers a copy.
func (c *textCache) add(text string, enc *Encoding) {
	if c.size <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.at[text]; ok {
		return
	}
	c.at[text] = c.order.PushFront(&cachedText{text, clone(enc)})
	if c.order.Len() > c.size {
		delete(c.at, c.order.Remove(c.order.Back()).(*cachedText).text)
	}
}

func clone(e *Encoding) *Encoding {
	out := *e
	out.Matching, out.Tokens, out.Weights = slices.Clone(e.Matching), slices.Clone(e.Tokens), slices.Clone(e.Weights)
	out.Words, out.Boxes, out.Labels = slices.Clone(e.Words), slices.Clone(e.Boxes), slices.Clone(e.Labels)
	return &out
}
