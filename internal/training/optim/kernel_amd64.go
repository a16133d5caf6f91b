//go:build !noasm

package optim

import "golang.org/x/sys/cpu"

func init() {
	if cpu.X86.HasAVX2 {
		kernel = kernels{
			adam:    func(p, g, m, v []float32, s *step) { adamAVX2(&p[0], &g[0], &m[0], &v[0], len(p), s) },
			squares: func(g []float32, sums *[lanes]float64) { squaresAVX2(&g[0], len(g), sums) },
		}
	}
}

//go:noescape
func adamAVX2(p, grad, m, v *float32, n int, s *step)

//go:noescape
func squaresAVX2(grad *float32, n int, sums *[lanes]float64)
