package published

import (
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/torch"
)

// A State is where a training stands, so that the released code's --resume, or ours, goes on there.
type State struct {
	Epoch  int  // epochs done
	Within bool // the epoch after those is under way: it would begin again
	Steps  int  // batches done
	Adam   Adam
	// Moments are those of a parameter; nil for one that has never had a gradient.
	Moments func(name string) (first, second []float32)
	// BaseLR is the rate at the start; StepSize and Gamma are StepLR's. StepSize 0 writes no scheduler: the
	// released code knows no other.
	BaseLR   float64
	StepSize int
	Gamma    float64
	// Losses are the parameters of the losses, whose values are among the source's Weights.
	Losses []nn.Param
}

// write adds what PyTorch's Adam and StepLR save to a checkpoint. Parameters are known by their numbers, in the
// order of the model.
func (s *State) write(d, model *torch.Dict) error {
	states, ids := torch.NewDict(), []int{}
	for key, x := range model.All() {
		t := x.(*torch.Tensor)
		if !learnable(t.Type) {
			continue
		}
		id := len(ids)
		ids = append(ids, id)
		first, second := s.Moments(strings.TrimPrefix(key.(string), "module."))
		if first == nil {
			continue
		}
		m, err := torch.NewTensor(t.Shape, slices.Clone(first))
		if err != nil {
			return err
		}
		v, err := torch.NewTensor(t.Shape, slices.Clone(second))
		if err != nil {
			return err
		}
		// A plain number: versions after 1.12, which want a tensor, make one of it.
		if err := states.SetKey(int64(id), torch.NewDict("step", int(s.Adam.Step), "exp_avg", m, "exp_avg_sq", v)); err != nil {
			return err
		}
	}
	group := torch.NewDict("lr", s.Adam.LR, "betas", torch.Tuple{s.Adam.Beta1, s.Adam.Beta2}, "eps", s.Adam.Eps,
		"weight_decay", s.Adam.WeightDecay, "amsgrad", false, "initial_lr", s.BaseLR, "params", ids)
	d.Set("optimizer", torch.NewDict("state", states, "param_groups", []any{group}))
	d.Set("epoch", s.Epoch)
	d.Set("Eiters", s.Steps)
	if s.StepSize == 0 {
		return nil
	}
	last := s.Epoch - 1
	if s.Within {
		last = s.Epoch
	}
	d.Set("scheduler", torch.NewDict("step_size", s.StepSize, "gamma", s.Gamma, "base_lrs", []float64{s.BaseLR}, "last_epoch", last,
		"verbose", false, "_step_count", s.Steps+1, "_get_lr_called_within_step", false, "_last_lr", []float64{s.Adam.LR}))
	return nil
}

// learnable tells parameters from a state dict's buffers, which are integers.
func learnable(t elem.Type) bool {
	switch t {
	case elem.Float16, elem.BFloat16, elem.Float32, elem.Float64:
		return true
	}
	return false
}
