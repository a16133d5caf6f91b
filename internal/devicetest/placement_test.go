package devicetest

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/testmodel"
)

// On a device the CPU is left with the arithmetic of shapes and places: nothing that has values of the network.
func TestPlacement(t *testing.T) {
	need(t)
	shapes := []string{"Cast", "Concat", "ConstantOfShape", "Range", "Shape", "Squeeze", "Unsqueeze"}
	b, err := bundle.Open(testmodel.New(t, testmodel.Options{}))
	require.NoError(t, err)
	for _, name := range []string{bundle.TextFile, bundle.ImageFile} {
		path, err := b.Path(name)
		require.NoError(t, err)
		s, err := ort.Open(path, &ort.Options{Device: device(), Placement: true})
		require.NoError(t, err)
		defer s.Close()
		left, err := s.OnCPU()
		require.NoError(t, err)
		if device() == ort.CPU {
			assert.Contains(t, left, "Gemm", "everything runs there")
			continue
		}
		assert.Subset(t, shapes, slices.Sorted(maps.Keys(left)), name)
		t.Log(name, left)
	}
}
