package state

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/model"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/param"
)

// A Snapshot is where a run stands, for writing it in another program's format.
type Snapshot struct {
	Model  *model.Model // with the parameters of the last step, those of the losses among them
	Config *config.Config
	Epoch  int     // epochs done
	Within bool    // the epoch after those is under way
	Steps  int     // batches done
	Rate   float64 // learning rate of the last
	Adam   *optim.Adam

	index map[string]int // of the moments
}

// Is tells whether a folder is a run's DIR/last.
func Is(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, File))
	return err == nil
}

// LoadSnapshot reads a run's DIR/last; network and vocabulary are those of DIR/model.
func LoadSnapshot(dir string) (*Snapshot, error) {
	state, err := Load(dir)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Parse([]byte(state.Config))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, File), err)
	}
	bundleDir := filepath.Join(filepath.Dir(filepath.Clean(dir)), "model")
	m, err := model.Load(bundleDir)
	if err != nil {
		return nil, fmt.Errorf("%w (the first validation writes it)", err)
	}
	m.Net.Hubs, m.Net.HubScale = 0, 0 // which only the bundle has
	if state.Network != nil && shape(*state.Network) != shape(m.Net) {
		return nil, fmt.Errorf("%w: %s and %s are of different runs", ErrState, dir, bundleDir)
	}
	s := &Snapshot{Model: m, Config: cfg, Epoch: state.Epoch, Within: state.EpochStep > 0, Steps: state.Step, index: map[string]int{}}
	last := state.Epoch
	if !s.Within {
		last = max(0, last-1)
	}
	s.Rate = cfg.Training.Rate(max(0, state.Step-1), last, max(1, state.Captions/cfg.Training.BatchSize)*cfg.Training.Epochs)
	return s, s.read(filepath.Join(dir, TensorsFile(state.Step)), state)
}

// read takes parameters and moments from the state's tensors.
func (s *Snapshot) read(path string, state *State) error {
	z, err := npy.OpenZ(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	defer z.Close()
	s.Model.Params = param.NewSet()
	for _, entry := range z.Names() {
		if name, ok := strings.CutPrefix(entry, "param/"); ok {
			a, err := z.Read(entry)
			if err != nil {
				return fmt.Errorf("%w: %s: %w", ErrState, path, err)
			}
			v, err := a.Float32s()
			if err != nil {
				return fmt.Errorf("%w: %s: %s: %w", ErrState, path, entry, err)
			}
			s.index[name] = len(s.Model.Params.All())
			s.Model.Params.Set(name, slices.Clone(a.Shape), v)
		}
	}
	opt := optim.New(s.Model.Params, *s.Config)
	s.Adam = opt.Adam
	return state.Restore(filepath.Dir(path), s.Model.Params, opt, nil)
}

// Moments are Adam's of a parameter; nil for one that has never had a gradient.
func (s *Snapshot) Moments(name string) (m, v []float32) {
	i, ok := s.index[name]
	if !ok || !slices.ContainsFunc(s.Adam.V[i], func(x float32) bool { return x != 0 }) {
		return nil, nil
	}
	return s.Adam.M[i], s.Adam.V[i]
}
