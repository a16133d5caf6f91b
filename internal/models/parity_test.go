package models

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/shareddata"
	"github.com/aladin-go/aladin/internal/towers"
)

// expected is what the original libraries computed of a model.
type expected struct {
	t *testing.T
	z *npy.Archive
}

func openExpected(t *testing.T, kind string) *expected {
	t.Helper()
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	z, err := npy.OpenZ(filepath.Join(shareddata.Dir(t, "clip-tiny", kind), "expected.npz"))
	require.NoError(t, err)
	t.Cleanup(func() { z.Close() })
	return &expected{t, z}
}

func (e *expected) floats(name string) ([]float32, []int) {
	a, err := e.z.Read(name)
	require.NoError(e.t, err)
	v, err := a.Float32s()
	require.NoError(e.t, err, name)
	return v, a.Shape
}

func (e *expected) ints(name string) ([]int64, []int) {
	a, err := e.z.Read(name)
	require.NoError(e.t, err)
	v, err := a.Int64s()
	require.NoError(e.t, err, name)
	return v, a.Shape
}

func furthest(a, b []float32) float64 {
	most := 0.0
	for i := range a {
		most = max(most, math.Abs(float64(a[i])-float64(b[i])))
	}
	return most
}

func within(t *testing.T, want, got []float32, tolerance float64, what string) {
	t.Helper()
	require.Len(t, got, len(want), what)
	require.LessOrEqual(t, furthest(want, got), tolerance, what)
}

// Towers made of weights give what the original libraries give, from the same ids and pixels.
func TestTowersOfWeights(t *testing.T) {
	for _, kind := range []string{"hf-clip", "hf-clip-new", "siglip", "siglip2", "openclip", "openclip-custom", "openclip-siglip"} {
		t.Run(kind, func(t *testing.T) {
			e := openExpected(t, kind)
			s, err := Open(shareddata.Dir(t, "clip-tiny", kind))
			require.NoError(t, err)
			defer s.Close()
			m, err := s.text.Graph(s.textWeights, nil, towers.F32, towers.TextOutputs...)
			require.NoError(t, err)
			run, err := ort.Load(m.Marshal(), nil)
			require.NoError(t, err)
			defer run.Close()
			ids, shape := e.ints("input_ids")
			out, err := run.Run(t.Context(), map[string]*ort.Tensor{"ids": ort.Int64([]int64{int64(shape[0]), int64(shape[1])}, ids)})
			require.NoError(t, err)
			want, _ := e.floats("text_embeds")
			within(t, want, out["text_embeds"].Float32(), 2e-5, "text_embeds")
			want, _ = e.floats("text_embeds_norm")
			within(t, want, out[towers.Matching].Float32(), 1e-5, "text matching")
			lengths, _ := e.ints("lengths")
			for _, name := range []string{"token_states", "token_embeds"} {
				want, shape := e.floats(name)
				got := out[name].Float32()
				require.Len(t, got, len(want))
				if s.Family == CLIP || name == "token_embeds" { // rows past the length are not given
					each := shape[1] * shape[2]
					for i, n := range lengths {
						from, to := i*each, i*each+min(int(n), shape[1])*shape[2]
						within(t, want[from:to], got[from:to], 2e-5, name)
					}
					continue
				}
				within(t, want, got, 2e-5, name)
			}

			m, err = s.image.Graph(s.imageWeights, nil, towers.F32, towers.ImageOutputs...)
			require.NoError(t, err)
			see, err := ort.Load(m.Marshal(), nil)
			require.NoError(t, err)
			defer see.Close()
			pixels, shape := e.floats("pixel_values")
			dims := make([]int64, 4)
			for i, d := range shape {
				dims[i] = int64(d)
			}
			out, err = see.Run(t.Context(), map[string]*ort.Tensor{"pixels": ort.Float32(dims, pixels)})
			require.NoError(t, err)
			for name, of := range map[string]string{"image_embeds": "image_embeds", "patch_states": "patch_states", "patch_embeds": "patch_embeds"} {
				want, _ := e.floats(of)
				within(t, want, out[name].Float32(), 2e-5, name)
			}
			want, _ = e.floats("image_embeds_norm")
			within(t, want, out[towers.Matching].Float32(), 1e-5, "image matching")
			scale, _ := e.floats("logit_scale")
			require.InDelta(t, math.Exp(float64(scale[0])), s.LogitScale, 1e-4)
			if s.Family == SigLIP {
				bias, _ := e.floats("logit_bias")
				require.InDelta(t, float64(bias[0]), s.LogitBias, 1e-5)
			}
		})
	}
}
