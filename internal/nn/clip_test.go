package nn

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
)

// tabled gives a network of word pieces the embeddings that the layers of another make of vectors.
type tabled struct {
	Weights
	table []float32
}

func (w tabled) Values(p Param) ([]float32, error) {
	if p.Name == WordEmbeddings {
		return w.table, nil
	}
	return w.Weights.Values(p)
}

// A network that reads CLIP's vectors is one of word pieces whose embeddings are the vectors after a layer,
// ReLU and a layer.
func TestCLIP(t *testing.T) {
	needORT(t)
	words := depthConfig()
	vectors := words
	vectors.CLIPCaptions, vectors.CLIPLabels = 7, 5
	ids := []int64{1, 4, 2, 3, 0, 5, 3, 3}
	side := func(dim int, name string) (in []float32, w tabled) {
		values := func(part string, shape ...int) []float32 {
			v, err := started{}.Values(Param{Name: name + part, Shape: shape, Init: InitNormal})
			require.NoError(t, err)
			return v
		}
		h := words.Hidden
		w1, w2 := values("0.weight", h, dim), values("2.weight", h, h)
		b1, b2 := make([]float32, h), make([]float32, h)
		for i, p := range []Param{{Name: name + "0.bias", Shape: []int{h}}, {Name: name + "2.bias", Shape: []int{h}}} {
			v, err := started{}.Values(p)
			require.NoError(t, err)
			copy([][]float32{b1, b2}[i], v)
		}
		w = tabled{started{}, make([]float32, words.Vocab*h)}
		of := Param{Name: "vectors", Shape: []int{words.Vocab, dim}, Init: InitGlorot}.Start(3)
		for id := range words.Vocab {
			inner := make([]float32, h)
			for i := range inner {
				inner[i] = b1[i]
				for k := range dim {
					inner[i] += w1[i*dim+k] * of[id*dim+k]
				}
				inner[i] = max(0, inner[i])
			}
			for i := range h {
				sum := b2[i]
				for k := range h {
					sum += w2[i*h+k] * inner[k]
				}
				w.table[id*h+i] = sum
			}
		}
		for _, id := range ids {
			in = append(in, of[int(id)*dim:int(id+1)*dim]...)
		}
		return in, w
	}
	run := func(m *onnx.Model, err error, in map[string]*ort.Tensor) map[string]*ort.Tensor {
		t.Helper()
		require.NoError(t, err)
		s, err := ort.Load(m.Marshal(), nil)
		require.NoError(t, err)
		defer s.Close()
		out, err := s.Run(t.Context(), in)
		require.NoError(t, err)
		return out
	}
	same := func(a, b map[string]*ort.Tensor) {
		t.Helper()
		for name := range a {
			require.InDeltaSlice(t, a[name].Float32(), b[name].Float32(), 1e-5, name)
		}
	}
	shape, mask := []int64{2, 4}, []int64{1, 1, 1, 1, 1, 1, 1, 0}

	in, w := side(vectors.CLIPCaptions, captionCLIP+".")
	pieces, err := TextModel(words, w)
	a := run(pieces, err, map[string]*ort.Tensor{"ids": ort.Int64(shape, ids), "mask": ort.Int64(shape, mask)})
	read, err := TextModel(vectors, started{})
	same(a, run(read, err, map[string]*ort.Tensor{"clip": ort.Float32([]int64{2, 4, 7}, in), "mask": ort.Int64(shape, mask)}))

	in, w = side(vectors.CLIPLabels, labelCLIP+".")
	regions := Param{Name: "regions", Shape: []int{2, 3, words.RegionDim}, Init: InitGlorot}.Start(4)
	image := func(name string, labels *ort.Tensor) map[string]*ort.Tensor {
		return map[string]*ort.Tensor{name: labels, "label_types": ort.Int64(shape, []int64{0, 1, 1, 1, 0, 1, 1, 0}), "label_mask": ort.Int64(shape, mask),
			"regions": ort.Float32([]int64{2, 3, int64(words.RegionDim)}, regions), "region_mask": ort.Int64([]int64{2, 3}, []int64{1, 1, 1, 1, 1, 0})}
	}
	pieces, err = ImageModel(words, w)
	a = run(pieces, err, image("label_ids", ort.Int64(shape, ids)))
	read, err = ImageModel(vectors, started{})
	same(a, run(read, err, image("label_clip", ort.Float32([]int64{2, 4, 5}, in))))

	vectors.WordGates = true
	require.ErrorIs(t, vectors.Validate(), ErrConfig)
}
