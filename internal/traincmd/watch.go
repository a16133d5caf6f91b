package traincmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/progress"
	"github.com/aladin-go/aladin/internal/source"
	"github.com/aladin-go/aladin/internal/training/report"
	"github.com/aladin-go/aladin/internal/training/validate"
)

// A watcher shows a run on a terminal or in a log: one bar at a time.
type watcher struct {
	out   io.Writer
	quiet bool
	task  *progress.Task
	what  string
	loss  float64 // a running mean, by which the eye can tell a trend
	rsum  string  // of the last validation
}

// stepsTask is the name of the bar of the steps.
const stepsTask = "training"

// show moves the bar of a task to done, starting it if need be. What comes between training steps is shown on
// their bar.
func (w *watcher) show(what string, done, total int) {
	if w.quiet {
		return
	}
	if w.what == stepsTask && what != stepsTask {
		w.task.Aside(what, done, total)
		return
	}
	if w.what != what {
		w.done()
		w.task, w.what = progress.New(w.out, what, total), what
		if done > 1 { // goes on after a pause: the rate is of what comes now
			w.task.Resumed(done)
		}
	}
	w.task.Set(done, total)
	if done >= total && what != stepsTask { // a validation may follow the last step
		w.done()
	}
}

// step shows a training step.
func (w *watcher) step(e report.Event) {
	loss := e.Loss["total"]
	if w.what != stepsTask {
		w.note("epoch %d, loss %.3f", e.Epoch+1, loss)
		w.loss = loss
	}
	w.loss += (loss - w.loss) * lossShare
	w.show(stepsTask, e.Step, e.Steps)
	w.task.Unit("pairs", e.Pairs)
	w.task.Status("loss %.3f%s", w.loss, w.rsum)
}

// lossShare is how much of the mean loss that is shown is of the last step.
const lossShare = 0.05

// progress is show as a callback.
func (w *watcher) progress(what string) func(done, total int) {
	return func(done, total int) { w.show(what, done, total) }
}

func (w *watcher) done() {
	if w.task != nil {
		w.task.Done()
	}
	w.task, w.what = nil, ""
}

func (w *watcher) note(format string, args ...any) {
	switch {
	case w.quiet:
	case w.task != nil:
		w.task.Note(format, args...)
	default:
		fmt.Fprintf(w.out, format+"\n", args...)
	}
}

// shownSkips is how many of the items that were left out are named.
const shownSkips = 5

func (w *watcher) skipped(all source.Skips) {
	var b strings.Builder
	_ = all.Report(&b, shownSkips) // a Builder takes everything
	if b.Len() > 0 {
		w.note("%s", strings.TrimSuffix(b.String(), "\n"))
	}
}

func (w *watcher) observe(e report.Event) {
	switch e.Kind {
	case "note":
		w.note("%s", e.Note)
	case "start":
		w.show(e.Note, e.Done, e.Total)
	case "step":
		w.step(e)
	case "validation":
		w.rsum = fmt.Sprintf(", rsum %.1f", e.Validation.RSum)
		best := ""
		if e.Best {
			best = " (best so far)"
		}
		w.note("step %d, loss %.3f: %s%s", e.Step, w.loss, describe(e.Validation), best)
	}
}

// describe is a validation in a line.
func describe(v *validate.Result) string {
	line := func(r eval.Retrieval) string {
		return fmt.Sprintf("%.1f/%.1f/%.1f %.1f/%.1f/%.1f rsum %.1f", r.I2T.R1, r.I2T.R5, r.I2T.R10, r.T2I.R1, r.T2I.R5, r.T2I.R10, r.RSum)
	}
	return fmt.Sprintf("matching %s, alignment %s, re-ranked %s", line(v.Matching), line(v.Alignment), line(v.Rerank))
}
