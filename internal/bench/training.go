package main

import (
	"context"
	"math/rand/v2"

	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/train"
)

// The size of a training step: pairs, and the tokens of a caption, of an image's labels, and its regions. All
// sequences are full.
const (
	stepBatch  = 64
	stepLength = 32
	stepDim    = 2054
)

var stepNet = nn.Config{
	Layers: 2, Hidden: 256, Heads: 4, FF: 1024, Vocab: 30522, MaxPositions: 64, Types: 2, LayerNormEps: 1e-12,
	RegionDim: stepDim, MatchLayers: 2, MatchHeads: 4, MatchFF: 256, Alignment: "MrSw",
}

// training measures a whole step (forward, backward, clipping, Adam) beside a plain matrix product on the same
// threads: GFLOP/s, of which the step's count those of its matrix products alone.
func training(ctx context.Context, b *bench) error {
	if !ort.Available() {
		b.note("ONNX Runtime is not there: no training (make setup)")
		return nil
	}
	cfg := train.DefaultConfig()
	params := train.NewParams()
	rng := rand.New(rand.NewPCG(3, 3))
	batch := stepInput(rng)
	step, err := train.NewStep(stepNet, &cfg, params, train.StepOptions{Distil: true, Full: true, Like: batch})
	if err != nil {
		return err
	}
	defer step.Close()
	opt := train.NewOptimizer(params, cfg)
	const size, products = 1024, 40
	product, done, err := plainProduct(size)
	if err != nil {
		return err
	}
	defer done()
	var failed error
	t := b.measure(func() {
		res, err := step.Run(ctx, batch, rng)
		if err != nil {
			failed = err
			return
		}
		opt.Apply(params, res, 1e-5)
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
	plain := products * 2 * float64(size*size*size)
	b.report(Row{
		Name: "training step, hidden 256, 2+2 layers, 64 pairs", Value: stepFLOPs() / t.ms(0) / 1e6, Unit: "GFLOP/s",
		Baseline: plain / t.ms(1) / 1e6, Against: "ONNX Runtime MatMul, 1024³", Ratio: stepFLOPs() / plain * t.speedup(0, 1), Bar: 0.8,
	})
	return nil
}

// stepFLOPs counts two for each multiplication and addition in matrix products: those of the forward pass, and
// twice as many of the backward pass, but for the features of regions, which get no gradient. What of the last layers
// nothing reads is neither computed nor counted: the images' tokens, and all but the first states of the matching head.
func stepFLOPs() float64 {
	h, b, s := float64(stepNet.Hidden), float64(stepBatch), float64(stepLength)
	layer := func(length, read float64, ff int) float64 {
		return 2*(2*h*h*(length+read)+2*h*float64(ff)*read) + 4*length*read*h
	}
	text := 2 * layer(s, s, stepNet.FF)
	image := layer(2*s, 2*s, stepNet.FF) + layer(2*s, s, stepNet.FF)
	match := 2 * (layer(s, s, stepNet.MatchFF) + layer(s, 1, stepNet.MatchFF))
	return 3*(b*(text+image+match)+2*b*b*s*s*h) + 2*2*b*s*stepDim*h
}

func stepInput(rng *rand.Rand) *train.Batch {
	const n = stepBatch * stepLength
	ids, ones := func() []int64 {
		v := make([]int64, n)
		for i := range v {
			v[i] = int64(1000 + rng.IntN(20000))
		}
		return v
	}, make([]int64, n)
	for i := range ones {
		ones[i] = 1
	}
	boxes := make([]float32, n*stepDim)
	for i := range boxes {
		boxes[i] = rng.Float32()
	}
	batch := &train.Batch{
		Captions: input.Captions{B: stepBatch, T: stepLength, IDs: ids(), Mask: ones},
		Images: input.Images{B: stepBatch, L: stepLength, R: stepLength, F: stepDim, LabelIDs: ids(), LabelTypes: ones, LabelMask: ones,
			Regions: boxes, RegionMask: ones},
	}
	for i := range stepBatch {
		batch.Pairs = append(batch.Pairs, i)
	}
	return batch
}

// plainProduct multiplies two square matrices in ONNX Runtime.
func plainProduct(size int) (*ort.Binding, func(), error) {
	g := onnx.NewBuilder()
	shape := onnx.Of(size, size)
	g.Output("z", g.MatMul(g.Input("x", onnx.Float, shape), g.Input("y", onnx.Float, shape)))
	m, err := g.Model("product")
	if err != nil {
		return nil, nil, err
	}
	s, err := ort.Load(m.Marshal(), &ort.Options{Spin: true})
	if err != nil {
		return nil, nil, err
	}
	binding, err := s.Bind()
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	done := func() {
		binding.Close()
		s.Close()
	}
	matrix := func() *ort.Tensor {
		data := make([]float32, size*size)
		for i := range data {
			data[i] = rand.Float32()
		}
		return ort.Float32([]int64{int64(size), int64(size)}, data)
	}
	for name, bind := range map[string]func(string, *ort.Tensor) error{"x": binding.Input, "y": binding.Input, "z": binding.Output} {
		if err := bind(name, matrix()); err != nil {
			done()
			return nil, nil, err
		}
	}
	return binding, done, nil
}
