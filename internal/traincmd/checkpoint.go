package traincmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/published"
	"github.com/aladin-go/aladin/train"
)

// loadCheckpoint reads a published checkpoint as a model to start from.
func loadCheckpoint(ctx context.Context, path, vinvl string, tower *clipFlags) (*train.Model, error) {
	if vinvl == "" {
		return nil, fmt.Errorf("%w: --teacher %s is a checkpoint: name VinVL's backbone folder with --vinvl", errUsage, path)
	}
	p, err := published.Read(published.Options{Checkpoint: path, Backbone: vinvl})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	m, err := startFrom(p)
	if err != nil {
		return nil, err
	}
	if p.Net.CLIPCaptions > 0 || p.Net.CLIPLabels > 0 {
		if _, err := tower.imported(ctx, m, p); err != nil {
			return nil, err
		}
	}
	for name, v := range p.Training() {
		m.Params.Set(name, []int{len(v)}, v)
	}
	for _, t := range m.Params.All() { // trained in place, and the file is about to be closed
		t.Data = slices.Clone(t.Data)
	}
	var kept bytes.Buffer
	if err := p.Kept().Write(&kept); err != nil {
		return nil, err
	}
	m.RegionFiles = map[string]func(io.Writer) error{published.KeptFile: bundle.FromBytes(kept.Bytes())}
	return m, nil
}

// startFrom is a published model as the trainer has it. Its values may alias the files.
func startFrom(p *published.Model) (*train.Model, error) {
	m := &train.Model{Net: p.Net, Params: train.NewParams(), MaxRegions: p.MaxRegions,
		Text: input.Text{Tokenizer: p.Tokenizer, MaxCaption: p.MaxCaption, MaxLabels: p.MaxLabels}}
	m.Text.FirstLabel, _ = p.Tokenizer.ID(p.FirstLabel) // Read has seen to it that it is there
	for _, par := range p.Params {
		values, err := p.Values(par)
		if err != nil {
			return nil, err
		}
		m.Params.Set(par.Name, par.Shape, values)
	}
	return m, nil
}

// withKept adds what an imported model keeps for its export to a bundle's other files.
func withKept(files map[string]func(io.Writer) error, start *train.Model) map[string]func(io.Writer) error {
	kept, ok := start.RegionFiles[published.KeptFile]
	if !ok {
		return files
	}
	all := map[string]func(io.Writer) error{published.KeptFile: kept}
	maps.Copy(all, files)
	return all
}

// restoreOptimizer gives the optimiser the state of a checkpoint's.
func restoreOptimizer(opt *train.Optimizer, path, vinvl string) error {
	p, err := published.Read(published.Options{Checkpoint: path, Backbone: vinvl})
	if err != nil {
		return err
	}
	defer p.Close()
	adam, err := p.Optimizer()
	if err != nil {
		return err
	}
	var errs []error
	err = opt.Restore(adam.Step, func(name string) (m, v []float32) {
		m, v, err := adam.Moments(name)
		errs = append(errs, err)
		return m, v
	})
	return errors.Join(append(errs, err)...)
}
