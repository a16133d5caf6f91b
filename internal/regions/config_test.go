package regions

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/region"
)

const minimal = `{"kind":"onnx","models":[{"file":"m.onnx","feature_map":{"output":"x"}}]}`

func TestPresetsAreValidAndRoundTrip(t *testing.T) {
	require.Equal(t, []string{"mobilenet-yolox", "patches", "segments"}, Presets())
	for _, name := range Presets() {
		c, err := Preset(name)
		require.NoError(t, err, name)
		require.Equal(t, name, c.Name)
		data, err := json.Marshal(c)
		require.NoError(t, err)
		again, err := ParseConfig(data)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(c, again))

		// A clone shares nothing: filling in defaults leaves the original alone.
		full := c.full()
		require.NotEmpty(t, cmp.Diff(c, full))
		require.Empty(t, cmp.Diff(c, again))
	}
	c, err := Preset("mobilenet-yolox")
	require.NoError(t, err)
	require.Equal(t, []string{"mobilenetv2.onnx", "yolox_nano.onnx"}, c.Files())
	require.Len(t, c.Models[1].Boxes.Names, 80)
	data, err := json.Marshal(c)
	require.NoError(t, err)
	require.Contains(t, string(data), `"names":"coco80"`)
	_, err = Preset("resnet")
	require.ErrorIs(t, err, ErrConfig)
	require.ErrorContains(t, err, "mobilenet-yolox")
}

func TestConfigErrors(t *testing.T) {
	for says, text := range map[string]string{
		"line 2: ":              "{\"kind\":\n oops}",
		"did you mean \"kind\"": `{"kidn":"onnx"}`,
		"models[0].sise\"; did you mean \"models[0].size\"": `{"kind":"onnx","models":[{"file":"m.onnx","sise":[1,1]}]}`,
		"did you mean \"models[0].feature_map.output\"":     `{"kind":"onnx","models":[{"feature_map":{"outptu":"x"}}]}`,
		"models[0].feature_map[1].layuot\"; did you mean":   `{"kind":"onnx","models":[{"feature_map":[{"output":"x"},{"layuot":"NC"}]}]}`,
		"models[0].feature_map[1].output: \"x\" is read":    `{"kind":"onnx","models":[{"file":"m","feature_map":[{"output":"x"},{"output":"x"}]}]}`,
		"models[0].feature_map[0].output: is missing":       `{"kind":"onnx","models":[{"file":"m","feature_map":[{},{"output":"x"}]}]}`,
		"did you mean \"regions.boxes\"":                    `{"regions":{"boxs":"roi"}}`,
		"more text":                                         minimal + "{}",
		"kind: \"\" is not one of":                          `{}`,
		"no list of class names":                            `{"kind":"onnx","models":[{"file":"m","boxes":{"kind":"yolox","names":"coco90"}}]}`,
		"boxes.names: is missing":                           `{"kind":"onnx","models":[{"file":"m","boxes":{"kind":"yolox"}}]}`,
		"names of the outputs boxes and":                    `{"kind":"onnx","models":[{"file":"m","boxes":{"kind":"nms","names":["a"]}}]}`,
		"only for kind \"nms\"":                             `{"kind":"onnx","models":[{"file":"m","boxes":{"kind":"yolox","scores":"s","names":["a"]}}]}`,
		"none has a feature_map":                            `{"kind":"onnx","models":[{"file":"m","boxes":{"kind":"yolox","names":["a"]}}]}`,
		"run for nothing":                                   `{"kind":"onnx","models":[{"file":"m"}]}`,
		"no model has boxes":                                strings.Replace(minimal, `"models"`, `"regions":{"boxes":"roi"},"models"`, 1),
		"regions.grid: [3] is not rows":                     strings.Replace(minimal, `"models"`, `"regions":{"grid":[3]},"models"`, 1),
		"0 is not within 1…256":                             strings.Replace(minimal, `"models"`, `"regions":{"grid":[3,0]},"models"`, 1),
		"models[0].file: \"../m\" must":                     strings.Replace(minimal, `m.onnx`, `../m`, 1),
		"models[0].file: is missing":                        strings.Replace(minimal, `m.onnx`, ``, 1),
		"size: [1] is not height":                           strings.Replace(minimal, `"file"`, `"size":[1],"file"`, 1),
		"std: 0 cannot be used":                             strings.Replace(minimal, `"file"`, `"std":[1,0,1],"file"`, 1),
		"three numbers":                                     strings.Replace(minimal, `"file"`, `"mean":[1],"file"`, 1),
		"resize.mode: \"zoom\"":                             strings.Replace(minimal, `"file"`, `"resize":{"mode":"zoom"},"file"`, 1),
		"layout: \"HWC\"":                                   strings.Replace(minimal, `"file"`, `"layout":"HWC","file"`, 1),
		"kind: \"other\" is not one":                        strings.Replace(minimal, `"onnx"`, `"other"`, 1),
		"needs at least one":                                `{"kind":"onnx"}`,
		"patches: is missing":                               `{"kind":"patches"}`,
		"models: kind \"patches\" has":                      `{"kind":"patches","patches":{"size":8,"patch":4},"models":[{"file":"m"}]}`,
		"patches: kind \"onnx\" has":                        strings.Replace(minimal, `"models"`, `"patches":{"size":8,"patch":4},"models"`, 1),
		"1 pixels would be left over":                       `{"kind":"patches","patches":{"size":9,"patch":4}}`,
		"patches.patch: 9 is not within":                    `{"kind":"patches","patches":{"size":8,"patch":9}}`,
		"cannot unmarshal":                                  `{"kind":3}`,
	} {
		_, err := ParseConfig([]byte(text))
		require.ErrorIs(t, err, ErrConfig, text)
		require.ErrorContains(t, err, says, text)
	}
	_, err := ParseConfig([]byte(minimal))
	require.NoError(t, err)

	// The Config is strict inside a larger document too.
	var bundle struct{ Regions *Config }
	require.ErrorIs(t, json.Unmarshal([]byte(`{"Regions":{"kidn":"onnx"}}`), &bundle), ErrConfig)

	p := filepath.Join(t.TempDir(), "regions.json")
	require.NoError(t, os.WriteFile(p, []byte("{"), 0o666))
	_, err = ReadConfig(p)
	require.ErrorContains(t, err, p)
	_, err = ReadConfig(p + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestStandardisation(t *testing.T) {
	sets := []*region.Set{
		{Dim: 3, Features: []float32{1, 5, 9, 3, 5, 8}, Boxes: make([]region.Box, 2)},
		{Dim: 3, Features: []float32{5, 5, 7}, Boxes: make([]region.Box, 1)},
	}
	s, err := FitStandardisation(slices.Values(sets), 2)
	require.NoError(t, err)
	require.EqualValues(t, 3, s.Regions)
	require.InDeltaSlice(t, []float32{3, 5}, s.Mean, 1e-6)
	require.InDeltaSlice(t, []float32{1.6329932, 1}, s.Std, 1e-6, "a feature that never varies is left alone")
	s.Apply(sets...)
	require.InDeltaSlice(t, []float32{-1.2247449, 0, 9, 0, 0, 8}, sets[0].Features, 1e-5)

	p := filepath.Join(t.TempDir(), "standardise.json")
	require.NoError(t, s.WriteFile(p))
	again, err := ReadStandardisation(p)
	require.NoError(t, err)
	require.Equal(t, s, again)

	cfg := &Config{Kind: kindPatches, Patches: &PatchConfig{Size: 4, Patch: 2}, Standardise: "standardise.json"}
	_, err = Open(cfg, filepath.Dir(p), nil)
	require.ErrorIs(t, err, ErrConfig)
	require.ErrorContains(t, err, "the regions have 12")
	require.NoError(t, os.WriteFile(p, []byte(`{"mean":[1],"std":[0]}`), 0o666))
	_, err = ReadStandardisation(p)
	require.ErrorIs(t, err, ErrConfig)
	_, err = FitStandardisation(slices.Values([]*region.Set{}), 2)
	require.Error(t, err)
	_, err = FitStandardisation(slices.Values(sets), 4)
	require.Error(t, err)
}

func FuzzParseConfig(f *testing.F) {
	for _, name := range Presets() {
		data, err := PresetJSON(name)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte(minimal))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err != nil {
			require.ErrorIs(t, err, ErrConfig)
			return
		}
		again, err := json.Marshal(c)
		require.NoError(t, err)
		_, err = ParseConfig(again)
		require.NoError(t, err, "%s", again)
	})
}
