package published

import (
	"fmt"

	"github.com/aladin-go/aladin/internal/torch"
)

// Adam is the state of PyTorch's Adam in a checkpoint.
type Adam struct {
	Step          int64
	LR, Eps       float64
	Beta1, Beta2  float64
	WeightDecay   float64
	first, second map[string]*torch.Tensor
	path          string
}

// Moments are the running means of a parameter's gradient and of its square; nil for a parameter that has
// never had a gradient. They may alias the file: read-only, and valid until the model's Close.
func (a *Adam) Moments(name string) (first, second []float32, err error) {
	m, v := a.first[name], a.second[name]
	if m == nil || v == nil {
		return nil, nil, nil
	}
	if first, err = m.Float32(); err == nil {
		second, err = v.Float32()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %s: %w", ErrOptimizer, a.path, name, err)
	}
	return first, second, nil
}

// Len is the number of parameters with moments.
func (a *Adam) Len() int { return len(a.first) }

// Epoch is how many epochs the checkpoint has done: training goes on with the one of that number, counted from 0.
func (m *Model) Epoch() (int, error) {
	v, err := torch.Lookup(m.value, "epoch")
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w", ErrCheckpoint, m.opts.Checkpoint, err)
	}
	n, ok := torch.Number(v)
	if !ok || n < 0 || n > 1e6 || n != float64(int(n)) {
		return 0, fmt.Errorf("%w: %s: epoch is %v", ErrCheckpoint, m.opts.Checkpoint, v)
	}
	return int(n), nil
}

// Optimizer reads the checkpoint's optimizer, so that training goes on where it stood. Its parameters bear
// numbers there, not names: they are told by their order, which is that of the model.
func (m *Model) Optimizer() (*Adam, error) {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: optimizer: %s", ErrOptimizer, m.opts.Checkpoint, fmt.Sprintf(format, args...))
	}
	if m.value == nil {
		return nil, fmt.Errorf("%w: a backbone has none", ErrOptimizer)
	}
	groups, err := torch.Lookup(m.value, "optimizer", "param_groups")
	if err != nil {
		return nil, bad("%v", err)
	}
	list, ok := groups.([]any)
	if !ok || len(list) == 0 {
		return nil, bad("param_groups is a %T", groups)
	}
	a := &Adam{first: map[string]*torch.Tensor{}, second: map[string]*torch.Tensor{}, path: m.opts.Checkpoint}
	var ids []any
	for i, g := range list {
		s, err := plainSettings(fmt.Sprintf("param_groups[%d]", i), g)
		if err != nil {
			return nil, bad("%v", err)
		}
		of, _ := torch.Lookup(g, "params")
		params, ok := of.([]any)
		if !ok {
			return nil, bad("param_groups[%d].params is a %T", i, of)
		}
		ids = append(ids, params...)
		if i > 0 {
			continue
		}
		a.LR, a.Eps, a.WeightDecay = s.float("lr", 0), s.float("eps", 1e-8), s.float("weight_decay", 0)
		if err := a.betas(g); err != nil {
			return nil, bad("%v", err)
		}
		if *s.err != nil {
			return nil, bad("%v", *s.err)
		}
	}
	var learned []stored
	for _, t := range m.weights.list {
		if learnable(t.tensor.Type) {
			learned = append(learned, t)
		}
	}
	if len(ids) != len(learned) {
		return nil, bad("%d parameters, the model has %d: which is which cannot be told", len(ids), len(learned))
	}
	for i, id := range ids {
		if err := a.read(m.value, id, learned[i]); err != nil {
			return nil, bad("%v", err)
		}
	}
	return a, nil
}

func (a *Adam) betas(group any) error {
	v, err := torch.Lookup(group, "betas")
	if err != nil {
		return err
	}
	var pair []any
	switch v := v.(type) {
	case torch.Tuple:
		pair = v
	case []any:
		pair = v
	}
	if len(pair) == 2 {
		var ok1, ok2 bool
		a.Beta1, ok1 = torch.Number(pair[0])
		a.Beta2, ok2 = torch.Number(pair[1])
		if ok1 && ok2 {
			return nil
		}
	}
	return fmt.Errorf("betas are %v (is it Adam?)", v)
}

// read takes in one parameter's state.
func (a *Adam) read(checkpoint, id any, t stored) error {
	v, err := torch.Lookup(checkpoint, "optimizer", "state")
	if err != nil {
		return err
	}
	all, ok := v.(*torch.Dict)
	if !ok {
		return fmt.Errorf("state is a %T", v)
	}
	state, ok := all.Get(id)
	if !ok {
		return nil // it has never had a gradient
	}
	part := func(name string) (*torch.Tensor, error) {
		v, err := torch.Lookup(state, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.source, err)
		}
		x, ok := v.(*torch.Tensor)
		if !ok || x.Len() != t.tensor.Len() {
			return nil, fmt.Errorf("%s %v has %s %v", t.source, t.tensor.Shape, name, v)
		}
		return x, nil
	}
	first, err := part("exp_avg")
	if err != nil {
		return err
	}
	second, err := part("exp_avg_sq")
	if err != nil {
		return err
	}
	v, err = torch.Lookup(state, "step")
	if err != nil {
		return fmt.Errorf("%s: %w", t.source, err)
	}
	step, ok := torch.Number(v)
	switch {
	case !ok || step < 0 || step != float64(int64(step)):
		return fmt.Errorf("%s: step is %v", t.source, v)
	case a.Step != 0 && a.Step != int64(step):
		return fmt.Errorf("%s has done %v steps, others %d; one number for all is wanted", t.source, step, a.Step)
	}
	a.Step = int64(step)
	a.first[t.name], a.second[t.name] = first, second
	return nil
}
