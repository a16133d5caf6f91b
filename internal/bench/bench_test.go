package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	b := &bench{notes: &bytes.Buffer{}}
	b.report(Row{Name: "time", Value: 2, Unit: "ms", Baseline: 8, Against: "other", Bar: 3, Lower: true})
	b.report(Row{Name: "rate", Value: 2, Unit: "1/s", Baseline: 8, Against: "other", Bar: 3})
	b.report(Row{Name: "alone", Value: 7, Unit: "MB"})
	assert.Equal(t, []float64{4, 0.25, 0}, []float64{b.rows[0].Ratio, b.rows[1].Ratio, b.rows[2].Ratio})

	var table bytes.Buffer
	require.NoError(t, writeTable(&table, b.rows))
	assert.Regexp(t, `time +2 +ms +8 +other +4.00× +≥ 3× +met`, table.String())
	assert.Regexp(t, `rate +2 +1/s +8 +other +0.25× +≥ 3× +below`, table.String())

	path := filepath.Join(t.TempDir(), "build", "bench.json")
	require.NoError(t, writeJSON(path, b.rows))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var rows []map[string]any
	require.NoError(t, json.Unmarshal(data, &rows))
	for _, key := range []string{"name", "value", "unit", "baseline", "ratio", "bar"} {
		assert.Contains(t, rows[0], key)
	}
}

func TestTimes(t *testing.T) {
	order := ""
	b := &bench{rounds: 2}
	got := b.measure(func() { order += "a" }, func() { order += "b" })
	assert.Equal(t, "ababab", order, "a round to warm up, then two that count")
	assert.Len(t, got[0], 2)
	ms := func(v ...time.Duration) (d []time.Duration) {
		for _, x := range v {
			d = append(d, x*time.Millisecond)
		}
		return d
	}
	// The last round was disturbed, both subjects alike.
	noisy := times{ms(2, 2, 60), ms(6, 7, 180)}
	assert.Equal(t, 2.0, noisy.ms(0))
	assert.Equal(t, 7.0, noisy.ms(1))
	assert.Equal(t, 3.0, noisy.speedup(0, 1))
	assert.Equal(t, 2.5, median(2, func(i int) float64 { return float64(2 + i) }))
}

func TestRunNothing(t *testing.T) {
	out := filepath.Join(t.TempDir(), "bench.json")
	var stdout, stderr bytes.Buffer
	require.NoError(t, run(context.Background(), []string{"-run", "^no such suite$", "-out", out}, &stdout, &stderr))
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.Equal(t, "[]\n", string(data))
	assert.Error(t, run(context.Background(), []string{"-run", "("}, &stdout, &stderr))
	assert.Error(t, run(context.Background(), []string{"-no-such-flag"}, &stdout, &stderr))
}
