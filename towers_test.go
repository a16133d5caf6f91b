package aladin_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/internal/models"
	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/shareddata"
	"github.com/aladin-go/aladin/internal/towers"
)

// towerPhotos are the fixtures' pictures in the order of their rows.
var towerPhotos = []string{"landscape.png", "portrait.jpg", "small.png", "rgba.png", "gray.png", "panorama.png", "large.png", "tall.png"}

// importTowers makes a bundle of a fixture and opens it.
func importTowers(t *testing.T, kind string, o models.SaveOptions) *aladin.Model {
	t.Helper()
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	s, err := models.Open(shareddata.Dir(t, "clip-tiny", kind))
	require.NoError(t, err)
	defer s.Close()
	dir := filepath.Join(t.TempDir(), "model")
	_, err = s.Save(t.Context(), dir, o)
	require.NoError(t, err)
	m, err := aladin.OpenModel(dir, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

type towerFixture struct {
	t *testing.T
	z *npy.Archive
}

func openTowerFixture(t *testing.T, kind string) towerFixture {
	t.Helper()
	z, err := npy.OpenZ(filepath.Join(shareddata.Dir(t, "clip-tiny", kind), "expected.npz"))
	require.NoError(t, err)
	t.Cleanup(func() { z.Close() })
	return towerFixture{t, z}
}

func (f towerFixture) rows(name string) [][]float32 {
	a, err := f.z.Read(name)
	require.NoError(f.t, err)
	v, err := a.Float32s()
	require.NoError(f.t, err)
	out := make([][]float32, a.Shape[0])
	for i := range out {
		out[i] = v[i*len(v)/len(out) : (i+1)*len(v)/len(out)]
	}
	return out
}

func cosineAndGap(a, b []float32) (cosine, gap float64) {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
		gap = max(gap, math.Abs(x-y))
	}
	return ab / math.Sqrt(aa*bb), gap
}

var towerKinds = []string{"hf-clip", "hf-clip-new", "openclip", "openclip-custom", "openclip-siglip", "siglip", "siglip2", "transformers-js", "transformers-js-mask", "immich"}

// A bundle of somebody's towers gives their library's embeddings, from texts and from photos.
func TestTowersTheWholeWay(t *testing.T) {
	b, err := os.ReadFile(shareddata.Dir(t, "clip-tiny", "texts.json"))
	require.NoError(t, err)
	var texts []string
	require.NoError(t, json.Unmarshal(b, &texts))
	for _, kind := range towerKinds {
		t.Run(kind, func(t *testing.T) {
			m := importTowers(t, kind, models.SaveOptions{})
			f := openTowerFixture(t, kind)
			want := f.rows("text_embeds_norm")
			for i, text := range texts {
				if strings.TrimSpace(text) == "" {
					continue // refused
				}
				e, err := m.Encode(t.Context(), aladin.Text(text))
				require.NoError(t, err, text)
				cosine, gap := cosineAndGap(want[i], e.Matching)
				require.LessOrEqual(t, gap, 1e-5, "text %d %q", i, text)
				require.GreaterOrEqual(t, cosine, 0.99999)
				require.Equal(t, len(e.Words)*m.Info().Dim, len(e.Tokens))
				require.True(t, e.Untrained)
			}
			want = f.rows("image_embeds_norm")
			for i, name := range towerPhotos {
				e, err := m.Encode(t.Context(), aladin.ImageFile(shareddata.Dir(t, "clip-tiny", "images", name)))
				require.NoError(t, err, name)
				cosine, gap := cosineAndGap(want[i], e.Matching)
				if strings.HasSuffix(name, ".jpg") { // another decoder
					require.GreaterOrEqual(t, cosine, 0.9995, name)
					continue
				}
				require.LessOrEqual(t, gap, 1e-5, name)
				require.GreaterOrEqual(t, cosine, 0.99999, name)
				require.Len(t, e.Boxes, e.N())
				require.Greater(t, e.N(), 8)
			}
		})
	}
}

// A text tower that is made bytes of when it is opened, from weights beside its graph.
func TestInt8TextOfTowers(t *testing.T) {
	s, err := models.Open(shareddata.Dir(t, "clip-tiny", "openclip"))
	require.NoError(t, err)
	defer s.Close()
	dir := filepath.Join(t.TempDir(), "model")
	_, err = s.Save(t.Context(), dir, models.SaveOptions{})
	require.NoError(t, err)
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	m, err := aladin.OpenModel(dir, &aladin.Options{Int8Text: true})
	require.NoError(t, err)
	defer m.Close()
	e, err := m.Encode(t.Context(), aladin.Text("a photo of a dog"))
	require.NoError(t, err)
	cosine, _ := cosineAndGap(openTowerFixture(t, "openclip").rows("text_embeds_norm")[0], e.Matching)
	require.GreaterOrEqual(t, cosine, 0.99)
}

// Weights of bytes and of 16 bits give nearly the same.
func TestTowersOfBytes(t *testing.T) {
	for _, kind := range []string{"hf-clip-new", "openclip-siglip", "siglip2"} {
		f := openTowerFixture(t, kind)
		for p, least := range map[towers.Precision]float64{towers.Int8: 0.99, towers.F16: 0.9999} {
			m := importTowers(t, kind, models.SaveOptions{Precision: p, MatchingOnly: true})
			e, err := m.Encode(t.Context(), aladin.Text("a photo of a dog"))
			require.NoError(t, err)
			cosine, _ := cosineAndGap(f.rows("text_embeds_norm")[0], e.Matching)
			require.GreaterOrEqual(t, cosine, least, "%s %s", kind, p)
			require.Zero(t, e.N())
			require.False(t, m.Info().Aligns)
			e, err = m.Encode(t.Context(), aladin.ImageFile(shareddata.Dir(t, "clip-tiny", "images", "large.png")))
			require.NoError(t, err)
			cosine, _ = cosineAndGap(f.rows("image_embeds_norm")[6], e.Matching)
			require.GreaterOrEqual(t, cosine, least, "%s %s", kind, p)
			require.Zero(t, e.N())
		}
	}
}
