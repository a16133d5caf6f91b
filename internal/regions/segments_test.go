package regions

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/scenes"
)

func TestSegmentsExtractor(t *testing.T) {
	cfg, err := Preset("segments")
	require.NoError(t, err)
	cfg.BoxNumbers = true
	x, err := Open(cfg, "", nil)
	require.NoError(t, err)
	defer x.Close()
	scene := scenes.New(5, nil).Scene(2)
	pic, err := picture.New(scene.Image)
	require.NoError(t, err)

	sets, err := x.Extract(t.Context(), []*picture.Picture{pic}, View{}, View{Flip: true}, View{Crop: region.Box{0, 0, 0.8, 0.8}})
	require.NoError(t, err)
	require.Len(t, sets, 3)
	for i, set := range sets {
		require.NoError(t, set.Validate())
		assert.Equal(t, x.Dim(), set.Dim)
		assert.Equal(t, region.Box{0, 0, 1, 1}, set.Boxes[0])
		require.Greater(t, set.Len(), 5, "view %d", i)
		last := set.Row(set.Len() - 1)
		assert.Equal(t, set.Boxes[set.Len()-1][:], last[len(last)-boxNumbers:][:4], "box numbers")
	}
	// What stands out most in a picture stands out in its mirror image.
	best := sets[0].Boxes[1]
	mirrored := region.Box{1 - best[2], best[1], 1 - best[0], best[3]}
	var nearest float32
	for _, b := range sets[1].Boxes[1:] {
		nearest = max(nearest, region.IoU(b, mirrored))
	}
	assert.Greater(t, nearest, float32(0.7))
}

func TestSegmentsConfig(t *testing.T) {
	for _, bad := range []string{
		`{"kind": "segments", "segments": {"size": 8}}`, `{"kind": "segments", "segments": {"keep": 1000}}`,
		`{"kind": "segments", "patches": {"size": 32, "patch": 8}}`, `{"kind": "patches", "segments": {}, "patches": {"size": 32, "patch": 8}}`,
	} {
		_, err := ParseConfig([]byte(bad))
		assert.ErrorIs(t, err, ErrConfig, bad)
	}
	c, err := ParseConfig([]byte(`{"kind": "segments"}`))
	require.NoError(t, err)
	assert.Equal(t, &SegmentConfig{Size: 128, Keep: 32}, c.full().Segments)
}
