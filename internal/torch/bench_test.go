package torch

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bertBase makes the state dict of a BERT-base model: 199 tensors, 110 million numbers, 438 MB.
func bertBase(tb testing.TB) *Tensors {
	tb.Helper()
	const hidden, ff = 768, 3072
	d := &Dict{Ordered: true}
	seed := uint32(1)
	add := func(name string, shape ...int) {
		n := 1
		for _, s := range shape {
			n *= s
		}
		values := make([]float32, n)
		for i := range values {
			seed = seed*1664525 + 1013904223
			values[i] = float32(int32(seed)) / (1 << 36)
		}
		t, err := NewTensor(shape, values)
		require.NoError(tb, err)
		d.Set(name, t)
	}
	add("bert.embeddings.word_embeddings.weight", 30522, hidden)
	add("bert.embeddings.position_embeddings.weight", 512, hidden)
	add("bert.embeddings.token_type_embeddings.weight", 2, hidden)
	add("bert.embeddings.LayerNorm.weight", hidden)
	add("bert.embeddings.LayerNorm.bias", hidden)
	for i := range 12 {
		layer := fmt.Sprintf("bert.encoder.layer.%d.", i)
		for _, m := range []string{"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"} {
			add(layer+m+".weight", hidden, hidden)
			add(layer+m+".bias", hidden)
		}
		add(layer+"intermediate.dense.weight", ff, hidden)
		add(layer+"intermediate.dense.bias", ff)
		add(layer+"output.dense.weight", hidden, ff)
		add(layer+"output.dense.bias", hidden)
		for _, m := range []string{"attention.output.LayerNorm", "output.LayerNorm"} {
			add(layer+m+".weight", hidden)
			add(layer+m+".bias", hidden)
		}
	}
	add("bert.pooler.dense.weight", hidden, hidden)
	add("bert.pooler.dense.bias", hidden)
	sd, err := StateDict(d)
	require.NoError(tb, err)
	return sd
}

// peak is the most memory that the process has held, from /proc; 0 elsewhere.
func peak() (mb float64) {
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			_, _ = fmt.Sscan(kb, &mb)
		}
	}
	return mb / 1024
}

// BenchmarkBERTBase opens a BERT-base checkpoint and reads every number of it. The file is made first,
// unless ALADIN_BENCH_CHECKPOINT names one, which keeps its making out of the peak.
func BenchmarkBERTBase(b *testing.B) {
	if testing.Short() {
		b.Skip("writes 438 MB")
	}
	path := os.Getenv("ALADIN_BENCH_CHECKPOINT")
	if path == "" {
		path = filepath.Join(b.TempDir(), "bert.pth")
	}
	if _, err := os.Stat(path); err != nil {
		require.NoError(b, Save(path, bertBase(b)))
		runtime.GC()
	}
	st, err := os.Stat(path)
	require.NoError(b, err)
	b.SetBytes(st.Size())
	b.ReportAllocs()
	for b.Loop() {
		f, err := Open(path)
		require.NoError(b, err)
		v := f.Value()
		if model, err := Lookup(v, "model"); err == nil {
			v = model
		}
		sd, err := StateDict(v)
		require.NoError(b, err)
		var sum float32
		for _, t := range sd.All() {
			values, err := t.Float32()
			require.NoError(b, err)
			for _, x := range values {
				sum += x
			}
		}
		require.False(b, sum != sum)
		require.NoError(b, f.Close())
	}
	b.ReportMetric(peak(), "peakMB")
}
