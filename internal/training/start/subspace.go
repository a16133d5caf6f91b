package start

import (
	"context"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// Of leading: how many directions beyond those asked for it works with, and how often it multiplies by the
// matrix and its transpose. The spectra of canonical correlations fall slowly, so both are generous.
const (
	subspaceExtra  = 64
	subspaceRounds = 8
)

// leading finds the d leading singular vectors of t (fewer if t has fewer), left and right, and the singular
// values, by subspace iteration from random directions (Halko, Martinsson and Tropp, SIAM Review 2011,
// algorithm 4.4). The complete decomposition costs many times as much and cannot be interrupted.
func leading(ctx context.Context, t *mat.Dense, d int) (left, right *mat.Dense, s []float64, err error) {
	rows, cols := t.Dims()
	d = min(d, rows, cols)
	k := min(d+subspaceExtra, rows, cols)
	rng := rand.New(rand.NewPCG(1, 2))
	left, right = mat.NewDense(rows, k, nil), mat.NewDense(cols, k, nil)
	for i := range cols {
		for j := range k {
			right.Set(i, j, rng.NormFloat64())
		}
	}
	for range subspaceRounds {
		if err := ctx.Err(); err != nil {
			return nil, nil, nil, err
		}
		left.Mul(t, right)
		orthonormalise(left)
		right.Mul(t.T(), left)
		orthonormalise(right)
	}
	// Within the subspace the matrix is t·right, small enough for the eigenvectors of its Gram matrix.
	left.Mul(t, right)
	var eig mat.EigenSym
	eig.Factorize(gram(left), true)
	values := eig.Values(nil) // ascending
	var vectors mat.Dense
	eig.VectorsTo(&vectors)
	turn := mat.NewDense(k, d, nil)
	s = make([]float64, d)
	for j := range d {
		s[j] = math.Sqrt(max(values[k-1-j], 1e-12))
		for i := range k {
			turn.Set(i, j, vectors.At(i, k-1-j))
		}
	}
	var u, v mat.Dense
	u.Mul(left, turn)
	v.Mul(right, turn)
	for i := range rows {
		for j, x := range s {
			u.Set(i, j, u.At(i, j)/x)
		}
	}
	return &u, &v, s, nil
}

// orthonormalise replaces the columns of a by an orthonormal basis of their span, by two rounds of Cholesky QR
// (Fukaya et al., 2020): one would leave as much error as a is ill-conditioned. A little is added to the
// diagonal, so that columns that depend on each other do no harm; the surplus ones come out short.
func orthonormalise(a *mat.Dense) {
	raw := a.RawMatrix()
	for range 2 {
		g := gram(a)
		add := 1e-14 * mat.Trace(g)
		for i := range raw.Cols {
			g.SetSym(i, i, g.At(i, i)+add)
		}
		var chol mat.Cholesky
		if !chol.Factorize(g) {
			return // all zero: there is no span
		}
		var r mat.TriDense
		chol.UTo(&r)
		blas64.Trsm(blas.Right, blas.NoTrans, 1, r.RawTriangular(), raw)
	}
}

// gram is aᵀ·a.
func gram(a *mat.Dense) *mat.SymDense {
	var g mat.SymDense
	g.SymOuterK(1, a.T())
	return &g
}
