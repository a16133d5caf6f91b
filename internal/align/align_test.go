package align

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/vector"
)

// Coverage is the mean of the words' similarities with negative ones as 0, not a clamped sum.
func TestCoverage(t *testing.T) {
	region := []float32{1, 0}
	words := []float32{0.8, 0.6, -0.6, 0.8}
	r, err := Exact(2, words, nil, region, nil)
	require.NoError(t, err)
	assert.InDelta(t, 0.8-0.6, r.Score, 1e-6)
	assert.InDelta(t, 0.4, r.Coverage(), 1e-6)

	for _, c := range []struct {
		weights []float32
		want    float64
	}{
		{[]float32{1, 3}, 0.2},  // by their weights
		{[]float32{1, -1}, 0.8}, // words that are not wanted do not count
		{[]float32{0, 1}, 0},
		{[]float32{-1, -1}, 0},
	} {
		r, err := Exact(2, words, c.weights, region, nil)
		require.NoError(t, err)
		assert.InDelta(t, c.want, r.Coverage(), 1e-6, "%v", c.weights)
	}
	r, err = Exact(2, words, nil, region, []float32{0})
	require.NoError(t, err)
	assert.Zero(t, r.Coverage(), "no region takes part")
}

// unit draws n vectors of length 1.
func unit(rng *rand.Rand, n, dim int) []float32 {
	v := make([]float32, n*dim)
	for i := range n {
		var sum float64
		for d := range dim {
			v[i*dim+d] = float32(rng.NormFloat64())
			sum += float64(v[i*dim+d]) * float64(v[i*dim+d])
		}
		for d := range dim {
			v[i*dim+d] /= float32(math.Sqrt(sum))
		}
	}
	return v
}

// byDefinition is the score in double precision.
func byDefinition(dim int, words, wordWeights, regions, regionWeights []float32) float64 {
	var score float64
	for w := range wordWeights {
		best := math.Inf(-1)
		for r := range regionWeights {
			if regionWeights[r] <= 0 {
				continue
			}
			var s float64
			for d := range dim {
				s += float64(words[w*dim+d]) * float64(regions[r*dim+d])
			}
			best = max(best, s)
		}
		if wordWeights[w] != 0 && !math.IsInf(best, -1) {
			score += float64(wordWeights[w]) * best
		}
	}
	return score
}

// All ways to score a pair agree with the definition, for words of any weight.
func TestScores(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const dim = 70
	for range 60 {
		n, m := 1+rng.IntN(40), 1+rng.IntN(40)
		words, regions := unit(rng, n, dim), unit(rng, m, dim)
		weights, takesPart := make([]float32, n), make([]float32, m)
		positive := make([]float32, n)
		for i := range weights {
			weights[i] = float32(rng.IntN(5)-2) / 2
			positive[i] = max(weights[i], 0)
		}
		for i := range takesPart {
			takesPart[i] = float32(rng.IntN(4))
		}
		want := byDefinition(dim, words, weights, regions, takesPart)
		for codec, tolerance := range map[vector.Codec]float64{vector.F32: 2e-5, vector.F16: 0.02, vector.Int8: 0.3} {
			layout, err := vector.NewTokens(codec, dim)
			require.NoError(t, err)
			block, err := layout.AppendBlock(nil, regions, takesPart)
			require.NoError(t, err)
			q, err := NewQuery(layout, words, weights)
			require.NoError(t, err)
			scores := make([]float32, 2)
			q.Score([][]byte{block, block}, scores)
			assert.InDelta(t, want, scores[0], tolerance, "%v", codec)
			r := q.Explain(block)
			assert.Equal(t, scores[0], r.Score)
			var sum float32
			for i, b := range r.Best {
				sum += weights[i] * b.Similarity
			}
			assert.InDelta(t, r.Score, sum, 1e-4)
			all := make([]float32, 2)
			require.NoError(t, q.ScoreAll(t.Context(), [][]byte{block, block}, all, 2))
			assert.Equal(t, scores, all)

			// The image as query, the caption as block.
			back, err := NewQuery(layout, regions, takesPart)
			require.NoError(t, err)
			caption, err := layout.AppendBlock(nil, words, positive)
			require.NoError(t, err)
			back.ScoreReverse([][]byte{caption}, [][]float32{positive}, all[:1])
			assert.InDelta(t, byDefinition(dim, words, positive, regions, takesPart), all[0], tolerance, "%v", codec)
			assert.Equal(t, all[0], back.ExplainReverse(caption, positive).Score)
		}
		r, err := Exact(dim, words, weights, regions, takesPart)
		require.NoError(t, err)
		assert.InDelta(t, want, r.Score, 2e-5)
	}
}

func TestWords(t *testing.T) {
	type word struct {
		Text       string
		Start, End int
	}
	r := Result{
		Best:    []vector.Best{{Region: 0, Similarity: 0.9}, {Region: 1, Similarity: 0.5}, {Region: 0, Similarity: 0.8}, {Region: -1}, {Region: 1, Similarity: 0.4}},
		Weights: []float32{1, 1, 3, 0, -0.5},
	}
	names := NewNames([]word{{}, {"frisbee", 2, 9}, {"frisbee", 2, 9}, {"a", 10, 11}, {"grass", 12, 17}}, nil, [][4]float32{{0, 0, 1, 1}, {0, 0, 0.5, 0.5}}, []string{"dog", "disc"})
	got, err := r.Words(names)
	require.NoError(t, err)
	assert.InDelta(t, 0.725, got[0].Similarity, 1e-6)
	got[0].Similarity = 0
	assert.Equal(t, []Match{
		{Word: "frisbee", Start: 2, End: 9, Token: 1, Region: 0, Box: [4]float32{0, 0, 1, 1}, Label: "dog", Weight: 4},
		{Word: "grass", Start: 12, End: 17, Token: 4, Region: 1, Box: [4]float32{0, 0, 0.5, 0.5}, Label: "disc", Similarity: 0.4, Weight: -0.5},
	}, got, "the token of the whole caption is no word, pieces are joined")

	got, err = r.Words(NewNames[word](nil, []string{"a", "b", "b", "c", "d"}, nil, nil))
	require.NoError(t, err)
	require.Len(t, got, 4, "regions in the place of words are not joined")
	assert.Equal(t, "b", got[2].Word)
}
