package eval

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// AUC is what counting all pairs gives.
func TestAUC(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		n := 2 + rng.IntN(30)
		scores, right := make([]float64, n), make([]bool, n)
		for k := range n {
			scores[k], right[k] = float64(rng.IntN(8)), rng.IntN(2) == 0
		}
		right[0], right[1] = true, false
		var won, pairs float64
		for a := range n {
			for b := range n {
				if !right[a] || right[b] {
					continue
				}
				pairs++
				switch {
				case scores[a] > scores[b]:
					won++
				case scores[a] == scores[b]:
					won += 0.5
				}
			}
		}
		assert.InDelta(t, won/pairs, AUC(scores, right), 1e-12)
	}
	assert.NotEqual(t, AUC(nil, nil), AUC(nil, nil), "not a number")
}
