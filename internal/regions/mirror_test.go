package regions

import (
	"image"
	"image/color"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/picture"
)

// The mirror image of what a model was given is what it would be given of the mirrored view, to the last bit.
func TestMirroredInput(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 61, 37))
	for y := range 37 {
		for x := range 61 {
			img.SetNRGBA(x, y, color.NRGBA{uint8(x * 4), uint8(y * 6), uint8(x*y + 3*x), 255})
		}
	}
	pic, err := picture.New(img)
	require.NoError(t, err)
	views, err := viewsOf([]*picture.Picture{pic}, []View{{}, {Crop: [4]float32{0.1, 0.2, 0.8, 0.9}}, {Flip: true}})
	require.NoError(t, err)
	for _, layout := range []string{layoutNCHW, layoutNHWC} {
		for _, resize := range []ResizeConfig{{}, {Mode: resizeLetterbox}, {Mode: resizeLetterbox, Align: "topleft", Filter: filterBilinear}, {Mode: resizeCrop, CropFraction: 0.9}} {
			resize.fill()
			m := &model{cfg: &ModelConfig{Layout: layout, Resize: resize}, w: 33, h: 22, batch: 3, gain: [3]float32{1, 2, 3}, bias: [3]float32{0, 1, 0}}
			m.scratch.New = func() any { b := make([]float32, 3*m.h*m.w); return &b }
			mirrored := make([]view, len(views))
			for i, v := range views {
				v.flip = !v.flip
				mirrored[i] = v
			}
			seen, want, got := make([]reply, 3), make([]reply, 3), make([]reply, 3)
			m.draw(views, seen)
			m.draw(mirrored, want)
			m.reflect(seen, got)
			require.Equal(t, want, got, "%s %+v", layout, resize)
			require.NotEqual(t, seen[0].input, got[0].input)
		}
	}
}
