package eval

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCorrelationByHand(t *testing.T) {
	x := []float64{1, 2, 3, 4, 5}
	assert.InDelta(t, 1, Spearman(x, []float64{2, 4, 8, 16, 32}), 1e-15)
	assert.InDelta(t, -1, Kendall(x, []float64{5, 4, 3, 2, 1}), 1e-15)
	// 1 − 6Σd²/n(n²−1) with d = −1, 1, −1, 1, 0.
	assert.InDelta(t, 1-6.*4/(5*24), Spearman(x, []float64{2, 1, 4, 3, 5}), 1e-15)
	assert.InDelta(t, (8.-2)/10, Kendall(x, []float64{2, 1, 4, 3, 5}), 1e-15)
	// Six pairs: one tied in x, one in y, the other four concordant.
	tied := []float64{1, 1, 2, 3}
	assert.InDelta(t, 4/math.Sqrt(5*5), Kendall(tied, []float64{1, 2, 2, 3}), 1e-15)
	// Ranks ½ ½ 2 3 and 0 1½ 1½ 3 about their mean 1½: Σxy 3½+… by hand 4, Σxx = Σyy = 4½.
	assert.InDelta(t, 3.75/4.5, Spearman(tied, []float64{1, 2, 2, 3}), 1e-15)
	for _, f := range []func(x, y []float64) float64{Spearman, Kendall} {
		assert.True(t, math.IsNaN(f([]float64{1}, []float64{1})))
		assert.True(t, math.IsNaN(f(nil, nil)))
		assert.True(t, math.IsNaN(f([]float64{1, 1, 1}, []float64{1, 2, 3})))
	}
}

func TestKendallAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		n := 2 + r.IntN(60)
		x, y := make([]float64, n), make([]float64, n)
		for k := range x {
			x[k], y[k] = float64(r.IntN(8)), float64(r.IntN(8))
		}
		var s, inX, inY int
		for a := range n {
			for b := range a {
				dx, dy := x[a]-x[b], y[a]-y[b]
				switch {
				case dx*dy > 0:
					s++
				case dx*dy < 0:
					s--
				}
				if dx != 0 {
					inX++
				}
				if dy != 0 {
					inY++
				}
			}
		}
		want := float64(s) / math.Sqrt(float64(inX)*float64(inY))
		if inX == 0 || inY == 0 {
			want = math.NaN()
		}
		got := Kendall(x, y)
		if math.IsNaN(want) {
			require.True(t, math.IsNaN(got))
			continue
		}
		require.InDelta(t, want, got, 1e-12)
	}
}

func TestJudgments(t *testing.T) {
	j := &Judgments{Image: []int{0, 0, 1, 2}, Human: []float64{1, 2, 3, 4}, Model: []float64{.1, .3, .2, .4}}
	s, err := j.Statistic(Whole(3))
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float64{.8, 4. / 6}, s.Values(), 1e-12)
	out := make([]float64, 2)
	s.New()([]int32{2, 0, 0}, out) // only the first image, twice
	assert.InDelta(t, 1, out[0], 1e-12)
	assert.InDelta(t, 1, out[1], 1e-12)
	_, err = (&Judgments{Image: []int{0}}).Statistic(Whole(1))
	require.ErrorIs(t, err, ErrInput)
}
