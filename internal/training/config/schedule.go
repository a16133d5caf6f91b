package config

import "math"

// Rate is the learning rate of a step (counted from 0) of an epoch, per the configuration: StepLR lowers
// it by gamma every step-size epochs, cosine brings it to 0 over all steps; linear warm-up precedes
// either.
func (t *TrainingConfig) Rate(step, epoch, total int) float64 {
	lr := t.LR
	switch t.Scheduler {
	case "steplr":
		if t.StepSize > 0 {
			lr *= math.Pow(t.Gamma, float64(epoch/t.StepSize))
		}
	case "cosine":
		lr *= 0.5 * (1 + math.Cos(math.Pi*float64(step)/float64(max(1, total))))
	}
	if t.Warmup == "linear" && step < t.WarmupPeriod {
		lr *= float64(step+1) / float64(t.WarmupPeriod)
	}
	return lr
}

// CountsEpochs tells whether what a step does depends on the number of epochs.
func (t *TrainingConfig) CountsEpochs() bool {
	return t.Scheduler == "cosine" || t.Softness > 0 && t.softnessEnd() != t.Softness
}

// SoftnessAt is the temperature of the soft maximum at a step.
func (t *TrainingConfig) SoftnessAt(step, total int) float32 {
	if t.Softness <= 0 {
		return 0
	}
	return float32(t.Softness + (t.softnessEnd()-t.Softness)*float64(step)/float64(max(1, total)))
}

func (t *TrainingConfig) softnessEnd() float64 {
	if t.SoftnessEnd <= 0 {
		return t.Softness
	}
	return t.SoftnessEnd
}

// LeastSoftness is a bound below all that softness returns.
func (t *TrainingConfig) LeastSoftness() float32 {
	return float32(min(t.Softness, t.softnessEnd()))
}
