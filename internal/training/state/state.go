package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aladin-go/aladin/internal/atomicfile"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/param"
	"github.com/aladin-go/aladin/internal/training/validate"
)

// ErrState is returned when DIR/last cannot be resumed from.
var ErrState = errors.New("train: cannot resume")

// State is where a run stands: enough to go on as if it had never stopped.
type State struct {
	Epoch     int     `json:"epoch"`      // of the next step
	EpochStep int     `json:"epoch_step"` // steps done in it
	Step      int     `json:"step"`       // steps done in all
	AdamStep  int64   `json:"adam_step"`
	Best      float64 `json:"best_rsum"`
	BestStep  int     `json:"best_step"`
	// BestValidation is that of the best model, and Validated the step that was validated last.
	BestValidation *validate.Result `json:"best_validation,omitempty"`
	Validated      int              `json:"validated"`
	Config         string           `json:"config"` // YAML, to refuse another one
	Captions       int              `json:"captions"`
	// Network is the shape that is trained, likewise. States written before it was kept have none.
	Network *nn.Config `json:"network,omitempty"`
	// Sum is the CRC-32C of the file, with zeros in its place, in hexadecimal. Older states have none.
	Sum string `json:"crc32c,omitempty"`
}

// File is the state in DIR/last; the tensors lie beside it in a file that bears the step's number.
// They are written first, so that the state never names tensors that are not whole.
const File = "state.json"

// TensorsFile is the name of the tensors beside the state of a step.
func TensorsFile(step int) string { return fmt.Sprintf("tensors-%d.npz", step) }

// Save writes parameters, moments and averages.
func (s *State) Save(dir string, params *param.Set, opt *optim.Optimizer, ema *param.Set) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	all := map[string]*npy.Array{}
	add := func(prefix string, t *param.Tensor, data []float32) {
		all[prefix+t.Name] = &npy.Array{Shape: t.Shape, Data: data}
	}
	for i, t := range params.All() {
		add("param/", t, t.Data)
		add("m/", t, opt.Adam.M[i])
		add("v/", t, opt.Adam.V[i])
		if ema != nil {
			add("ema/", t, ema.Lookup(t.Name).Data)
		}
	}
	s.AdamStep = opt.Adam.Step
	name := TensorsFile(s.Step)
	if err := npy.WriteZ(filepath.Join(dir, name), all, false); err != nil {
		return err
	}
	data, err := s.encode()
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(dir, File), func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
		return err
	}
	old, _ := filepath.Glob(filepath.Join(dir, "tensors-*.npz"))
	for _, f := range old {
		if filepath.Base(f) != name {
			os.Remove(f)
		}
	}
	return nil
}

// noSum is what stands for the sum while it is taken, and sumKey what stands before it.
const (
	noSum  = "00000000"
	sumKey = `"crc32c": "`
)

// encode is the state file's content.
func (s *State) encode() ([]byte, error) {
	s.Sum = noSum
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	at := bytes.LastIndex(data, []byte(sumKey)) + len(sumKey)
	s.Sum = fmt.Sprintf("%08x", stateSum(data))
	copy(data[at:], s.Sum)
	return data, nil
}

func stateSum(data []byte) uint32 { return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) }

// Load reads DIR/last.
func Load(dir string) (*State, error) {
	path := filepath.Join(dir, File)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: nothing is there to go on from: %w (a run writes it every training.save-every steps, and at the end of an epoch)", ErrState, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	s := &State{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("%w: %s is damaged: %v", ErrState, path, err)
	}
	if at := bytes.LastIndex(data, []byte(sumKey)); at >= 0 && len(s.Sum) == len(noSum) {
		copy(data[at+len(sumKey):], noSum)
	}
	if got := fmt.Sprintf("%08x", stateSum(data)); got != s.Sum && (s.Sum != "" || s.Network != nil) {
		return nil, fmt.Errorf("%w: %s is damaged: its CRC-32C is %s, it says %q", ErrState, path, got, s.Sum)
	}
	if s.Step < 0 || s.Epoch < 0 || s.EpochStep < 0 || s.AdamStep < 0 {
		return nil, fmt.Errorf("%w: %s is damaged: step %d, epoch %d, step %d of it, step %d of Adam", ErrState, path, s.Step, s.Epoch, s.EpochStep, s.AdamStep)
	}
	return s, nil
}

// Restore fills parameters, moments and averages from the state's tensors.
func (s *State) Restore(dir string, params *param.Set, opt *optim.Optimizer, ema *param.Set) error {
	path := filepath.Join(dir, TensorsFile(s.Step))
	z, err := npy.OpenZ(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	defer z.Close()
	fill := func(name string, dst []float32) error {
		if !z.Has(name) {
			return fmt.Errorf("%w: %s has no %s", ErrState, path, name)
		}
		a, err := z.Read(name)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrState, path, err)
		}
		v, err := a.Float32s()
		if err != nil || len(v) != len(dst) {
			return fmt.Errorf("%w: %s: %s has %d values, the network wants %d", ErrState, path, name, len(v), len(dst))
		}
		copy(dst, v)
		return nil
	}
	for i, t := range params.All() {
		for prefix, dst := range map[string][]float32{"param/": t.Data, "m/": opt.Adam.M[i], "v/": opt.Adam.V[i]} {
			if err := fill(prefix+t.Name, dst); err != nil {
				return err
			}
		}
		if ema != nil {
			if err := fill("ema/"+t.Name, ema.Lookup(t.Name).Data); err != nil {
				return err
			}
		}
	}
	opt.Adam.Step = s.AdamStep
	clear(opt.Adam.Moved)
	return nil
}
