package detect

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/region"
)

// TestYOLOX decodes by hand an input of 16×16 with strides 8 and 16: 4 + 1 cells, two classes.
func TestYOLOX(t *testing.T) {
	rows := [][]float32{
		{0.5, 0.5, 0, 0, 0.9, 0.1, 0.8}, // stride 8, cell 0,0: centre 4,4, 8×8, class 1, 0.72
		{0, 0, 0, 0, 0.1, 1, 0},         // below the threshold
		{0.25, -0.5, float32(math.Log(2)), float32(math.Log(0.5)), 1, 0.6, 0.5}, // cell x=0, y=1: centre 2,4, 16×4
		{0, 0, float32(math.Inf(1)), 0, 1, 1, 0},                                // infinite: vanishes
		{0.5, 0.25, 0, 0, 0.5, 0.9, 0.2},                                        // stride 16: centre 8,4, 16×16, class 0, 0.45
	}
	var out []float32
	for _, r := range rows {
		out = append(out, r...)
	}
	got, err := YOLOX(out, 16, 16, []int{8, 16}, 2, 0.3)
	require.NoError(t, err)
	want := []Detection{
		{region.Box{0, 0, 8, 8}, 1, 0.72},
		{region.Box{-6, 2, 10, 6}, 0, 0.6},
		{region.Box{0, -4, 16, 12}, 0, 0.45},
	}
	require.Len(t, got, len(want))
	for i, w := range want {
		require.Equal(t, w.Class, got[i].Class)
		require.InDelta(t, w.Score, got[i].Score, 1e-6)
		require.InDeltaSlice(t, w.Box[:], got[i].Box[:], 1e-5)
	}
	_, err = YOLOX(out[1:], 16, 16, []int{8, 16}, 2, 0.3)
	require.ErrorContains(t, err, "5×7 = 35")
}

func TestYOLOv5AndV8(t *testing.T) {
	want := []Detection{{region.Box{10, 20, 30, 60}, 1, 0.5}}
	got, err := YOLOv5([]float32{20, 40, 20, 40, 0.5, 0.2, 1, 0, 0, 1, 1, 0.1, 1, 1}, 2, 0.3)
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = YOLOv5(make([]float32, 8), 2, 0.3)
	require.Error(t, err)

	got, err = YOLOv8([]float32{0, 20, 0, 40, 1, 20, 1, 40, 0.1, 0.2, 0.1, 0.5}, 2, 0.3)
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = YOLOv8(make([]float32, 8), 2, 0.3)
	require.Error(t, err)
}

func TestTable(t *testing.T) {
	box := func(v ...float32) region.Box { return region.Box(v) }
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		table          Table
		first, classes int
		want           []Detection
	}{
		"classes apart": {
			Table{Boxes: []float32{1, 2, 3, 4, 5, 6, 7, 8}, Scores: []float32{0.9, 0.1}, Classes: []float32{1, 0}, Count: 2},
			0, 2, []Detection{{box(1, 2, 3, 4), 1, 0.9}},
		},
		"scores a class, background first": {
			Table{Boxes: []float32{1, 2, 3, 4, 5, 6, 7, 8}, Scores: []float32{0.9, 0.05, 0.05, 0.1, 0.3, 0.6}, Count: 2},
			1, 2, []Detection{{box(5, 6, 7, 8), 1, 0.6}},
		},
		"background and unknown classes": {
			Table{Boxes: make([]float32, 16), Scores: []float32{1, 1, 1, 1}, Classes: []float32{0, 3, nan, 1}, Count: 4},
			1, 2, []Detection{{box(0, 0, 0, 0), 0, 1}},
		},
		"y first, relative": {
			Table{Boxes: []float32{0.1, 0.2, 0.5, 0.6}, Scores: []float32{1}, Count: 1, Swap: true, ScaleX: 100, ScaleY: 10},
			0, 1, []Detection{{box(20, 1, 60, 5), 0, 1}},
		},
		"centre and sides": {
			Table{Boxes: []float32{10, 20, 4, 8}, Scores: []float32{1}, Count: 1, Sides: true},
			0, 1, []Detection{{box(8, 16, 12, 24), 0, 1}},
		},
		"corner and sides": {
			Table{Boxes: []float32{10, 20, 4, 8}, Scores: []float32{1}, Count: 1, Sides: true, Corner: true},
			0, 1, []Detection{{box(10, 20, 14, 28), 0, 1}},
		},
		"count":    {Table{Boxes: make([]float32, 8), Scores: []float32{1, 1}, Count: 1}, 0, 1, []Detection{{box(0, 0, 0, 0), 0, 1}}},
		"NaN":      {Table{Boxes: []float32{nan, 0, 1, 1, 0, 0, 1, 1}, Scores: []float32{1, nan}, Count: 2}, 0, 1, nil},
		"no boxes": {Table{}, 0, 1, nil},
	} {
		got, err := c.table.Detections(c.first, c.classes, 0.5)
		require.NoError(t, err, name)
		require.Len(t, got, len(c.want), name)
		for i, w := range c.want {
			require.Equal(t, w.Class, got[i].Class, name)
			require.InDeltaSlice(t, w.Box[:], got[i].Box[:], 1e-4, name)
		}
	}
	for name, bad := range map[string]Table{
		"coordinates": {Boxes: make([]float32, 7)},
		"scores":      {Boxes: make([]float32, 8), Scores: make([]float32, 3)},
		"no scores":   {Boxes: make([]float32, 8)},
		"classes":     {Boxes: make([]float32, 8), Scores: make([]float32, 2), Classes: make([]float32, 1)},
		"too few":     {Boxes: make([]float32, 8), Scores: make([]float32, 4)},
	} {
		_, err := bad.Detections(0, 3, 0.5)
		require.Error(t, err, name)
	}
}

func TestSuppress(t *testing.T) {
	found := []Detection{
		{region.Box{0, 0, 10, 10}, 0, 0.5},
		{region.Box{0, 0, 10, 9}, 0, 0.8},   // IoU 0.9 with the first: that one goes
		{region.Box{0, 0, 10, 10}, 1, 0.6},  // another class stays
		{region.Box{5, 0, 15, 10}, 0, 0.5},  // IoU with the best 45/145: stays
		{region.Box{40, 0, 50, 10}, 0, 0.8}, // a tie with the second keeps their order
	}
	require.Equal(t, []Detection{found[1], found[4], found[2], found[3]}, Suppress(found, 0.45, false, 10))
	require.Equal(t, []Detection{found[1], found[4], found[3]}, Suppress(found, 0.45, true, 10))
	require.Equal(t, []Detection{found[1], found[4]}, Suppress(found, 0.45, false, 2))
	require.Len(t, Suppress(found, 1, false, 10), 5)
	require.Equal(t, float32(0.5), found[0].Score, "the argument stays as it is")
}

func TestCOCO80(t *testing.T) {
	names := COCO80()
	require.Len(t, names, 80)
	require.Equal(t, "person", names[0])
	require.Equal(t, "dog", names[16])
	require.Equal(t, "toothbrush", names[79])
}
