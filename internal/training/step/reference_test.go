package step

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/onnxref"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/grad"
	"github.com/aladin-go/aladin/internal/training/loss"
	"github.com/aladin-go/aladin/internal/training/toy"
)

// A refGraph is a training graph as the float64 reference evaluates it.
type refGraph struct {
	*testing.T
	b     *onnx.Builder
	loss  *onnx.Value
	wrt   []*onnx.Value
	grads []*onnx.Value // dense, of wrt; nil where the loss does not depend on it
}

// differentiate finishes a graph with the gradients of a loss.
func differentiate(t *testing.T, b *onnx.Builder, loss *onnx.Value, wrt []*onnx.Value) *refGraph {
	gs, err := grad.Gradients(b, loss, wrt)
	require.NoError(t, err)
	g := &refGraph{T: t, b: b, loss: loss, wrt: wrt}
	for i, grad := range gs {
		v := grad.Dense
		for _, r := range grad.Rows {
			if v == nil {
				v = b.Zeros(wrt[i].Shape...)
			}
			v = b.ScatterRows(v, r.Indices, r.Values)
		}
		g.grads = append(g.grads, v)
	}
	require.NoError(t, b.Err())
	return g
}

// check holds the gradients against central differences: every element of small inputs, else a random
// direction through all of them and a few elements.
func (g *refGraph) check(in map[string]*onnxref.Tensor, rng *rand.Rand) {
	g.Helper()
	got, err := onnxref.Eval(g.b, in, g.present()...)
	require.NoError(g, err)
	k := 0
	for i, v := range g.wrt {
		if g.grads[i] == nil {
			continue
		}
		grad := got[k].F
		k++
		directions := [][]float64{}
		if len(grad) <= 12 {
			for e := range grad {
				d := make([]float64, len(grad))
				d[e] = 1
				directions = append(directions, d)
			}
		} else {
			d := make([]float64, len(grad))
			for e := range d {
				d[e] = rng.NormFloat64()
			}
			directions = append(directions, d)
		}
		for _, d := range directions {
			want, err := onnxref.Along(g.b, in, g.loss, map[string][]float64{v.Name: d}, 1e-6)
			require.NoError(g, err)
			have := 0.0
			for e := range d {
				have += d[e] * grad[e]
			}
			require.InDelta(g, want, have, 2e-5*max(1, math.Abs(want)), "%s", v.Name)
		}
	}
}

func (g *refGraph) present() []*onnx.Value {
	var out []*onnx.Value
	for _, v := range g.grads {
		if v != nil {
			out = append(out, v)
		}
	}
	return out
}

// random is a tensor of normal values.
func random(rng *rand.Rand, scale float64, shape ...int) *onnxref.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	data := make([]float64, n)
	for i := range data {
		data[i] = scale * rng.NormFloat64()
	}
	return onnxref.Floats(data, shape...)
}

// trainingGraph is what New compiles, for the reference.
func trainingGraph(t *testing.T, net nn.Config, cfg *config.Config, opts Options) (*refGraph, []nn.Param) {
	opts.Distil, opts.NoDropout = true, true
	b, source, total, err := (&Step{}).build(net, cfg, opts)
	require.NoError(t, err)
	var wrt []*onnx.Value
	for i, v := range source.Values {
		if !Frozen(cfg, source.Params[i]) {
			wrt = append(wrt, v)
		}
	}
	return differentiate(t, b, total, wrt), source.Params
}

// parameters draws values for all parameters: scales around 1, the rest around their start.
func parameters(rng *rand.Rand, list []nn.Param) map[string]*onnxref.Tensor {
	out := map[string]*onnxref.Tensor{}
	for _, p := range list {
		x := random(rng, 0.4, p.Shape...)
		for i := range x.F {
			x.F[i] += float64(p.Init.Value)
		}
		out[p.Name] = x
	}
	return out
}

// referenceInputs are a batch as the reference reads it.
func referenceInputs(batch *dataset.Batch) map[string]*onnxref.Tensor {
	c, m := &batch.Captions, &batch.Images
	in := map[string]*onnxref.Tensor{
		"cap_mask": onnxref.Ints(c.Mask, c.B, c.T), "label_types": onnxref.Ints(m.LabelTypes, m.B, m.L), "label_mask": onnxref.Ints(m.LabelMask, m.B, m.L),
		"regions": doubles(m.Regions, m.B, m.R, m.F), "region_mask": onnxref.Ints(m.RegionMask, m.B, m.R),
		"softness": onnxref.Floats([]float64{float64(batch.Softness)}, 1),
	}
	if c.Dim > 0 {
		in["cap_clip"] = doubles(c.Vectors, c.B, c.T, c.Dim)
	} else {
		in["cap_ids"] = onnxref.Ints(c.IDs, c.B, c.T)
	}
	if m.LabelDim > 0 {
		in["label_clip"] = doubles(m.LabelVectors, m.B, m.L, m.LabelDim)
	} else {
		in["label_ids"] = onnxref.Ints(m.LabelIDs, m.B, m.L)
	}
	return in
}

func doubles(v []float32, shape ...int) *onnxref.Tensor {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return onnxref.Floats(out, shape...)
}

func merge(maps ...map[string]*onnxref.Tensor) map[string]*onnxref.Tensor {
	out := map[string]*onnxref.Tensor{}
	for _, m := range maps {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// smallNet is a network small enough for differences.
func smallNet() nn.Config {
	return nn.Config{
		Layers: 1, Hidden: 4, Heads: 2, FF: 5, Vocab: 11, MaxPositions: 9, Types: 2, LayerNormEps: 1e-12,
		RegionDim: 3, MatchLayers: 1, MatchHeads: 2, MatchFF: 5, Alignment: "MrSw",
	}
}

func TestNetworkGradients(t *testing.T) {
	nets := map[string]func(c *nn.Config){
		"as published": func(c *nn.Config) { c.ReleasedAlignment, c.RegionLayerNorm, c.RegionLayerNormEps = true, true, 1e-5 },
		"pre-norm": func(c *nn.Config) {
			c.PreNorm, c.MeanPool, c.WordGates, c.Standardise, c.AlignProjection, c.MatchProjection = true, true, true, true, true, true
		},
		"layers before alignment":  func(c *nn.Config) { c.AlignLayers, c.MatchLayers = 1, 0 },
		"layers of each side":      func(c *nn.Config) { c.AlignLayers, c.SeparateAlign = 1, true },
		"depth gated, post layers": func(c *nn.Config) { c.DepthAggregation, c.PostLayers = "gated", 1 },
		"depth mean, of both":      func(c *nn.Config) { c.DepthAggregation, c.AlignDepthAggregation = "mean", "gated" },
		"Detic":                    func(c *nn.Config) { c.RegionDim, c.DeticIn, c.DeticHidden = nn.DeticDim+2, 3, 4 },
		"stop words":               func(c *nn.Config) { c.StopWords, c.WordGates = true, true },
		"no layers":                func(c *nn.Config) { c.Layers, c.MatchLayers, c.MeanPool = 0, 0, true },
		"global pair, gated mean": func(c *nn.Config) {
			c.GlobalPair, c.Alignment, c.MeanPool, c.WordGates, c.GatedMean = 0.5, nn.MrCOSw, true, true, true
		},
		"phrases": func(c *nn.Config) { c.TextLocality, c.WordContext, c.Alignment, c.WordGates = 2, 0.5, nn.MrCOSw, true },
		"CLIP":    func(c *nn.Config) { c.CLIPCaptions, c.CLIPLabels, c.Alignment = 5, 3, "MrAVGw" },
	}
	for name, change := range nets {
		t.Run(name, func(t *testing.T) {
			net := smallNet()
			change(&net)
			cfg := config.Default()
			cfg.Training.LossWeights = config.Weights{Auto: true}
			cfg.Training.AlignContrast = "infonce"
			cfg.Training.Softness = 0.3
			for losses, full := range map[string]bool{"alignment-distillation-matching-entropy": false, "alignment-distillation-matching-entropy-regularizehidden": true} {
				cfg.Training.LossType, cfg.Training.MaxViolation, cfg.Training.GradientCheckpointing = losses, full, full
				g, list := trainingGraph(t, net, &cfg, Options{Full: full})
				rng := rand.New(rand.NewPCG(5, 6))
				batch := randomBatch(t, rng, net, 3)
				batch.Softness = 0.3
				readCLIP(batch, rng, net)
				g.check(merge(referenceInputs(batch), parameters(rng, list)), rng)
			}
		})
	}
}

// Every shipped configuration, on a small network of its heads.
func TestConfigGradients(t *testing.T) {
	names := config.Names()
	require.NotEmpty(t, names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			cfg, err := config.Load(name)
			require.NoError(t, err)
			net := smallNet()
			net.ReleasedAlignment = cfg.Model.ReleasedAlignment
			net.AlignLayers, net.SeparateAlign, net.Alignment = cfg.Model.TeranLayers, !cfg.Model.SharedTransformer, cfg.Training.AlignmentMode
			g, list := trainingGraph(t, net, cfg, Options{})
			rng := rand.New(rand.NewPCG(7, 8))
			batch := randomBatch(t, rng, net, 3)
			in := merge(referenceInputs(batch), parameters(rng, list))
			batch.Softness = float32(cfg.Training.Softness)
			in["softness"] = onnxref.Floats([]float64{max(cfg.Training.Softness, 0.1)}, 1)
			direction := map[string][]float64{}
			got, err := onnxref.Eval(g.b, in, g.present()...)
			require.NoError(t, err)
			have, k := 0.0, 0
			for i, v := range g.wrt {
				if g.grads[i] == nil {
					continue
				}
				d := random(rng, 1, len(got[k].F)).F
				direction[v.Name] = d
				for e := range d {
					have += d[e] * got[k].F[e]
				}
				k++
			}
			want, err := onnxref.Along(g.b, in, g.loss, direction, 1e-6)
			require.NoError(t, err)
			require.InDelta(t, want, have, 1e-5*max(1, math.Abs(want)))
			require.NotZero(t, want)
		})
	}
}

// randomBatch draws a ragged batch for a network: among the captions one of a single piece.
func randomBatch(t *testing.T, rng *rand.Rand, net nn.Config, size int) *dataset.Batch {
	var caps, tags [][]int64
	var counts []int
	tokens := func(n int) []int64 {
		ids := []int64{1}
		for range n {
			ids = append(ids, int64(4+rng.IntN(net.Vocab-4)))
		}
		return append(ids, 2)
	}
	for i := range size {
		caps = append(caps, tokens([]int{1, 3, 2}[i%3]))
		tags = append(tags, tokens(1+i%2))
		counts = append(counts, []int{3, 1, 2}[i%3])
	}
	batch, err := toy.Batch(caps, tags, counts, net.RegionDim, rng)
	require.NoError(t, err)
	if net.DeticHidden > 0 { // every second region is of the second detector
		for i := range batch.Images.Regions {
			if row := i / net.RegionDim; row%2 == 1 && i%net.RegionDim >= nn.DeticDim {
				batch.Images.Regions[i] = 0
			}
		}
	}
	return batch
}

func TestLossGradients(t *testing.T) {
	for _, c := range lossCases() {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{2, 3, 5} {
				b := onnx.NewBuilder()
				source := &nn.Inputs{}
				n, err := nn.New(b, smallNet(), source)
				require.NoError(t, err)
				image := b.Input("image", onnx.Float, onnx.Of("B", 4))
				text := b.Input("text", onnx.Float, onnx.Of("B", 4))
				teacher := b.Input("teacher", onnx.Float, onnx.Of("B", "B"))
				loss, err := c.build(loss.Builder{B: b, Net: n}, image, text, teacher)
				require.NoError(t, err)
				out := b.Reshape(loss, onnx.D(1))
				g := differentiate(t, b, out, append([]*onnx.Value{image, text, teacher}, source.Values...))
				require.Nil(t, g.grads[2], "a gradient flows to the teacher")
				for seed := range uint64(3) {
					rng := rand.New(rand.NewPCG(seed, uint64(size)))
					in := merge(parameters(rng, source.Params), map[string]*onnxref.Tensor{
						"image": units(rng, size, 4), "text": units(rng, size, 4), "teacher": random(rng, 0.5, size, size)})
					value, err := onnxref.Eval(b, in, out)
					require.NoError(t, err)
					want := c.plain(rows(in["image"]), rows(in["text"]), rows(in["teacher"]), in)
					require.InDelta(t, want, value[0].F[0], 1e-6*max(1, math.Abs(want)), "batch of %d: the loss", size)
					g.check(in, rng)
				}
			}
		})
	}
}

// units are n unit vectors.
func units(rng *rand.Rand, n, d int) *onnxref.Tensor {
	x := random(rng, 1, n, d)
	for i := range n {
		norm := 0.0
		for _, v := range x.F[i*d:][:d] {
			norm += v * v
		}
		for k := range d {
			x.F[i*d+k] /= math.Sqrt(norm)
		}
	}
	return x
}

func rows(t *onnxref.Tensor) [][]float64 {
	n := t.Shape[len(t.Shape)-1]
	var out [][]float64
	for i := 0; i < len(t.F); i += n {
		out = append(out, t.F[i:i+n])
	}
	return out
}
