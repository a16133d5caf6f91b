package models

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/shareddata"
	"github.com/aladin-go/aladin/internal/towers"
)

// graphRun runs a tower of a bundle on the fixture's ids or pixels, as many rows at once as it takes.
func graphRun(t *testing.T, b *bundle.Bundle, file, input string, in any, shape []int) map[string][]float32 {
	t.Helper()
	path, err := b.Path(file)
	require.NoError(t, err)
	s, err := ort.Open(path, nil)
	require.NoError(t, err)
	defer s.Close()
	n := 1
	for _, d := range shape[1:] {
		n *= d
	}
	rows := shape[0]
	if d := s.Inputs()[0].Shape[0]; d > 0 {
		rows = int(d)
	}
	dims := []int64{int64(rows)}
	for _, d := range shape[1:] {
		dims = append(dims, int64(d))
	}
	out := map[string][]float32{}
	for from := 0; from < shape[0]; from += rows {
		tensors := map[string]*ort.Tensor{}
		switch v := in.(type) {
		case []int64:
			tensors[input] = ort.Int64(dims, v[from*n:(from+rows)*n])
		case []float32:
			tensors[input] = ort.Float32(dims, v[from*n:(from+rows)*n])
		}
		for _, i := range s.Inputs() {
			if i.Name == "mask" {
				mask := make([]int64, rows*n)
				for k := range mask {
					mask[k] = 1 // padding comes last: it does not reach the vector
				}
				tensors["mask"] = ort.Int64(dims, mask)
			}
		}
		res, err := s.Run(t.Context(), tensors)
		require.NoError(t, err)
		for name, v := range res {
			out[name] = append(out[name], v.Float32()...)
		}
	}
	return out
}

func unit(v []float32, dim int) []float32 {
	out := make([]float32, len(v))
	for i := 0; i < len(v); i += dim {
		var sum float64
		for _, x := range v[i : i+dim] {
			sum += float64(x) * float64(x)
		}
		if sum == 0 {
			continue
		}
		for k, x := range v[i : i+dim] {
			out[i+k] = float32(float64(x) / math.Sqrt(sum))
		}
	}
	return out
}

// Pairs of ONNX graphs give the original's vectors, and those of words and patches.
func TestPairs(t *testing.T) {
	for _, c := range []struct{ kind, path, layout string }{
		{"transformers-js", "", "ONNX graphs of a clip model"},
		{"transformers-js-mask", "", "ONNX graphs of a clip model"},
		{"immich", "", "ONNX graphs as Immich has them"},
		{"siglip", "onnx/text_model.onnx", "ONNX graphs of a SiglipModel"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			e := openExpected(t, c.kind)
			s, err := Open(filepath.Join(shareddata.Dir(t, "clip-tiny", c.kind), c.path))
			require.NoError(t, err)
			defer s.Close()
			require.Equal(t, c.layout, s.Layout)
			b, err := s.Save(t.Context(), filepath.Join(t.TempDir(), "model"), SaveOptions{})
			require.NoError(t, err)
			require.True(t, b.Manifest.Aligns(), "%v", s.Notes)

			ids, shape := e.ints("input_ids")
			out := graphRun(t, b, bundle.TextFile, "ids", ids, shape)
			want, _ := e.floats("text_embeds_norm")
			within(t, want, out[towers.Matching], 1e-5, "text matching")
			tokens, dims := e.floats("token_embeds")
			lengths, _ := e.ints("lengths")
			tokens = unit(tokens, dims[2])
			for i, n := range lengths {
				each := dims[1] * dims[2]
				to := i*each + min(int(n), dims[1])*dims[2]
				within(t, tokens[i*each:to], out[towers.Tokens][i*each:to], 2e-5, "tokens")
			}

			pixels, shape := e.floats("pixel_values")
			out = graphRun(t, b, bundle.ImageFile, "pixels", pixels, shape)
			want, _ = e.floats("image_embeds_norm")
			within(t, want, out[towers.Matching], 1e-5, "image matching")
			patches, dims := e.floats("patch_embeds")
			within(t, unit(patches, dims[2]), out[towers.Tokens], 2e-5, "patches")
		})
	}
}

// A file names its variant; quantised graphs stay close.
func TestQuantisedPair(t *testing.T) {
	e := openExpected(t, "transformers-js")
	s, err := Open(filepath.Join(shareddata.Dir(t, "clip-tiny", "transformers-js"), "onnx", "vision_model_quantized.onnx"))
	require.NoError(t, err)
	defer s.Close()
	b, err := s.Save(t.Context(), filepath.Join(t.TempDir(), "model"), SaveOptions{})
	require.NoError(t, err)
	require.Contains(t, s.Used, "onnx/text_model_quantized.onnx")
	ids, shape := e.ints("input_ids")
	want, dims := e.floats("text_embeds_norm")
	got := graphRun(t, b, bundle.TextFile, "ids", ids, shape)[towers.Matching]
	for i := 0; i < len(want); i += dims[1] {
		require.True(t, contains(got[i:i+dims[1]], want[i:i+dims[1]]), "text %d", i/dims[1])
	}
	pixels, shape := e.floats("pixel_values")
	want, _ = e.floats("image_embeds_norm")
	got = graphRun(t, b, bundle.ImageFile, "pixels", pixels, shape)[towers.Matching]
	for i := 0; i < len(want); i += dims[1] {
		require.True(t, contains(got[i:i+dims[1]], want[i:i+dims[1]]), "picture %d", i/dims[1])
	}
}
