package traincmd

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/model"
)

// A model that starts from nothing gets the words of a lexicon with embeddings of their own, and says that no caption had them.
func TestWords(t *testing.T) {
	folder := filepath.Join(needs(t, "aladin-tiny"), "vinvl")
	dir := t.TempDir()
	run := []string{"run", "--config", "photos", "--regions", "patches", "--scenes", "40", "--epochs", "1", "--batch-size", "32", "--threads", "1",
		"--quiet", "--cache", filepath.Join(dir, "cache"), "--words", folder, "--out", filepath.Join(dir, "run")}
	do(t, run...)
	m, err := model.Load(filepath.Join(dir, "run", "model"))
	require.NoError(t, err)
	table := m.Params.Lookup(nn.WordEmbeddings)
	length := func(word string) (sum float32) {
		id, ok := m.Text.Tokenizer.ID(word)
		require.True(t, ok, word)
		require.True(t, m.Text.Tokenizer.IsLearned(id), word)
		for _, v := range table.Data[id*table.Shape[1] : (id+1)*table.Shape[1]] {
			sum += v * v
		}
		return sum
	}
	for _, word := range []string{"puppy", "keyboard", "kitchen"} {
		require.NotContains(t, m.Seen, word)
		require.Greater(t, length(word), length("red")/100)
	}
	require.Positive(t, m.Seen["red"])

	var stderr bytes.Buffer
	require.Equal(t, 2, Program.Run(t.Context(), append(run, "--teacher", "x"), &bytes.Buffer{}, &stderr))
	require.Contains(t, stderr.String(), "--words is for a model that starts from nothing")
}
