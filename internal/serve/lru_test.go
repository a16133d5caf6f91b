package serve

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLRU(t *testing.T) {
	c := newLRU[string](1000) // three entries of 128 + 1 + 100 fit four times
	for _, k := range strings.Split("abcdefg", "") {
		c.put(k, k+"!", 100)
		c.get("a")
	}
	_, ok := c.get("b")
	assert.False(t, ok, "not used for longest")
	v, ok := c.get("a")
	assert.True(t, ok, "used all the time")
	assert.Equal(t, "a!", v)
	c.put("a", "new", 50)
	v, _ = c.get("a")
	assert.Equal(t, "new", v)
	c.put("huge", "x", 1001)
	_, ok = c.get("huge")
	assert.False(t, ok)
	assert.LessOrEqual(t, c.stats().bytes, int64(1000))
	assert.Equal(t, int64(4), c.stats().entries)
}
