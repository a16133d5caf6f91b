package config

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRate(t *testing.T) {
	at := func(c TrainingConfig, step, epoch int) float64 { return c.Rate(step, epoch, 100) }
	step := TrainingConfig{LR: 1, Scheduler: "steplr", Gamma: 0.1, StepSize: 15}
	for epoch, want := range map[int]float64{0: 1, 14: 1, 15: 0.1, 29: 0.1, 30: 0.01} {
		require.InDelta(t, want, at(step, 7, epoch), 1e-12, "epoch %d", epoch)
	}
	cosine := TrainingConfig{LR: 2, Scheduler: "cosine"}
	for s, want := range map[int]float64{0: 2, 50: 1, 100: 0, 25: 1 + math.Sqrt2/2} {
		require.InDelta(t, want, at(cosine, s, 0), 1e-12, "step %d", s)
	}
	constant := TrainingConfig{LR: 3, Scheduler: "constant"}
	require.Equal(t, 3.0, at(constant, 99, 9))
	constant.Warmup, constant.WarmupPeriod = "linear", 10
	for s, want := range map[int]float64{0: 0.3, 4: 1.5, 9: 3, 10: 3} {
		require.InDelta(t, want, at(constant, s, 0), 1e-12, "step %d", s)
	}
	require.Equal(t, 0.0, at(TrainingConfig{LR: 0}, 0, 0))

	soft := TrainingConfig{Softness: 0.5, SoftnessEnd: 0.1}
	require.InDelta(t, 0.5, soft.SoftnessAt(0, 100), 1e-7)
	require.InDelta(t, 0.3, soft.SoftnessAt(50, 100), 1e-7)
	soft.SoftnessEnd = 0
	require.InDelta(t, 0.5, soft.SoftnessAt(80, 100), 1e-7)
	require.Zero(t, (&TrainingConfig{}).SoftnessAt(1, 2))
}
