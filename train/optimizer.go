package train

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/nn"
)

// An Optimizer applies gradients to parameters by name, with clipping to a global norm.
type Optimizer struct {
	adam  *Adam
	index map[string]int
	clip  float64
	names []string
	rates map[string]float64 // factors of the learning rate; 1 where there is none

	average *Params // nil: none is kept
	decay   float64 // of the average
	updates []Update
}

// NewOptimizer makes the optimiser that a configuration asks for, with empty state.
func NewOptimizer(params *Params, cfg Config) *Optimizer {
	o := &Optimizer{index: map[string]int{}, clip: cfg.Training.GradClip}
	sizes := make([]int, len(params.All()))
	for i, p := range params.All() {
		sizes[i] = len(p.Data)
		o.index[p.Name] = i
		o.names = append(o.names, p.Name)
	}
	o.adam = NewAdam(sizes)
	o.adam.WeightDecay = cfg.Training.WeightDecay
	o.adam.Decoupled = cfg.Training.Optimizer == "adamw"
	o.adam.Beta2 = cfg.Training.Beta2
	if cfg.Encoder.Start == "cca" {
		o.rates = map[string]float64{nn.WordEmbeddings: cfg.Training.StartLR, nn.RegionEmbeddings: cfg.Training.StartLR}
	}
	return o
}

// Average makes every step move avg towards the parameters. The decay grows to its full size with the steps,
// so that the start does not linger.
func (o *Optimizer) Average(avg *Params, decay float64) { o.average, o.decay = avg, decay }

// Apply makes one step at a learning rate and returns the gradients' norm before clipping. If that is not
// finite it changes nothing.
func (o *Optimizer) Apply(params *Params, res *Result, lr float64) float64 {
	norm := res.Norm()
	if !finite(norm) {
		return norm
	}
	scale := 1.0
	if o.clip > 0 && norm > o.clip {
		scale = o.clip / (norm + 1e-6) // as PyTorch's clip_grad_norm_
	}
	n := float64(o.adam.Step + 1)
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
	for _, g := range res.Grads {
		u := &updates[o.index[g.Name]]
		u.Grad, u.Index, u.Width, u.LR = g.Grad, g.Index, g.Width, lr
		if f, ok := o.rates[g.Name]; ok {
			u.LR *= f
		}
		u.Decay = decays(g.Name, params.Lookup(g.Name).Shape)
	}
	o.adam.Apply(updates, scale)
	return norm
}

// Restore sets the optimiser's state: the number of steps done, and for each parameter its first and second
// moments (nil where it has none yet). The moments are copied.
func (o *Optimizer) Restore(step int64, moments func(name string) (m, v []float32)) error {
	for i, name := range o.names {
		m, v := moments(name)
		if m == nil && v == nil {
			clear(o.adam.M[i])
			clear(o.adam.V[i])
			continue
		}
		if len(m) != len(o.adam.M[i]) || len(v) != len(o.adam.V[i]) {
			return fmt.Errorf("%w: %s has %d values, its moments %d and %d", ErrState, name, len(o.adam.M[i]), len(m), len(v))
		}
		copy(o.adam.M[i], m)
		copy(o.adam.V[i], v)
	}
	o.adam.Step = step
	clear(o.adam.moved)
	return nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// decays tells whether weight decay applies: to matrices, not to biases, normalisations and scales.
func decays(name string, shape []int) bool {
	return len(shape) > 1 && !strings.Contains(name, "word_gates")
}
