package workload

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/training/config"
)

// BenchmarkStep times whole training steps (forward, backward, clipping, Adam) and, in turns with them, products
// of two 1024×1024 matrices on the same threads. of-matmul is the share of the product's FLOP/s that the step
// reaches, whole-of-matmul the same with what it need not compute (see flops); %rest is the time of a step in which
// neither ONNX Runtime nor the optimiser runs.
func BenchmarkStep(b *testing.B) {
	if !ort.Available() {
		b.Skip("ONNX Runtime is not there: run make setup")
	}
	for _, size := range Sizes {
		b.Run(size.Name, func(b *testing.B) { size.bench(b, false) })
	}
	large := Sizes[len(Sizes)-1]
	b.Run(large.Name+"-checkpointed", func(b *testing.B) { large.bench(b, true) })
}

func (s Size) bench(b *testing.B, checkpointing bool) {
	if s.Net.Hidden > 256 && testing.Short() {
		b.Skip("large: without -short")
	}
	w, err := s.Compile("", func(cfg *config.Config) { cfg.Training.GradientCheckpointing = checkpointing })
	require.NoError(b, err)
	defer w.Close()
	product, err := NewProduct(1024)
	require.NoError(b, err)
	defer product.Close()
	ctx := b.Context()
	_, err = w.Run(ctx)
	require.NoError(b, err)
	var wall, inProducts, busy time.Duration
	products := 0
	for b.Loop() {
		start := time.Now()
		took, err := w.Run(ctx)
		require.NoError(b, err)
		wall, busy = wall+time.Since(start), busy+took
		b.StopTimer()
		for start = time.Now(); time.Since(start) < 200*time.Millisecond; products++ {
			require.NoError(b, product.Run(ctx))
		}
		inProducts += time.Since(start)
		b.StartTimer()
	}
	done, all := s.FLOPs(w.Batch)
	rate := done * float64(b.N) / wall.Seconds()
	plain := product.FLOPs * float64(products) / inProducts.Seconds()
	b.ReportMetric(wall.Seconds()*1e3/float64(b.N), "ms/step")
	b.ReportMetric(rate/1e9, "GFLOP/s")
	b.ReportMetric(rate/plain, "of-matmul")
	b.ReportMetric(rate*all/done/plain, "whole-of-matmul")
	b.ReportMetric(100*(wall-busy).Seconds()/wall.Seconds(), "%rest")
}
