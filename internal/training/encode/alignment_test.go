package encode

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/toy"
)

// Scores come out where they belong, whatever the blocks are that they are computed in.
func TestAlignmentBlocks(t *testing.T) {
	toy.NeedRuntime(t)
	net := nn.Config{Hidden: 3, Heads: 1, Vocab: 9, MaxPositions: 9, Types: 2, RegionDim: 3, Alignment: "MrSw"}
	scores, err := CompileScores(net, 1, "")
	require.NoError(t, err)
	defer scores.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	side := func(n int, weights ...float32) *Side {
		e := &Side{Dim: 3}
		for i := range n {
			e.Tokens = append(e.Tokens, toy.Normals(rng, (1+i%4)*3))
			e.Weights = append(e.Weights, weights[:1+i%4])
		}
		return e
	}
	told := 0
	a := &Scores{Session: scores, Ctx: t.Context(), Images: side(2*alignImages+7, 1, 1, 1, 1), Captions: side(alignCaptions+9, 1, 0.5, 2, 1), Progress: func(done, _ int) { told = done }}
	n, m := a.Dims()
	images := rng.Perm(n)[:n-3]
	got := make([]float32, len(images)*m)
	require.NoError(t, a.Rows(images, got))
	require.Equal(t, len(images), told)
	for k, i := range images {
		for c, words := range a.Captions.Tokens {
			want := 0.0
			for w, weight := range a.Captions.Weights[c] {
				best := -1e9
				for r := range a.Images.Weights[i] {
					dot := 0.0
					for d := range 3 {
						dot += float64(words[w*3+d]) * float64(a.Images.Tokens[i][r*3+d])
					}
					best = max(best, dot)
				}
				want += best * float64(weight)
			}
			require.InDelta(t, want, got[k*m+c], 1e-4, "image %d, caption %d", i, c)
		}
	}
}
