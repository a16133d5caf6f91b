package heads

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/training/calibrate"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/param"
	"github.com/aladin-go/aladin/internal/training/report"
	"github.com/aladin-go/aladin/internal/training/validate"
)

// A Run trains heads.
type Run struct {
	Config  *config.Config // bs, epochs, lr, seed, optimizer, weight-decay, scheduler and grad-clip count
	Teacher *bundle.Bundle // of two towers
	Data    *Data
	Val     *Data // nil: a tenth of the data's images
	Dir     string
	Name    string
	Device  string
	Threads int
	// Observe, when set, hears of everything worth showing.
	Observe func(report.Event)
}

// A Result says what was kept.
type Result struct {
	Before  *validate.Result `json:"before"` // the towers as they were
	After   *validate.Result `json:"after"`  // what was kept
	Adapter bool             `json:"adapter"`
	Ranks   bool             `json:"ranks"` // alignment ranks what matching recalls
}

const (
	mostWords = 32 // of a caption in a batch
	// valImages bounds what is validated after each epoch, candidates how many alignment re-ranks.
	valImages, candidates = 500, 20
	captionsAnEpoch       = 5 // of each image, if it has as many
)

// Do trains and saves the model as DIR/model.
func (r *Run) Do(ctx context.Context) (*Result, error) {
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return nil, err
	}
	t := r.Teacher.Manifest.Towers
	switch {
	case t == nil:
		return nil, fmt.Errorf("%w: the teacher is no model of two towers (aladin-train import --clip)", config.ErrConfig)
	case !r.Teacher.Manifest.Aligns():
		return nil, fmt.Errorf("%w: the teacher has no vectors of words and cells: import it without --matching-only", config.ErrConfig)
	case !t.Untrained || t.Global > 0:
		return nil, fmt.Errorf("%w: the teacher has heads already: take the model that they were trained on", config.ErrConfig)
	}
	m, err := aladin.OpenModel(r.Teacher.Dir(), &aladin.Options{Device: r.Device, Threads: r.Threads})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	w := &worker{Run: r, dim: r.Teacher.Manifest.Dims.Embed}
	if w.scale = float32(t.LogitScale); !(w.scale > 0 && w.scale < 100) {
		w.scale = 100 // where it is not known, and as CLIP caps it
	}
	if w.train, err = openFeatures(ctx, featuresFile(r.Dir, "train"), m, r.Data, w.progress("encoding "+r.Data.Name)); err != nil {
		return nil, err
	}
	defer func() { w.train.close() }()
	if r.Val != nil {
		if w.val, err = openFeatures(ctx, featuresFile(r.Dir, "val"), m, r.Val, w.progress("encoding "+r.Val.Name)); err != nil {
			return nil, err
		}
		defer func() { w.val.close() }()
	} else {
		w.train, w.val = w.train.split()
	}
	w.val = w.val.first(valImages)
	best, res, err := w.run(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.save(best, res); err != nil {
		return nil, err
	}
	return res, w.calibrate(ctx)
}

// calibrate measures the model that was saved, on the validation data.
func (w *worker) calibrate(ctx context.Context) error {
	source := w.Val
	if source == nil {
		source = w.Data
	}
	at := make(map[string]int, len(source.Images))
	for i, x := range source.Images {
		at[x.ID] = i
	}
	d := &calibrate.Data{}
	for _, id := range w.val.images {
		d.Images = append(d.Images, source.Images[at[id]].Input)
	}
	texts := make(map[string]string, len(source.Captions))
	for c, x := range source.Captions {
		texts[captionID(c)] = x.Text
	}
	for _, c := range w.val.captions {
		d.Captions = append(d.Captions, dataset.Caption{Image: c.image, Text: texts[c.id]})
	}
	c, err := calibrate.Bundle(ctx, w.modelDir(), d.First(), calibrate.Options{Device: w.Device, Threads: w.Threads, Progress: w.progress("calibrating")})
	if err == nil && c != nil {
		w.note("calibrated: %s", c)
	}
	return err
}

// A worker is a run under way.
type worker struct {
	*Run
	dim        int
	scale      float32
	train, val *features
	side       *valSide
	params     *param.Set
	list       []nn.Param
	log        *report.Log
	step       int
	steps      int
}

func (w *worker) observe(e report.Event) {
	if w.Observe != nil {
		w.Observe(e)
	}
}

func (w *worker) note(format string, args ...any) {
	w.observe(report.Event{Kind: "note", Note: fmt.Sprintf(format, args...)})
}

func (w *worker) progress(what string) func(done, total int) {
	return func(done, total int) { w.observe(report.Event{Kind: "start", Note: what, Done: done, Total: total}) }
}

// run trains and returns what is kept.
func (w *worker) run(ctx context.Context) (_ *param.Set, _ *Result, err error) {
	const fewest = 4
	usable := 0
	for _, of := range w.train.of {
		if len(of) > 0 {
			usable++
		}
	}
	if usable < fewest || len(w.val.captions) < fewest {
		return nil, nil, fmt.Errorf("%w: %d photos with captions to learn from, %d captions to validate with", ErrData, usable, len(w.val.captions))
	}
	batch := min(w.Config.Training.BatchSize, usable)
	words, cells, err := w.train.sizes(ctx, mostWords)
	if err != nil {
		return nil, nil, err
	}
	w.list, w.params = parameters(w.dim), param.NewSet()
	for _, p := range w.list {
		if err := w.params.Ensure(p, w.Config.Training.Seed); err != nil {
			return nil, nil, err
		}
	}
	model, err := stepGraph(shape{batch, words, cells, w.dim}, w.list, w.scale)
	if err != nil {
		return nil, nil, err
	}
	session, err := ort.Load(model.Marshal(), &ort.Options{Threads: w.Threads, Device: w.Device})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	if w.log, err = report.OpenLog(w.Dir, false, 0, 0); err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, w.log.Close(), report.Write(w.Dir)) }()
	if w.side, err = newValSide(ctx, w.val); err != nil {
		return nil, nil, err
	}
	return w.learn(ctx, session, shape{batch, words, cells, w.dim}, usable)
}

// learn runs the epochs and keeps what validates best.
func (w *worker) learn(ctx context.Context, session *ort.Session, s shape, usable int) (*param.Set, *Result, error) {
	c := &w.Config.Training
	opt := optim.New(w.params, *w.Config)
	perEpoch := max(1, usable*captionsAnEpoch/s.batch)
	w.steps = perEpoch * c.Epochs
	before, err := w.validate(ctx, w.params, 0)
	if err != nil {
		return nil, nil, err
	}
	// The adapter is chosen by matching, the alignment by re-ranking: each has its own best epoch.
	best := w.params.Clone()
	top, topAlign := before.Matching.RSum, math.Inf(-1)
	adapter := false
	for epoch := range c.Epochs {
		rng := rand.New(rand.NewPCG(c.Seed, uint64(epoch)))
		batches := newBatcher(w.train, s, rng)
		for range perEpoch {
			if err := w.one(ctx, session, opt, batches, epoch); err != nil {
				return nil, nil, err
			}
		}
		v, err := w.validate(ctx, w.params, epoch+1)
		if err != nil {
			return nil, nil, err
		}
		if v.Matching.RSum > top {
			top, adapter = v.Matching.RSum, true
			take(best, w.params, imageAdapter, textAdapter)
		}
		if v.Rerank.RSum > topAlign {
			topAlign = v.Rerank.RSum
			take(best, w.params, cellHead, wordHead, wordGate, globalShare, alignScale)
		}
	}
	after, err := w.validate(ctx, best, c.Epochs+1)
	if err != nil {
		return nil, nil, err
	}
	res := &Result{Before: before, After: after, Adapter: adapter, Ranks: after.Rerank.RSum > after.Matching.RSum}
	if !adapter {
		w.note("the adapter helped in no epoch and is left out: matching stays the towers' own")
	}
	if !res.Ranks {
		w.note("re-ranking by alignment (%.1f) is no better than matching (%.1f): alignment explains, but does not rank", after.Rerank.RSum, after.Matching.RSum)
	}
	return best, res, nil
}

// take copies the parameters whose names begin so.
func take(to, from *param.Set, prefixes ...string) {
	for _, p := range from.All() {
		for _, prefix := range prefixes {
			if len(p.Name) >= len(prefix) && p.Name[:len(prefix)] == prefix {
				copy(to.Lookup(p.Name).Data, p.Data)
			}
		}
	}
}

// one makes a step.
func (w *worker) one(ctx context.Context, session *ort.Session, opt *optim.Optimizer, b *batcher, epoch int) error {
	start := time.Now()
	in, err := b.next(ctx)
	if err != nil {
		return err
	}
	e := report.Event{Kind: "step", Step: w.step, Steps: w.steps, Epoch: epoch, Pairs: b.s.batch, DataTime: time.Since(start), Loss: map[string]float64{}}
	for _, p := range w.list {
		in[p.Name] = ort.Float32(p.Dims(), w.params.Lookup(p.Name).Data)
	}
	out, err := session.Run(ctx, in)
	if err != nil {
		return err
	}
	for i, name := range lossNames {
		e.Loss[name] = float64(out["losses"].Float32()[i])
	}
	var grads []optim.Gradient
	for _, p := range w.list {
		grads = append(grads, optim.Gradient{Name: p.Name, Grad: out["grad/"+p.Name].Float32(), Width: p.Len() / p.Shape[0], Decays: p.Decays()})
	}
	e.LR = w.Config.Training.LR * 0.5 * (1 + math.Cos(math.Pi*float64(w.step)/float64(w.steps)))
	if e.GradNorm = opt.Apply(w.params, grads, e.LR); !optim.Finite(e.GradNorm) {
		return fmt.Errorf("heads: the loss is no longer finite (step %d); lower training.lr", w.step)
	}
	e.StepTime = time.Since(start)
	w.step++
	w.log.Step(e)
	w.observe(e)
	return nil
}

// validate computes the recalls of parameters.
func (w *worker) validate(ctx context.Context, p *param.Set, epoch int) (*validate.Result, error) {
	v, err := w.side.result(ctx, p, w.dim)
	if err != nil {
		return nil, err
	}
	e := report.Event{Kind: "validation", Step: w.step, Epoch: epoch, Validation: v}
	w.log.Validation(e)
	w.observe(e)
	return v, nil
}

func (w *worker) modelDir() string { return filepath.Join(w.Dir, "model") }
