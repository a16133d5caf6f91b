package regions

import (
	"context"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/region"
)

func needRuntime(t testing.TB) {
	t.Helper()
	if !ort.Available() {
		_, err := ort.Library()
		t.Skipf("ONNX Runtime is not here: %v", err)
	}
}

// writeModels makes models whose answers are known: backbone.onnx gives its input of [n,3,4,4] back as a
// feature map (the inner value "inner" is twice that), nhwc.onnx the same for uint8 [1,4,4,3], and
// fixed.onnx does the same for nothing but [1,3,4,4], and
// detector.onnx, for [1,3,8,8], always the same boxes.
func writeModels(t testing.TB) string {
	t.Helper()
	needRuntime(t)
	dir := t.TempDir()
	write := func(name string, b *onnx.Builder, rename ...string) {
		m, err := b.Model(name)
		require.NoError(t, err)
		data := m.Marshal()
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".onnx"), data, 0o666))
	}
	b := onnx.NewBuilder()
	x := b.Input("picture", onnx.Float, onnx.Of("n", 3, 4, 4))
	b.Output("map", b.MulS(b.MulS(x, 2), 0.5))
	write("backbone", b)

	b = onnx.NewBuilder()
	x = b.Input("picture", onnx.Float, onnx.Of(1, 3, 4, 4))
	b.Output("map", b.Reshape(b.Reshape(x, onnx.D(1), onnx.D(48)), onnx.D(1), onnx.D(3), onnx.D(4), onnx.D(4)))
	write("fixed", b)

	b = onnx.NewBuilder()
	x = b.Input("picture", onnx.Uint8, onnx.Of(1, 4, 4, 3))
	b.Output("map", b.Cast(x, onnx.Float))
	write("nhwc", b)

	b = onnx.NewBuilder()
	x = b.Input("picture", onnx.Float, onnx.Of(1, 3, 8, 8))
	zero := b.MulS(b.ReduceSum(x, false, 0, 1, 2, 3), 0)
	b.Output("boxes", b.Add(b.Weights("b", []float32{
		0, 0, 4, 4, // a: the upper left quarter
		0, 0, 4, 4.1, // a again, suppressed
		4, 4, 8, 8, // b: the lower right
		0, 0, 8, 8, // below the threshold
	}, 1, 4, 4), zero))
	b.Output("scores", b.Add(b.Weights("s", []float32{0.6, 0.5, 0.9, 0.1}, 1, 4), zero))
	b.Output("classes", b.Add(b.Weights("c", []float32{0, 0, 1, 1}, 1, 4), zero))
	write("detector", b)
	return dir
}

func backbone() ModelConfig {
	return ModelConfig{File: "backbone.onnx", FeatureMaps: FeatureMaps{{Output: "map"}}}
}

func detector() ModelConfig {
	return ModelConfig{File: "detector.onnx", Boxes: &BoxConfig{
		Kind: boxesNMS, Boxes: "boxes", Scores: "scores", Classes: "classes", NMSIoU: 0.5, Names: []string{"cat", "dog"},
	}}
}

func openConfig(t testing.TB, dir string, cfg *Config, opts *ort.Options) Extractor {
	t.Helper()
	cfg.Kind = kindONNX
	if cfg.Models == nil {
		m := backbone()
		m.Size = []int{4, 4}
		cfg.Models = []ModelConfig{m}
	}
	x, err := Open(cfg, dir, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, x.Close()) })
	return x
}

func TestGrid(t *testing.T) {
	dir := writeModels(t)
	img := numbered(4, 4)
	x := openConfig(t, dir, &Config{Regions: &RegionConfig{Grid: []int{4, 4}}, BoxNumbers: true}, nil)
	require.Equal(t, 3+6, x.Dim())
	set := extractOne(t, x, img)
	require.Equal(t, 17, set.Len())
	require.InDeltaSlice(t, []float32{16.5, 100, 200, 0, 0, 1, 1, 1, 1}, set.Row(0), 1e-4)
	require.InDeltaSlice(t, []float32{12, 100, 200, 0.5, 0.25, 0.75, 0.5, 0.25, 0.25}, set.Row(1+4+2), 1e-4)
	require.Nil(t, set.Labels)
	require.Nil(t, set.Tags)

	// A coarser grid averages cells; the map can be any inner value.
	m := backbone()
	m.FeatureMaps = FeatureMaps{{Output: "Mul_1", Power: 0.5}}
	m.Channels, m.Mean, m.Std = "BGR", []float64{10, 20, 30}, []float64{2, 4, 5}
	x = openConfig(t, dir, &Config{Models: []ModelConfig{m}, Regions: &RegionConfig{Grid: []int{1, 2}, Power: 2}}, nil)
	require.Equal(t, []int{4, 4}, x.Config().Models[0].Size, "taken from the model")
	set = extractOne(t, x, quarters(4, 4))
	require.Equal(t, 3, set.Len())
	require.Len(t, set.Row(1), 3)
	// Inner value: twice (v − mean)/std, blue first; blue and red halves under the left cell.
	half := func(a, b, mean, std float64) float32 {
		root := func(v float64) float64 {
			f := []float32{float32(2 * (v - mean) / std)}
			power(f, 0.5)
			return float64(f[0])
		}
		f := []float32{float32((root(a) + root(b)) / 2)}
		power(f, 2)
		return f[0]
	}
	require.InDeltaSlice(t, []float32{half(0, 255, 30, 5), half(0, 0, 20, 4), half(255, 0, 10, 2)}, set.Row(1), 1e-3)
}

// Several maps of one model are read of one run and stand one behind the other, as if the model were listed
// for each of them.
func TestSeveralMapsOfAModel(t *testing.T) {
	dir := writeModels(t)
	regions := &RegionConfig{Grid: []int{2, 2}, Flip: true}
	first, second, both := backbone(), backbone(), backbone()
	second.FeatureMaps = FeatureMaps{{Output: "Mul_1", Power: 0.5}}
	both.FeatureMaps = append(both.FeatureMaps, second.FeatureMaps...)
	for _, m := range []*ModelConfig{&first, &second, &both} {
		m.Size = []int{4, 4}
	}
	want := extractOne(t, openConfig(t, dir, &Config{Models: []ModelConfig{first, second}, Regions: regions}, nil), numbered(4, 4))
	got := extractOne(t, openConfig(t, dir, &Config{Models: []ModelConfig{both}, Regions: regions}, nil), numbered(4, 4))
	require.Equal(t, 6, got.Dim)
	require.Equal(t, want, got)
}

// A network without anything of a fixed size takes pictures of another size than its file states.
func TestOtherSize(t *testing.T) {
	m := backbone()
	m.Size = []int{2, 8}
	x := openConfig(t, writeModels(t), &Config{Models: []ModelConfig{m}, Regions: &RegionConfig{Grid: []int{2, 8}}}, nil)
	set := extractOne(t, x, numbered(8, 2))
	require.Equal(t, 1+16, set.Len())
	for i := range 16 {
		require.InDeltaSlice(t, []float32{float32(i + i/8*2), 100, 200}, set.Row(1+i), 3)
	}
}

func TestBoxes(t *testing.T) {
	dir := writeModels(t)
	img := quarters(8, 8)
	red, white := []float32{255, 0, 0}, []float32{255, 255, 255}
	for _, boxes := range []string{boxesROI, boxesCrop} {
		x := openConfig(t, dir, &Config{Models: []ModelConfig{detector(), backbone()}, Regions: &RegionConfig{Boxes: boxes}}, nil)
		set := extractOne(t, x, img)
		require.Equal(t, []region.Box{{0, 0, 1, 1}, {0.5, 0.5, 1, 1}, {0, 0, 0.5, 0.5}}, set.Boxes, "by falling score")
		require.Equal(t, []string{"", "dog", "cat"}, set.Labels)
		require.Equal(t, []string{"dog", "cat"}, set.ObjectTags())
		require.InDeltaSlice(t, white, set.Row(1), 24, boxes)
		require.InDeltaSlice(t, red, set.Row(2), 24, boxes)
	}
	// Mirrored pictures have the boxes at the same place (this detector is blind), and so other colours there.
	x := openConfig(t, dir, &Config{Models: []ModelConfig{backbone(), detector()}, Regions: &RegionConfig{Boxes: boxesROI, Flip: true, L2: true}}, nil)
	set := extractOne(t, x, img)
	require.InDeltaSlice(t, []float32{1, 0, 0}, set.Row(2), 0.1, "the mirrored map is read at the mirrored place")
	sets, err := x.Extract(context.Background(), pictures(t, img), View{Flip: true}, View{Crop: region.Box{0, 0, 0.5, 0.5}})
	require.NoError(t, err)
	require.InDeltaSlice(t, []float32{0, 1, 0}, sets[0].Row(2), 0.1)
	require.InDeltaSlice(t, []float32{1, 0, 0}, sets[1].Row(0), 0.1)

	m := detector()
	m.Boxes.NMSIoU, m.Boxes.Names, m.Boxes.ScoreThreshold = 1, []string{"cat"}, 0.05
	x = openConfig(t, dir, &Config{Models: []ModelConfig{backbone(), m}, Regions: &RegionConfig{Tags: tagsUnique}}, nil)
	set = extractOne(t, x, img)
	require.Equal(t, 1, set.Len(), "boxes only give tags")
	require.Nil(t, set.Labels)
	require.Equal(t, []string{"cat"}, set.ObjectTags())

	x = openConfig(t, dir, &Config{Models: []ModelConfig{backbone(), detector()}, Regions: &RegionConfig{Tags: tagsNone, Boxes: boxesROI}}, nil)
	set = extractOne(t, x, img)
	require.Equal(t, []string{"", "dog", "cat"}, set.Labels)
	require.Empty(t, set.ObjectTags())
}

func TestTwoMapsAndBytes(t *testing.T) {
	dir := writeModels(t)
	second := ModelConfig{File: "nhwc.onnx", Layout: layoutNHWC, Resize: ResizeConfig{Mode: resizeCrop}, FeatureMaps: FeatureMaps{{Output: "map"}}}
	x := openConfig(t, dir, &Config{Models: []ModelConfig{backbone(), second}}, nil)
	require.Equal(t, 6, x.Dim())
	set := extractOne(t, x, numbered(8, 4)) // stretched: mean of x = 3.5; cropped: the same, by symmetry
	require.InDeltaSlice(t, []float32{18.5, 100, 200, 18.5, 100, 200}, set.Row(0), 0.3)
}

// TestSameWhateverTheBatch: neither batch nor threads nor neighbours change a bit.
func TestSameWhateverTheBatch(t *testing.T) {
	dir := writeModels(t)
	var imgs []image.Image
	for i := range 11 {
		imgs = append(imgs, quarters(5+i, 20-i))
	}
	var want []*region.Set
	for _, c := range []struct{ batch, threads int }{{1, 1}, {1, 3}, {4, 1}, {4, 3}, {32, 2}} {
		m := backbone()
		m.Batch = c.batch
		x := openConfig(t, dir, &Config{Models: []ModelConfig{m, detector()}, Regions: &RegionConfig{Boxes: boxesCrop, Grid: []int{2, 2}}}, &ort.Options{Threads: c.threads})
		got, err := x.Extract(context.Background(), pictures(t, imgs...))
		require.NoError(t, err)
		if want == nil {
			want = got
			for i, img := range imgs {
				require.Equal(t, want[i], extractOne(t, x, img))
			}
		}
		require.Equal(t, want, got, "batch %d, %d threads", c.batch, c.threads)
	}
}

func TestStandardisedExtractor(t *testing.T) {
	dir := writeModels(t)
	img := numbered(4, 4)
	x := openConfig(t, dir, &Config{Regions: &RegionConfig{Grid: []int{4, 4}}, BoxNumbers: true}, nil)
	set := extractOne(t, x, img)
	s, err := FitStandardisation(slices.Values([]*region.Set{set}), FeatureDim(x))
	require.NoError(t, err)
	require.NoError(t, s.WriteFile(filepath.Join(dir, "std.json")))
	x = openConfig(t, dir, &Config{Regions: &RegionConfig{Grid: []int{4, 4}}, BoxNumbers: true, Standardise: "std.json"}, nil)
	require.Equal(t, []string{"backbone.onnx", "std.json"}, x.Config().Files())
	got := extractOne(t, x, img)
	s.Apply(set)
	require.Equal(t, set, got)
	again, err := FitStandardisation(slices.Values([]*region.Set{got}), 3)
	require.NoError(t, err)
	require.InDelta(t, 0, again.Mean[0], 1e-5)
	require.InDelta(t, 1, again.Std[0], 1e-5)
}

func TestModelErrors(t *testing.T) {
	dir := writeModels(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "text.onnx"), []byte("not a model"), 0o666))
	for says, change := range map[string]func(m *ModelConfig){
		"absent.onnx":                     func(m *ModelConfig) { m.File = "absent.onnx" },
		"text.onnx":                       func(m *ModelConfig) { m.File = "text.onnx" },
		"the model has the inputs":        func(m *ModelConfig) { m.Input = "image" },
		"does not take pictures of [5 4]": func(m *ModelConfig) { m.File, m.Size = "fixed.onnx", []int{5, 4} },
		"has 4 channels where layout":     func(m *ModelConfig) { m.Layout = layoutNHWC },
		`"mapp"; nearest: ["map"`:         func(m *ModelConfig) { m.FeatureMaps[0].Output = "mapp" },
		"layout \"NC\" needs 2 dim":       func(m *ModelConfig) { m.FeatureMaps[0].Layout = layoutNC },
		"boxes.output is missing": func(m *ModelConfig) {
			*m = detector()
			m.Boxes.Kind = boxesYOLOX
			m.Boxes.Boxes, m.Boxes.Scores, m.Boxes.Classes = "", "", ""
		},
		"YOLOX output of 16 values": func(m *ModelConfig) {
			*m = detector()
			m.Boxes = &BoxConfig{Kind: boxesYOLOX, Output: "boxes", Names: []string{"cat"}}
		},
		"classes and 16 scores":         func(m *ModelConfig) { *m = detector(); m.Boxes.Scores = "boxes" },
		"output \"boxes\" has 16 value": func(m *ModelConfig) { *m = detector(); m.Boxes.Count = "boxes" },
	} {
		cfg := &Config{Kind: kindONNX, Models: []ModelConfig{backbone(), backbone()}}
		change(&cfg.Models[1])
		_, err := Open(cfg, dir, nil)
		require.ErrorContains(t, err, says)
		if !strings.HasPrefix(says, "absent") {
			require.True(t, isOneOf(err, ErrModel, ErrConfig), "%v", err)
		} else {
			require.ErrorIs(t, err, os.ErrNotExist)
		}
	}
	_, err := Open(nil, dir, nil)
	require.ErrorIs(t, err, ErrConfig)

	x := openConfig(t, dir, &Config{}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = x.Extract(ctx, pictures(t, quarters(4, 4)))
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, x.Close())
	_, err = x.Extract(context.Background(), pictures(t, quarters(4, 4)))
	require.ErrorIs(t, err, ort.ErrClosed)
}

func isOneOf(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(t error) bool { return strings.Contains(err.Error(), t.Error()) })
}
