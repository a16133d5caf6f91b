package train

import (
	"context"
	"time"

	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/training"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/report"
	"github.com/aladin-go/aladin/internal/training/state"
	"github.com/aladin-go/aladin/internal/training/validate"
)

var (
	// ErrConfig is returned when a configuration is malformed, or asks for what the model or the data cannot give.
	ErrConfig = config.ErrConfig
	// ErrData is returned when the data cannot train a model.
	ErrData = dataset.ErrData
	// ErrState is returned when Run.Dir/last cannot be resumed from.
	ErrState = state.ErrState
	// ErrDiverged is returned when a loss is no longer finite.
	ErrDiverged = training.ErrDiverged
)

// A Run is one training of a model.
type Run struct {
	Config *Config
	Model  *Model
	Data   *Data
	Val    *Data  // nil: no validation, the last model is kept
	Dir    string // gets model/, last/, metrics.jsonl, tensorboard/ and report.html
	Resume bool   // go on from Dir/last
	Device string // as that of aladin.Options: "cpu" (also ""), "cuda[:N]", "webgpu[:N]" or "auto"
	// Threads 0 is all cores. A run repeats bit for bit on one machine with one number of threads.
	Threads int
	// Imitate are trained models that read the same regions, for the loss "imitation".
	Imitate []*Model
	// Observe, when set, hears of everything worth showing.
	Observe func(Event)
}

// An Event is a moment of a run.
type Event struct {
	Kind       string // "note", "start", "step", "validation" or "saved"
	Note       string // of "note"; of "start", what is being done
	Step       int    // done so far
	Steps      int    // in all
	Epoch      int
	Loss       map[string]float64 // by name; "total" is their sum
	LR         float64
	GradNorm   float64
	Pairs      int           // of the step
	DataTime   time.Duration // spent on preparing the batch, in the background
	StepTime   time.Duration
	Done       int // of a slow part: done of total
	Total      int
	Validation *Validation
	Best       bool // the validation is the best so far
}

// A Validation is what a model reaches on a data set, over all images and captions.
type Validation struct {
	Matching  Retrieval
	Alignment Retrieval
	Rerank    Retrieval // alignment of the first candidates of matching
	RSum      float64   // of matching plus that of alignment: the best model has the highest
}

// A Retrieval is a head's recalls both ways.
type Retrieval struct {
	I2T  Recall  // captions found for an image
	T2I  Recall  // images found for a caption
	RSum float64 // the six recalls summed
}

// A Recall is the share of queries, in percent, whose answer is among the first 1, 5 or 10, and the median and mean rank.
type Recall struct{ R1, R5, R10, MedR, MeanR float64 }

// Do trains until the last epoch, ctx ends or something fails, and returns the best validation. When ctx ends, what was
// done is saved first and ctx's error returned; Resume goes on from there as if nothing had happened.
func (r *Run) Do(ctx context.Context) (*Validation, error) {
	in := &training.Run{Config: r.Config.config, Model: r.Model.model, Data: r.Data.internal(), Val: r.Val.internal(), Dir: r.Dir,
		Resume: r.Resume, Device: r.Device, Threads: r.Threads, FromData: r.Model.fresh}
	for _, m := range r.Imitate {
		in.Imitate = append(in.Imitate, m.model)
	}
	if r.Observe != nil {
		in.Observe = func(e report.Event) { r.Observe(event(e)) }
		for _, n := range r.Config.config.Notes {
			r.Observe(Event{Kind: "note", Note: n})
		}
	}
	if !r.Model.fresh {
		if err := r.fit(in); err != nil {
			return nil, err
		}
	}
	best, err := in.Do(ctx)
	return validation(best), err
}

// fit gives a loaded model the heads that the configuration asks for, and says what starts from scratch.
func (r *Run) fit(in *training.Run) error {
	m, err := r.Model.model.Adapted(in.Config)
	if err != nil {
		return err
	}
	in.Model = m
	fit, err := m.Fit(in.Config)
	if err == nil && in.Observe != nil {
		in.Observe(report.Event{Kind: "note", Note: fit.String()})
	}
	return err
}

func event(e report.Event) Event {
	return Event{Kind: e.Kind, Note: e.Note, Step: e.Step, Steps: e.Steps, Epoch: e.Epoch, Loss: e.Loss, LR: e.LR, GradNorm: e.GradNorm,
		Pairs: e.Pairs, DataTime: e.DataTime, StepTime: e.StepTime, Done: e.Done, Total: e.Total, Validation: validation(e.Validation), Best: e.Best}
}

func validation(v *validate.Result) *Validation {
	if v == nil {
		return nil
	}
	side := func(r eval.Retrieval) Retrieval { return Retrieval{Recall(r.I2T), Recall(r.T2I), r.RSum} }
	return &Validation{side(v.Matching), side(v.Alignment), side(v.Rerank), v.RSum}
}
