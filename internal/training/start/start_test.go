package start

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/param"
	"github.com/aladin-go/aladin/internal/training/toy"
)

func TestStatistics(t *testing.T) {
	d := toy.Data(9, 1)
	const most = 2
	mean, scale, p, err := Measure(t.Context(), d.Images, most, nil)
	require.NoError(t, err)
	for k := range 10 {
		var all []float64
		for i := range 9 {
			set, err := d.Images.Load(t.Context(), i, 0)
			require.NoError(t, err)
			sum, rows := 0.0, min(set.Len(), most)
			for r := range rows {
				all = append(all, float64(set.Row(r)[k]))
				sum += float64(set.Row(r)[k])
			}
			require.InDelta(t, (sum/float64(rows)-float64(mean[k]))*float64(scale[k]), p.x.At(i, k), 1e-5)
		}
		m, v := 0.0, 0.0
		for _, x := range all {
			m += x / float64(len(all))
		}
		for _, x := range all {
			v += (x - m) * (x - m) / float64(len(all))
		}
		require.InDelta(t, m, mean[k], 1e-6)
		require.InEpsilon(t, 1/math.Sqrt(v), scale[k], 1e-5)
	}
}

// The start is a canonical correlation analysis: in its directions the correlations of words and regions
// are the roots of the eigenvalues that define it, largest first, and different directions do not correlate.
func TestStartFromCCA(t *testing.T) {
	d := toy.Data(40, 3)
	text := toy.Text(t)
	cfg := config.Default()
	cfg.Encoder.CCARidge, cfg.Encoder.StartNorm = 0.2, 2
	net := nn.Config{Layers: 0, Hidden: 4, Heads: 1, Vocab: text.Tokenizer.Size(), MaxPositions: 16, Types: 2, RegionDim: 10,
		Alignment: "MrSw", WordGates: true, Standardise: true, PreNorm: true, MeanPool: true}
	list, err := nn.Parameters(net)
	require.NoError(t, err)
	params := param.NewSet()
	for _, p := range list {
		require.NoError(t, params.Ensure(p, 1))
	}
	_, _, pooled, err := Measure(t.Context(), d.Images, 4, nil)
	require.NoError(t, err)
	x := mat.DenseCopyOf(pooled.x)
	require.NoError(t, FromCCA(context.Background(), &cfg, net, params, text, d, pooled))

	// tf-idf of the captions, and regularised covariances, as they are defined.
	pieces := append([]string{"a", "and", "."}, toy.Nouns...)
	y := mat.NewDense(40, len(pieces), nil)
	for _, c := range d.Captions {
		for _, w := range strings.Fields(c.Text) {
			k := slices.Index(pieces, w)
			y.Set(c.Image, k, y.At(c.Image, k)+1.0/3)
		}
	}
	idf := make([]float64, len(pieces))
	for k := range pieces {
		df := 0.0
		for i := range 40 {
			if y.At(i, k) > 0 {
				df++
			}
		}
		idf[k] = math.Log(1 + 40/df)
		for i := range 40 {
			y.Set(i, k, y.At(i, k)*idf[k])
		}
	}
	covariance := func(a, b *mat.Dense) *mat.Dense {
		var out mat.Dense
		out.Mul(centred(a).T(), centred(b))
		out.Scale(1.0/40, &out)
		return &out
	}
	regular := func(c *mat.Dense) *mat.Dense {
		n, _ := c.Dims()
		add := 0.2 * mat.Trace(c) / float64(n)
		for i := range n {
			c.Set(i, i, c.At(i, i)+add)
		}
		return c
	}
	cxx, cyy, cyx := regular(covariance(x, x)), regular(covariance(y, y)), covariance(y, x)
	var left, right, product mat.Dense
	require.NoError(t, left.Solve(cyy, cyx))
	require.NoError(t, right.Solve(cxx, cyx.T()))
	product.Mul(&left, &right)
	var eig mat.Eigen
	require.True(t, eig.Factorize(&product, mat.EigenNone))
	var want []float64
	for _, v := range eig.Values(nil) {
		want = append(want, math.Sqrt(max(real(v), 0)))
	}
	slices.Sort(want)
	slices.Reverse(want)

	a, b := mat.NewDense(len(pieces), 4, nil), mat.NewDense(10, 4, nil)
	table, region := params.Lookup(nn.WordEmbeddings).Data, params.Lookup(nn.RegionEmbeddings).Data
	for j := range 4 {
		for i, w := range pieces {
			id, ok := text.Tokenizer.ID(w)
			require.True(t, ok)
			a.Set(i, j, float64(table[id*4+j])/idf[i])
		}
		for i := range 10 {
			b.Set(i, j, float64(region[j*10+i]))
		}
	}
	form := func(a *mat.Dense, c mat.Matrix, b *mat.Dense) *mat.Dense {
		var out mat.Dense
		out.Product(a.T(), c, b)
		return &out
	}
	aa, bb, ab := form(a, cyy, a), form(b, cxx, b), form(a, cyx, b)
	for i := range 4 {
		for j := range 4 {
			for _, m := range []struct{ c, left, right *mat.Dense }{{aa, aa, aa}, {bb, bb, bb}, {ab, aa, bb}} {
				r := m.c.At(i, j) / math.Sqrt(m.left.At(i, i)*m.right.At(j, j))
				expect := 0.0
				if i == j {
					expect = 1
					if m.left != m.right {
						expect = want[i]
					}
				}
				require.InDelta(t, expect, r, 1e-4)
			}
		}
	}
	for _, name := range []string{"[PAD]", "[MASK]"} {
		id, _ := text.Tokenizer.ID(name)
		require.Equal(t, make([]float32, 4), table[id*4:id*4+4], "what no caption has starts as nothing")
	}
	// Nouns weigh more in alignment than what every caption has.
	gates := params.Lookup(nn.WordGateTable).Data
	gate := func(w string) float32 { id, _ := text.Tokenizer.ID(w); return gates[id] }
	require.Greater(t, gate("dog"), gate("."))
}

func centred(a *mat.Dense) *mat.Dense {
	out := mat.DenseCopyOf(a)
	n, cols := out.Dims()
	for k := range cols {
		m := 0.0
		for i := range n {
			m += out.At(i, k) / float64(n)
		}
		for i := range n {
			out.Set(i, k, out.At(i, k)-m)
		}
	}
	return out
}

// The solvers of the start agree with gonum's, over the edge of a block of right-hand sides.
func TestTriangularSolve(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n, cols = 7, solveBlock + 5
	upper := mat.NewTriDense(n, mat.Upper, nil)
	for i := range n {
		for j := i; j < n; j++ {
			upper.SetTri(i, j, rng.NormFloat64())
		}
		upper.SetTri(i, i, 2+rng.Float64())
	}
	rhs := mat.NewDense(n, cols, nil)
	for i := range n {
		for j := range cols {
			rhs.Set(i, j, rng.NormFloat64())
		}
	}
	for _, back := range []bool{false, true} {
		x := mat.DenseCopyOf(rhs)
		solve(upper, x, back)
		var got mat.Dense
		if back {
			got.Mul(upper, x)
		} else {
			got.Mul(upper.T(), x)
		}
		require.True(t, mat.EqualApprox(rhs, &got, 1e-9))
	}
}

// A run that starts from the analysis is good before it has learned anything.
