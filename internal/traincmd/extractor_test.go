package traincmd

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/regions"
	"github.com/aladin-go/aladin/internal/source"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
)

// flipping writes an extractor whose features are averages of a picture's and its mirror image's.
func flipping(t *testing.T) string {
	t.Helper()
	if _, err := ort.Library(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	b := onnx.NewBuilder()
	b.Output("map", b.Relu(b.Input("image", onnx.Float, onnx.Of(1, 3, 4, 4))))
	m, err := b.Model("backbone")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "m.onnx"), m.Marshal(), 0o666))
	name := filepath.Join(dir, "extractor.json")
	require.NoError(t, os.WriteFile(name, []byte(`{"kind": "onnx", "models": [{"file": "m.onnx", "feature_map": {"output": "map"}}], "regions": {"flip": true}}`), 0o666))
	return name
}

func TestTrainingSeesOnePictureWhereTheModelAveragesTwo(t *testing.T) {
	name := flipping(t)
	for _, c := range []struct {
		augment []string
		flip    bool // what training's features are averages of
	}{{nil, true}, {[]string{"crop"}, true}, {[]string{"flip"}, false}, {[]string{"crop", "flip"}, false}} {
		cfg := &config.Config{}
		cfg.Training.Augment = c.augment
		e, err := openExtractor(name, nil, &source.Flags{}, cfg, 1, "")
		require.NoError(t, err)
		require.Equal(t, c.flip, e.augmented().x.Config().Regions.Flip, c.augment)
		require.Equal(t, len(e.views), len(e.augmented().views))
		require.True(t, e.plain().x.Config().Regions.Flip)
		require.Empty(t, e.plain().views)
		var kept regions.Config
		require.NoError(t, json.Unmarshal(e.manifest.Config, &kept))
		require.True(t, kept.Regions.Flip, "the model goes on averaging")
		e.close()
	}
}

// The model looks at photos as sharp as the median of those that it learned from, unless its extractor says another.
func TestSharpness(t *testing.T) {
	name := flipping(t)
	learned := &dataset.Data{Images: sized{{300, 200}, {90, 120}, {4000, 3000}}}
	e, err := openExtractor(name, nil, &source.Flags{}, &config.Config{}, 1, "")
	require.NoError(t, err)
	defer e.close()
	require.NoError(t, e.shrink(t.Context(), learned))
	require.Equal(t, 200, e.plain().x.Config().ShorterSide)
	var kept regions.Config
	require.NoError(t, json.Unmarshal(e.manifest.Config, &kept))
	require.Equal(t, 200, kept.ShorterSide)

	require.NoError(t, e.shrink(t.Context(), &dataset.Data{Images: sized{{500, 500}}}))
	require.Equal(t, 200, e.plain().x.Config().ShorterSide, "that of a teacher stays")
}

// sized are images of which only the size is known.
type sized [][2]int

func (s sized) Len() int              { return len(s) }
func (s sized) Dim() int              { return 1 }
func (s sized) ID(i int) string       { return "" }
func (s sized) Views() []dataset.View { return []dataset.View{{}} }
func (s sized) Load(_ context.Context, i, _ int) (*region.Set, error) {
	return &region.Set{Width: s[i][0], Height: s[i][1]}, nil
}

func TestViews(t *testing.T) {
	both, err := views([]string{"flip", "crop"})
	require.NoError(t, err)
	require.Len(t, both, 4)
	require.Equal(t, regions.View{}, both[0], "view 0 is the picture as it is")
	mirrored, parts := 0, map[region.Box]bool{}
	for _, v := range both {
		if v.Flip {
			mirrored++
		}
		parts[v.Crop] = true
	}
	require.Equal(t, 2, mirrored)
	require.Len(t, parts, 3)
	crops, err := views([]string{"crop"})
	require.NoError(t, err)
	for _, v := range crops {
		require.False(t, v.Flip, "captions that speak of left and right go with every view")
	}
	_, err = views([]string{"rotate"})
	require.ErrorIs(t, err, cli.ErrUsage)
}
