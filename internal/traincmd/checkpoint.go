package traincmd

import (
	"fmt"

	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/published"
	"github.com/aladin-go/aladin/train"
)

// loadCheckpoint reads a published checkpoint as a model to start from.
func loadCheckpoint(path, vinvl string) (*train.Model, error) {
	if vinvl == "" {
		return nil, fmt.Errorf("%w: --teacher %s is a checkpoint: name VinVL's backbone folder with --vinvl", errUsage, path)
	}
	p, err := published.Read(published.Options{Checkpoint: path, Backbone: vinvl})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	m := &train.Model{Net: p.Net, Params: train.NewParams(), MaxRegions: p.MaxRegions,
		Text: input.Text{Tokenizer: p.Tokenizer, MaxCaption: p.MaxCaption, MaxLabels: p.MaxLabels}}
	id, ok := p.Tokenizer.ID(p.FirstLabel)
	if !ok {
		return nil, fmt.Errorf("%s: the vocabulary has no %s", vinvl, p.FirstLabel)
	}
	m.Text.FirstLabel = id
	for _, par := range p.Params {
		values, err := p.Values(par)
		if err != nil {
			return nil, err
		}
		m.Params.Set(par.Name, par.Shape, append([]float32(nil), values...))
	}
	return m, nil
}
