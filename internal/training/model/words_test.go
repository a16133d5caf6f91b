package model

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/step"
)

// A model says that its words are those of the captions, and still says so after its training went on elsewhere.
func TestLearnedWordsAreKept(t *testing.T) {
	cfg := config.Default()
	captions := slices.Repeat([]string{"a red mug on grass"}, cfg.Encoder.MinCount)
	m, err := New("mugs", &cfg, Vocabulary(&cfg, slices.Values(captions)), 4)
	require.NoError(t, err)
	params, err := step.Parameters(m.Net, &cfg)
	require.NoError(t, err)
	for _, p := range params {
		require.NoError(t, m.Params.Ensure(p, 1))
	}
	for range 2 {
		assert.ElementsMatch(t, []string{"red", "mug", "on", "grass"}, m.Text.Tokenizer.Learned())
		dir := filepath.Join(t.TempDir(), "model")
		b, err := m.Save(dir)
		require.NoError(t, err)
		assert.JSONEq(t, `{"learned_words": true}`, string(b.Manifest.Tokenizer.Options))
		m, err = Load(dir)
		require.NoError(t, err)
	}
}
