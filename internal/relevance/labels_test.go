package relevance

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Words gain by labels that are like them, the more the liker, whatever the length of their vectors.
func TestGains(t *testing.T) {
	l := &Labels{Names: []string{"cat", "dog", "puppy"}, Vectors: []float32{0, 1, 1, 0, 0.8, 0.6}}
	tokens := []float32{0.5, 0, 0, 0.3, -1, 0, 0, 0, 1, 0}
	got := l.Gains(tokens, func(i int) bool { return i != 4 }, 2)
	assert.Len(t, got, 5)
	assert.InDelta(t, 2, got[0]["dog"], 1e-6)
	assert.InDelta(t, 1, got[0]["puppy"], 1e-6)
	assert.NotContains(t, got[0], "cat")
	assert.InDelta(t, 2, got[1]["cat"], 1e-6)
	assert.NotContains(t, got[1], "puppy", "of likeness 0.6")
	assert.Equal(t, []map[string]float32{nil, nil, nil}, got[2:], "unlike all, of no length, and no word")
	assert.Nil(t, l.Gains(tokens[4:6], func(int) bool { return true }, 2))
	assert.Nil(t, (&Labels{}).Gains(tokens, nil, 2))
}
