package traincmd

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/modelflags"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/published"
	"github.com/aladin-go/aladin/internal/training/model"
	"github.com/aladin-go/aladin/internal/training/state"
)

var exportVerb = cli.Verb{
	Name: "export", Summary: "write a bundle as a checkpoint for PyTorch",
	Args: "BUNDLE --pth FILE [--vinvl DIR] [--optimizer]",
	About: `
Writes a model in the published layout: FILE as the released code saves its checkpoints (model, config,
opt, epoch), DIR as VinVL's backbone folder (config.json, vocab.txt, training_args.bin, pytorch_model.bin).
A model that was imported gets its names, types and unused tensors back. RUN/last in place of a bundle is
the last state of a run, with Adam's moments and the learning rate's place, from which PyTorch goes on with
--resume; --optimizer takes that state for RUN and RUN/model, too, and fails where there is none.

  aladin-train export aladin.model --pth checkpoint.pth.tar --vinvl backbone
  aladin-train export run --optimizer --pth checkpoint.pth.tar
`,
	Setup: func(f *cli.Flags) cli.Body {
		pth := f.String("pth", "", "checkpoint `file` to write")
		vinvl := f.String("vinvl", "", "backbone `folder` to write")
		optimizer := f.Bool("optimizer", false, "with Adam's state: of the last state of the run")
		return func(_ context.Context, env cli.Env, args []string) error {
			switch {
			case len(args) != 1:
				return cli.Misuse("one bundle is wanted, have %q", args)
			case *pth == "" && *vinvl == "":
				return cli.Misuse("--pth or --vinvl is missing: what to write")
			}
			dir := modelflags.Find(args[0])
			if *optimizer {
				last, err := lastState(dir)
				if err != nil {
					return err
				}
				dir = last
			}
			return exportBundle(env, dir, *pth, *vinvl)
		}
	},
}

// lastState finds the last state of the run that dir is, or is a part of.
func lastState(dir string) (string, error) {
	for _, d := range []string{dir, filepath.Join(dir, "last"), filepath.Join(filepath.Dir(filepath.Clean(dir)), "last")} {
		if state.Is(d) {
			return d, nil
		}
	}
	return "", fmt.Errorf("%w: %s is no run's, so there is no state of Adam (a run keeps it in RUN/last)", state.ErrState, dir)
}

func exportBundle(env cli.Env, dir, pth, vinvl string) error {
	m, snapshot, err := loadExport(dir)
	if err != nil {
		return err
	}
	if snapshot != nil {
		dir = m.Dir
	}
	s := published.Source{Net: m.Net, MaxCaption: m.Text.MaxCaption, MaxLabels: m.Text.MaxLabels, MaxRegions: m.MaxRegions,
		Tokenizer: m.Text.Tokenizer, FirstLabel: m.Text.Tokenizer.Piece(m.Text.FirstLabel), Weights: m.Params,
		Aggregate: m.Text.CLIP != nil && m.Text.CLIP.Aggregate}
	if _, ok := m.RegionFiles[published.KeptFile]; ok {
		b, err := bundle.Open(dir)
		if err != nil {
			return err
		}
		path, err := b.Path(published.KeptFile)
		if err != nil {
			return err
		}
		kept, file, err := published.OpenKept(path)
		if err != nil {
			return err
		}
		defer file.Close()
		s.Kept = kept
	}
	if snapshot != nil {
		if s.State, err = trainingState(snapshot); err != nil {
			return err
		}
	}
	for _, what := range published.Strange(m.Net) {
		fmt.Fprintf(env.Stderr, "note: the released code does not know %s\n", what)
	}
	if pth != "" {
		if err := published.Export(pth, s); err != nil {
			return err
		}
		fmt.Fprintln(env.Stdout, pth)
	}
	if vinvl != "" {
		if err := published.ExportBackbone(vinvl, s); err != nil {
			return err
		}
		fmt.Fprintln(env.Stdout, vinvl)
	}
	return nil
}

// loadExport reads a bundle, or the last state of a run with the bundle beside it.
func loadExport(dir string) (*model.Model, *state.Snapshot, error) {
	if !state.Is(dir) {
		m, err := model.Load(dir)
		return m, nil, err
	}
	s, err := state.LoadSnapshot(dir)
	if err != nil {
		return nil, nil, err
	}
	return s.Model, s, nil
}

// trainingState is a run's state as the released code saves it.
func trainingState(s *state.Snapshot) (*published.State, error) {
	t := &s.Config.Training
	out := &published.State{Epoch: s.Epoch, Within: s.Within, Steps: s.Steps, Moments: s.Moments, BaseLR: t.LR,
		Adam: published.Adam{Step: s.Adam.Step, LR: s.Rate, Eps: s.Adam.Eps, Beta1: s.Adam.Beta1, Beta2: s.Adam.Beta2, WeightDecay: t.WeightDecay}}
	switch t.Scheduler {
	case "steplr":
		out.StepSize, out.Gamma = t.StepSize, t.Gamma
	case "constant", "":
		out.StepSize, out.Gamma = t.Epochs, 1
	}
	network, err := nn.Parameters(s.Model.Net)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, p := range network {
		known[p.Name] = true
	}
	for _, p := range s.Model.Params.All() {
		if !known[p.Name] {
			out.Losses = append(out.Losses, nn.Param{Name: p.Name, Shape: p.Shape})
		}
	}
	return out, nil
}
