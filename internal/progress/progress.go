// Package progress tells a person at a terminal how far a long task has come and when it will end.
//
//	p := progress.New(os.Stderr, "encoding photos", len(photos))
//	defer p.Done()
//	for … { …; p.Add(1) }
//
// On a terminal it draws one bar with the rate and the time left, redrawn a few times a second; on
// anything else (a log, a pipe) it writes a plain line every few seconds. A task that ends within a
// second leaves no trace at all. The rate is that of the last half minute, so that the time left
// follows a task whose speed changes. Status adds what else is worth watching, Unit what the rate counts,
// and Aside shows a part of another kind, such as a validation between training steps, whose time is not
// the task's.
//
// A Task is safe for concurrent use. One task at a time may draw on a writer. The nil *Task and a
// Task on a nil writer are silent, so that code need not ask whether anybody is watching.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

const (
	quiet    = time.Second            // nothing is shown of a task shorter than this
	redraw   = 200 * time.Millisecond // between two drawings of a bar
	speak    = 5 * time.Second        // between two plain lines at first
	seldom   = time.Minute            // between two plain lines of a task that takes an hour or more
	window   = 30 * time.Second       // over which the rate is taken
	barCells = 24
	fewCells = 6 // of a bar on a line that is full
)

// A Task is one piece of work with a known or unknown number of steps.
type Task struct {
	what     string
	w        io.Writer
	terminal bool
	columns  func() int

	mu          sync.Mutex
	done, total int
	status      string
	unit        string // of the rate; "" = steps
	perStep     int    // units a step
	aside       string
	paused      time.Time // since when aside is on
	start       time.Time
	samples     []sample // of the last window, oldest first
	shown       bool     // something of this task was written
	drawn       int      // cells of the bar that stands on the screen
	stop        chan struct{}
	ended       bool
}

type sample struct {
	at   time.Time
	done int
}

// New starts a task of total steps; total ≤ 0 means that nobody knows. Call Done when it ends, also
// when it fails.
func New(w io.Writer, what string, total int) *Task {
	columns := func() int { return 0 }
	terminal := false
	if f, ok := w.(*os.File); ok && f != nil && term.IsTerminal(int(f.Fd())) {
		terminal = true
		columns = func() int {
			n, _, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 0
			}
			return n
		}
	}
	return start(w, what, total, terminal, columns)
}

func start(w io.Writer, what string, total int, terminal bool, columns func() int) *Task {
	if w == nil {
		return nil
	}
	t := &Task{what: what, w: w, terminal: terminal, columns: columns, total: total, perStep: 1, start: time.Now(), stop: make(chan struct{})}
	t.samples = []sample{{t.start, 0}}
	go t.watch()
	return t
}

// Add reports n more steps done.
func (t *Task) Add(n int) {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.done += n
	t.mu.Unlock()
}

// Set reports the steps done so far and, where it is positive, a new total: it has the signature of
// the progress callbacks of the library.
func (t *Task) Set(done, total int) {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.done = done
	if total > 0 {
		t.total = total
	}
	t.mu.Unlock()
}

// Resumed says that n steps were done by an earlier run: they count as done but not for the rate.
func (t *Task) Resumed(n int) {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.done += n
	for i := range t.samples {
		t.samples[i].done += n
	}
	t.mu.Unlock()
}

// Status is shown beside the counts, until the next.
func (t *Task) Status(format string, args ...any) {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.status = fmt.Sprintf(format, args...)
	t.mu.Unlock()
}

// Unit makes the rate count units, of which every step is n.
func (t *Task) Unit(unit string, n int) {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.unit, t.perStep = unit, n
	t.mu.Unlock()
}

// Aside says that something else is going on, and how far it is; the time that it takes does not count for
// the rate. It ends where done reaches total.
func (t *Task) Aside(what string, done, total int) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.aside == "" {
		t.paused = now
	}
	if t.aside = ""; done < total {
		t.aside = fmt.Sprintf("%s %.0f%%", what, floorPercent(float64(done)/float64(total)))
		return
	}
	for i := range t.samples {
		t.samples[i].at = t.samples[i].at.Add(now.Sub(t.paused))
	}
}

// Note writes a line of its own without tearing the bar.
func (t *Task) Note(format string, args ...any) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	bar := t.drawn > 0
	t.erase()
	fmt.Fprintln(t.w, strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
	if bar {
		t.draw(time.Now())
	}
}

// Done ends the task. When anything of it was shown, a last line says what was done in what time.
// A second call does nothing.
func (t *Task) Done() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	close(t.stop)
	if !t.shown {
		return
	}
	t.erase()
	fmt.Fprintln(t.w, t.summary(time.Now()))
}

// watch shows the task from time to time until Done.
func (t *Task) watch() {
	every := func(now time.Time) time.Duration {
		if t.terminal {
			return redraw
		}
		return min(max(speak, now.Sub(t.start)/60), seldom)
	}
	timer := time.NewTimer(max(every(t.start), quiet))
	defer timer.Stop()
	for {
		select {
		case <-t.stop:
			return
		case now := <-timer.C:
			t.mu.Lock()
			if !t.ended {
				t.sample(now)
				t.draw(now)
			}
			t.mu.Unlock()
			timer.Reset(every(now))
		}
	}
}

// sample notes where the task stands and forgets what lies before the window, but for one point.
func (t *Task) sample(now time.Time) {
	if t.aside != "" {
		return
	}
	t.samples = append(t.samples, sample{now, t.done})
	old := 0
	for old+1 < len(t.samples) && now.Sub(t.samples[old+1].at) >= window {
		old++
	}
	t.samples = append(t.samples[:0], t.samples[old:]...)
}

// rate is the steps a second over the window, 0 while nothing is known.
func (t *Task) rate(now time.Time) float64 {
	if t.aside != "" {
		now = t.paused
	}
	s := now.Sub(t.samples[0].at).Seconds()
	if s <= 0 || t.done <= t.samples[0].done {
		return 0
	}
	return float64(t.done-t.samples[0].done) / s
}

func (t *Task) draw(now time.Time) {
	t.shown = true
	if !t.terminal {
		fmt.Fprintln(t.w, t.plain(now))
		return
	}
	line := t.bar(now, barCells)
	if n := t.columns(); n > 1 { // a full last column would wrap
		if over := utf8.RuneCountInString(line) - (n - 1); over > 0 {
			line = t.bar(now, max(fewCells, barCells-over))
		}
		line = clip(line, n-1)
	}
	cells := utf8.RuneCountInString(line)
	fmt.Fprintf(t.w, "\r%s%s", line, strings.Repeat(" ", max(0, t.drawn-cells)))
	t.drawn = cells
}

// erase takes the bar off the screen. Spaces, not an escape code: they work on every terminal.
func (t *Task) erase() {
	if t.drawn > 0 {
		fmt.Fprintf(t.w, "\r%s\r", strings.Repeat(" ", t.drawn))
		t.drawn = 0
	}
}

func (t *Task) bar(now time.Time, cells int) string {
	rate := t.rate(now)
	if t.total <= 0 {
		return fmt.Sprintf("%s  %s%s  %s  %s", t.what, count(t.done), t.also("  "), t.speed(rate), clock(now.Sub(t.start)))
	}
	share := t.share()
	full := int(share * float64(cells))
	return fmt.Sprintf("%s %3.0f%% %s%s %s/%s%s  %s  %s", t.what, floorPercent(share),
		strings.Repeat("█", full), strings.Repeat("░", cells-full),
		count(t.done), count(t.total), t.also("  "), t.speed(rate), t.left(rate))
}

func (t *Task) plain(now time.Time) string {
	rate := t.rate(now)
	if t.total <= 0 {
		return fmt.Sprintf("%s: %s%s, %s", t.what, count(t.done), t.also(", "), t.speed(rate))
	}
	return fmt.Sprintf("%s: %s of %s (%.0f%%)%s, %s, %s", t.what, count(t.done), count(t.total), floorPercent(t.share()), t.also(", "), t.speed(rate), t.left(rate))
}

// also is the status and what goes on aside, each after sep.
func (t *Task) also(sep string) string {
	out := ""
	for _, s := range []string{t.status, t.aside} {
		if s != "" {
			out += sep + s
		}
	}
	return out
}

// speed is the rate with its unit.
func (t *Task) speed(rate float64) string {
	if t.unit == "" {
		return perSecond(rate) + "/s"
	}
	return perSecond(rate*float64(t.perStep)) + " " + t.unit + "/s"
}

func (t *Task) summary(now time.Time) string {
	took := clock(now.Sub(t.start))
	if t.total > 0 && t.done < t.total {
		return fmt.Sprintf("%s: stopped at %s of %s after %s", t.what, count(t.done), count(t.total), took)
	}
	return fmt.Sprintf("%s: %s in %s", t.what, count(t.done), took)
}

func (t *Task) share() float64 { return min(1, max(0, float64(t.done)/float64(t.total))) }

func (t *Task) left(rate float64) string {
	if rate == 0 {
		return "?:?? left"
	}
	s := float64(max(0, t.total-t.done)) / rate
	if s > 100*3600 {
		return "days left"
	}
	return clock(time.Duration(s*float64(time.Second))) + " left"
}

// floorPercent never says 100 before the end.
func floorPercent(share float64) float64 { return float64(int(share * 100)) }

// count writes large numbers shortly: 999999, 1.25M, 3.10G.
func count(n int) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2fG", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.2fM", float64(n)/1e6)
	}
	return fmt.Sprint(n)
}

func perSecond(r float64) string {
	switch {
	case r == 0:
		return "–"
	case r < 100:
		return fmt.Sprintf("%.1f", r)
	}
	return count(int(r + 0.5))
}

// clock writes 0:07, 12:34, 1:02:03.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

func clip(s string, cells int) string {
	if r := []rune(s); len(r) > cells {
		return string(r[:cells])
	}
	return s
}
