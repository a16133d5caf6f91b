package lru

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLRU(t *testing.T) {
	c := New[string, string](1000)
	for _, k := range strings.Split("abcdefg", "") {
		c.Put(k, k+"!", 229)
		c.Get("a")
	}
	_, ok := c.Get("b")
	assert.False(t, ok, "not used for longest")
	v, ok := c.Get("a")
	assert.True(t, ok, "used all the time")
	assert.Equal(t, "a!", v)
	c.Put("a", "new", 50)
	v, _ = c.Get("a")
	assert.Equal(t, "new", v)
	c.Put("huge", "x", 1001)
	_, ok = c.Get("huge")
	assert.False(t, ok)
	assert.LessOrEqual(t, c.Stats().Size, int64(1000))
	assert.Equal(t, int64(4), c.Stats().Entries)
}
