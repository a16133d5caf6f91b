package main

import (
	"context"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/training/workload"
)

// training measures a whole step (forward, backward, clipping, Adam) beside a plain matrix product on the same
// threads: GFLOP/s, of which the step's count those of its matrix products alone.
func training(ctx context.Context, b *bench) error {
	if !ort.Available() {
		b.note("ONNX Runtime is not there: no training (make setup)")
		return nil
	}
	size := workload.Sizes[0]
	step, err := size.Compile("", nil)
	if err != nil {
		return err
	}
	defer step.Close()
	const products = 40
	product, err := workload.NewProduct(1024)
	if err != nil {
		return err
	}
	defer product.Close()
	var failed error
	t := b.measure(func() {
		if _, err := step.Run(ctx); err != nil {
			failed = err
		}
	}, func() {
		for range products {
			if err := product.Run(ctx); err != nil {
				failed = err
			}
		}
	})
	if failed != nil {
		return failed
	}
	done, _ := size.FLOPs(step.Batch)
	plain := products * product.FLOPs
	b.report(Row{
		Name: "training step, hidden 256, 2+2 layers, 64 pairs", Value: done / t.ms(0) / 1e6, Unit: "GFLOP/s",
		Baseline: plain / t.ms(1) / 1e6, Against: "ONNX Runtime MatMul, 1024³", Ratio: done / plain * t.speedup(0, 1), Bar: 0.8,
	})
	return nil
}
