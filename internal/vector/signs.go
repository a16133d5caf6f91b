package vector

import (
	"fmt"
	"math"
)

// Signs are codes of one bit a value that estimate inner products without bias (RaBitQ: Gao and Long, SIGMOD
// 2024). A vector r is rotated by chance, once and for all alike, and of the result s only the signs and one factor
// |r|²/Σ|s_d| are kept; then
//
//	⟨r, v⟩ ≈ factor · Σ_d sign(s_d)·(rotated v)_d
//
// whose error has about the standard deviation signError·factor·|v|, whatever the vectors are. So a scan knows which
// rows cannot be among the best, and only the others need a look at their better codes.
type Signs struct {
	Dim, N  int
	Codes   []byte    // N × RowBytes(Bits, Dim)
	Factors []float32 // N
}

// signError is √(1−2/π): for signs of a rotated vector, ‖s‖₁ is √(2/π)·√D·|s|.
const signError = 0.603

// Validate checks lengths.
func (s *Signs) Validate() error {
	if s.Dim < 1 || s.Dim > MaxDim || s.N < 0 {
		return fmt.Errorf("%w: signs of %d rows of %d values", ErrShape, s.N, s.Dim)
	}
	if size := RowBytes(Bits, s.Dim); len(s.Codes)/size != s.N || len(s.Codes)%size != 0 || len(s.Factors) != s.N {
		return fmt.Errorf("%w: signs of %d rows have %d bytes and %d factors", ErrShape, s.N, len(s.Codes), len(s.Factors))
	}
	return nil
}

// EncodeSigns writes the signs of rotated, which a Rotator made of a vector, to dst and returns their factor.
func EncodeSigns(dst []byte, rotated []float32) (factor float32) {
	clear(dst[:len(rotated)/8])
	var sum, square float64
	for i, x := range rotated {
		if !(x < 0) {
			dst[i/8] |= 1 << (i % 8)
		}
		sum += math.Abs(float64(x))
		square += float64(float64(x) * float64(x))
	}
	if !(sum > 0) || math.IsInf(square, 0) {
		return 0
	}
	return float32(square / sum)
}

// A SignQuery is a vector prepared to be compared with Signs.
type SignQuery struct {
	dim    int
	planes []uint64 // of values −7…7, see kernels.planes
	scale  float32
	length float64 // of the vector
	bias   int32   // −Σvalues, and the slack
	slack  int32   // what is added to sums so that they are bounds
}

// NewSignQuery prepares v. Bounds are so many standard deviations above the estimates.
func NewSignQuery(v []float32, deviations float32) (*SignQuery, error) {
	if len(v) < 1 || len(v) > MaxDim {
		return nil, fmt.Errorf("%w: query of %d values", ErrShape, len(v))
	}
	rotated := NewRotator(len(v)).Rotate(v)
	q := &SignQuery{dim: len(v), planes: make([]uint64, len(rotated)/16)}
	var top, square float64
	for _, x := range rotated {
		top = max(top, math.Abs(float64(x)))
		square += float64(float64(x) * float64(x))
	}
	if !(top > 0) || math.IsInf(square, 0) {
		return q, nil
	}
	q.scale, q.length = float32(top/7), math.Sqrt(square)
	values := make([]int8, len(rotated))
	for i, x := range rotated {
		values[i] = int8(math.RoundToEven(float64(x) * (7 / top)))
		q.bias -= int32(values[i])
	}
	setPlanes(q.planes, values)
	q.slack = int32(float64(deviations) * signError * q.length * 7 / top)
	q.bias += q.slack
	return q, nil
}

// setPlanes takes values −8…7 apart, see kernels.planes.
func setPlanes(planes []uint64, values []int8) {
	for d, x := range values {
		for p := range 4 {
			planes[d/64*4+p] |= uint64(x) >> p & 1 << (d % 64)
		}
	}
}

// MaxSignRows is the largest number of rows that Bounds takes at once.
const MaxSignRows = blockRows

// SignBounds are the upper bounds of some rows' inner products.
type SignBounds struct {
	dots  [blockRows]int32
	Score [blockRows]float32
	Pass  [blockRows / 64]uint64 // rows whose bound reaches what was asked
}

// Bounds fills b with the bounds of the rows from…to, MaxSignRows at most. Those of at least least pass.
func (q *SignQuery) Bounds(b *SignBounds, s *Signs, from, to int, least float32) {
	if q.dim != s.Dim {
		panic("vector: signs of another dimension than the query")
	}
	size, n := RowBytes(Bits, s.Dim), to-from
	kernel.planes(q.planes, q.bias, s.Codes[from*size:to*size], b.dots[:n])
	kernel.scale(b.dots[:n], s.Factors[from:to], q.scale, least, b.Score[:n], b.Pass[:])
}

// Slack is by how much the bound of a row is above its estimate.
func (q *SignQuery) Slack(factor float32) float32 {
	return float32(float32(q.slack)*factor) * q.scale
}

// Noise is about the standard deviation of the error of estimates for vectors of length 1.
func (q *SignQuery) Noise() float64 {
	return signError * q.length / math.Sqrt(2/math.Pi*float64(16*len(q.planes)))
}

// rotationRounds of sign flips and Hadamard transforms of 64 values make the values of any vector look alike.
const rotationRounds = 3

// A Rotator turns vectors by a fixed orthogonal map, so that inner products stay what they are. It is made of additions and
// of products with powers of two, so all CPUs get the same bits. It belongs to one goroutine.
type Rotator struct {
	dim      int
	flips    [rotationRounds][]uint64
	from, to []float32
}

// NewRotator makes the Rotator of vectors of dim values.
func NewRotator(dim int) *Rotator {
	n := Stride(dim)
	r := &Rotator{dim: dim, from: make([]float32, n), to: make([]float32, n)}
	for round := range r.flips {
		for block := range n / 64 {
			r.flips[round] = append(r.flips[round], rotationFlips(round, block))
		}
	}
	return r
}

// Rotate returns v, padded to Stride(dim) values and rotated. The result is valid until the next call.
func (r *Rotator) Rotate(v []float32) []float32 {
	clear(r.from[copy(r.from, v[:r.dim]):])
	var t [64]float32
	for _, flips := range r.flips {
		for b, flip := range flips {
			block := r.from[64*b : 64*b+64]
			for i, x := range block {
				t[i] = math.Float32frombits(math.Float32bits(x) ^ uint32(flip>>i)<<31)
			}
			hadamard(&t)
			for i, x := range t { // what comes from one block goes to all
				r.to[i*len(flips)+b] = x * 0.125
			}
		}
		r.from, r.to = r.to, r.from
	}
	return r.from
}

// rotationFlips are 64 signs: SplitMix64 of their place.
func rotationFlips(round, block int) uint64 {
	x := (uint64(round)<<32 | uint64(block) + 1) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hadamard is the fast Walsh–Hadamard transform, 8 times the orthogonal one.
func hadamard(t *[64]float32) {
	for i := range 8 {
		butterfly(&t[i], &t[i+8], &t[i+16], &t[i+24], &t[i+32], &t[i+40], &t[i+48], &t[i+56])
	}
	for i := 0; i < 64; i += 8 {
		u := (*[8]float32)(t[i:])
		butterfly(&u[0], &u[1], &u[2], &u[3], &u[4], &u[5], &u[6], &u[7])
	}
}

// butterfly is the transform of eight values.
func butterfly(a, b, c, d, e, f, g, h *float32) {
	a1, b1, c1, d1 := *a+*e, *b+*f, *c+*g, *d+*h
	e1, f1, g1, h1 := *a-*e, *b-*f, *c-*g, *d-*h
	a2, b2, c2, d2 := a1+c1, b1+d1, a1-c1, b1-d1
	e2, f2, g2, h2 := e1+g1, f1+h1, e1-g1, f1-h1
	*a, *b, *c, *d = a2+b2, a2-b2, c2+d2, c2-d2
	*e, *f, *g, *h = e2+f2, e2-f2, g2+h2, g2-h2
}
