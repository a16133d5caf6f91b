package main

import (
	"context"
	"math/rand/v2"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/vector"
)

const (
	regions    = 34 // of an image: the published models' 34 after truncation
	words      = 16
	candidates = 1000
)

// maxSim measures alignment: milliseconds for 1000 candidates drawn by chance from
// tokens larger than a cache, one thread.
func maxSim(ctx context.Context, b *bench) error {
	r := rand.New(rand.NewPCG(2, 2))
	images := b.size(40_000, 8_000)
	v := unitVectors(r, 2048)
	order := make([]int, candidates)
	for i := range order {
		order[i] = r.IntN(images)
	}
	scores := make([]float32, candidates)
	var subjects []func()
	codecs := []vector.Codec{vector.Int8, vector.Residual2, vector.Residual4, vector.F16}
	for _, c := range codecs {
		tokens, err := vector.NewTokens(c, dim)
		if c == vector.Residual2 || c == vector.Residual4 {
			tokens, err = vector.TrainTokens(ctx, c, dim, v, &vector.TrainOptions{Centroids: 1024, Iterations: 1})
		}
		if err != nil {
			return err
		}
		query, err := vector.NewMaxSim(tokens, v[:words*dim], nil)
		if err != nil {
			return err
		}
		blocks, err := file(tokens, v, images, order)
		if err != nil {
			return err
		}
		subjects = append(subjects, func() { query.Score(blocks, scores) })
	}
	graph, done, err := runtimeMaxSim(ctx, b, v, words)
	if err != nil {
		return err
	}
	defer done()
	if graph != nil {
		subjects = append(subjects, graph)
	}
	t := b.measure(subjects...)
	const unit = "ms/1000 candidates"
	int8Time := t.ms(0)
	row := Row{Name: "MaxSim int8, 16 words", Value: int8Time, Unit: unit, Lower: true}
	if graph != nil {
		row.Baseline, row.Ratio, row.Against, row.Bar = t.ms(len(codecs)), t.speedup(0, len(codecs)), "ONNX Runtime f32, 1 thread, tokens side by side", 3
	}
	b.report(row)
	b.report(Row{Name: "MaxSim 2bit, 16 words", Value: t.ms(1), Unit: unit, Baseline: int8Time, Ratio: t.speedup(1, 0), Against: "int8", Bar: 0.7, Lower: true})
	b.report(Row{Name: "MaxSim 4bit, 16 words", Value: t.ms(2), Unit: unit, Baseline: int8Time, Ratio: t.speedup(2, 0), Against: "int8", Lower: true})
	b.report(Row{Name: "MaxSim f16, 16 words", Value: t.ms(3), Unit: unit, Baseline: int8Time, Ratio: t.speedup(3, 0), Against: "int8", Lower: true})
	return ctx.Err()
}

// file lays out the blocks of many images as an index file does, 64-byte aligned, and
// returns those in order. A few different images repeat, each at its own place in memory.
func file(t *vector.Tokens, v []float32, images int, order []int) ([][]byte, error) {
	size := regions * t.TokenBytes()
	step := (size + 63) &^ 63
	var sample []byte
	const different = 16
	for i := range different {
		at := i * regions * dim
		block, err := t.AppendBlock(nil, v[at:at+regions*dim], nil)
		if err != nil {
			return nil, err
		}
		sample = append(sample, append(block, make([]byte, step-size)...)...)
	}
	data := make([]byte, images*step)
	for i := 0; i < len(data); {
		i += copy(data[i:], sample)
	}
	blocks := make([][]byte, len(order))
	for i, j := range order {
		blocks[i] = data[j*step : j*step+size]
	}
	return blocks, nil
}

// runtimeMaxSim is the same in ONNX Runtime, in its favour: the candidates' float
// tokens already lie side by side. A nil function means that there is no runtime.
func runtimeMaxSim(ctx context.Context, b *bench, v []float32, words int) (f func(), done func(), err error) {
	if !ort.Available() {
		b.note("no ONNX Runtime: run make setup for its baseline")
		return nil, func() {}, nil
	}
	g := onnx.NewBuilder()
	w := g.Input("words", onnx.Float, onnx.Of(words, dim))
	x := g.Input("regions", onnx.Float, onnx.Of(candidates*regions, dim))
	sims := g.Reshape(g.MatMul(x, g.Transpose(w, 1, 0)), onnx.D(candidates), onnx.D(regions), onnx.D(words))
	g.Output("scores", g.ReduceSum(g.ReduceMax(sims, false, 1), false, 1))
	model, err := g.Model("maxsim")
	if err != nil {
		return nil, nil, err
	}
	s, err := ort.Load(model.Marshal(), &ort.Options{Threads: 1})
	if err != nil {
		return nil, nil, err
	}
	tokens := make([]float32, candidates*regions*dim)
	for i := 0; i < len(tokens); {
		i += copy(tokens[i:], v)
	}
	inputs := map[string]*ort.Tensor{
		"words":   ort.Float32([]int64{int64(words), dim}, v[:words*dim]),
		"regions": ort.Float32([]int64{candidates * regions, dim}, tokens),
	}
	if _, err := s.Run(ctx, inputs); err != nil {
		return nil, nil, err
	}
	return func() { _, _ = s.Run(ctx, inputs) }, func() { _ = s.Close() }, nil
}
