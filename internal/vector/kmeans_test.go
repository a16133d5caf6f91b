package vector

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKMeansFindsClusters(t *testing.T) {
	const dim, n, k = 64, 4000, 12
	r := rand.New(rand.NewPCG(31, 1))
	v := clustered(r, n, dim, k, 0.3)
	rows, err := NewRows(Int8, dim, v, nil)
	require.NoError(t, err)
	for _, spherical := range []bool{true, false} {
		// More centroids than clusters: chance alone may start two in one.
		c, err := KMeans(t.Context(), rows, 3*k, &KMeansOptions{Seed: 1, Spherical: spherical})
		require.NoError(t, err)
		require.Len(t, c, 3*k*dim)
		a := NewAssigner(c, dim, spherical)
		require.Equal(t, 3*k, a.Len())
		nearest := make([]uint32, n)
		require.NoError(t, a.Assign(t.Context(), rows, nearest, 2))
		near := 0
		for i := range n {
			var dot float32
			for d := range dim {
				dot += v[i*dim+d] * c[int(nearest[i])*dim+d]
			}
			if dot > 0.85 {
				near++
			}
			if i < 20 {
				scores := make([]float32, a.Len())
				a.Scores(v[i*dim:(i+1)*dim], scores)
				assert.Equal(t, slices.Max(scores), scores[nearest[i]])
			}
		}
		assert.Greater(t, near, n*9/10, "spherical %v", spherical)
	}
}

func TestKMeansIsTheSameEverywhere(t *testing.T) {
	const dim, n = 50, 3000
	r := rand.New(rand.NewPCG(32, 1))
	rows, err := NewRows(Int8, dim, clustered(r, n, dim, 20, 1), nil)
	require.NoError(t, err)
	var want []float32
	onEachKernel(t, func(t *testing.T) {
		for _, workers := range []int{1, 3} {
			got, err := KMeans(t.Context(), rows, 33, &KMeansOptions{Seed: 5, Workers: workers, Sample: 1000, Iterations: 4})
			require.NoError(t, err)
			if want == nil {
				want = got
			}
			require.Equal(t, want, got)
		}
	})
}

func TestKMeansEdges(t *testing.T) {
	rows, err := NewRows(Int8, 4, []float32{1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}, nil)
	require.NoError(t, err)
	c, err := KMeans(t.Context(), rows, 10, nil)
	require.NoError(t, err)
	assert.Len(t, c, 3*4, "no more centroids than rows, even if all rows are one")
	_, err = KMeans(t.Context(), rows.Slice(0, 0), 2, nil)
	assert.ErrorIs(t, err, ErrShape)
	f32, err := NewRows(F32, 4, make([]float32, 4), nil)
	require.NoError(t, err)
	_, err = KMeans(t.Context(), f32, 1, nil)
	assert.ErrorIs(t, err, ErrCodec)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = KMeans(ctx, rows, 2, nil)
	assert.ErrorIs(t, err, context.Canceled)
	assert.ErrorIs(t, NewAssigner(c, 4, true).Assign(t.Context(), rows, nil, 1), ErrShape)
}
