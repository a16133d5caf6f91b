package vector

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func dotOf(a, b []float32) (s float64) {
	for i, x := range a {
		s += float64(x) * float64(b[i])
	}
	return s
}

// A rotation keeps inner products, and of a vector of a single value, the worst, it makes one whose values
// are alike.
func TestRotator(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, dim := range []int{1, 3, 64, 100, 256, 768, 1000} {
		a, b := make([]float32, dim), make([]float32, dim)
		for i := range a {
			a[i], b[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
		}
		rotator := NewRotator(dim)
		ra, rb := rotator.Rotate(a), NewRotator(dim).Rotate(b)
		require.InDelta(t, dotOf(a, b), dotOf(ra, rb), 1e-3*math.Sqrt(float64(dim)), "dim %d", dim)

		clear(a)
		a[dim/2] = 1
		ra = rotator.Rotate(a)
		var top float64
		for _, x := range ra {
			top = max(top, math.Abs(float64(x)))
		}
		require.Less(t, top, 6/math.Sqrt(float64(len(ra))), "dim %d", dim)
	}
}

// Estimates have no bias, and bounds hold as often as the normal distribution says.
func TestSignBounds(t *testing.T) {
	const n = 4000
	for _, dim := range []int{64, 256, 768} {
		r := rand.New(rand.NewPCG(2, uint64(dim)))
		s := &Signs{Dim: dim, N: n, Codes: make([]byte, n*RowBytes(Bits, dim)), Factors: make([]float32, n)}
		v, rotator := make([][]float32, n), NewRotator(dim)
		for i := range v {
			v[i] = make([]float32, dim)
			for d := range v[i] {
				v[i][d] = float32(r.NormFloat64()) / float32(math.Sqrt(float64(1+d))) // far from all alike
			}
			s.Factors[i] = EncodeSigns(s.Codes[i*Stride(dim)/8:], rotator.Rotate(v[i]))
		}
		require.NoError(t, s.Validate())
		q := make([]float32, dim)
		for d := range q {
			q[d] = float32(r.NormFloat64())
		}
		query, err := NewSignQuery(q, 2)
		require.NoError(t, err)
		var b SignBounds
		var bias, spread, product float64
		within := 0
		for at := 0; at < n; at += MaxSignRows {
			to := min(at+MaxSignRows, n)
			query.Bounds(&b, s, at, to, 0)
			for i := at; i < to; i++ {
				bound := b.Score[i-at]
				require.Equal(t, bound >= 0, b.Pass[(i-at)/64]>>((i-at)%64)&1 == 1)
				slack, want := float64(query.Slack(s.Factors[i])), dotOf(q, v[i])
				off := (float64(bound) - slack - want) / slack * 2
				bias, spread, product = bias+off, spread+off*off, product+want*want
				if float64(bound) >= want {
					within++
				}
			}
		}
		name := fmt.Sprintf("%d values", dim)
		require.InDelta(t, 0, bias/n, 0.1, name)
		require.InDelta(t, 1, math.Sqrt(spread/n), 0.15, name)
		require.InDelta(t, 0.977, float64(within)/n, 0.015, name)
	}
}

func TestSignsOfNothing(t *testing.T) {
	code := make([]byte, 8)
	require.Zero(t, EncodeSigns(code, make([]float32, 64)))
	require.Zero(t, EncodeSigns(code, append(make([]float32, 63), float32(math.Inf(1)))))
	q, err := NewSignQuery(make([]float32, 64), 2)
	require.NoError(t, err)
	var b SignBounds
	q.Bounds(&b, &Signs{Dim: 64, N: 1, Codes: code, Factors: []float32{1}}, 0, 1, 0)
	require.Zero(t, b.Score[0])
	_, err = NewSignQuery(nil, 2)
	require.ErrorIs(t, err, ErrShape)
}
