package regions

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/region"
)

// TestAverage pools by hand a map of 2×2 cells with values 1, 2 / 3, 4 and their negatives.
func TestAverage(t *testing.T) {
	m := featureMap{rows: 2, cols: 2, dim: 2, data: []float32{1, -1, 2, -2, 3, -3, 4, -4}}
	for _, c := range []struct {
		box  box64
		want float32
	}{
		{box64{0, 0, 1, 1}, 2.5},
		{box64{0, 0, 0.5, 0.5}, 1},
		{box64{0.5, 0.5, 1, 1}, 4},
		{box64{0, 0, 0.75, 0.5}, (1 + 0.5*2) / 1.5},               // half of the second cell
		{box64{0.25, 0.25, 0.75, 1}, (0.5*1 + 0.5*2 + 3 + 4) / 3}, // in quarter cells: ¼·1 + ¼·2 + ½·3 + ½·4 over 1½
		{box64{0.25, 0.25, 0.75, 0.75}, 2.5},                      //
		{box64{-3, -3, 0.5, 0.5}, 1},                              // cut at the edge
		{box64{0.6, 0.1, 0.6, 0.1}, 2},                            // no area: the nearest cell
		{box64{2, 2, 3, 3}, 4},                                    // outside: the nearest cell
		{box64{-2, 0.6, -1, 0.7}, 3},                              //
		{box64{0, 0, float64(float32(1) / 3 * 1.5), 0.5}, 1},      // half, but for rounding
	} {
		got := make([]float32, 2)
		m.average(got, c.box)
		require.InDelta(t, c.want, got[0], 1e-5, "%v", c.box)
		require.InDelta(t, -c.want, got[1], 1e-5, "%v", c.box)
	}
}

// TestFeatureMapLayouts reads the same 2×2 cells of 3 features in every layout.
func TestFeatureMapLayouts(t *testing.T) {
	cells := []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	for layout, v := range map[string]value{
		layoutNHWC: {[]int{1, 2, 2, 3}, cells},
		layoutNCHW: {[]int{1, 3, 2, 2}, []float32{1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12}},
		layoutNLC:  {[]int{1, 5, 3}, append([]float32{-1, -1, -1}, cells...)},
	} {
		cfg := &FeatureMapConfig{Layout: layout}
		if layout == layoutNLC {
			cfg.Skip = 1
		}
		m, err := newFeatureMap(cfg, v)
		require.NoError(t, err, layout)
		require.Equal(t, featureMap{2, 2, 3, cells}, m, layout)
	}
	m, err := newFeatureMap(&FeatureMapConfig{Layout: layoutNC}, value{[]int{1, 3}, []float32{1, 2, 3}})
	require.NoError(t, err)
	require.Equal(t, featureMap{1, 1, 3, []float32{1, 2, 3}}, m)

	for name, c := range map[string]struct {
		layout string
		skip   int
		v      value
	}{
		"rank":          {layoutNCHW, 0, value{[]int{1, 3}, make([]float32, 3)}},
		"tokens":        {layoutNLC, 0, value{[]int{1, 5, 3}, make([]float32, 15)}},
		"only the skip": {layoutNLC, 5, value{[]int{1, 5, 3}, make([]float32, 15)}},
		"more to skip":  {layoutNLC, 9, value{[]int{1, 5, 3}, make([]float32, 15)}},
		"empty":         {layoutNCHW, 0, value{[]int{1, 3, 0, 2}, nil}},
		"short":         {layoutNHWC, 0, value{[]int{1, 2, 2, 3}, make([]float32, 11)}},
		"more than one": {layoutNC, 0, value{[]int{2, 3}, make([]float32, 6)}},
		"absent":        {layoutNC, 0, value{}},
	} {
		_, err := newFeatureMap(&FeatureMapConfig{Output: "map", Layout: c.layout, Skip: c.skip}, c.v)
		require.ErrorIs(t, err, ErrModel, name)
	}
}

func TestPowerAndLength(t *testing.T) {
	v := []float32{4, -9, 0}
	power(v, 0.5)
	require.Equal(t, []float32{2, -3, 0}, v)
	power(v, 2)
	require.Equal(t, []float32{4, -9, 0}, v)
	power(v, 0)
	require.Equal(t, []float32{4, -9, 0}, v)
	v = []float32{3, -4}
	normalise(v)
	require.InDeltaSlice(t, []float32{0.6, -0.8}, v, 1e-6)
	v = []float32{0, 0}
	normalise(v)
	require.Equal(t, []float32{0, 0}, v)
}

func TestFrame(t *testing.T) {
	fit := func(mode, align string, vw, vh float64, w, h int) frame {
		r := ResizeConfig{Mode: mode, Align: align}
		r.fill()
		return r.frame(vw, vh, w, h)
	}
	whole := box64{0, 0, 1, 1}
	require.Equal(t, frame{whole, 0, 0, 10, 20, 10, 20}, fit("", "", 300, 100, 10, 20))
	require.Equal(t, frame{whole, 0, 4, 12, 4, 12, 12}, fit(resizeLetterbox, "", 300, 100, 12, 12))
	require.Equal(t, frame{whole, 0, 0, 12, 4, 12, 12}, fit(resizeLetterbox, alignTopLeft, 300, 100, 12, 12))
	require.Equal(t, frame{whole, 0, 0, 416, 312, 416, 416}, fit(resizeLetterbox, alignTopLeft, 640, 480, 416, 416))
	require.Equal(t, frame{whole, 0, 0, 8, 1, 8, 8}, fit(resizeLetterbox, alignTopLeft, 3000, 3, 8, 8), "never thinner than a pixel")
	require.Equal(t, frame{box64{0.25, 0, 0.75, 1}, 0, 0, 7, 7, 7, 7}, fit(resizeCrop, "", 200, 100, 7, 7))
	r := ResizeConfig{Mode: resizeCrop, CropFraction: 0.5}
	r.fill()
	require.Equal(t, box64{0.25, 0.25, 0.75, 0.75}, r.frame(100, 100, 7, 7).src)

	for name, f := range map[string]frame{
		"stretch":   fit("", "", 300, 100, 10, 20),
		"letterbox": fit(resizeLetterbox, "", 300, 100, 12, 12),
		"crop":      fit(resizeCrop, "", 200, 100, 7, 7),
	} {
		b := region.Box{0.3, 0.2, 0.6, 0.9}
		in := f.toInput(b)
		back := f.toView(region.Box{
			float32(in.x0 * float64(f.w)), float32(in.y0 * float64(f.h)), float32(in.x1 * float64(f.w)), float32(in.y1 * float64(f.h)),
		})
		require.InDeltaSlice(t, b[:], back[:], 1e-5, name)
	}
	require.Zero(t, region.Area(fit(resizeLetterbox, alignTopLeft, 300, 100, 12, 12).toView(region.Box{2, 5, 9, 11})), "a box in the padding")
	require.False(t, math.IsNaN(float64(fit(resizeCrop, "", 1, 1000, 5, 5).toView(region.Box{1, 1, 2, 2})[0])))
}
