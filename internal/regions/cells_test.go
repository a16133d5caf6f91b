package regions

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/region"
)

func TestCellsOverlap(t *testing.T) {
	seen := region.Box{0, 0, 1, 0.5}
	plain := cells([]int{1, 2}, 0, seen)
	require.Equal(t, []region.Box{{0, 0, 0.5, 0.5}, {0.5, 0, 1, 0.5}}, plain)
	wide := cells([]int{1, 2}, 0.5, seen)
	require.Equal(t, []region.Box{{0, 0, 0.75, 0.5}, {0.25, 0, 1, 0.5}}, wide, "half a cell to each side, within the picture")
	require.Nil(t, cells(nil, 0.5, seen))
}
