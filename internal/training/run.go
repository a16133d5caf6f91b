package training

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/training/calibrate"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/encode"
	"github.com/aladin-go/aladin/internal/training/lexicon"
	"github.com/aladin-go/aladin/internal/training/model"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/param"
	"github.com/aladin-go/aladin/internal/training/report"
	"github.com/aladin-go/aladin/internal/training/start"
	"github.com/aladin-go/aladin/internal/training/state"
	"github.com/aladin-go/aladin/internal/training/step"
	"github.com/aladin-go/aladin/internal/training/validate"
)

// A Run is one training of a model.
type Run struct {
	Config *config.Config
	Model  *model.Model // what to start from; its Params are trained in place
	Data   *dataset.Data
	Val    *dataset.Data // nil: no validation, the last model is kept
	Dir    string        // gets model/, last/, metrics.jsonl, tensorboard/
	Resume bool
	// Device is "cpu" or "cuda[:N]"; Threads 0 is all cores. A run repeats bit for bit on one machine
	// with one number of threads.
	Device  string
	Threads int
	// FromData says that the model starts from nothing: regions' statistics and, where the configuration
	// asks for it, embeddings are taken from the data before the first step.
	FromData bool
	// Restore, when set, gives the optimiser its state before the first step of a run that is not resumed, and
	// Epoch is the one that it begins with: for a run that goes on from a state of another program.
	Restore func(*optim.Optimizer) error
	Epoch   int
	// Imitate are models that know the data's regions, for the loss "imitation".
	Imitate []*model.Model
	// Known are what models of another kind, which read photos as they are, make of the data, for the same loss.
	Known []*encode.Example
	// Words, when set, gives embeddings to words that the data has not, or hardly has.
	Words *lexicon.Map
	// Observe, when set, hears of everything worth showing; it is called from one goroutine.
	Observe func(report.Event)
}

// ErrDiverged is returned when a loss is no longer finite.
var ErrDiverged = errors.New("train: the loss is no longer finite; lower training.lr or check the data")

// Do trains until the last epoch, ctx ends or something fails. When ctx ends, what was done is saved
// first and ctx's error returned; Resume goes on from there as if nothing had happened.
func (r *Run) Do(ctx context.Context) (*validate.Result, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	r = r.settled()
	r.Model.See(r.Data.Texts())
	w := &worker{Run: r, batches: dataset.NewBatcher(r.Data, r.Model.Text, r.Model.MaxRegions, r.Config)}
	for _, n := range r.settings() {
		w.note("%s", n)
	}
	w.state = &state.State{Config: string(r.Config.YAML()), Captions: len(r.Data.Captions), Network: &r.Model.Net, Best: -1}
	defer w.close()
	w.clipDevice()
	if err := w.prepare(ctx); err != nil {
		return nil, err
	}
	log, err := report.OpenLog(r.Dir, r.Resume, w.state.Step, w.state.Validated)
	if err != nil {
		return nil, err
	}
	w.log = log
	err = w.train(ctx)
	if err == nil {
		err = w.calibrate(ctx)
	}
	return w.best, errors.Join(err, log.Close(), report.Write(r.Dir))
}

// calibrate measures the model that was kept, on the validation data.
func (w *worker) calibrate(ctx context.Context) error {
	if w.Val == nil {
		return nil
	}
	c, err := calibrate.Bundle(ctx, w.modelDir(), calibrate.Of(ctx, w.Val), calibrate.Options{Device: w.Device, Threads: w.Threads, Progress: func(done, total int) {
		w.observe(report.Event{Kind: "start", Note: "calibrating", Done: done, Total: total})
	}})
	if err == nil && c != nil {
		w.note("calibrated: %s", c)
	}
	return err
}

func (r *Run) check() error {
	if err := r.Data.Check(); err != nil {
		return err
	}
	if err := Check(r.Config, len(r.Data.Captions), len(r.Imitate)+len(r.Known), !r.FromData); err != nil {
		return err
	}
	if r.Val != nil {
		if err := r.Val.Check(); err != nil {
			return fmt.Errorf("validation: %w", err)
		}
		if r.Val.Images.Dim() != r.Data.Images.Dim() {
			return fmt.Errorf("%w: validation regions have %d features, training ones %d", dataset.ErrData, r.Val.Images.Dim(), r.Data.Images.Dim())
		}
	}
	if d := r.Data.Images.Dim(); d != r.Model.Net.RegionDim {
		return fmt.Errorf("%w: regions have %d features, the model reads %d", dataset.ErrData, d, r.Model.Net.RegionDim)
	}
	if r.Epoch < 0 || r.Epoch >= r.Config.Training.Epochs {
		return fmt.Errorf("%w: %d epochs are done, of %d: nothing is left (training.epochs)", config.ErrConfig, r.Epoch, r.Config.Training.Epochs)
	}
	if r.Dir == "" {
		return errors.New("train: no output folder")
	}
	return os.MkdirAll(r.Dir, 0o755)
}

// A worker is a run under way.
type worker struct {
	*Run
	batches  *dataset.Batcher
	step     *step.Step
	distil   bool // what step was compiled with
	opt      *optim.Optimizer
	ema      *param.Set
	enc      *encode.Encoder
	examples *encode.Examples // to imitate; nil = none
	val      *validate.Validator
	state    *state.State
	best     *validate.Result
	log      *report.Log
	ended    time.Time // of the step before, unless something came after it
}

func (w *worker) close() {
	if w.step != nil {
		w.step.Close()
	}
	if w.enc != nil {
		w.enc.Close()
	}
	if w.val != nil {
		w.val.Close()
	}
	if w.examples != nil {
		w.examples.Close()
	}
	if c := w.Model.Text.CLIP; c != nil {
		c.Tower.Close()
	}
}

func (w *worker) observe(e report.Event) {
	if w.Observe != nil {
		w.Observe(e)
	}
}

func (w *worker) note(format string, args ...any) {
	w.observe(report.Event{Kind: "note", Note: fmt.Sprintf(format, args...)})
}

func (w *worker) lastDir() string  { return filepath.Join(w.Dir, "last") }
func (w *worker) modelDir() string { return filepath.Join(w.Dir, "model") }

// total is the number of optimiser steps of the whole run.
func (w *worker) total() int { return w.batches.Steps() * w.Config.Training.Epochs }

// prepare compiles the step, starts or restores the parameters, and makes ready for validation.
func (w *worker) prepare(ctx context.Context) error {
	var resumed *state.State
	if w.Resume {
		s, err := state.Load(w.lastDir())
		if err != nil {
			return err
		}
		if err := s.Fits(w.state); err != nil {
			return fmt.Errorf("%w: %s: %w: resume as the run was started, or start anew without --resume", state.ErrState, w.lastDir(), err)
		}
		s.Config, s.Network = w.state.Config, w.state.Network // the number of epochs may be another
		resumed = s
	}
	epoch := w.Epoch
	if resumed != nil {
		epoch = resumed.Epoch
	}
	if err := w.compile(ctx, epoch); err != nil {
		return err
	}
	// Initialise also the parameters that this step does not use: those of later epochs' losses, and those that only the
	// inference graphs have.
	all, err := step.Parameters(w.Model.Net, w.Config)
	if err != nil {
		return err
	}
	for _, p := range all {
		if err := w.Model.Params.Ensure(p, w.Config.Training.Seed); err != nil {
			return err
		}
	}
	if (w.FromData || w.Model.Unmeasured) && resumed == nil {
		if err := w.startFromData(ctx); err != nil {
			return err
		}
		if w.Words != nil && w.Config.Encoder.Start == "cca" {
			if err := w.Words.Start(w.Model.Params); err != nil {
				return err
			}
		}
	}
	w.opt = optim.New(w.Model.Params, *w.Config)
	if resumed == nil {
		w.state.Epoch, w.state.Step = w.Epoch, w.Epoch*w.batches.Steps()
		w.state.Validated = w.state.Step
		if w.Restore != nil {
			if err := w.Restore(w.opt); err != nil {
				return err
			}
		}
	}
	if w.Config.Training.EMA > 0 {
		w.ema = w.Model.Params.Clone()
		w.opt.Average(w.ema, w.Config.Training.EMA)
	}
	if resumed != nil {
		if err := resumed.Restore(w.lastDir(), w.Model.Params, w.opt, w.ema); err != nil {
			return err
		}
		w.state, w.best = resumed, resumed.BestValidation
		w.note("resumed at step %d of %d", resumed.Step, w.total())
	}
	if len(w.Imitate) > 0 {
		w.examples, err = encode.NewExamples(ctx, w.Imitate, w.Config.Training.ImitationHead, w.Data, w.Threads, w.Device, func(done, total int) {
			w.observe(report.Event{Kind: "start", Note: "encoding with the models to imitate", Done: done, Total: total})
		})
		if err != nil {
			return err
		}
	}
	if len(w.Known) > 0 {
		if w.examples == nil {
			w.examples = &encode.Examples{}
		}
		w.examples.Models = append(w.examples.Models, w.Known...)
	}
	if w.examples != nil {
		w.batches.Teacher = w.examples.Scores
	}
	if w.Val == nil && w.Config.Encoder.HubnessBank == 0 {
		return err
	}
	if w.enc, err = encode.New(w.Model.Net, w.Model.Text, w.Model.MaxRegions, w.Threads, w.Device); err != nil {
		return err
	}
	if w.Val == nil {
		return nil
	}
	w.val, err = validate.New(w.Model.Net, w.enc, w.Val, w.Threads, w.Device)
	return err
}

func (w *worker) startFromData(ctx context.Context) error {
	net := w.Model.Net
	cca := w.FromData && w.Config.Encoder.Start == "cca"
	if !net.Standardise && !cca {
		return nil
	}
	mean, scale, pooled, err := start.Measure(ctx, w.Data.Images, w.Model.MaxRegions, func(done, total int) {
		w.observe(report.Event{Kind: "start", Note: "measuring features", Done: done, Total: total})
	})
	if err != nil {
		return err
	}
	if net.Standardise {
		copy(w.Model.Params.Lookup(nn.RegionMean).Data, mean)
		copy(w.Model.Params.Lookup(nn.RegionScale).Data, scale)
	}
	if cca {
		w.note("starting embeddings from canonical correlation analysis")
		return start.FromCCA(ctx, w.Config, net, w.Model.Params, w.Model.Text, w.Data, pooled)
	}
	return nil
}

// compile makes the step for an epoch: with or without distillation.
func (w *worker) compile(ctx context.Context, epoch int) error {
	distil := epoch >= w.Config.Training.DistillAfter
	if w.step != nil && w.distil == distil {
		return nil
	}
	if w.step != nil {
		w.step.Close()
	}
	opts := step.Options{Threads: w.Threads, Device: w.Device, Distil: distil, Together: w.Config.Training.AccumulateInGraph}
	var err error
	if opts.Like, err = w.batches.Batch(ctx, w.batches.Order(0), 0, 0); err != nil {
		return err
	}
	w.distil = distil
	w.step, err = step.New(w.Model.Net, w.Config, w.Model.Params, opts)
	return err
}

// train runs the epochs. The state advances to the next epoch only after everything that belongs to the last is done, so
// that a resumed run catches up on whatever an interruption cut off.
func (w *worker) train(ctx context.Context) error {
	t := &w.Config.Training
	for w.state.Epoch < t.Epochs {
		err := w.compile(ctx, w.state.Epoch)
		if err == nil {
			err = w.epoch(ctx)
		}
		if err == nil && (t.ValEvery == 0 || w.state.Epoch+1 == t.Epochs) {
			err = w.validate(ctx)
		}
		if err != nil && ctx.Err() != nil {
			return errors.Join(ctx.Err(), w.save())
		}
		if err != nil {
			return err
		}
		w.state.Epoch++
		w.state.EpochStep = 0
		if err := w.save(); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) save() error {
	w.ended = time.Time{}
	err := w.state.Save(w.lastDir(), w.Model.Params, w.opt, w.ema)
	if err == nil {
		w.observe(report.Event{Kind: "saved", Step: w.state.Step})
	}
	return err
}

// prepared is a batch made ready while the step before it ran.
type prepared struct {
	batch *dataset.Batch
	took  time.Duration
	err   error
}

// prepareBatches makes the rest of an epoch's batches in the background. stop ends that and waits for it.
func (w *worker) prepareBatches(ctx context.Context) (queue <-chan prepared, stop func()) {
	epoch, first, steps := w.state.Epoch, w.state.EpochStep, w.batches.Steps()
	order := w.batches.Order(epoch)
	ctx, cancel := context.WithCancel(ctx)
	out := make(chan prepared, 2)
	go func() {
		defer close(out)
		for s := first; s < steps; s++ {
			start := time.Now()
			b, err := w.batches.Batch(ctx, order, epoch, s)
			select {
			case out <- prepared{b, time.Since(start), err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, func() {
		cancel()
		for range out { // until it is closed
		}
	}
}

// epoch runs the rest of an epoch. Only states after an optimiser step are saved; batches whose gradients are still being
// accumulated when the run is interrupted are repeated.
func (w *worker) epoch(ctx context.Context) error {
	t := &w.Config.Training
	validate := func() error { // where it is due, or was when the run was interrupted
		if t.ValEvery == 0 || w.state.Validated >= w.state.Step-w.state.Step%t.ValEvery {
			return nil
		}
		return w.validate(ctx)
	}
	if err := validate(); err != nil {
		return err
	}
	queue, stop := w.prepareBatches(ctx)
	defer stop()
	w.ended = time.Time{}
	var grads optim.Accumulator
	saveDue := false
	var group []prepared // of one run
	err := func() error {
		for p := range queue {
			if err := errors.Join(ctx.Err(), p.err); err != nil {
				return err
			}
			group = append(group, p)
			if t.AccumulateInGraph && len(group) < t.Accumulate && w.state.EpochStep+len(group) < w.batches.Steps() {
				continue
			}
			before := w.state.Step
			if err := w.runGroup(ctx, group, &grads); err != nil {
				return err
			}
			group = group[:0]
			saveDue = saveDue || t.SaveEvery > 0 && w.state.Step/t.SaveEvery > before/t.SaveEvery
			if grads.N > 0 {
				continue
			}
			if err := validate(); err != nil {
				return err
			}
			if saveDue {
				if err := w.save(); err != nil {
					return err
				}
			}
			saveDue = false
		}
		return ctx.Err()
	}()
	w.state.Step -= grads.N
	w.state.EpochStep -= grads.N
	return err
}

// runGroup runs a batch, or several at once, and the optimiser where it completes a step.
func (w *worker) runGroup(ctx context.Context, group []prepared, grads *optim.Accumulator) error {
	t := &w.Config.Training
	start := time.Now()
	step := w.state.Step
	rng := rand.New(rand.NewPCG(t.Seed+2, uint64(step)))
	var batches []*dataset.Batch
	var took time.Duration
	for _, p := range group {
		p.batch.Softness = t.SoftnessAt(step, w.total())
		batches, took = append(batches, p.batch), took+p.took
	}
	res, err := w.step.Run(ctx, rng, batches...)
	if err != nil {
		return err
	}
	if !optim.Finite(res.Losses[0]) {
		return fmt.Errorf("%w (step %d, losses %v)", ErrDiverged, step, res.Losses)
	}
	busy := res.Runtime
	lr := t.Rate(step, w.state.Epoch, w.total())
	e := report.Event{Kind: "step", Step: step + len(group), Steps: w.total(), Epoch: w.state.Epoch, LR: lr, Loss: map[string]float64{},
		Pairs: len(batches[0].Pairs), DataTime: took}
	for i, n := range res.Names {
		e.Loss[n] = res.Losses[i]
	}
	w.state.Step += len(group)
	w.state.EpochStep += len(group)
	if t.Accumulate > 1 && !t.AccumulateInGraph {
		grads.Add(res.Grads)
		res.Grads = nil
		if grads.N == t.Accumulate || w.state.EpochStep == w.batches.Steps() {
			res.Grads = grads.Mean()
		}
	}
	if res.Grads != nil {
		applied := time.Now()
		if e.GradNorm = w.opt.Apply(w.Model.Params, res.Grads, lr); !optim.Finite(e.GradNorm) {
			return fmt.Errorf("%w (step %d, gradients of norm %g)", ErrDiverged, step, e.GradNorm)
		}
		busy += time.Since(applied)
	}
	if !w.ended.IsZero() {
		e.Rest = time.Since(w.ended) - busy
	}
	w.ended = time.Now()
	e.StepTime = w.ended.Sub(start)
	w.log.Step(e)
	w.observe(e)
	runtime.KeepAlive(batches)
	return nil
}

// current is the parameters that training has reached.
func (w *worker) current() *param.Set {
	if w.ema != nil {
		return w.ema
	}
	return w.Model.Params
}

// finished is the parameters that are validated and kept.
func (w *worker) finished() (*param.Set, error) {
	if w.Words == nil {
		return w.current(), nil
	}
	return w.Words.Fill(w.current())
}

// validate evaluates the current parameters and keeps them as DIR/model when they are the best so far. It
// does nothing where this step is validated already.
func (w *worker) validate(ctx context.Context) error {
	if w.state.Validated == w.state.Step {
		return nil
	}
	w.ended = time.Time{}
	better, scale := true, float32(1)
	params, err := w.finished()
	if err != nil {
		return err
	}
	h, err := encode.NewHubs(ctx, w.enc, params, w.Data, w.Config, func(done, total int) {
		w.observe(report.Event{Kind: "start", Note: "encoding training data, to find hubs", Done: done, Total: total})
	})
	if err != nil {
		return err
	}
	if w.val != nil {
		v, err := w.val.Run(ctx, params, h, func(done, total int) {
			w.observe(report.Event{Kind: "start", Note: "validating", Done: done, Total: total})
		})
		if err != nil {
			return err
		}
		if v.GlobalScale > 0 {
			scale = v.GlobalScale
		}
		better = v.RSum > w.state.Best
		if better {
			w.state.Best, w.state.BestStep, w.state.BestValidation = v.RSum, w.state.Step, v
			w.best = v
		}
		e := report.Event{Kind: "validation", Step: w.state.Step, Epoch: w.state.Epoch, Validation: v, Best: better}
		w.log.Validation(e)
		w.observe(e)
	}
	if !better {
		w.state.Validated = w.state.Step
		return nil
	}
	m := *w.Model
	m.Params = validate.WithGlobalScale(params, scale)
	h.Export(&m)
	m.Training = map[string]any{"step": w.state.Step, "epoch": w.state.Epoch, "validation": w.best, "config": string(w.Config.YAML())}
	if _, err := m.Save(w.modelDir()); err != nil {
		return err
	}
	w.state.Validated = w.state.Step
	return nil
}

// clipDevice puts the tower where the run is.
func (w *worker) clipDevice() {
	if c := w.Model.Text.CLIP; c != nil {
		c.Tower.Options = ort.Options{Threads: w.Threads, Device: w.Device}
	}
}

// Check reports, before anything is computed, what makes a run on that many captions impossible: too few for a batch, a
// frozen backbone without a teacher, or models to imitate without the loss for it and the other way round.
func Check(c *config.Config, captions, imitate int, teacher bool) error {
	switch asks := slices.Contains(c.Losses(), config.Imitation); {
	case captions < c.Training.BatchSize:
		return fmt.Errorf("%w: %d captions are fewer than one batch of %d (training.bs)", dataset.ErrData, captions, c.Training.BatchSize)
	case asks && imitate == 0:
		return fmt.Errorf("%w: training.loss-type names %s, and no model to imitate is given", config.ErrConfig, config.Imitation)
	case !teacher && c.Model.FreezeTeran:
		return fmt.Errorf("%w: model.freeze-teran trains heads on a backbone that is trained already: name a model that has one as the teacher (--teacher)", config.ErrConfig)
	case !asks && imitate > 0:
		return fmt.Errorf("%w: models to imitate are given, and training.loss-type %q does not name %s", config.ErrConfig, c.Training.LossType, config.Imitation)
	}
	return nil
}
