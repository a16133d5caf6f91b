package heads

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/training/param"
)

// save writes the model: the towers' own graphs with the heads behind them.
func (w *worker) save(p *param.Set, res *Result) error {
	man := w.Teacher.Manifest
	files := map[string]func(io.Writer) error{}
	for name := range man.Files {
		if bundle.IsCalibration(name) {
			continue
		}
		path, err := w.Teacher.Path(name)
		if err != nil {
			return err
		}
		files[name] = bundle.FromFile(path)
	}
	for file, names := range map[string][2]string{bundle.TextFile: {textAdapter, wordHead}, bundle.ImageFile: {imageAdapter, cellHead}} {
		model, err := w.extended(file, p, names[0], names[1], res.Adapter)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		files[file] = func(out io.Writer) error { _, err := model.WriteTo(out); return err }
	}
	towers := *man.Towers
	towers.Untrained = !res.Ranks
	towers.Global = float32(math.Exp(float64(p.Lookup(globalShare).Data[0])))
	man.Towers = &towers
	man.Name, man.Calibration = w.Name, nil
	var before any
	if len(man.Training) > 0 {
		if err := json.Unmarshal(man.Training, &before); err != nil {
			return err
		}
	}
	training, err := json.Marshal(map[string]any{"teacher": w.Teacher.Fingerprint(), "towers": before, "result": res, "config": string(w.Config.YAML())})
	if err != nil {
		return err
	}
	man.Training = training
	_, err = bundle.Create(w.modelDir(), man, files)
	return err
}

// extended is a tower's graph with an adapter behind its vectors, if it has one, and a head behind its tokens.
func (w *worker) extended(file string, p *param.Set, adapter, head string, adapts bool) (*onnx.Model, error) {
	path, err := w.Teacher.Path(file)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	m, err := onnx.Unmarshal(data)
	if err != nil {
		return nil, err
	}
	e := m.Edit()
	constant := func(name string) string {
		t := p.Lookup(name)
		dims := make([]int64, len(t.Shape))
		for i, d := range t.Shape {
			dims[i] = int64(d)
		}
		return e.Floats(t.Data, dims...)
	}
	residual := func(x, name string) string {
		hidden := e.Node("Tanh", nil, e.Product(x, constant(name+".down")))
		return e.Unit(e.Node("Add", nil, x, e.Product(hidden, constant(name+".up"))))
	}
	matching, tokens := e.Rename("matching", "towers/matching"), e.Rename("tokens", "towers/tokens")
	m.Graph.Outputs = nil
	if adapts {
		e.Output("matching", residual(matching, adapter))
	} else {
		e.Output("matching", matching)
	}
	e.Output("tokens", residual(tokens, head))
	if strings.HasPrefix(head, wordHead) {
		gate := e.Node("Exp", nil, e.Product(tokens, constant(wordGate)))
		e.Output("weights", e.Reshape(gate, 0, -1))
	}
	return m, nil
}
