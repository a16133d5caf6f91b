package source

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/cli"
)

func base64Floats(v ...float32) string {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// twoDetectors is a picture of which Faster R-CNN found a dog (10 features with the box's), and Detic the
// same dog and a ball (2 features without).
func twoDetectors(t *testing.T) string {
	return folder(t, map[string][]byte{
		"features.tsv":    []byte("7\t1\t" + base64Floats(1, 2, 3, 4, 0, 0, .5, .5, .5, .5) + "\n"),
		"predictions.tsv": []byte("7\t" + `{"image_h": 100, "image_w": 100, "objects": [{"class": "dog", "rect": [0, 0, 50, 50], "conf": 0.5}]}` + "\n"),
		"detic.tsv": []byte("7\t" + `{"image_h": 100, "image_w": 100, "objects": [{"class": "dog", "rect": [0, 0, 50, 48], "conf": 0.9}, ` +
			`{"class": "ball", "rect": [60, 60, 90, 90], "conf": 0.8}]}` + "\t" + base64Floats(5, 6, 7, 8) + "\n"),
	})
}

// Every detection type changes what is read, and a flag's goes before a configuration's.
func TestDetectionTypes(t *testing.T) {
	dir := twoDetectors(t)
	for kind, want := range map[string]struct {
		dim  int
		tags []string
		row  []float32 // of the last region
	}{
		"":                {10, []string{"dog"}, []float32{1, 2, 3, 4, 0, 0, .5, .5, .5, .5}},
		"fast":            {10, []string{"dog"}, []float32{1, 2, 3, 4, 0, 0, .5, .5, .5, .5}},
		"det":             {8, []string{"dog", "ball"}, []float32{7, 8, .6, .6, .9, .9, .3, .3}},
		"det_padded":      {10, []string{"dog", "ball"}, []float32{7, 8, .6, .6, .9, .9, .3, .3, 0, 0}},
		"det+fast":        {10, []string{"dog", "ball"}, []float32{7, 8, .6, .6, .9, .9, .3, .3, 0, 0}},
		"det+fast_padded": {10, []string{"dog", "ball"}, []float32{7, 8, .6, .6, .9, .9, .3, .3, 0, 0}},
		"det+fast_labels": {10, []string{"dog", "ball"}, []float32{1, 2, 3, 4, 0, 0, .5, .5, .5, .5}},
		"fast+det_labels": {10, []string{"dog", "ball"}, []float32{1, 2, 3, 4, 0, 0, .5, .5, .5, .5}},
	} {
		for name, open := range map[string]func() (*Source, error){
			"configuration": func() (*Source, error) {
				return parse(t, "", "--features", dir).Open(t.Context(), &Options{Detection: kind})
			},
			"flag": func() (*Source, error) {
				return parse(t, "", "--features", dir, "--detection", kind).Open(t.Context(), &Options{})
			},
			"flag over configuration": func() (*Source, error) {
				if kind == "" {
					kind = "fast"
				}
				return parse(t, "", "--features", dir, "--detection", kind).Open(t.Context(), &Options{Detection: "det"})
			},
		} {
			s, err := open()
			require.NoError(t, err, "%s %s", kind, name)
			require.Equal(t, want.dim, s.Dim(), "%s %s", kind, name)
			set, err := s.Set(0)
			require.NoError(t, err, "%s %s", kind, name)
			require.ElementsMatch(t, want.tags, set.ObjectTags(), "%s %s", kind, name)
			found := false
			for i := range set.Len() {
				same := true
				for k, v := range want.row {
					same = same && math.Abs(float64(v-set.Row(i)[k])) < 1e-6
				}
				found = found || same
			}
			require.True(t, found, "%s %s: %v", kind, name, set.Features)
			require.NoError(t, s.Close())
		}
	}
}

func TestDetectionMismatch(t *testing.T) {
	plain := folder(t, map[string][]byte{
		"features.tsv":    []byte("7\t1\t" + base64Floats(1, 2, 3, 4, 0, 0, .5, .5, .5, .5) + "\n"),
		"predictions.tsv": []byte("7\t" + `[{"class": "dog", "rect": [0, 0, 50, 50]}]` + "\n"),
	})
	_, err := parse(t, "", "--features", plain).Open(t.Context(), &Options{Detection: "det+fast"})
	require.ErrorContains(t, err, "detection type det+fast")
	require.ErrorContains(t, err, "detic.tsv")
	_, err = parse(t, "", "--features", plain).Open(t.Context(), &Options{Detection: "fastest"})
	require.ErrorContains(t, err, "det+fast_labels")
	_, err = parse(t, "val-", "--val-scenes", "3").Open(t.Context(), &Options{Detection: "det"})
	require.ErrorIs(t, err, cli.ErrUsage)
	require.ErrorContains(t, err, "detection type det is one of published features (--val-features DIR)")
	_, err = parse(t, "", "--features", twoDetectors(t)).Open(t.Context(), &Options{Detection: "det", Dim: 10})
	require.ErrorContains(t, err, "regions have 8 features (detection type det) where the model reads 10")
}
