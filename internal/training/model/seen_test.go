package model

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/training/config"
)

// A model knows in how many captions it saw each word, and goes on knowing when it is loaded and learns further.
func TestSee(t *testing.T) {
	cfg := config.Default()
	captions := slices.Values([]string{"A dog, a Dog and 2 cats.", "One dog's café"})
	m, err := New("m", &cfg, Vocabulary(&cfg, captions), 4)
	require.NoError(t, err)
	m.See(captions)
	assert.Equal(t, bundle.WordCounts{"a": 1, "dog": 2, "and": 1, "cats": 1, "one": 1, "s": 1, "café": 1}, m.Seen)

	teacher := m.Seen
	m.See(slices.Values([]string{"dog", "dog", "dog", "cats"}))
	assert.Equal(t, 3, m.Seen["dog"])
	assert.Equal(t, 1, m.Seen["cats"], "they may be captions that it saw before")
	assert.Equal(t, 2, teacher["dog"])

	unknown := &Model{Text: m.Text}
	unknown.See(captions)
	assert.Nil(t, unknown.Seen, "what others trained may have seen anything")
}
