package report

import (
	"time"

	"github.com/aladin-go/aladin/internal/training/validate"
)

// An Event is a moment of a run.
type Event struct {
	Kind       string // "note", "start", "step", "validation", "saved"
	Note       string
	Step       int
	Steps      int // in all
	Epoch      int
	Loss       map[string]float64
	LR         float64
	GradNorm   float64
	Pairs      int // of the step
	DataTime   time.Duration
	StepTime   time.Duration
	Rest       time.Duration // since the step before, outside ONNX Runtime and the optimiser; 0 after anything else than a step
	Done       int           // of a slow part: done of total
	Total      int
	Validation *validate.Result
	Best       bool
}
