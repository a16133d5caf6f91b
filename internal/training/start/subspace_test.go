package start

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"
)

// TestLeading holds the leading singular values and vectors against the complete decomposition, for a matrix
// whose spectrum falls slowly and for one of low rank.
func TestLeading(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	random := func(r, c int) *mat.Dense {
		m := mat.NewDense(r, c, nil)
		for i := range r {
			for j := range c {
				m.Set(i, j, rng.NormFloat64())
			}
		}
		return m
	}
	var flat, low mat.Dense
	flat.CloneFrom(random(160, 130))
	for j := range 130 { // singular values from about 25 down
		for i := range 160 {
			flat.Set(i, j, flat.At(i, j)/(1+float64(j)/40))
		}
	}
	low.Mul(random(60, 5), random(5, 40))
	for name, c := range map[string]struct {
		m    *mat.Dense
		d    int
		rank int
	}{"flat": {&flat, 20, 20}, "low rank": {&low, 8, 5}, "more than there are": {mat.DenseCopyOf(random(6, 9)), 20, 6}} {
		t.Run(name, func(t *testing.T) {
			u, v, s, err := leading(context.Background(), c.m, c.d)
			require.NoError(t, err)
			rows, cols := c.m.Dims()
			require.Len(t, s, min(c.d, rows, cols))
			var svd mat.SVD
			require.True(t, svd.Factorize(c.m, mat.SVDThin))
			want := svd.Values(nil)
			var projected mat.Dense
			projected.Mul(c.m, v)
			for j := range c.rank {
				require.InEpsilon(t, want[j], s[j], 1e-3, "singular value %d", j)
				for i := range rows { // t·v = s·u
					require.InDelta(t, s[j]*u.At(i, j), projected.At(i, j), 1e-6*want[0])
				}
				require.InDelta(t, 1, mat.Norm(v.ColView(j), 2), 1e-6)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, _, err := leading(ctx, &flat, 3)
	require.ErrorIs(t, err, context.Canceled)
}
