package regions

import (
	"image"
	"image/color"
	"testing"

	"github.com/stretchr/testify/require"
)

// A picture is shrunk before models look at a part of it: what is finer than its new pixels is not seen. Sizes stay the
// photo's own.
func TestShorterSide(t *testing.T) {
	dir := writeModels(t)
	img := image.NewGray(image.Rect(0, 0, 128, 256)) // squares of two pixels
	for y := range 256 {
		for x := range 128 {
			img.SetGray(x, y, color.Gray{Y: uint8(255 * ((x/2 + y/2) % 2))})
		}
	}
	for _, c := range []struct {
		side int
		fine bool
	}{{0, true}, {128, true}, {200, true}, {32, false}} {
		x := openConfig(t, dir, &Config{Regions: &RegionConfig{Grid: []int{4, 4}}, ShorterSide: c.side}, nil)
		sets, err := x.Extract(t.Context(), pictures(t, img), View{Crop: [4]float32{0, 0, 0.0625, 0.03125}})
		require.NoError(t, err)
		lo, hi := sets[0].Row(1)[0], sets[0].Row(1)[0]
		for r := 1; r <= 16; r++ {
			lo, hi = min(lo, sets[0].Row(r)[0]), max(hi, sets[0].Row(r)[0])
		}
		if c.fine {
			require.Greater(t, hi-lo, float32(100), c.side)
		} else {
			require.InDelta(t, 127.5, lo, 5)
			require.InDelta(t, 127.5, hi, 5)
		}
		require.Equal(t, []int{8, 8}, []int{sets[0].Width, sets[0].Height}, c.side)
	}
	for _, bad := range []*Config{
		{Kind: kindSegments, ShorterSide: 100},
		{Kind: kindONNX, ShorterSide: 3, Models: []ModelConfig{backbone()}},
	} {
		require.ErrorIs(t, bad.Validate(), ErrConfig)
	}
}
