package preprocess

import (
	"encoding/json"
	"image"
	"image/color"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHuggingFaceForms(t *testing.T) {
	for name, tc := range map[string]struct {
		file string
		want func(c *Config)
	}{
		"nothing":        {`{}`, func(*Config) {}},
		"numbers":        {`{"size": 30, "crop_size": 20}`, func(c *Config) { c.Height, c.Width, c.CropHeight, c.CropWidth = 30, 30, 20, 20 }},
		"objects":        {`{"size": {"shortest_edge": 30}, "crop_size": {"height": 20, "width": 10}}`, func(c *Config) { c.Height, c.Width, c.CropHeight, c.CropWidth = 30, 30, 20, 10 }},
		"squash, crop":   {`{"size": {"height": 20, "width": 10}}`, func(c *Config) { c.Resize, c.Height, c.Width = Squash, 20, 10 }},
		"no resize":      {`{"do_resize": false}`, func(c *Config) { c.Resize, c.Height, c.Width = None, 0, 0 }},
		"filter":         {`{"resample": 1}`, func(c *Config) { c.Filter = Lanczos }},
		"not normalized": {`{"do_normalize": false}`, func(c *Config) { c.Mean, c.Std = [3]float64{}, [3]float64{1, 1, 1} }},
		"levels":         {`{"do_rescale": false}`, func(c *Config) { c.Rescale = 1 }},
		"newer name":     {`{"image_processor_type": "CLIPImageProcessorFast"}`, func(*Config) {}},
		"siglip": {`{"image_processor_type": "SiglipImageProcessor", "size": {"height": 30, "width": 30}}`, func(c *Config) {
			*c = Config{Library: LibraryHuggingFace, Resize: Squash, Height: 30, Width: 30, Filter: Bicubic, Rescale: c.Rescale, Mean: half, Std: half}
		}},
	} {
		want := processors["CLIP"]
		want.Library, want.Rescale = LibraryHuggingFace, 1.0/255
		tc.want(&want)
		got, err := HuggingFace([]byte(tc.file))
		require.NoError(t, err, name)
		require.Equal(t, &want, got, name)

		b, err := json.Marshal(got)
		require.NoError(t, err)
		var again Config
		require.NoError(t, json.Unmarshal(b, &again))
		require.Equal(t, got, &again, name)
	}
}

func TestUnusableFiles(t *testing.T) {
	for name, file := range map[string]string{
		"syntax":      `{"size": `,
		"type":        `{"size": "large"}`,
		"half a size": `{"size": {"height": 3}}`,
		"three":       `{"crop_size": [1, 2, 3]}`,
		"huge":        `{"crop_size": 100000}`,
		"negative":    `{"crop_size": -1}`,
		"filter":      `{"resample": 9}`,
		"mean":        `{"image_mean": [1]}`,
		"std":         `{"image_std": [1, 0, 1]}`,
		"unknown":     `{"image_processor_type": "FlavaImageProcessor"}`,
		"naflex":      `{"image_processor_type": "Siglip2ImageProcessor", "max_num_patches": 256}`,
		"any size":    `{"do_center_crop": false}`,
		"rescale":     `{"rescale_factor": 0}`,
	} {
		_, err := HuggingFace([]byte(file))
		require.ErrorIs(t, err, ErrConfig, name)
	}
	for name, file := range map[string]string{
		"no size":     `{}`,
		"not square":  `{"size": [3, 4]}`,
		"resize mode": `{"size": 4, "resize_mode": "stretch"}`,
		"random":      `{"size": 4, "interpolation": "random"}`,
		"grey":        `{"size": 4, "mode": "L"}`,
	} {
		_, err := OpenCLIP([]byte(`{"preprocess_cfg": ` + file + `}`))
		require.ErrorIs(t, err, ErrConfig, name)
	}
}

// Crops larger than the picture are padded, and a picture's shape costs no memory.
func TestShapes(t *testing.T) {
	white := image.NewGray(image.Rect(0, 0, 3, 2))
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	c := &Config{Library: LibraryHuggingFace, Resize: None, CropWidth: 4, CropHeight: 4, Filter: Bicubic, Rescale: 1, Std: [3]float64{1, 1, 1}}
	got := make([]float32, 3*16)
	require.NoError(t, c.Tensor(got, white))
	require.Equal(t, []float32{0, 0, 0, 0, 0, 255, 255, 255, 0, 255, 255, 255, 0, 0, 0, 0}, got[:16])

	c.Resize, c.Height, c.Width = Shortest, 4, 4
	for _, size := range []image.Point{{50_000, 2}, {2, 50_000}, {1, 1}} {
		require.NoError(t, c.Tensor(got, image.NewGray(image.Rectangle{Max: size})), "%v", size)
	}
	require.ErrorIs(t, c.Tensor(got, image.NewGray(image.Rectangle{})), ErrPicture)
	require.ErrorIs(t, c.Tensor(got[:5], white), ErrConfig)

	c.Resize = Longest
	require.NoError(t, c.Tensor(got, image.NewGray(image.Rect(0, 0, 9, 40))))
}

// A picture is the same in all of Go's kinds, and in a part of a larger one.
func TestKinds(t *testing.T) {
	c := &Config{Library: LibraryOpenCLIP, Resize: Squash, Height: 5, Width: 4, Filter: Bicubic, Rescale: 1, Std: [3]float64{1, 1, 1}}
	at := func(x, y int) color.NRGBA { return color.NRGBA{uint8(20 * x), uint8(30 * y), uint8(x * y), 255} }
	full := image.NewNRGBA(image.Rect(-1, -2, 12, 10))
	rgba, deep := image.NewRGBA(image.Rect(0, 0, 9, 7)), image.NewNRGBA64(image.Rect(0, 0, 9, 7))
	for y := range 7 {
		for x := range 9 {
			full.Set(x, y, at(x, y))
			rgba.Set(x, y, at(x, y))
			deep.Set(x, y, at(x, y))
		}
	}
	var want []float32
	for i, m := range []image.Image{full.SubImage(image.Rect(0, 0, 9, 7)), rgba, deep} {
		got := make([]float32, 3*20)
		require.NoError(t, c.Tensor(got, m))
		if i == 0 {
			want = got
		}
		require.Equal(t, want, got)
	}
}

func FuzzFiles(f *testing.F) {
	f.Add([]byte(`{"size": {"shortest_edge": 8}, "crop_size": 8, "resample": 2}`))
	f.Add([]byte(`{"preprocess_cfg": {"size": 8, "resize_mode": "longest", "fill_color": 3}}`))
	f.Add([]byte(`{"size": [8, 8], "image_mean": [0, 0, 0]}`))
	m := image.NewNRGBA(image.Rect(0, 0, 5, 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, read := range []func([]byte) (*Config, error){HuggingFace, OpenCLIP, Immich} {
			c, err := read(b)
			if err != nil {
				require.ErrorIs(t, err, ErrConfig)
				continue
			}
			if w, h := c.Size(); w*h < 1<<16 {
				require.NoError(t, c.Tensor(make([]float32, 3*w*h), m))
			}
		}
	})
}

func BenchmarkTensor(b *testing.B) {
	c := processors["CLIP"]
	c.Library, c.Rescale = LibraryHuggingFace, 1.0/255
	m := image.NewYCbCr(image.Rect(0, 0, 4000, 3000), image.YCbCrSubsampleRatio420)
	dst := make([]float32, 3*224*224)
	b.ReportAllocs()
	for b.Loop() {
		_ = c.Tensor(dst, m)
	}
}
