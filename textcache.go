package aladin

import (
	"slices"

	"github.com/aladin-go/aladin/internal/lru"
)

// textCache remembers the encodings of the texts that were asked for last. It is safe for concurrent use.
type textCache struct {
	encodings *lru.Cache[string, *Encoding]
}

func newTextCache(size int) *textCache {
	return &textCache{lru.New[string, *Encoding](int64(size))}
}

// lookup returns a copy of the encoding, or nil.
func (c *textCache) lookup(text string) *Encoding {
	e, ok := c.encodings.Get(text)
	if !ok {
		return nil
	}
	return clone(e)
}

// add remembers a copy.
func (c *textCache) add(text string, enc *Encoding) { c.encodings.Put(text, clone(enc), 1) }

func clone(e *Encoding) *Encoding {
	out := *e
	out.Matching, out.Tokens, out.Weights = slices.Clone(e.Matching), slices.Clone(e.Tokens), slices.Clone(e.Weights)
	out.Words, out.Boxes, out.Labels = slices.Clone(e.Words), slices.Clone(e.Boxes), slices.Clone(e.Labels)
	return &out
}
