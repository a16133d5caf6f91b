package report

import (
	"encoding/json"
	"os"
	"path/filepath"
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

func (l *Log) Step(e Event) {
	l.enc.Encode(map[string]any{"step": e.Step, "epoch": e.Epoch, "loss": e.Loss, "lr": e.LR, "grad_norm": e.GradNorm,
		"data_ms": e.DataTime.Milliseconds(), "step_ms": e.StepTime.Milliseconds(), "rest_ms": e.Rest.Seconds() * 1e3})
	scalars := map[string]float64{"epoch": float64(e.Epoch), "step": float64(e.Step), "lr": e.LR,
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

func (l *Log) Validation(e Event) {
	l.enc.Encode(map[string]any{"step": e.Step, "epoch": e.Epoch, "validation": e.Validation, "best": e.Best})
	v := e.Validation
	scalars := map[string]float64{"rsum": v.RSum}
	for name, r := range map[string]retrievalTags{"matching": {v.Matching.I2T.R1, v.Matching.I2T.R5, v.Matching.I2T.R10, v.Matching.T2I.R1, v.Matching.T2I.R5, v.Matching.T2I.R10, v.Matching.I2T.MedR, v.Matching.I2T.MeanR, v.Matching.RSum},
		"alignment": {v.Alignment.I2T.R1, v.Alignment.I2T.R5, v.Alignment.I2T.R10, v.Alignment.T2I.R1, v.Alignment.T2I.R5, v.Alignment.T2I.R10, v.Alignment.I2T.MedR, v.Alignment.I2T.MeanR, v.Alignment.RSum}} {
		r.into(scalars, name+"/")
	}
	l.tb.scalars(e.Step, scalars)
}

// retrievalTags are figures in the order of the released code's tags.
type retrievalTags [9]float64

func (r retrievalTags) into(scalars map[string]float64, prefix string) {
	for i, tag := range []string{"r1", "r5", "r10", "r1i", "r5i", "r10i", "medr", "meanr", "rsum"} {
		scalars[prefix+tag] = r[i]
	}
}

func (l *Log) Close() error {
	err := l.tb.close()
	if cerr := l.f.Close(); err == nil {
		err = cerr
	}
	return err
}
