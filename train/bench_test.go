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

// stepSize is a network and a full batch for it: no sequence is shorter than the longest.
type stepSize struct {
	name                     string
	net                      nn.Config
	batch, text, tags, boxes int
}

var stepSizes = []stepSize{
	{"small", nn.Config{Layers: 2, Hidden: 256, Heads: 4, FF: 1024, MatchFF: 256}, 64, 32, 32, 32},
	{"bert-base", nn.Config{Layers: 12, Hidden: 768, Heads: 12, FF: 3072, MatchFF: 768}, 32, 50, 50, 34},
}

// flops counts a step's multiplications and additions in matrix products, two for each pair: those of the
// forward pass, and twice as many in the backward pass, but for the features of regions, which get no
// gradient. Nothing else is counted, neither softmax nor normalisations nor the optimiser.
func (s stepSize) flops() float64 {
	h, ff, matchFF := float64(s.net.Hidden), float64(s.net.FF), float64(s.net.MatchFF)
	layer := func(length, ff float64) float64 { // of one sequence
		return length*2*(4*h*h+2*h*ff) + 4*length*length*h
	}
	text, image, boxes := float64(s.text), float64(s.tags+s.boxes), float64(s.boxes)
	regions := boxes * 2 * float64(s.net.RegionDim) * h
	one := float64(s.net.Layers)*(layer(text, ff)+layer(image, ff)) +
		float64(s.net.MatchLayers)*(layer(text, matchFF)+layer(boxes, matchFF))
	b := float64(s.batch)
	similarities := 2 * b * b * text * boxes * h
	return 3*(b*one+similarities) + 2*b*regions
}

// BenchmarkStep times whole training steps (forward, backward, clipping, Adam) and, in turns with them, products
// of two 1024×1024 matrices on the same threads. of-matmul is the share of the product's FLOP/s that the step
// reaches (see flops).
func BenchmarkStep(b *testing.B) {
	if !ort.Available() {
		b.Skip("ONNX Runtime is not there: run make setup")
	}
	for _, size := range stepSizes {
		b.Run(size.name, func(b *testing.B) {
			if size.net.Hidden > 256 && testing.Short() {
				b.Skip("large: without -short")
			}
			size.net.Vocab, size.net.MaxPositions, size.net.Types, size.net.LayerNormEps = 30522, 64, 2, 1e-12
			size.net.RegionDim, size.net.MatchLayers, size.net.MatchHeads, size.net.Alignment = 2054, 2, 4, "MrSw"
			cfg := DefaultConfig()
			params := NewParams()
			step, err := NewStep(size.net, &cfg, params, StepOptions{Distil: true})
			require.NoError(b, err)
			defer step.Close()
			opt := NewOptimizer(params, cfg)
			batch := fullBatch(b, size)
			product := newProduct(b)
			defer product.Close()
			ctx, rng := context.Background(), rand.New(rand.NewPCG(1, 1))
			run := func() {
				res, err := step.Run(ctx, batch, rng)
				require.NoError(b, err)
				opt.Apply(params, res, 1e-5)
			}
			run()
			var inStep, inProducts time.Duration
			products := 0
			for b.Loop() {
				start := clock()
				run()
				inStep += clock() - start
				b.StopTimer()
				start = clock()
				for clock()-start < 200*time.Millisecond {
					require.NoError(b, product.Run(ctx))
					products++
				}
				inProducts += clock() - start
				b.StartTimer()
			}
			rate := size.flops() * float64(b.N) / inStep.Seconds()
			plain := 2 * float64(productSize*productSize*productSize) * float64(products) / inProducts.Seconds()
			b.ReportMetric(inStep.Seconds()*1e3/float64(b.N), "ms/step")
			b.ReportMetric(rate/1e9, "GFLOP/s")
			b.ReportMetric(rate/plain, "of-matmul")
		})
	}
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
	for range s.batch {
		caps, tags, counts = append(caps, tokens(s.text)), append(tags, tokens(s.tags)), append(counts, s.boxes)
	}
	batch, err := padBatch(caps, tags, counts, s.net.RegionDim, rng)
	require.NoError(b, err)
	return batch
}
