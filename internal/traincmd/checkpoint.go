package traincmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/modelflags"
	"github.com/aladin-go/aladin/internal/published"
	"github.com/aladin-go/aladin/internal/training/model"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/param"
)

// A teacher is the model to start from, with what is read of its files besides.
type teacher struct {
	*model.Model
	path string
	file *published.Model // of a checkpoint; nil for a bundle
	took *model.Fit
}

// openTeacher reads what --teacher names: a bundle or a published checkpoint. "" is none.
func (o *runOptions) openTeacher(ctx context.Context) (*teacher, error) {
	if o.teacher == "" {
		return nil, nil
	}
	st, err := os.Stat(o.teacher)
	if err != nil {
		return nil, fmt.Errorf("--teacher: %w", err)
	}
	if st.IsDir() {
		m, err := model.Load(modelflags.Find(o.teacher))
		return &teacher{Model: m, path: o.teacher}, err
	}
	if o.vinvl == "" {
		return nil, cli.Misuse("--teacher %s is a checkpoint: name VinVL's backbone folder with --vinvl", o.teacher)
	}
	return loadCheckpoint(ctx, o.teacher, o.vinvl, &o.clip)
}

// loadCheckpoint reads a published checkpoint as a model to start from. Whatever is in it will do: Fit tells
// what the network lacks.
func loadCheckpoint(ctx context.Context, path, vinvl string, tower *clipFlags) (_ *teacher, err error) {
	p, err := published.Read(published.Options{Checkpoint: path, Backbone: vinvl, Lenient: true})
	if err != nil {
		return nil, err
	}
	t := &teacher{Model: networkOf(p), path: path, file: p}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	tensors, err := p.Tensors()
	if err != nil {
		return nil, err
	}
	for _, x := range tensors {
		if x.Values == nil {
			t.Spare = append(t.Spare, model.Named{Name: x.Name, Shape: x.Shape})
			continue
		}
		t.Params.Set(x.Name, x.Shape, slices.Clone(x.Values)) // trained in place
	}
	if p.Net.CLIPCaptions > 0 || p.Net.CLIPLabels > 0 {
		if _, err := tower.imported(ctx, t.Model, p); err != nil {
			return nil, err
		}
	}
	var kept bytes.Buffer
	if err := p.Kept().Write(&kept); err != nil {
		return nil, err
	}
	t.RegionFiles = map[string]func(io.Writer) error{published.KeptFile: bundle.FromBytes(kept.Bytes())}
	return t, nil
}

// model is the teacher's, or nil without one.
func (t *teacher) model() *model.Model {
	if t == nil {
		return nil
	}
	return t.Model
}

// notes are remarks about a checkpoint.
func (t *teacher) notes() []string {
	if t.file == nil {
		return nil
	}
	return t.file.Notes
}

func (t *teacher) close() error {
	if t == nil || t.file == nil {
		return nil
	}
	return t.file.Close()
}

// networkOf is a published model's shape and vocabulary, without parameters.
func networkOf(p *published.Model) *model.Model {
	m := &model.Model{Net: p.Net, Params: param.NewSet(), MaxRegions: p.MaxRegions,
		Text: input.Text{Tokenizer: p.Tokenizer, MaxCaption: p.MaxCaption, MaxLabels: p.MaxLabels}}
	m.Text.FirstLabel, _ = p.Tokenizer.ID(p.FirstLabel) // Read has seen to it that it is there
	return m
}

// startFrom is a published model as the trainer has it. Its values may alias the files.
func startFrom(p *published.Model) (*model.Model, error) {
	m := networkOf(p)
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
func withKept(files map[string]func(io.Writer) error, start *model.Model) map[string]func(io.Writer) error {
	kept, ok := start.RegionFiles[published.KeptFile]
	if !ok {
		return files
	}
	all := map[string]func(io.Writer) error{published.KeptFile: kept}
	maps.Copy(all, files)
	return all
}

// restore gives the optimiser the state of the checkpoint's, for what the network took of it.
func (t *teacher) restore(opt *optim.Optimizer) error {
	adam, err := t.file.Optimizer()
	if err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, n := range t.took.Taken {
		taken[n.Name] = true
	}
	var errs []error
	err = opt.Restore(adam.Step, func(name string) (m, v []float32) {
		if !taken[name] {
			return nil, nil
		}
		m, v, err := adam.Moments(name)
		errs = append(errs, err)
		return m, v
	})
	return errors.Join(append(errs, err)...)
}
