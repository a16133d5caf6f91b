package training

import "fmt"

// settled is the run with a configuration that says everything: what it left to the model is the model's.
func (r *Run) settled() *Run {
	cfg, out := *r.Config, *r
	cfg.SetLengths(r.Model.Lengths())
	cfg.SetDropout(r.Model.Net.Dropout)
	out.Config = &cfg
	return &out
}

// settings are a run's first lines: the lengths and dropout rates that hold.
func (r *Run) settings() []string {
	m, e := &r.Config.Model, &r.Config.Encoder
	dropout := fmt.Sprintf("dropout: %g of hidden states and %g of attention weights in the backbone, %g in the heads", e.Dropout, e.AttentionDrop, m.Dropout)
	switch {
	case m.FreezeTeran && m.FrozenDropout:
		dropout += "; the frozen backbone keeps its dropout, as in the released code (model.frozen-dropout: true)"
	case m.FreezeTeran:
		dropout += "; the frozen backbone's is off (model.frozen-dropout: true keeps it on, as the released code does)"
	case m.Dropout == 0 && e.Dropout+e.AttentionDrop > 0:
		dropout += "; model.dropout is the heads' alone, the backbone's are encoder.dropout and encoder.attention-dropout"
	}
	return []string{r.Model.Lengths().String(), dropout}
}
