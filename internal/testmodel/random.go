package testmodel

import (
	"hash/fnv"
	"math/rand/v2"
)

// random are the values of a parameter, around mean: the same for the same seed and name.
func random(seed uint64, name string, scale, mean float32, shape ...int) []float32 {
	h := fnv.New64a()
	h.Write([]byte(name))
	rng := rand.New(rand.NewPCG(seed, h.Sum64()))
	n := 1
	for _, d := range shape {
		n *= d
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = mean + scale*float32(rng.NormFloat64())
	}
	return values
}
