package relevance

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/bundle"
)

// The regression finds the weights that drew the answers; what never varies counts nothing.
func TestFit(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	truth := &bundle.Relevance{Bias: -1, Weights: []float64{2, -1, 0.1, 0, 0, 0, 0, 0}}
	var all []Features
	var right []bool
	for range 20_000 {
		f := Features{rng.NormFloat64(), 3 * rng.NormFloat64(), float64(rng.IntN(20)), rng.Float64(), 7, rng.NormFloat64(), 0, rng.NormFloat64()}
		all, right = append(all, f), append(right, rng.Float64() < float64(Rate(truth, f)))
	}
	r := Fit(all, right)
	require.NotNil(t, r)
	assert.InDeltaSlice(t, truth.Weights, r.Weights, 0.1)
	assert.InDelta(t, truth.Bias, r.Bias, 0.2)
	assert.Zero(t, r.Weights[4])
	assert.Nil(t, Fit(all, make([]bool, len(all))), "nothing is right")

	// Right and wrong that one feature divides cleanly give finite weights.
	for i := range all {
		right[i] = all[i][0] > 0
	}
	r = Fit(all, right)
	for _, w := range r.Weights {
		assert.False(t, math.IsNaN(w) || math.Abs(w) > 1e4, "%v", r)
	}
}

func TestRead(t *testing.T) {
	counts := bundle.WordCounts{"a": 5000, "dog": 900, "pizza": 9}
	assert.Equal(t, Query{Words: 4, Rare: 1, Unseen: 1}, Read("A dog, pizza & zyzzyva 7!", counts))
	assert.Equal(t, Query{Words: 2}, Read("zyzzyva pizza", nil))
	assert.Equal(t, Features{2, 0.5, 0.4, 0.8, 0.2, 0.25, 0.25, 3}, Of(2, 3, 1.5, Query{4, 1, 1}))
	assert.Equal(t, Features{2, 0.5, 0, 0, 0, 0, 0, 0}, Of(2, 0, 1.5, Query{Words: 9}))
	assert.Equal(t, [2]int{0, 12}, [2]int{Place(19), Place(256)})
}
