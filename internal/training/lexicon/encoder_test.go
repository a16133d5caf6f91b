package lexicon

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/published"
	"github.com/aladin-go/aladin/internal/testmodel"
)

// A folder in Hugging Face's form gives texts vectors of length 1, which do not depend on what is encoded beside them.
func TestEncoder(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, testmodel.BERT(dir, 1, []string{"a", "man", "in", "red", "shirt", "rides", "horse", "the", "dog", "##s", "x"}))
	if _, err := ort.Library(); err != nil {
		t.Skip(err)
	}
	e, err := Open(dir, nil)
	require.NoError(t, err)
	defer e.Close()
	texts := []string{"a man in a red shirt rides a horse along the beach", "dog", "a dog", "dog", ""}
	told := 0
	all, err := e.Vectors(t.Context(), texts, func(done, total int) { told = done; assert.Equal(t, 5, total) })
	require.NoError(t, err)
	require.Equal(t, 5, told)
	require.Len(t, all, 5*e.Dim())
	alone, err := e.Vectors(t.Context(), texts[:1], nil)
	require.NoError(t, err)
	assert.InDeltaSlice(t, alone, all[:e.Dim()], 1e-5)
	assert.InDeltaSlice(t, all[e.Dim():2*e.Dim()], all[3*e.Dim():4*e.Dim()], 1e-5)
	var length float64
	for _, v := range alone {
		length += float64(v * v)
	}
	assert.InDelta(t, 1, math.Sqrt(length), 1e-4)

	words := e.Words()
	require.NotEmpty(t, words)
	for _, w := range words {
		assert.Regexp(t, `^\pL{3,}$`, w)
	}

	_, err = Open(t.TempDir(), nil)
	require.ErrorIs(t, err, published.ErrBackbone)
}
