package preprocess

import (
	"image"
	_ "image/jpeg"
	_ "image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/shareddata"
)

// pictures are the fixtures' in the order of their rows; the JPEG as Pillow decodes it.
var pictures = []string{"landscape.png", "portrait.decoded.png", "small.png", "rgba.png", "gray.png", "panorama.png", "large.png", "tall.png"}

func picture(tb testing.TB, path string) image.Image {
	tb.Helper()
	f, err := os.Open(path)
	require.NoError(tb, err)
	defer f.Close()
	m, _, err := image.Decode(f)
	require.NoError(tb, err)
	return m
}

// TestFixtures compares with the pixel tensors of the original libraries.
func TestFixtures(t *testing.T) {
	root := shareddata.Dir(t, "clip-tiny")

	for _, l := range []struct {
		kind, file, key string
		read            func([]byte) (*Config, error)
	}{
		{"hf-clip", "preprocessor_config.json", "pixel_values", HuggingFace},
		{"hf-clip-new", "preprocessor_config.json", "pixel_values", HuggingFace},
		{"transformers-js", "preprocessor_config.json", "pixel_values", HuggingFace},
		{"transformers-js-mask", "preprocessor_config.json", "pixel_values", HuggingFace},
		{"siglip", "preprocessor_config.json", "pixel_values", HuggingFace},
		{"siglip2", "preprocessor_config.json", "pixel_values", HuggingFace},
		{"openclip", "open_clip_config.json", "pixel_values", OpenCLIP},
		{"openclip-custom", "open_clip_config.json", "pixel_values", OpenCLIP},
		{"openclip-siglip", "open_clip_config.json", "pixel_values", OpenCLIP},
		{"immich", "visual/preprocess_cfg.json", "pixel_values", Immich},
	} {
		t.Run(l.kind, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(root, l.kind, l.file))
			require.NoError(t, err)
			c, err := l.read(b)
			require.NoError(t, err)
			z, err := npy.OpenZ(filepath.Join(root, l.kind, "expected.npz"))
			require.NoError(t, err)
			defer z.Close()
			a, err := z.Read(l.key)
			require.NoError(t, err)
			want, err := a.Float32s()
			require.NoError(t, err)
			w, h := c.Size()
			require.Equal(t, []int{len(pictures), 3, h, w}, a.Shape)
			n := 3 * w * h
			got := make([]float32, n)
			for i, name := range pictures {
				require.NoError(t, c.Tensor(got, picture(t, filepath.Join(root, "images", name))))
				worst := 0.0
				for k, x := range want[i*n : (i+1)*n] {
					worst = max(worst, math.Abs(float64(x-got[k])))
				}
				assert.LessOrEqual(t, worst, 5e-7, name)
			}
		})
	}
}
