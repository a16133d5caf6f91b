package traincmd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/training/model"
)

// A small network learns from photos without captions, a list of sentences and a model of two towers.
func TestImitateTowers(t *testing.T) {
	fixture := needs(t, "clip-tiny")
	dir := t.TempDir()
	clip, sentences := filepath.Join(dir, "clip.model"), filepath.Join(dir, "sentences.txt")
	do(t, "import", "--clip", filepath.Join(fixture, "hf-clip-new"), "--out", clip)
	var text strings.Builder
	for i := range 30 {
		fmt.Fprintf(&text, "a photo of thing number %d\n\n", i%20)
	}
	require.NoError(t, os.WriteFile(sentences, []byte(text.String()), 0o644))
	run := []string{"run", "--config", "photos", "--regions", "patches", "--images", filepath.Join(fixture, "images"), "--sentences", sentences,
		"--epochs", "1", "--batch-size", "8", "--threads", "1", "--quiet", "--cache", filepath.Join(dir, "cache"), "--out", filepath.Join(dir, "run")}
	do(t, append(run, "--imitate", clip)...)
	m, err := model.Load(filepath.Join(dir, "run", "model"))
	require.NoError(t, err)
	_, ok := m.Text.Tokenizer.ID("thing")
	require.True(t, ok, "the sentences' words are the model's")
	for _, s := range steps(t, filepath.Join(dir, "run")) {
		require.Contains(t, s.Loss, "imitation")
	}

	_, err = model.Load(clip)
	require.ErrorIs(t, err, model.ErrTowers)
	var stderr bytes.Buffer
	require.Equal(t, 2, Program.Run(t.Context(), run[:len(run):len(run)], &bytes.Buffer{}, &stderr))
	require.Contains(t, stderr.String(), "--sentences wants a model of aladin-train import --clip")
}

func TestSentences(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.txt")
	for text, want := range map[string]string{"": "no sentences", "\n \n": "no sentences", strings.Repeat("x", maxSentenceLine+1): "too long"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		_, err := readSentences(path)
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, os.WriteFile(path, []byte("a dog\r\n\na cat\na dog"), 0o644))
	got, err := readSentences(path)
	require.NoError(t, err)
	require.Equal(t, []string{"a dog", "a cat"}, got)
}
