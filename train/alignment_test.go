package train

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
)

// Scores come out where they belong, whatever the blocks are that they are computed in.
func TestAlignmentBlocks(t *testing.T) {
	needRuntime(t)
	net := nn.Config{Hidden: 3, Heads: 1, Vocab: 9, MaxPositions: 9, Types: 2, RegionDim: 3, Alignment: "MrSw"}
	scores, err := alignmentScores(net, 1, "")
	require.NoError(t, err)
	defer scores.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	side := func(n int, weights ...float32) *encoded {
		e := &encoded{dim: 3}
		for i := range n {
			e.tokens = append(e.tokens, normals(rng, (1+i%4)*3))
			e.weights = append(e.weights, weights[:1+i%4])
		}
		return e
	}
	told := 0
	a := &alignment{scores: scores, ctx: t.Context(), images: side(2*alignImages+7, 1, 1, 1, 1), captions: side(alignCaptions+9, 1, 0.5, 2, 1), progress: func(done, _ int) { told = done }}
	n, m := a.Dims()
	images := rng.Perm(n)[:n-3]
	got := make([]float32, len(images)*m)
	require.NoError(t, a.Rows(images, got))
	require.Equal(t, len(images), told)
	for k, i := range images {
		for c, words := range a.captions.tokens {
			want := 0.0
			for w, weight := range a.captions.weights[c] {
				best := -1e9
				for r := range a.images.weights[i] {
					dot := 0.0
					for d := range 3 {
						dot += float64(words[w*3+d]) * float64(a.images.tokens[i][r*3+d])
					}
					best = max(best, dot)
				}
				want += best * float64(weight)
			}
			require.InDelta(t, want, got[k*m+c], 1e-4, "image %d, caption %d", i, c)
		}
	}
}
