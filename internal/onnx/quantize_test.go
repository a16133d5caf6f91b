package onnx_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
)

func random(rng *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// products is a graph with every kind of product: two of one value, with and without a bias, transposed or
// not; a matrix that is looked up in too; and those that are left alone.
func products(t *testing.T, w []float32) *onnx.Model {
	b := onnx.NewBuilder()
	x := b.Input("x", onnx.Float, onnx.Of("B", 16))
	ids := b.Input("ids", onnx.Int64, onnx.Of("B"))
	first := b.Weights("first", w[:16*24], 16, 24)
	table := b.Weights("table", w[16*24:16*24+16*16], 16, 16)
	bias := b.Weights("bias", w[:24], 24)
	empty := b.Weights("empty", make([]float32, 16*3), 16, 3)
	b.Output("matmul", b.MatMul(x, first))
	b.Output("gemm", b.Gemm(x, first, bias, false, false))
	b.Output("transposed", b.Gemm(x, table, nil, false, true))
	b.Output("straight", b.MatMul(x, table))
	b.Output("looked-up", b.Gather(table, ids))
	b.Output("nothing", b.MatMul(x, empty))
	b.Output("inner", b.Gemm(x, x, nil, false, true))               // no constant
	b.Output("across", b.Gemm(x, x, nil, true, false))              // x transposed
	b.Output("constant", b.MatMul(b.Transpose(table, 1, 0), table)) // a value of its own, which happens never to change
	m, err := b.Model("products")
	require.NoError(t, err)
	return m
}

func TestQuantizeWeights(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	w := random(rng, 16*24+16*16)
	exact, m := load(t, products(t, w).Marshal()), products(t, w)
	n, err := m.QuantizeWeights()
	require.NoError(t, err)
	assert.Equal(t, 6, n, "all but two products of inputs")
	kinds := map[string]int{}
	for _, n := range m.Graph.Nodes {
		kinds[n.OpType]++
	}
	assert.Equal(t, 6, kinds["MatMulInteger"])
	assert.Equal(t, 0, kinds["MatMul"])
	assert.Equal(t, 2, kinds["Gemm"])
	assert.Equal(t, 2, kinds["Abs"], "a value is rounded once for all who use it")
	names := []string{}
	for _, i := range m.Graph.Initializers {
		names = append(names, i.Name)
	}
	assert.NotContains(t, names, "first", "what nobody reads any more is dropped")
	assert.Contains(t, names, "table", "what is looked up stays")

	rounded := load(t, m.Marshal())
	const rows = 5
	x := random(rng, rows*16)
	clear(x[16:32]) // a row of zeros
	for i := range 16 {
		x[i] *= 1000 // a row of another size
	}
	ids := []int64{3, 1, 15, 0, 7}
	run := func(s *ort.Session, from, to int) map[string]*ort.Tensor {
		n := int64(to - from)
		out, err := s.Run(t.Context(), map[string]*ort.Tensor{"x": ort.Float32([]int64{n, 16}, x[from*16:to*16]), "ids": ort.Int64([]int64{n}, ids[from:to])})
		require.NoError(t, err)
		return out
	}
	want, got := run(exact, 0, rows), run(rounded, 0, rows)
	for _, name := range []string{"looked-up", "nothing", "inner", "across"} {
		assert.Equal(t, want[name].Float32(), got[name].Float32(), name)
	}
	for _, name := range []string{"matmul", "gemm", "transposed", "straight", "constant"} {
		a, b := want[name].Float32(), got[name].Float32()
		cols := len(a) / int(want[name].Shape()[0])
		for r := range len(a) / cols {
			av, bv := a[r*cols:(r+1)*cols], b[r*cols:(r+1)*cols]
			if name != "constant" && name != "gemm" && r == 1 {
				assert.Equal(t, av, bv, "%s of zeros", name)
				continue
			}
			assert.Greater(t, cosine(av, bv), 0.9995, "%s row %d", name, r)
			assert.InDelta(t, 1, length(bv)/length(av), 0.02, "%s row %d", name, r)
		}
	}
	// A row does not depend on what else is in the batch.
	for r := range rows {
		one := run(rounded, r, r+1)
		for _, name := range []string{"matmul", "gemm", "transposed"} {
			cols := len(one[name].Float32())
			assert.Equal(t, got[name].Float32()[r*cols:(r+1)*cols], one[name].Float32(), "%s row %d", name, r)
		}
	}

	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(-1))} {
		broken := slices.Clone(w)
		broken[40] = bad
		_, err = products(t, broken).QuantizeWeights()
		require.ErrorIs(t, err, onnx.ErrModel)
		require.ErrorContains(t, err, "first")
	}
}

func length(v []float32) float64 {
	var s float64
	for _, x := range v {
		s += float64(x) * float64(x)
	}
	return math.Sqrt(s)
}

func cosine(a, b []float32) float64 {
	var ab float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
	}
	return ab / (length(a) * length(b))
}

// start gives parameters as training does.
type start uint64

func (s start) Values(p nn.Param) ([]float32, error) { return p.Start(uint64(s)), nil }

// BenchmarkQuantizeWeights runs text encoders with and without in turns: "times-f32" is how many times as
// fast bytes are, "1-cos" how far the matching vectors turned.
func BenchmarkQuantizeWeights(b *testing.B) {
	if !ort.Available() {
		b.Skip("needs ONNX Runtime")
	}
	for _, size := range []struct {
		name string
		cfg  nn.Config
	}{
		{"small", nn.Config{Layers: 4, Hidden: 256, Heads: 4, FF: 512, Vocab: 2000, MaxPositions: 64, MatchFF: 512}},
		{"base", nn.Config{Layers: 12, Hidden: 768, Heads: 12, FF: 3072, Vocab: 30522, MaxPositions: 512, MatchFF: 2048}},
	} {
		cfg := size.cfg
		cfg.Types, cfg.LayerNormEps, cfg.RegionDim, cfg.MatchLayers, cfg.MatchHeads, cfg.Alignment = 2, 1e-12, 8, 2, 4, "MrSw"
		open := func(b *testing.B, quantize bool) *ort.Session {
			m, err := nn.TextModel(cfg, start(1))
			require.NoError(b, err)
			if quantize {
				_, err = m.QuantizeWeights()
				require.NoError(b, err)
			}
			s, err := ort.Load(m.Marshal(), nil)
			require.NoError(b, err)
			b.Cleanup(func() { s.Close() })
			return s
		}
		b.Run(size.name, func(b *testing.B) {
			exact, rounded := open(b, false), open(b, true)
			for _, n := range []int64{1, 32} {
				b.Run(fmt.Sprint(n), func(b *testing.B) {
					const words = 14
					shape, ids, mask := []int64{n, words}, make([]int64, n*words), make([]int64, n*words)
					for i := range ids {
						ids[i], mask[i] = int64(i*37%2000), 1
					}
					in := map[string]*ort.Tensor{"ids": ort.Int64(shape, ids), "mask": ort.Int64(shape, mask)}
					var best [2]time.Duration
					var out [2]map[string]*ort.Tensor
					for b.Loop() {
						for i, s := range []*ort.Session{exact, rounded} {
							began := time.Now()
							var err error
							out[i], err = s.Run(b.Context(), in)
							require.NoError(b, err)
							if d := time.Since(began); best[i] == 0 || d < best[i] {
								best[i] = d
							}
						}
					}
					b.ReportMetric(float64(best[0])/float64(best[1]), "times-f32")
					b.ReportMetric(float64(best[1].Microseconds())/1000, "ms")
					b.ReportMetric(1-cosine(out[0]["matching"].Float32(), out[1]["matching"].Float32()), "1-cos")
				})
			}
		})
	}
}
