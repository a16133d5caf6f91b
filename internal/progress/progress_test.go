package progress

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// screen keeps what was written; tests read it only when the task's goroutine rests.
type screen struct {
	mu sync.Mutex
	bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Buffer.Write(p)
}

// visible plays carriage returns the way a terminal does and returns its lines.
func (s *screen) visible() []string {
	var lines []string
	for _, line := range strings.Split(s.String(), "\n") {
		var cells []rune
		at := 0
		for _, r := range line {
			if r == '\r' {
				at = 0
				continue
			}
			if at == len(cells) {
				cells = append(cells, r)
			} else {
				cells[at] = r
			}
			at++
		}
		lines = append(lines, strings.TrimRight(string(cells), " "))
	}
	return lines
}

func eighty() int { return 80 }

func TestShortTaskIsSilent(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var s screen
			p := start(&s, "blinking", 10, terminal, eighty)
			for range 10 {
				time.Sleep(90 * time.Millisecond)
				p.Add(1)
			}
			p.Done()
			synctest.Wait()
			assert.Empty(t, s.String())
		})
	}
}

func TestBar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		p := start(&s, "encoding photos", 1000, true, eighty)
		time.Sleep(50 * time.Millisecond) // out of step with the redrawing
		for range 40 {
			time.Sleep(100 * time.Millisecond)
			p.Add(10)
		}
		time.Sleep(180 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []string{"encoding photos  40% █████████░░░░░░░░░░░░░░░ 400/1000  95.2/s  0:06 left"}, s.visible())
		p.Note("skipped %s: not an image\n", "a.txt")
		assert.Equal(t, []string{
			"skipped a.txt: not an image",
			"encoding photos  40% █████████░░░░░░░░░░░░░░░ 400/1000  94.6/s  0:06 left",
		}, s.visible())
		p.Set(1000, 1000)
		p.Done()
		p.Done()
		assert.Equal(t, []string{"skipped a.txt: not an image", "encoding photos: 1000 in 0:04", ""}, s.visible())
	})
}

func TestPlainLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		p := New(&s, "scoring", 5_000_000)
		p.Resumed(1_000_000)
		time.Sleep(500 * time.Millisecond) // out of step with the clock of the lines
		for range 12 {
			time.Sleep(time.Second)
			p.Add(100_000)
		}
		p.Done() // interrupted
		assert.Equal(t, []string{
			"scoring: 1.40M of 5.00M (28%), 80000/s, 0:45 left",
			"scoring: 1.90M of 5.00M (38%), 90000/s, 0:34 left",
			"scoring: stopped at 2.20M of 5.00M after 0:13", "",
		}, strings.Split(s.String(), "\n"))
	})
}

func TestUnknownTotalAndChangingRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		p := start(&s, "reading", 0, true, eighty)
		time.Sleep(10 * time.Second)
		p.Add(1000)
		time.Sleep(time.Minute) // the burst has left the window
		p.Add(60)
		time.Sleep(300 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []string{"reading  1060  2.0/s  1:10"}, s.visible())
		p.Done()
		assert.Equal(t, []string{"reading: 1060 in 1:10", ""}, s.visible())
	})
}

func TestNarrowTerminalNeverWraps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		p := start(&s, "a task with a long name", 10, true, func() int { return 20 })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for _, l := range s.visible() {
			assert.LessOrEqual(t, len([]rune(l)), 19)
		}
		p.Done()
	})
}

// What else there is to watch stands beside the counts; the rate has the unit it was given.
func TestStatus(t *testing.T) {
	for _, c := range []struct {
		columns int
		want    string
	}{
		{120, "training  40% █████████░░░░░░░░░░░░░░░ 400/1000  loss 2.31, rsum 415.2  3048 pairs/s  0:06 left"},
		{80, "training  40% ███░░░░░ 400/1000  loss 2.31, rsum 415.2  3048 pairs/s  0:06 left"},
		{60, "training  40% ██░░░░ 400/1000  loss 2.31, rsum 415.2  3048"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var s screen
			p := start(&s, "training", 1000, true, func() int { return c.columns })
			p.Unit("pairs", 32)
			p.Status("loss %.2f, rsum %.1f", 2.31, 415.2)
			time.Sleep(50 * time.Millisecond)
			for range 40 {
				time.Sleep(100 * time.Millisecond)
				p.Add(10)
			}
			time.Sleep(180 * time.Millisecond)
			synctest.Wait()
			got := s.visible()[0]
			assert.Less(t, len([]rune(got)), c.columns)
			assert.Equal(t, c.want, got)
			p.Done()
		})
	}
}

// What is done between two steps is told on the task's line, and does not slow its rate.
func TestAside(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var s screen
			p := start(&s, "training", 1000, terminal, eighty)
			steps := func() {
				for range 100 {
					time.Sleep(100 * time.Millisecond)
					p.Add(1)
				}
			}
			time.Sleep(50 * time.Millisecond)
			steps()
			for i := range 20 {
				p.Aside("validating", i, 20)
				time.Sleep(10 * time.Second)
			}
			synctest.Wait()
			assert.Contains(t, s.String(), "validating 50%")
			assert.NotContains(t, s.String(), "?:??")
			p.Aside("validating", 20, 20)
			before := s.Len()
			steps()
			time.Sleep(30 * time.Second) // until the next line at the latest
			synctest.Wait()
			first, _, _ := strings.Cut(strings.TrimLeft(s.String()[before:], "\r"), "left")
			assert.Regexp(t, `\s(9\.\d|10\.\d)/s`, first)
			assert.NotContains(t, s.String()[before:], "validating")
			p.Done()
		})
	}
}

// Plain lines become fewer in a task that takes long.
func TestPlainLinesOfALongTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		p := New(&s, "training", 1_000_000)
		count := func() int {
			p.mu.Lock() // lines are written under it
			defer p.mu.Unlock()
			return strings.Count(s.String(), "\n")
		}
		lines := func(d time.Duration) int {
			before := count()
			time.Sleep(d)
			synctest.Wait()
			return count() - before
		}
		assert.InDelta(t, 12, lines(time.Minute), 1)
		lines(3 * time.Hour)
		assert.InDelta(t, 60, lines(time.Hour), 1)
		p.Done()
	})
}

func TestNobodyWatches(t *testing.T) {
	for _, p := range []*Task{nil, New(nil, "silence", 3)} {
		p.Add(1)
		p.Set(1, 2)
		p.Resumed(1)
		p.Note("hello")
		p.Status("loss %d", 1)
		p.Unit("pairs", 3)
		p.Aside("validating", 1, 2)
		p.Done()
	}
}

func TestConcurrentUse(t *testing.T) {
	var s screen
	p := start(&s, "counting", 800, true, eighty)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 100 {
				p.Add(1)
			}
			p.Note("worker %d", i)
		})
	}
	wg.Wait()
	p.Done()
	require.Len(t, strings.Split(strings.TrimSpace(s.String()), "\n"), 8)
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999_999: "999999", 1_250_000: "1.25M", 3_100_000_000: "3.10G"} {
		assert.Equal(t, want, count(n))
	}
	for d, want := range map[time.Duration]string{
		7 * time.Second: "0:07", 754 * time.Second: "12:34", 3723 * time.Second: "1:02:03",
	} {
		assert.Equal(t, want, clock(d), fmt.Sprint(d))
	}
}
