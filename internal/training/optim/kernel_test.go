package optim

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/training/toy"
)

// The processor's kernels compute the bits of the generic ones, and touch nothing past their slices.
func TestKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := &step{b1: 0.9, rest1: 0.1, b2: 0.99, rest2: 0.01, scale: 0.7, decay: 0.03, keep: 0.98, lr: 0.002, root: 1.3, eps: 1e-8}
	for _, n := range []int{lanes, 3 * lanes, 32 * lanes} {
		var want, got [4][]float32
		for i := range want {
			want[i] = toy.Normals(rng, n+1)
			if i == 3 {
				for k, x := range want[i] {
					want[i][k] = x * x
				}
			}
			got[i] = slices.Clone(want[i])
		}
		start := want[0][0]
		generic.adam(want[0][:n], want[1][:n], want[2][:n], want[3][:n], s)
		kernel.adam(got[0][:n], got[1][:n], got[2][:n], got[3][:n], s)
		require.Equal(t, want, got)
		require.NotEqual(t, start, got[0][0])

		sums := [2][lanes]float64{{1}, {1}}
		generic.squares(want[0][:n], &sums[0])
		kernel.squares(want[0][:n], &sums[1])
		require.Equal(t, sums[0], sums[1])
		require.Positive(t, sums[1][lanes-1])
	}
}

// BenchmarkOptimizer is the norm of four million gradients and their step.
func BenchmarkOptimizer(b *testing.B) {
	const n = 1 << 22
	g := slices.Repeat([]float32{0.01, -0.02, 0.03}, n/3)
	a := NewAdam([]int{len(g)})
	p := make([]float32, len(g))
	for name, set := range map[string]kernels{"generic": generic, "kernels": kernel} {
		b.Run(name, func(b *testing.B) {
			defer func(old kernels) { kernel = old }(kernel)
			kernel = set
			for b.Loop() {
				a.Apply([]Update{{Param: p, Grad: g, LR: 1e-3}}, 1/math.Sqrt(NormSquared(g)))
			}
		})
	}
}
