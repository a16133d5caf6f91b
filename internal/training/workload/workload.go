// Package workload has training steps of several sizes, ready to be timed, for the benchmarks.
package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/param"
	"github.com/aladin-go/aladin/internal/training/step"
	"github.com/aladin-go/aladin/internal/training/toy"
)

// A Size is a network, its training and the size of a batch, for measuring steps.
type Size struct {
	Name              string
	Net               nn.Config
	train             func(cfg *config.Config)
	Batch             int // pairs
	text, tags, boxes int
	ragged            bool // captions and tags have any length up to these, about half on average
}

// Sizes are the sizes that benchmarks measure.
var Sizes = []Size{
	{"small", nn.Config{Layers: 2, Hidden: 256, Heads: 4, FF: 1024, MatchLayers: 2, MatchFF: 256, RegionDim: 2054, Alignment: "MrSw"}, nil, 64, 32, 32, 32, false},
	{"photos", nn.Config{Layers: 1, Hidden: 256, Heads: 4, FF: 512, MatchLayers: 1, MatchFF: 256, RegionDim: 960, Alignment: nn.MrCOSw,
		PreNorm: true, MeanPool: true, WordGates: true, Standardise: true}, photosTraining, 128, 32, 16, 40, true},
	{"bert-base", nn.Config{Layers: 12, Hidden: 768, Heads: 12, FF: 3072, MatchLayers: 2, MatchFF: 768, RegionDim: 2054, Alignment: "MrSw"}, nil, 32, 50, 50, 34, false},
}

func photosTraining(cfg *config.Config) {
	cfg.Training.LossType, cfg.Training.Contrast, cfg.Training.Softness = "alignment-matching", "infonce", 0.1
	cfg.Training.Temperature, cfg.Training.AlignTemperature = 0.08, 0.05
	cfg.Encoder.FeatureDropout = 0.3
}

// FLOPs counts a step's multiplications and additions in matrix products, two for each pair: those of the
// forward pass, and twice as many in the backward pass, but for the features of regions, which get no
// gradient. Padding is not counted, nor anything else: neither softmax nor normalisations nor the optimiser. all is of
// the network as it is published; of its last layers, done leaves out what nothing reads and no step computes.
func (s Size) FLOPs(b *dataset.Batch) (done, all float64) {
	h, ff, matchFF := float64(s.Net.Hidden), float64(s.Net.FF), float64(s.Net.MatchFF)
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
	for i := range s.Batch {
		text, tags, boxes := count(b.Captions.Mask, i, b.Captions.T), count(b.Images.LabelMask, i, b.Images.L), count(b.Images.RegionMask, i, b.Images.R)
		add(s.Net.Layers, text, text, ff)
		add(s.Net.Layers, tags+boxes, boxes, ff)
		for _, length := range []float64{text, boxes} {
			read := 1.
			if s.Net.MeanPool {
				read = length
			}
			add(s.Net.MatchLayers, length, read, matchFF)
		}
		words, regions = words+text, regions+boxes
	}
	rest := 3*2*words*regions*h + 2*2*regions*float64(s.Net.RegionDim)*h
	return done + rest, all + rest
}

// A Step is a step of some size, ready to be timed.
type Step struct {
	Batch *dataset.Batch
	step  *step.Step
	opt   *optim.Optimizer
	rng   *rand.Rand
}

// Compile compiles the step for a device.
func (s Size) Compile(device string, change func(cfg *config.Config)) (*Step, error) {
	net := s.Net
	net.Vocab, net.MaxPositions, net.Types, net.LayerNormEps, net.MatchHeads = 30522, 64, 2, 1e-12, 4
	cfg := config.Default()
	for _, f := range []func(cfg *config.Config){s.train, change} {
		if f != nil {
			f(&cfg)
		}
	}
	batch, err := s.newBatch()
	if err != nil {
		return nil, err
	}
	batch.Softness = float32(cfg.Training.Softness)
	compiled, err := step.New(net, &cfg, param.NewSet(), step.Options{Distil: true, Full: !s.ragged, Like: batch, Device: device})
	if err != nil {
		return nil, err
	}
	return &Step{batch, compiled, optim.New(compiled.Params, cfg), rand.New(rand.NewPCG(1, 1))}, nil
}

// Run makes a step: forward, backward, clipping, Adam. busy is the time of it that ONNX Runtime and the optimiser took.
func (w *Step) Run(ctx context.Context) (busy time.Duration, err error) {
	res, err := w.step.Run(ctx, w.rng, w.Batch)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	w.opt.Apply(w.step.Params, res.Grads, 1e-5)
	return res.Runtime + time.Since(start), nil
}

// Close frees the step.
func (w *Step) Close() error { return w.step.Close() }

func (s Size) newBatch() (*dataset.Batch, error) {
	rng := rand.New(rand.NewPCG(2, 2))
	tokens := func(n int) []int64 {
		ids := make([]int64, n)
		for i := range ids {
			ids[i] = int64(1000 + rng.IntN(20000))
		}
		return ids
	}
	length := func(longest int) int {
		if !s.ragged {
			return longest
		}
		return min(max(3, int(float64(longest)*(0.42+0.15*rng.NormFloat64()))), longest)
	}
	var caps, tags [][]int64
	var counts []int
	for range s.Batch {
		caps, tags, counts = append(caps, tokens(length(s.text))), append(tags, tokens(length(s.tags))), append(counts, s.boxes)
	}
	return toy.Batch(caps, tags, counts, s.Net.RegionDim, rng)
}

// A Product multiplies two square matrices in ONNX Runtime: what a step is measured against.
type Product struct {
	FLOPs   float64
	session *ort.Session
	binding *ort.Binding
}

// NewProduct compiles a product of two size×size matrices.
func NewProduct(size int) (*Product, error) {
	g := onnx.NewBuilder()
	g.Output("z", g.MatMul(g.Input("x", onnx.Float, onnx.Of(size, size)), g.Input("y", onnx.Float, onnx.Of(size, size))))
	m, err := g.Model("product")
	if err != nil {
		return nil, err
	}
	p := &Product{FLOPs: 2 * float64(size*size*size)}
	if p.session, err = ort.Load(m.Marshal(), &ort.Options{Spin: true}); err != nil {
		return nil, err
	}
	if p.binding, err = p.session.Bind(); err != nil {
		p.session.Close()
		return nil, err
	}
	for name, bind := range map[string]func(string, *ort.Tensor) error{"x": p.binding.Input, "y": p.binding.Input, "z": p.binding.Output} {
		data := make([]float32, size*size)
		for i := range data {
			data[i] = rand.Float32()
		}
		if err := bind(name, ort.Float32([]int64{int64(size), int64(size)}, data)); err != nil {
			p.Close()
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return p, nil
}

// Run multiplies once.
func (p *Product) Run(ctx context.Context) error { return p.binding.Run(ctx) }

// Close frees the session.
func (p *Product) Close() {
	p.binding.Close()
	p.session.Close()
}
