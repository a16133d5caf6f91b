package optim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/param"
)

// plainAdam is one step as the papers write it, in float64.
func plainAdam(a *Adam, p, g, m, v []float64, lr, scale float64, decay bool) {
	t := float64(a.Step)
	for i := range p {
		d := g[i] * scale
		if decay && !a.Decoupled {
			d += a.WeightDecay * p[i]
		}
		m[i] = a.Beta1*m[i] + (1-a.Beta1)*d
		v[i] = a.Beta2*v[i] + (1-a.Beta2)*d*d
		step := lr * (m[i] / (1 - math.Pow(a.Beta1, t))) / (math.Sqrt(v[i]/(1-math.Pow(a.Beta2, t))) + a.Eps)
		if decay && a.Decoupled {
			p[i] -= lr * a.WeightDecay * p[i]
		}
		p[i] -= step
	}
}

func TestAdam(t *testing.T) {
	const width, rows = 3, 50000 // over two chunks, which split a row
	for _, decoupled := range []bool{false, true} {
		for _, decay := range []bool{false, true} {
			t.Run(fmt.Sprintf("decoupled %v decay %v", decoupled, decay), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, 2))
				n := width * rows
				a, sparse := NewAdam([]int{n, 4}), NewAdam([]int{n, 4})
				for _, x := range []*Adam{a, sparse} {
					x.WeightDecay, x.Decoupled, x.Beta2 = 0.1, decoupled, 0.99
				}
				p, q, still := make([]float32, n), make([]float32, n), []float32{1, 2, 3, 4}
				want, m, v := make([]float64, n), make([]float64, n), make([]float64, n)
				for i := range p {
					p[i] = float32(rng.NormFloat64())
					q[i], want[i] = p[i], float64(p[i])
				}
				for step := range 4 {
					var index []int
					var rowsGrad []float32
					dense, wide := make([]float32, n), make([]float64, n)
					for r := range rows {
						if rng.IntN(7) > 0 && r != rows-1 {
							continue
						}
						index = append(index, r)
						for k := range width {
							x := float32(rng.NormFloat64())
							rowsGrad = append(rowsGrad, x)
							dense[r*width+k], wide[r*width+k] = x, float64(x)
						}
					}
					lr := 0.01 / float64(step+1)
					a.Apply([]Update{{Param: p, Grad: dense, Width: width, LR: lr, Decay: decay}, {Param: still}}, 0.5)
					sparse.Apply([]Update{{Param: q, Grad: rowsGrad, Index: index, Width: width, LR: lr, Decay: decay}, {Param: still}}, 0.5)
					plainAdam(a, want, wide, m, v, lr, 0.5, decay)
				}
				require.True(t, slices.Equal(p, q), "rows give the same bits as the dense gradient")
				require.True(t, slices.Equal(a.V[0], sparse.V[0]))
				worst := 0.0
				for i := range p {
					worst = max(worst, math.Abs(want[i]-float64(p[i])))
				}
				require.Less(t, worst, 2e-6)
				require.Equal(t, []float32{1, 2, 3, 4}, still, "without a gradient nothing moves")
				require.Equal(t, make([]float32, 4), a.M[1])
			})
		}
	}
}

// The result does not depend on the number of cores.
func TestAdamCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	run := func() ([]float32, float64) {
		rng := rand.New(rand.NewPCG(3, 4))
		p, g := make([]float32, 200000), make([]float32, 200000)
		for i := range p {
			p[i], g[i] = rng.Float32(), rng.Float32()
		}
		NewAdam([]int{len(p)}).Apply([]Update{{Param: p, Grad: g, Width: 1, LR: 0.1}}, 1)
		return p, NormSquared(g)
	}
	p, n := run()
	runtime.GOMAXPROCS(3)
	q, m := run()
	require.True(t, slices.Equal(p, q))
	require.Equal(t, n, m)
}

func TestClip(t *testing.T) {
	cfg := config.Default()
	cfg.Training.GradClip = 2
	for _, c := range []struct {
		grad []float32
		want float64 // of the first moment, a tenth of the clipped gradient
	}{{[]float32{3, 4}, 0.1 * 3 * 2 / (5 + 1e-6)}, {[]float32{0.3, 0.4}, 0.03}} {
		params := param.NewSet()
		params.Set("w", []int{2}, make([]float32, 2))
		opt := New(params, cfg)
		norm := opt.Apply(params, []Gradient{{Name: "w", Grad: c.grad, Width: 1}}, 0.1)
		require.InDelta(t, math.Hypot(float64(c.grad[0]), float64(c.grad[1])), norm, 1e-6)
		require.InDelta(t, c.want, opt.Adam.M[0][0], 1e-7)
	}
}

// Embeddings that start from an analysis have a learning rate of their own; others have not.
func TestStartRate(t *testing.T) {
	for start, want := range map[string]float32{"cca": 0.01, "random": 0.1} {
		cfg := config.Default()
		cfg.Encoder.Start, cfg.Training.StartLR = start, 0.1
		params := param.NewSet()
		var grads []Gradient
		for _, name := range []string{nn.WordEmbeddings, nn.RegionEmbeddings, "x.bias"} {
			params.Set(name, []int{1}, []float32{1})
			grads = append(grads, Gradient{Name: name, Grad: []float32{1}, Width: 1})
		}
		New(params, cfg).Apply(params, grads, 0.1)
		require.InDelta(t, 1-want, params.Lookup(nn.WordEmbeddings).Data[0], 1e-6)
		require.InDelta(t, 1-want, params.Lookup(nn.RegionEmbeddings).Data[0], 1e-6)
		require.InDelta(t, 0.9, params.Lookup("x.bias").Data[0], 1e-6)
	}
}

// Restored moments go on where they were; those that do not fit are refused.
func TestRestore(t *testing.T) {
	params := param.NewSet()
	params.Set("a", []int{2}, []float32{1, 1})
	params.Set("b", []int{1}, []float32{1})
	opt := New(params, config.Default())
	m, v := []float32{0.5, -0.5}, []float32{0.25, 0.25}
	moments := func(name string) ([]float32, []float32) {
		if name == "a" {
			return m, v
		}
		return nil, nil
	}
	require.NoError(t, opt.Restore(7, moments))
	opt.Apply(params, []Gradient{{Name: "a", Grad: []float32{1, 1}, Width: 1}}, 0.1)
	require.Equal(t, int64(8), opt.Adam.Step)
	require.InDeltaSlice(t, []float32{0.55, -0.35}, opt.Adam.M[0], 1e-6)
	require.Equal(t, []float32{0.5, -0.5}, m, "the moments are copied")
	require.Equal(t, float32(1), params.Lookup("b").Data[0])

	m = m[:1]
	require.ErrorIs(t, opt.Restore(7, moments), param.ErrParam)
}
