package traincmd

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/training/report"
	"github.com/aladin-go/aladin/internal/training/validate"
)

// A run's line tells loss, the last validation, pairs a second and the time left; a validation stays on it.
func TestWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		w := &watcher{out: &out}
		steps := func(from, to int) {
			for i := from; i <= to; i++ {
				w.observe(report.Event{Kind: "step", Step: i, Steps: 100, Pairs: 32, Loss: map[string]float64{"total": 2}})
				time.Sleep(time.Second)
			}
		}
		w.observe(report.Event{Kind: "start", Note: "measuring features", Done: 1, Total: 10})
		w.observe(report.Event{Kind: "start", Note: "measuring features", Done: 10, Total: 10})
		steps(1, 20)
		w.observe(report.Event{Kind: "start", Note: "validating", Done: 1, Total: 2})
		time.Sleep(6 * time.Second)
		w.observe(report.Event{Kind: "start", Note: "validating", Done: 2, Total: 2})
		w.observe(report.Event{Kind: "validation", Step: 20, Best: true, Validation: &validate.Result{RSum: 433.25}})
		steps(21, 100)
		w.done()
		synctest.Wait()
		text := out.String()
		require.Contains(t, text, "epoch 1, loss 2.000\n")
		require.Regexp(t, `training: \d+ of 100 \(\d+%\), loss 2.000, (3\d|4\d)\.\d pairs/s, 1:\d\d left`, text)
		require.Regexp(t, `training: 20 of 100 \(20%\), loss 2.000, validating 50%, 3\d.\d pairs/s, 1:\d\d left`, text)
		require.Regexp(t, `step 20, loss 2.000: matching .* \(best so far\)\n`, text)
		require.Regexp(t, `training: \d+ of 100 \(\d+%\), loss 2.000, rsum 433.2, 3\d.\d pairs/s, 0:\d\d left`, text)
		require.Equal(t, 1, strings.Count(text, "training: 100 in"), "one task for all steps:\n%s", text)
		require.NotContains(t, text, "stopped")

		out.Reset()
		w = &watcher{out: &out, quiet: true}
		steps(1, 100)
		w.done()
		require.Empty(t, out.String())
	})
}
