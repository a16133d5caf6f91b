package vector

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// unit draws n L2-normalised vectors.
func unit(r *rand.Rand, n, dim int) []float32 {
	v := make([]float32, n*dim)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	for i := range n {
		normalise(v[i*dim : (i+1)*dim])
	}
	return v
}

// clustered draws n normalised vectors around a few centres.
func clustered(r *rand.Rand, n, dim, centres int, spread float32) []float32 {
	c := unit(r, centres, dim)
	v := unit(r, n, dim)
	for i := range n {
		k := r.IntN(centres)
		for d := range dim {
			v[i*dim+d] = spread*v[i*dim+d] + c[k*dim+d]
		}
		normalise(v[i*dim : (i+1)*dim])
	}
	return v
}

// onEachKernel runs f with every set of kernels that this CPU has.
func onEachKernel(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	for _, name := range Kernels() {
		t.Run(name, func(t *testing.T) {
			defer UseKernel(name)()
			f(t)
		})
	}
}

func tokensOf(t testing.TB, c Codec, dim int, sample []float32) *Tokens {
	t.Helper()
	if c == Int8 || c == F16 || c == F32 {
		k, err := NewTokens(c, dim)
		require.NoError(t, err)
		return k
	}
	k, err := TrainTokens(t.Context(), c, dim, sample, &TrainOptions{Centroids: 8, Iterations: 2})
	require.NoError(t, err)
	return k
}
