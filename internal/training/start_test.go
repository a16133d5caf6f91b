package training

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/toy"
)

func TestStartIsGood(t *testing.T) {
	toy.NeedRuntime(t)
	first := map[string]float64{}
	for _, start := range []string{"random", "cca"} {
		r := toyRun(t, t.TempDir(), func(c *config.Config) {
			c.Encoder.Start, c.Training.LR, c.Training.EMA, c.Training.Epochs = start, 1e-12, 0, 1
		})
		r.Model.Net.Layers, r.Model.Net.PreNorm = 0, true
		best, err := r.Do(t.Context())
		require.NoError(t, err)
		first[start] = best.RSum
	}
	require.Greater(t, first["cca"], first["random"])
	require.Greater(t, first["cca"], 800.0, "of 1200")
}
