package regions

import (
	"context"
	"image"
	"image/color"
	"image/draw"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/picture/picturetest"
	"github.com/aladin-go/aladin/internal/region"
)

func patches(t testing.TB, p PatchConfig, boxNumbers bool) Extractor {
	t.Helper()
	x, err := Open(&Config{Kind: kindPatches, Patches: &p, BoxNumbers: boxNumbers}, "", nil)
	require.NoError(t, err)
	return x
}

// numbered is a picture whose pixel (x, y) is (10·y + x, 100, 200).
func numbered(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{uint8(10*y + x), 100, 200, 255})
		}
	}
	return m
}

func quarters(w, h int) *image.RGBA { return picturetest.Quarters(w, h) }

// pictures wraps images.
func pictures(t testing.TB, imgs ...image.Image) []*picture.Picture {
	t.Helper()
	out := make([]*picture.Picture, len(imgs))
	for i, img := range imgs {
		var err error
		out[i], err = picture.New(img)
		require.NoError(t, err)
	}
	return out
}

func extractOne(t testing.TB, x Extractor, img image.Image) *region.Set {
	t.Helper()
	sets, err := x.Extract(context.Background(), pictures(t, img))
	require.NoError(t, err)
	require.Len(t, sets, 1)
	require.NoError(t, sets[0].Validate())
	require.Equal(t, x.Dim(), sets[0].Dim)
	return sets[0]
}

func unscaled(row []float32) []float32 {
	out := make([]float32, len(row))
	for i, v := range row {
		out[i] = (v + 1) * 127.5
	}
	return out
}

func TestPatches(t *testing.T) {
	x := patches(t, PatchConfig{Size: 4, Patch: 2, Stride: 1}, true)
	require.Equal(t, 12+6, x.Dim())
	require.Equal(t, 12, FeatureDim(x))
	set := extractOne(t, x, numbered(4, 4))
	require.Equal(t, 10, set.Len(), "the whole and 3×3 overlapping patches")
	require.Equal(t, []int{4, 4}, []int{set.Width, set.Height})
	require.Nil(t, set.Labels)
	require.Equal(t, region.Box{0, 0, 1, 1}, set.Boxes[0])
	require.Equal(t, region.Box{0.25, 0.5, 0.75, 1}, set.Boxes[1+2*3+1])
	require.InDeltaSlice(t, []float32{21, 100, 200, 22, 100, 200, 31, 100, 200, 32, 100, 200}, unscaled(set.Row(1 + 2*3 + 1)[:12]), 1e-3)
	require.Equal(t, []float32{0.25, 0.5, 0.75, 1, 0.5, 0.5}, set.Row(1 + 2*3 + 1)[12:])
	require.Equal(t, []float32{0, 0, 1, 1, 1, 1}, set.Row(0)[12:])
	whole := unscaled(set.Row(0)[:12])
	require.Less(t, whole[0], whole[3])
	require.Less(t, whole[3], whole[6])

	x = patches(t, PatchConfig{Size: 4, Patch: 2, RemoveMean: true}, false)
	set = extractOne(t, x, numbered(4, 4))
	require.Equal(t, 5, set.Len())
	for i := range set.Len() {
		var sum float32
		for _, v := range set.Row(i) {
			sum += v
		}
		require.InDelta(t, 0, sum, 1e-4)
	}
	require.InDelta(t, -5.5/127.5, set.Row(1)[0], 1e-5)
}

func TestPatchesResizeModes(t *testing.T) {
	img := numbered(8, 4) // the middle square begins at x = 2
	x := patches(t, PatchConfig{Size: 4, Patch: 2, Resize: ResizeConfig{Mode: resizeCrop}}, false)
	set := extractOne(t, x, img)
	require.Equal(t, region.Box{0.25, 0, 0.5, 0.5}, set.Boxes[1])
	require.InDelta(t, 2, unscaled(set.Row(1))[0], 1e-3)

	grey := 0.0
	x = patches(t, PatchConfig{Size: 8, Patch: 4, Resize: ResizeConfig{Mode: resizeLetterbox, Pad: &grey}}, false)
	set = extractOne(t, x, img)
	require.Equal(t, region.Box{0, 0, 0.5, 0.5}, set.Boxes[1], "cut at the picture's edge")
	require.InDelta(t, 0, unscaled(set.Row(1))[1], 1e-3, "padding above")
	require.InDelta(t, 100, unscaled(set.Row(1))[2*4*3+1], 1e-3)
}

// TestViews extracts views and the same parts as pictures of their own.
func TestViews(t *testing.T) {
	img := quarters(16, 8)
	draw.Draw(img, image.Rect(3, 2, 7, 7), image.NewUniform(color.RGBA{9, 90, 200, 255}), image.Point{}, draw.Src)
	x := patches(t, PatchConfig{Size: 4, Patch: 2}, true)
	part := img.SubImage(image.Rect(4, 2, 8, 6))
	flipped := image.NewRGBA(img.Rect)
	for y := range 8 {
		for i := range 16 {
			flipped.SetRGBA(15-i, y, img.RGBAAt(i, y))
		}
	}
	got, err := x.Extract(context.Background(), pictures(t, img), View{}, View{Crop: region.Box{0.25, 0.25, 0.5, 0.75}}, View{Flip: true})
	require.NoError(t, err)
	want, err := x.Extract(context.Background(), pictures(t, img, part, flipped))
	require.NoError(t, err)
	// The thumbnail of a crop may look at pixels beside it; the patches here are not resized.
	require.Equal(t, want[0], got[0])
	require.Equal(t, want[1].Features[x.Dim():], got[1].Features[x.Dim():])
	require.Equal(t, want[1].Boxes, got[1].Boxes)
	require.Equal(t, []int{4, 4}, []int{got[1].Width, got[1].Height})
	require.Equal(t, want[2], got[2])

	for _, bad := range []region.Box{{0.5, 0, 0.5, 1}, {0, 0, 1, 1.1}, {-0.1, 0, 1, 1}, {0.9, 0, 0.1, 1}} {
		_, err := x.Extract(context.Background(), pictures(t, img), View{Crop: bad})
		require.ErrorContains(t, err, "view 0: ", "%v", bad)
	}
}

func TestPatchesEdges(t *testing.T) {
	x := patches(t, PatchConfig{Size: 8, Patch: 4}, false)
	sets, err := x.Extract(context.Background(), nil)
	require.NoError(t, err)
	require.Empty(t, sets)
	extractOne(t, x, image.NewGray(image.Rect(0, 0, 1, 1)))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = x.Extract(ctx, slices.Repeat(pictures(t, quarters(2, 2)), 50))
	require.ErrorIs(t, err, context.Canceled)
}

func BenchmarkPatches(b *testing.B) {
	x := patches(b, PatchConfig{Size: 96, Patch: 16}, true)
	imgs := pictures(b, quarters(224, 224))
	for b.Loop() {
		if _, err := x.Extract(context.Background(), imgs); err != nil {
			b.Fatal(err)
		}
	}
}
