package training

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/toy"
)

func TestAccumulateInGraph(t *testing.T) {
	toy.NeedRuntime(t)
	run := func(inGraph bool) (*Run, []logged) {
		dir := t.TempDir()
		r := toyRun(t, dir, func(c *config.Config) {
			c.Training.Accumulate, c.Training.AccumulateInGraph, c.Training.Epochs = 4, inGraph, 2
			c.Encoder.Dropout, c.Encoder.AttentionDrop, c.Encoder.FeatureDropout, c.Model.Dropout = 0, 0, 0, 0
			c.Training.Softness, c.Training.Scheduler, c.Training.Warmup = 0, "constant", ""
		})
		r.Val = nil
		_, err := r.Do(t.Context())
		require.NoError(t, err)
		return r, metrics(t, dir)
	}
	outside, steps := run(false)
	inside, runs := run(true)
	require.Len(t, steps, 12)
	require.Len(t, runs, 4, "six batches an epoch: four, and the two that are left")
	for i, last := range []int{4, 6, 10, 12} {
		require.Equal(t, last, runs[i].Step)
		require.InEpsilon(t, steps[last-1].GradNorm, runs[i].GradNorm, 1e-3)
	}
	require.InDelta(t, (steps[0].Loss["total"]+steps[1].Loss["total"]+steps[2].Loss["total"]+steps[3].Loss["total"])/4, runs[0].Loss["total"], 1e-4)
	for _, p := range outside.Model.Params.All() {
		if p.Name == nn.WordEmbeddings {
			require.InDeltaSlice(t, p.Data, inside.Model.Params.Lookup(p.Name).Data, 2e-3)
		}
	}
}
