package evalcmd

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A dump gives back matching vectors as long as the model made them, hubs shorter than the rest, and so the same figures.
func TestDumpKeepsLengths(t *testing.T) {
	d := synthetic(40, 1, 0.5)
	dim := d.imageVectors.Dim
	for i := range d.images {
		for k := range dim {
			d.imageVectors.Data[i*dim+k] *= 0.5 + float32(i%5)/10
		}
	}
	dir := t.TempDir()
	first, second := filepath.Join(dir, "a.npz"), filepath.Join(dir, "b.npz")
	require.NoError(t, writeDump(first, d, nil, true))
	again, err := readDump(first)
	require.NoError(t, err)
	require.Equal(t, d.imageVectors, again.imageVectors)
	require.Equal(t, d.captionVectors, again.captionVectors)
	require.NoError(t, writeDump(second, again, nil, true))
	want := evaluated(t, "--embeddings", first)
	require.Equal(t, want["matching"], evaluated(t, "--embeddings", second)["matching"])
	plain := filepath.Join(dir, "plain.npz")
	d.imageVectors = d.imageVectors.Normalised()
	require.NoError(t, writeDump(plain, d, nil, true))
	require.NotEqual(t, want["matching"], evaluated(t, "--embeddings", plain)["matching"], "the lengths matter")
}
