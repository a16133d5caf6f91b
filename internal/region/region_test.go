package region

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBox(t *testing.T) {
	a, b := Box{0, 0, 0.5, 0.5}, Box{0.25, 0.25, 0.75, 0.75}
	require.InDelta(t, 0.0625/(0.25+0.25-0.0625), IoU(a, b), 1e-6)
	require.Zero(t, IoU(a, Box{0.6, 0.6, 1, 1}))
	require.Zero(t, Area(Box{0.5, 0.5, 0.1, 0.1}), "an inverted box covers nothing")
	require.Zero(t, IoU(Box{}, Box{}))
}

func TestSetValidate(t *testing.T) {
	ok := Set{Features: []float32{1, 2, 3, 4}, Dim: 2, Boxes: make([]Box, 2), Labels: []string{"dog", ""}}
	require.NoError(t, ok.Validate())
	require.Equal(t, []string{"dog"}, ok.ObjectTags())
	require.Equal(t, []float32{3, 4}, ok.Row(1))

	for name, bad := range map[string]Set{
		"short features": {Features: []float32{1}, Dim: 2, Boxes: make([]Box, 1)},
		"no dim":         {},
		"labels":         {Features: []float32{1, 2}, Dim: 2, Boxes: make([]Box, 1), Labels: []string{"a", "b"}},
		"NaN":            {Features: []float32{1, float32(math.NaN())}, Dim: 2, Boxes: make([]Box, 1)},
	} {
		require.ErrorIs(t, bad.Validate(), ErrInvalid, name)
	}
}
