package train

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
)

// stepSize is a network, its training and the size of a batch for it.
type stepSize struct {
	name                     string
	net                      nn.Config
	train                    func(cfg *Config)
	batch, text, tags, boxes int
	ragged                   bool // captions and tags are of any length up to these, about half on the average
}

var stepSizes = []stepSize{
	{"small", nn.Config{Layers: 2, Hidden: 256, Heads: 4, FF: 1024, MatchLayers: 2, MatchFF: 256, RegionDim: 2054, Alignment: "MrSw"}, nil, 64, 32, 32, 32, false},
	{"photos", nn.Config{Layers: 1, Hidden: 256, Heads: 4, FF: 512, MatchLayers: 1, MatchFF: 256, RegionDim: 960, Alignment: nn.MrCOSw,
		PreNorm: true, MeanPool: true, WordGates: true, Standardise: true}, photosTraining, 128, 32, 16, 40, true},
	{"bert-base", nn.Config{Layers: 12, Hidden: 768, Heads: 12, FF: 3072, MatchLayers: 2, MatchFF: 768, RegionDim: 2054, Alignment: "MrSw"}, nil, 32, 50, 50, 34, false},
}

func photosTraining(cfg *Config) {
	cfg.Training.LossType, cfg.Training.Contrast, cfg.Training.Softness = "alignment-matching", "infonce", 0.1
	cfg.Training.Temperature, cfg.Training.AlignTemperature = 0.08, 0.05
	cfg.Encoder.FeatureDropout = 0.3
}

// flops counts a step's multiplications and additions in matrix products, two for each pair: those of the
// forward pass, and twice as many in the backward pass, but for the features of regions, which get no
// gradient. Padding is not counted, nor anything else: neither softmax nor normalisations nor the optimiser. all is of
// the network as it is published; of its last layers, done leaves out what nothing reads and no step computes.
func (s stepSize) flops(b *Batch) (done, all float64) {
	h, ff, matchFF := float64(s.net.Hidden), float64(s.net.FF), float64(s.net.MatchFF)
	layer := func(length, read, ff float64) float64 { // of one sequence, of whose states some are read
		return 2*(2*h*h*(length+read)+2*h*ff*read) + 4*length*read*h
	}
	count := func(mask []int64, i, n int) (sum float64) {
		for _, m := range mask[i*n : (i+1)*n] {
			sum += float64(m)
		}
		return sum
	}
	add := func(layers int, length, read, ff float64) {
		whole := 3 * float64(layers) * layer(length, length, ff)
		all += whole
		done += whole
		if layers > 0 {
			done += 3 * (layer(length, read, ff) - layer(length, length, ff))
		}
	}
	var words, regions float64
	for i := range s.batch {
		text, tags, boxes := count(b.Captions.Mask, i, b.Captions.T), count(b.Images.LabelMask, i, b.Images.L), count(b.Images.RegionMask, i, b.Images.R)
		add(s.net.Layers, text, text, ff)
		add(s.net.Layers, tags+boxes, boxes, ff)
		for _, length := range []float64{text, boxes} {
			read := 1.
			if s.net.MeanPool {
				read = length
			}
			add(s.net.MatchLayers, length, read, matchFF)
		}
		words, regions = words+text, regions+boxes
	}
	rest := 3*2*words*regions*h + 2*2*regions*float64(s.net.RegionDim)*h
	return done + rest, all + rest
}

// BenchmarkStep times whole training steps (forward, backward, clipping, Adam) and, in turns with them, products
// of two 1024×1024 matrices on the same threads. of-matmul is the share of the product's FLOP/s that the step
// reaches, whole-of-matmul the same with what it need not compute (see flops); %rest is the time of a step in which
// neither ONNX Runtime nor the optimiser runs.
func BenchmarkStep(b *testing.B) {
	if !ort.Available() {
		b.Skip("ONNX Runtime is not there: run make setup")
	}
	for _, size := range stepSizes {
		b.Run(size.name, func(b *testing.B) { size.bench(b, false) })
	}
	large := stepSizes[len(stepSizes)-1]
	b.Run(large.name+"-checkpointed", func(b *testing.B) { large.bench(b, true) })
}

func (s stepSize) bench(b *testing.B, checkpointing bool) {
	if s.net.Hidden > 256 && testing.Short() {
		b.Skip("large: without -short")
	}
	s.net.Vocab, s.net.MaxPositions, s.net.Types, s.net.LayerNormEps = 30522, 64, 2, 1e-12
	s.net.MatchHeads = 4
	cfg := DefaultConfig()
	cfg.Training.GradientCheckpointing = checkpointing
	if s.train != nil {
		s.train(&cfg)
	}
	params := NewParams()
	batch := fullBatch(b, s)
	step, err := NewStep(s.net, &cfg, params, StepOptions{Distil: true, Full: !s.ragged, Like: batch})
	require.NoError(b, err)
	defer step.Close()
	opt := NewOptimizer(params, cfg)
	product := newProduct(b)
	defer product.Close()
	ctx, rng := context.Background(), rand.New(rand.NewPCG(1, 1))
	var busy time.Duration
	run := func() {
		res, err := step.Run(ctx, batch, rng)
		require.NoError(b, err)
		start := time.Now()
		opt.Apply(params, res, 1e-5)
		busy += res.Runtime + time.Since(start)
	}
	run()
	busy = 0
	var inStep, wall, inProducts time.Duration
	products := 0
	for b.Loop() {
		began, start := time.Now(), clock()
		run()
		inStep += clock() - start
		wall += time.Since(began)
		b.StopTimer()
		start = clock()
		for clock()-start < 200*time.Millisecond {
			require.NoError(b, product.Run(ctx))
			products++
		}
		inProducts += clock() - start
		b.StartTimer()
	}
	done, all := s.flops(batch)
	rate := done * float64(b.N) / inStep.Seconds()
	plain := 2 * float64(productSize*productSize*productSize) * float64(products) / inProducts.Seconds()
	b.ReportMetric(inStep.Seconds()*1e3/float64(b.N), "ms/step")
	b.ReportMetric(rate/1e9, "GFLOP/s")
	b.ReportMetric(rate/plain, "of-matmul")
	b.ReportMetric(rate*all/done/plain, "whole-of-matmul")
	b.ReportMetric(100*(wall-busy).Seconds()/wall.Seconds(), "%rest")
}

const productSize = 1024

// clock tells the time since some moment.
var clock = func() time.Duration { return time.Since(epoch) }

var epoch = time.Now()

// newProduct is a plain matrix product in ONNX Runtime.
func newProduct(b *testing.B) *ort.Binding {
	g := onnx.NewBuilder()
	g.Output("z", g.MatMul(g.Input("x", onnx.Float, onnx.Of(productSize, productSize)), g.Input("y", onnx.Float, onnx.Of(productSize, productSize))))
	m, err := g.Model("product")
	require.NoError(b, err)
	s, err := ort.Load(m.Marshal(), &ort.Options{Spin: true})
	require.NoError(b, err)
	binding, err := s.Bind()
	require.NoError(b, err)
	matrix := func() *ort.Tensor {
		data := make([]float32, productSize*productSize)
		for i := range data {
			data[i] = rand.Float32()
		}
		return ort.Float32([]int64{productSize, productSize}, data)
	}
	require.NoError(b, binding.Input("x", matrix()))
	require.NoError(b, binding.Input("y", matrix()))
	require.NoError(b, binding.Output("z", matrix()))
	b.Cleanup(func() { s.Close() })
	return binding
}

func fullBatch(b testing.TB, s stepSize) *Batch {
	rng := rand.New(rand.NewPCG(2, 2))
	tokens := func(n int) []int64 {
		ids := make([]int64, n)
		for i := range ids {
			ids[i] = int64(1000 + rng.IntN(20000))
		}
		return ids
	}
	var caps, tags [][]int64
	var counts []int
	length := func(longest int) int {
		if !s.ragged {
			return longest
		}
		return min(max(3, int(float64(longest)*(0.42+0.15*rng.NormFloat64()))), longest)
	}
	for range s.batch {
		caps, tags, counts = append(caps, tokens(length(s.text))), append(tags, tokens(length(s.tags))), append(counts, s.boxes)
	}
	batch, err := padBatch(caps, tags, counts, s.net.RegionDim, rng)
	require.NoError(b, err)
	if s.train != nil {
		batch.Softness = 0.1
	}
	return batch
}
