package report

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/aladin-go/aladin/internal/eval"
)

// A Log writes DIR/metrics.jsonl, a JSON line a step and a validation.
type Log struct {
	f   *os.File
	enc *json.Encoder
	tb  *eventWriter
}

// OpenLog starts the log anew, or goes on with it, dropping lines past the step that is resumed and
// validations past the last that the state knows of.
func OpenLog(dir string, resume bool, step, validated int) (*Log, error) {
	path := filepath.Join(dir, "metrics.jsonl")
	var keep []byte
	if resume {
		data, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		keep = linesUpTo(data, step, validated)
	}
	if err := os.WriteFile(path, keep, 0o644); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	tb, err := newEventWriter(filepath.Join(dir, "tensorboard"), resume, step)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Log{f: f, enc: json.NewEncoder(f), tb: tb}, nil
}

func linesUpTo(data []byte, step, validated int) []byte {
	end := 0
	for start := 0; start < len(data); {
		n := start
		for n < len(data) && data[n] != '\n' {
			n++
		}
		var line struct {
			Step   int             `json:"step"`
			Result json.RawMessage `json:"validation"`
		}
		if n == len(data) || json.Unmarshal(data[start:n], &line) != nil || line.Step > step || line.Result != nil && line.Step > validated {
			break
		}
		end = n + 1
		start = end
	}
	return data[:end]
}

// Step writes a training step. Errors of the disk surface at Close: a log must not end a training.
func (l *Log) Step(e Event) {
	l.enc.Encode(map[string]any{"step": e.Step, "epoch": e.Epoch, "loss": e.Loss, "lr": e.LR, "grad_norm": e.GradNorm,
		"data_ms": e.DataTime.Milliseconds(), "step_ms": e.StepTime.Milliseconds(), "rest_ms": e.Rest.Seconds() * 1e3})
	scalars := map[string]float64{"epoch": float64(e.Epoch), "step": float64(e.Step), "Eit": float64(e.Step), "lr": e.LR,
		"batch_time": e.StepTime.Seconds(), "data_time": e.DataTime.Seconds()}
	for n, v := range e.Loss {
		if n == "total" {
			n = "loss"
		} else {
			n += "_loss"
		}
		scalars[n] = v
	}
	l.tb.scalars(e.Step, scalars)
}

// Validation writes a validation.
func (l *Log) Validation(e Event) {
	l.enc.Encode(map[string]any{"step": e.Step, "epoch": e.Epoch, "validation": e.Validation, "best": e.Best})
	v := e.Validation
	scalars := map[string]float64{"rsum": v.RSum}
	for head, r := range map[string]eval.Retrieval{"matching": v.Matching, "alignment": v.Alignment} {
		for suffix, of := range map[string]eval.Recall{"": r.I2T, "i": r.T2I} { // as the released code calls them
			for tag, x := range map[string]float64{"r1": of.R1, "r5": of.R5, "r10": of.R10, "medr": of.MedR, "meanr": of.MeanR} {
				scalars[head+"/"+tag+suffix] = x
			}
		}
		scalars[head+"/rsum"] = r.RSum
	}
	l.tb.scalars(e.Step, scalars)
}

// Close closes both files.
func (l *Log) Close() error {
	err := l.tb.close()
	if cerr := l.f.Close(); err == nil {
		err = cerr
	}
	return err
}
