package optim

import (
	"fmt"
	"math"
	"slices"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/param"
)

// An Optimizer applies gradients to parameters by name, with clipping to a global norm.
type Optimizer struct {
	Adam  *Adam
	index map[string]int
	clip  float64
	names []string
	rates map[string]float64 // factors of the learning rate; 1 where there is none

	average *param.Set // nil: none is kept
	decay   float64    // of the average
	updates []Update
}

// New makes the optimiser that a configuration asks for, with empty state.
func New(params *param.Set, cfg config.Config) *Optimizer {
	o := &Optimizer{index: map[string]int{}, clip: cfg.Training.GradClip}
	sizes := make([]int, len(params.All()))
	for i, p := range params.All() {
		sizes[i] = len(p.Data)
		o.index[p.Name] = i
		o.names = append(o.names, p.Name)
	}
	o.Adam = NewAdam(sizes)
	o.Adam.WeightDecay = cfg.Training.WeightDecay
	o.Adam.Decoupled = cfg.Training.Optimizer == "adamw"
	o.Adam.Beta2 = cfg.Training.Beta2
	if cfg.Encoder.Start == "cca" {
		o.rates = map[string]float64{nn.WordEmbeddings: cfg.Training.StartLR, nn.RegionEmbeddings: cfg.Training.StartLR}
	}
	return o
}

// Average makes every step update avg, an exponential moving average of the parameters. The decay grows to its full value
// over the first steps, so that the initial values are forgotten quickly.
func (o *Optimizer) Average(avg *param.Set, decay float64) { o.average, o.decay = avg, decay }

// Apply makes one step at a learning rate and returns the gradients' norm before clipping. If that is not
// finite it changes nothing.
func (o *Optimizer) Apply(params *param.Set, grads []Gradient, lr float64) float64 {
	norm := Norm(grads)
	if !Finite(norm) {
		return norm
	}
	scale := 1.0
	if o.clip > 0 && norm > o.clip {
		scale = o.clip / (norm + 1e-6) // as PyTorch's clip_grad_norm_
	}
	n := float64(o.Adam.Step + 1)
	follow := 1 - float32(min(o.decay, (1+n)/(10+n)))
	o.updates = slices.Grow(o.updates[:0], len(params.All()))
	for _, p := range params.All() {
		u := Update{Param: p.Data}
		if o.average != nil {
			u.Average, u.Follow = o.average.Lookup(p.Name).Data, follow
		}
		o.updates = append(o.updates, u)
	}
	updates := o.updates
	for _, g := range grads {
		u := &updates[o.index[g.Name]]
		u.Grad, u.Index, u.Width, u.LR = g.Grad, g.Index, g.Width, lr
		if f, ok := o.rates[g.Name]; ok {
			u.LR *= f
		}
		u.Decay = g.Decays
	}
	o.Adam.Apply(updates, scale)
	return norm
}

// Restore sets the optimiser's state: the number of steps done, and for each parameter its first and second
// moments (nil where it has none yet). The moments are copied.
func (o *Optimizer) Restore(step int64, moments func(name string) (m, v []float32)) error {
	for i, name := range o.names {
		m, v := moments(name)
		if m == nil && v == nil {
			clear(o.Adam.M[i])
			clear(o.Adam.V[i])
			continue
		}
		if len(m) != len(o.Adam.M[i]) || len(v) != len(o.Adam.V[i]) {
			return fmt.Errorf("%w: %s has %d values, its moments %d and %d", param.ErrParam, name, len(o.Adam.M[i]), len(m), len(v))
		}
		copy(o.Adam.M[i], m)
		copy(o.Adam.V[i], v)
	}
	o.Adam.Step = step
	clear(o.Adam.Moved)
	return nil
}

// Finite reports whether x is neither infinite nor NaN.
func Finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
