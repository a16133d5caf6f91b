package towers

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
)

// drawn are random weights of two blocks by the names of this package; those in without are not there.
func drawn(shapes map[string][]int, width, inner int, without ...string) Weights {
	all := map[string]*Tensor{}
	add := func(name string, shape ...int) {
		for _, w := range without {
			if w == name {
				return
			}
		}
		h := fnv.New64a()
		h.Write([]byte(name))
		rng := rand.New(rand.NewPCG(1, h.Sum64()))
		t := &Tensor{Shape: shape}
		v := make([]float32, t.Len())
		for i := range v {
			v[i] = float32(rng.NormFloat64() / math.Sqrt(float64(width)))
		}
		t.Values = func() ([]float32, error) { return v, nil }
		all[name] = t
	}
	for name, shape := range shapes {
		add(name, shape...)
	}
	for i := range 2 {
		p := fmt.Sprintf("blocks.%d.", i)
		for name, shape := range map[string][2]int{"qkv": {3 * width, width}, "out": {width, width}, "up": {inner, width}, "down": {width, inner}} {
			add(p+name+".w", shape[0], shape[1])
			add(p+name+".b", shape[0])
		}
		for _, name := range []string{"norm1", "norm2"} {
			add(p+name+".w", width)
			add(p+name+".b", width)
		}
	}
	return Weights{Find: func(name string) *Tensor { return all[name] }}
}

func textWeights(without ...string) Weights {
	return drawn(map[string][]int{"tokens.w": {4000, 24}, "positions.w": {20, 24}, "norm.w": {24}, "norm.b": {24}, "proj.w": {16, 24}}, 24, 40, without...)
}

func imageWeights(side int, class bool, without ...string) Weights {
	shapes := map[string][]int{"patches.w": {24, 3, 4, 4}, "positions.w": {side * side, 24}, "norm.w": {24}, "norm.b": {24}, "proj.w": {16, 24}, "pre.w": {24}, "pre.b": {24}}
	if class {
		shapes["class.w"], shapes["positions.w"] = []int{24}, []int{side*side + 1, 24}
	}
	return drawn(shapes, 24, 40, without...)
}

var body = Transformer{Heads: 3, Activation: GELU, Eps: 1e-5}

func run(t *testing.T, m *onnx.Model, in map[string]*ort.Tensor) map[string][]float32 {
	t.Helper()
	s, err := ort.Load(m.Marshal(), nil)
	require.NoError(t, err)
	defer s.Close()
	return outputs(t, s, in)
}

func outputs(t *testing.T, s *ort.Session, in map[string]*ort.Tensor) map[string][]float32 {
	t.Helper()
	res, err := s.Run(t.Context(), in)
	require.NoError(t, err)
	out := map[string][]float32{}
	for name, v := range res {
		out[name] = v.Float32()
	}
	return out
}

func needRuntime(t *testing.T) {
	t.Helper()
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
}

// Where a sentence's vector is taken from.
func TestTextPools(t *testing.T) {
	needRuntime(t)
	ids := []int64{5, 9, 7, 9, 3}
	for pool, place := range map[TextPool]int{PoolLargest: 1, PoolEnd: 2, PoolLast: 4, PoolFirst: 0} {
		text := Text{Transformer: body, Causal: true, Pool: pool, End: 7}
		m, err := text.Graph(textWeights(), nil, F32, TextOutputs...)
		require.NoError(t, err)
		out := run(t, m, map[string]*ort.Tensor{"ids": ort.Int64([]int64{1, 5}, ids)})
		require.InDeltaSlice(t, out["token_embeds"][place*16:(place+1)*16], out["text_embeds"], 1e-6, pool)
		require.InDeltaSlice(t, out[Tokens][place*16:(place+1)*16], out[Matching], 1e-6, pool)
	}
}

// With the causal mask a token does not see what comes after it, without it does.
func TestMask(t *testing.T) {
	needRuntime(t)
	for _, causal := range []bool{true, false} {
		m, err := Text{Transformer: body, Causal: causal, Pool: PoolFirst}.Graph(textWeights(), nil, F32, "token_states")
		require.NoError(t, err)
		one := run(t, m, map[string]*ort.Tensor{"ids": ort.Int64([]int64{1, 3}, []int64{1, 2, 3})})["token_states"]
		other := run(t, m, map[string]*ort.Tensor{"ids": ort.Int64([]int64{1, 3}, []int64{1, 2, 900})})["token_states"]
		same := true
		for i := range 48 {
			same = same && math.Abs(float64(one[i]-other[i])) < 1e-6
		}
		require.Equal(t, causal, same)
	}
}

// A picture of many patches is read as few cells, which are means of theirs.
func TestCells(t *testing.T) {
	needRuntime(t)
	for n, want := range map[int]int{3: 3, 8: 8, 9: 7, 12: 6, 14: 7, 16: 8, 24: 8, 27: 7, 37: 7} {
		require.Equal(t, want, cells(n), n)
	}
	const side = 12
	for _, class := range []bool{true, false} {
		image := Image{Transformer: body, Size: [2]int{4*side + 3, 4 * side}, Pool: PoolMean} // three rows of pixels are not seen
		w := imageWeights(side, class)
		s, err := image.Sizes(w)
		require.NoError(t, err)
		require.Equal(t, [2]int{6, 6}, s.Grid)
		m, err := image.Graph(w, nil, F32, ImageOutputs...)
		require.NoError(t, err)
		pixels := make([]float32, 3*image.Size[0]*image.Size[1])
		for i := range pixels {
			pixels[i] = float32(math.Sin(float64(i)))
		}
		out := run(t, m, map[string]*ort.Tensor{"pixels": ort.Float32([]int64{1, 3, int64(image.Size[0]), int64(image.Size[1])}, pixels)})
		for r := range 6 {
			for c := range 6 {
				want, sum := make([]float64, 16), 0.0
				for y := 2 * r; y < 2*r+2; y++ {
					for x := 2 * c; x < 2*c+2; x++ {
						for k := range want {
							want[k] += float64(out["patch_embeds"][(y*side+x)*16+k])
						}
					}
				}
				for _, v := range want {
					sum += v * v
				}
				for k, v := range want {
					require.InDelta(t, v/math.Sqrt(sum), out[Tokens][(r*6+c)*16+k], 1e-5)
				}
			}
		}
	}
}

// Fewer bits give nearly the same; large weights lie in the data file whatever the precision.
func TestPrecisions(t *testing.T) {
	needRuntime(t)
	text := Text{Transformer: body, Causal: true, Pool: PoolLargest}
	in := map[string]*ort.Tensor{"ids": ort.Int64([]int64{1, 4}, []int64{1, 20, 300, 3999})}
	var plain []float32
	var sizes []int64
	for _, p := range []Precision{F32, F16, Int8} {
		dir := t.TempDir()
		data := onnx.NewDataFile("text.onnx.data")
		m, err := text.Graph(textWeights(), data, p, Matching)
		require.NoError(t, err)
		require.Less(t, len(m.Marshal()), 100_000)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "text.onnx"), m.Marshal(), 0o644))
		f, err := os.Create(filepath.Join(dir, data.Location()))
		require.NoError(t, err)
		require.NoError(t, data.Write(f))
		require.NoError(t, f.Close())
		sizes = append(sizes, data.Size())
		s, err := ort.Open(filepath.Join(dir, "text.onnx"), nil)
		require.NoError(t, err)
		got := outputs(t, s, in)[Matching]
		require.NoError(t, s.Close())
		if plain == nil {
			plain = got
		}
		var dot float64
		for i, x := range got {
			dot += float64(x) * float64(plain[i])
		}
		require.Greater(t, dot, map[Precision]float64{F32: 0.999999, F16: 0.99999, Int8: 0.99}[p], p)
	}
	require.Less(t, sizes[1], sizes[0]*6/10)
	require.Less(t, sizes[2], sizes[0]*4/10)
}

func TestRefused(t *testing.T) {
	good := Text{Transformer: body, Pool: PoolLast}
	for want, c := range map[string]struct {
		text    Text
		weights Weights
	}{
		"5 heads":                     {Text{Transformer: Transformer{Heads: 5, Activation: GELU, Eps: 1e-5}, Pool: PoolLast}, textWeights()},
		`activation "relu"`:           {Text{Transformer: Transformer{Heads: 3, Activation: "relu", Eps: 1e-5}, Pool: PoolLast}, textWeights()},
		"epsilon":                     {Text{Transformer: Transformer{Heads: 3, Activation: GELU}, Pool: PoolLast}, textWeights()},
		`pooling "none"`:              {Text{Transformer: body, Pool: "none"}, textWeights()},
		"tokens.w is missing":         {good, textWeights("tokens.w")},
		"blocks.1.qkv.b is missing":   {good, textWeights("blocks.1.qkv.b")},
		"blocks.0.norm1.w is missing": {good, textWeights("blocks.0.norm1.w")},
	} {
		_, err := c.text.Graph(c.weights, nil, F32, Matching)
		require.ErrorContains(t, err, want)
	}
	for want, image := range map[string]Image{
		"positions where a picture": {Transformer: body, Size: [2]int{40, 40}, Pool: PoolMean},
		"pictures of 0×0":           {Transformer: body, Pool: PoolMean},
		`pooling "class"`:           {Transformer: body, Size: [2]int{48, 48}, Pool: PoolClass},
		"pool.probe.w is missing":   {Transformer: body, Size: [2]int{48, 48}, Pool: PoolProbe},
	} {
		_, err := image.Graph(imageWeights(12, false), nil, F32, Matching)
		require.ErrorContains(t, err, want)
	}
	infinite := textWeights()
	w := Weights{Find: func(name string) *Tensor {
		x := infinite.Find(name)
		if name == "norm.b" {
			return &Tensor{Shape: x.Shape, Values: func() ([]float32, error) { return append(make([]float32, 23), float32(math.Inf(1))), nil }}
		}
		return x
	}}
	_, err := good.Graph(w, nil, F32, Matching)
	require.ErrorIs(t, err, ErrWeights)
	require.ErrorContains(t, err, "norm.b has values that are not finite")
}
