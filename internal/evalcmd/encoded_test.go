package evalcmd

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
)

// Vectors are scored as long as the model made them.
func TestGatheringLengths(t *testing.T) {
	g := newGathering(t.TempDir(), "images")
	want := []float32{0.3, 0, 0, 0.6, 0.4, 0}
	for k := 0; k < len(want); k += 3 {
		require.NoError(t, g.add(&index.Encoding{Kind: index.Image, Matching: want[k:][:3]}))
	}
	vectors, tokens, err := g.finish(&data{})
	require.NoError(t, err)
	require.Nil(t, tokens)
	require.Equal(t, want, vectors.Data)
}
