package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/picture/picturetest"
)

// A frame of a few pixels on a canvas of millions costs what the canvas does.
func TestCanvas(t *testing.T) {
	c := color.NRGBA{1, 2, 3, 255}
	var small bytes.Buffer
	require.NoError(t, gif.EncodeAll(&small, &gif.GIF{
		Image: []*image.Paletted{image.NewPaletted(image.Rect(0, 0, 1, 1), color.Palette{c})}, Delay: []int{1},
		Config: image.Config{Width: 12000, Height: 12000, ColorModel: color.Palette{c}},
	}))
	for name, data := range map[string][]byte{
		"GIF": small.Bytes(), "WebP": picturetest.AnimatedWebP(6000, 6000, 0, 0, 4, 4, c),
	} {
		_, err := Decode(t.Context(), bytes.NewReader(data), nil)
		require.ErrorIs(t, err, ErrTooLarge, name)
	}
}
