package step

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/onnxref"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/param"
	"github.com/aladin-go/aladin/internal/training/toy"
)

// drawn are random parameters for a network.
func drawn(list []nn.Param) *param.Set {
	rng := rand.New(rand.NewPCG(11, 12))
	p := param.NewSet()
	for _, want := range list {
		data := make([]float32, want.Len())
		for i := range data {
			data[i] = want.Init.Value + float32(0.4*rng.NormFloat64())
		}
		p.Set(want.Name, want.Shape, data)
	}
	return p
}

// compiled is a step without dropout on random parameters.
func compiled(t *testing.T, net nn.Config, cfg *config.Config) *Step {
	t.Helper()
	list, err := nn.Parameters(net)
	require.NoError(t, err)
	s, err := New(net, cfg, drawn(list), Options{Threads: 1, Distil: true, NoDropout: true})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// result runs a step and copies its gradients, densely.
func result(t *testing.T, s *Step, b *dataset.Batch) (losses []float64, grads map[string][]float32) {
	t.Helper()
	res, err := s.Run(t.Context(), nil, b)
	require.NoError(t, err)
	return slices.Clone(res.Losses), densely(s.Params, res.Grads)
}

func densely(params *param.Set, grads []optim.Gradient) map[string][]float32 {
	out := map[string][]float32{}
	for _, g := range grads {
		dense := make([]float32, len(params.Lookup(g.Name).Data))
		if g.Index == nil {
			copy(dense, g.Grad)
		}
		for i, row := range g.Index {
			copy(dense[row*g.Width:], g.Grad[i*g.Width:(i+1)*g.Width])
		}
		out[g.Name] = dense
	}
	return out
}

func sameGradients(t *testing.T, want, got map[string][]float32) {
	t.Helper()
	require.Equal(t, len(want), len(got))
	for name, w := range want {
		scale := 0.05
		for _, x := range w {
			scale = max(scale, math.Abs(float64(x)))
		}
		if strings.HasSuffix(name, "key.bias") {
			continue // zero but for noise, which grows with what cancels
		}
		for i, x := range w {
			require.InDelta(t, x, got[name][i], 2e-5*scale, "%s[%d]", name, i)
		}
	}
}

// everything is a configuration with all parts of the loss.
func everything() *config.Config {
	cfg := config.Default()
	cfg.Training.LossType = "alignment-distillation-matching-entropy"
	cfg.Training.Softness = 0.3
	cfg.Training.AlignContrast = "infonce"
	return &cfg
}

func everyNet() nn.Config {
	net := smallNet()
	net.Hidden, net.FF, net.WordGates, net.AlignLayers = 8, 10, true, 1
	return net
}

// batchOf joins captions, tags and regions again after fn has changed them.
type parts struct {
	caps, tags [][]int64
	regions    [][]float32 // row-major
	dim        int
}

func (p parts) batch(t *testing.T, extraTokens, extraRegions int) *dataset.Batch {
	t.Helper()
	// Padding comes from a longer neighbour that is then cut off.
	caps, tags, counts := slices.Clone(p.caps), slices.Clone(p.tags), make([]int, len(p.caps))
	longest := func(seqs [][]int64) int {
		n := 0
		for _, s := range seqs {
			n = max(n, len(s))
		}
		return n
	}
	most := 0
	for i, r := range p.regions {
		counts[i] = len(r) / p.dim
		most = max(most, counts[i])
	}
	caps = append(caps, make([]int64, longest(caps)+extraTokens))
	tags = append(tags, make([]int64, longest(tags)+extraTokens))
	counts = append(counts, most+extraRegions)
	b, err := toy.Batch(caps, tags, counts, p.dim, rand.New(rand.NewPCG(9, 9)))
	require.NoError(t, err)
	n := len(p.caps)
	c, m := &b.Captions, &b.Images
	c.B, c.IDs, c.Mask = n, c.IDs[:n*c.T], c.Mask[:n*c.T]
	m.B, m.LabelIDs, m.LabelTypes, m.LabelMask = n, m.LabelIDs[:n*m.L], m.LabelTypes[:n*m.L], m.LabelMask[:n*m.L]
	m.Regions, m.RegionMask = m.Regions[:n*m.R*m.F], m.RegionMask[:n*m.R]
	for i, r := range p.regions {
		copy(m.Regions[i*m.R*m.F:], r)
	}
	b.Pairs, b.Softness = b.Pairs[:n], 0.3
	return b
}

func randomParts(rng *rand.Rand, net nn.Config, size int) parts {
	p := parts{dim: net.RegionDim}
	tokens := func(n int) []int64 {
		ids := []int64{1}
		for range n {
			ids = append(ids, int64(4+rng.IntN(net.Vocab-4)))
		}
		return append(ids, 2)
	}
	for i := range size {
		p.caps = append(p.caps, tokens([]int{1, 3, 2, 0}[i%4]))
		p.tags = append(p.tags, tokens(i%3))
		r := make([]float32, []int{3, 1, 2}[i%3]*net.RegionDim)
		for k := range r {
			r[k] = float32(rng.NormFloat64())
		}
		p.regions = append(p.regions, r)
	}
	return p
}

// Permuting a batch permutes its gradients, which is to say that it changes none of the parameters', in every mode of
// alignment and distillation and with every measure.
func TestPermutedBatch(t *testing.T) {
	for i, mode := range nn.AlignmentModes {
		for _, released := range []bool{false, true} {
			net, cfg := safeNet(i, mode, released)
			g, list := trainingGraph(t, net, cfg, Options{})
			rng := rand.New(rand.NewPCG(1, 2))
			params := parameters(rng, list)
			p := randomParts(rng, net, 6)
			for k := range p.caps { // where nothing is to be compared all scores are alike, and which comes first may matter
				for len(p.caps[k]) < 5+k%3 {
					p.caps[k] = append([]int64{1, int64(4 + rng.IntN(net.Vocab-4))}, p.caps[k][1:]...)
				}
				p.regions[k] = toy.Normals(rng, (3+k%3)*p.dim)
			}
			q := parts{dim: p.dim}
			for _, k := range rng.Perm(6) {
				q.caps, q.tags, q.regions = append(q.caps, p.caps[k]), append(q.tags, p.tags[k]), append(q.regions, p.regions[k])
			}
			want, err := onnxref.Eval(g.b, merge(referenceInputs(p.batch(t, 0, 0)), params), append(g.present(), g.loss)...)
			require.NoError(t, err)
			require.NotEmpty(t, g.present())
			others := []*dataset.Batch{q.batch(t, 0, 0)}
			if !released && !slices.Contains(cfg.Losses(), "regularizehidden") { // nor does padding change anything
				others = append(others, p.batch(t, 2, 3))
			}
			for _, other := range others {
				got, err := onnxref.Eval(g.b, merge(referenceInputs(other), params), append(g.present(), g.loss)...)
				require.NoError(t, err)
				for k := range want {
					scale := 1.0
					for _, x := range want[k].F {
						scale = max(scale, math.Abs(x))
					}
					require.InDeltaSlice(t, want[k].F, got[k].F, 1e-8*scale, "%s, released %v: %d", mode, released, k)
				}
			}
		}
	}
}

// With every mode and in a network of either kind, padding changes nothing.
func TestPaddedBatch(t *testing.T) {
	toy.NeedRuntime(t)
	pre := everyNet()
	pre.PreNorm, pre.MeanPool, pre.Standardise, pre.DepthAggregation = true, true, true, "gated"
	for _, mode := range nn.AlignmentModes {
		net := everyNet()
		if mode == "symm" || mode == "mean" {
			net = pre
		}
		net.Alignment = mode
		s := compiled(t, net, everything())
		p := randomParts(rand.New(rand.NewPCG(3, 4)), net, 5)
		losses, grads := result(t, s, p.batch(t, 0, 0))
		for _, x := range losses {
			require.True(t, optim.Finite(x), mode)
		}
		wider, regrads := result(t, s, p.batch(t, 2, 3))
		require.InDeltaSlice(t, losses, wider, 1e-4, mode)
		sameGradients(t, grads, regrads)
	}
}

// The runtime's step agrees with the float64 reference, sparse gradients with dense ones.
func TestStepAgainstReference(t *testing.T) {
	toy.NeedRuntime(t)
	net, cfg := everyNet(), everything()
	s := compiled(t, net, cfg)
	batch := randomParts(rand.New(rand.NewPCG(5, 6)), net, 5).batch(t, 0, 0)
	losses, grads := result(t, s, batch)
	sparse := 0
	res, err := s.Run(t.Context(), nil, batch)
	require.NoError(t, err)
	for _, g := range res.Grads {
		if g.Index != nil {
			sparse++
			require.True(t, slices.IsSorted(g.Index), g.Name)
			require.Equal(t, len(g.Index), len(slices.Compact(slices.Clone(g.Index))), g.Name)
			require.Len(t, g.Grad, len(g.Index)*g.Width, g.Name)
		}
	}
	require.GreaterOrEqual(t, sparse, 2, "words and gates are looked up")

	ref, list := trainingGraph(t, net, cfg, Options{})
	in := referenceInputs(batch)
	for _, p := range list {
		data := s.Params.Lookup(p.Name).Data
		x := make([]float64, len(data))
		for i, v := range data {
			x[i] = float64(v)
		}
		in[p.Name] = onnxref.Floats(x, p.Shape...)
	}
	out, err := onnxref.Eval(ref.b, in, append([]*onnx.Value{ref.loss}, ref.present()...)...)
	require.NoError(t, err)
	require.InDelta(t, out[0].F[0], losses[0], 1e-4)
	want := map[string][]float32{}
	k := 1
	for i, v := range ref.wrt {
		if ref.grads[i] != nil {
			for _, x := range out[k].F {
				want[v.Name] = append(want[v.Name], float32(x))
			}
			k++
		}
	}
	sameGradients(t, want, grads)
}

// A frozen backbone gets no gradient and never moves, weight decay and averages notwithstanding, and so it is with all
// that comes before alignment.
func TestFrozen(t *testing.T) {
	toy.NeedRuntime(t)
	for name, change := range map[string]func(net *nn.Config, cfg *config.Config){
		"matching": func(*nn.Config, *config.Config) {},
		"all losses": func(net *nn.Config, cfg *config.Config) {
			net.SeparateAlign, net.AlignProjection, net.MatchProjection, net.AlignDepthAggregation = true, true, true, "gated"
			cfg.Training.LossType = "alignment-matching-distillation-entropy"
		},
		"as released": func(_ *nn.Config, cfg *config.Config) { cfg.Model.FrozenDropout = true },
		"in the graph": func(_ *nn.Config, cfg *config.Config) {
			cfg.Training.LossType, cfg.Training.AccumulateInGraph, cfg.Training.GradientCheckpointing = "matching-distillation", true, true
		},
	} {
		net := everyNet()
		net.Standardise = true
		cfg := config.Default()
		cfg.Model.FreezeTeran, cfg.Training.LossType = true, "matching"
		cfg.Training.WeightDecay, cfg.Training.Optimizer = 0.1, "adamw"
		change(&net, &cfg)
		list, err := nn.Parameters(net)
		require.NoError(t, err)
		s, err := New(net, &cfg, drawn(list), Options{Threads: 1, Distil: true, Together: cfg.Training.AccumulateInGraph})
		require.NoError(t, err)
		defer s.Close()
		// Its dropout is on as in the released code only where that is asked for.
		inside := slices.ContainsFunc(s.drops.sites, func(s site) bool { return s.place != "head" })
		require.Equal(t, cfg.Model.FrozenDropout, inside, name)
		opt := optim.New(s.Params, cfg)
		before, average := s.Params.Clone(), s.Params.Clone()
		opt.Average(average, 0.5)
		rng := rand.New(rand.NewPCG(5, 6))
		for range 3 {
			b := randomParts(rng, net, 5).batch(t, 0, 0)
			batches := []*dataset.Batch{b}
			if s.together {
				batches = append(batches, b)
			}
			res, err := s.Run(t.Context(), rng, batches...)
			require.NoError(t, err)
			opt.Apply(s.Params, res.Grads, 0.1)
		}
		moved := 0
		for _, p := range s.Params.All() {
			was := before.Lookup(p.Name).Data
			same := slices.Equal(p.Data, was)
			frozen := p.Name == nn.RegionMean || p.Name == nn.RegionScale || p.Name == nn.WordGateTable && !strings.Contains(cfg.Training.LossType, "alignment")
			for _, part := range []string{"oscar_model.", "transformer_encoder_", "align_", "model_alignment.", "feature_fusion."} {
				frozen = frozen || strings.Contains(p.Name, part)
			}
			require.Equal(t, frozen, same, "%s: %s", name, p.Name)
			require.Equal(t, frozen, slices.Equal(average.Lookup(p.Name).Data, was), "%s: average of %s", name, p.Name)
			if !same {
				moved++
			}
		}
		require.NotZero(t, moved)
	}
}

func TestAccumulate(t *testing.T) {
	toy.NeedRuntime(t)
	net := everyNet()
	s := compiled(t, net, everything())
	rng := rand.New(rand.NewPCG(7, 8))
	var acc optim.Accumulator
	mean := map[string][]float32{}
	for range 3 {
		res, err := s.Run(t.Context(), nil, randomParts(rng, net, 4).batch(t, 0, 0))
		require.NoError(t, err)
		acc.Add(res.Grads)
		for name, g := range densely(s.Params, res.Grads) {
			if mean[name] == nil {
				mean[name] = make([]float32, len(g))
			}
			for i, x := range g {
				mean[name][i] += x / 3
			}
		}
	}
	got := acc.Mean()
	for _, g := range got {
		require.True(t, slices.IsSorted(g.Index))
	}
	sameGradients(t, mean, densely(s.Params, got))
	require.Zero(t, acc.N)
}

// Where the released code divides by nothing or by what is negative, everything here stays finite: in every mode of
// alignment and distillation, with every measure.
func TestNumericallySafe(t *testing.T) {
	toy.NeedRuntime(t)
	captions := func(ids ...int64) func(p *parts) {
		return func(p *parts) {
			for i := range p.caps {
				p.caps[i] = append(append([]int64{1}, ids...), 2)
			}
		}
	}
	cases := map[string]struct {
		size   int
		change func(p *parts)
	}{
		"captions of one piece": {4, captions(9)},
		"empty captions":        {4, captions()},
		"stop words only":       {4, captions(5, 4, 6)},
		"one says something":    {3, func(p *parts) { captions(5, 6)(p); p.caps[1] = []int64{1, 9, 5, 2} }},
		"images of one region": {4, func(p *parts) {
			for i := range p.regions {
				p.regions[i] = p.regions[i][:p.dim]
			}
		}},
		"a batch of two": {2, func(p *parts) {}},
		"a batch of one": {1, func(p *parts) {}},
		"identical pairs": {3, func(p *parts) {
			for i := range p.caps {
				p.caps[i], p.tags[i], p.regions[i] = p.caps[1], p.tags[1], p.regions[1]
			}
		}},
		"features of zero": {4, func(p *parts) {
			for i := range p.regions {
				clear(p.regions[i])
			}
		}},
	}
	for i, mode := range nn.AlignmentModes {
		for _, released := range []bool{false, true} {
			net, cfg := safeNet(i, mode, released)
			what := fmt.Sprintf("%s, released %v, %s, %s, %s", mode, released, cfg.Training.DistillationMode, cfg.Training.Measure, cfg.Training.LossType)
			step := compiled(t, net, cfg)
			if kept := step.Params.Lookup(nn.KeptWords); kept != nil {
				for id := range kept.Data {
					kept.Data[id] = float32(min(id/8, 1)) // 4 to 7 are stop words
				}
			}
			for name, c := range cases {
				for extra := range 2 {
					p := randomParts(rand.New(rand.NewPCG(5, 6)), net, c.size)
					c.change(&p)
					losses, grads := result(t, step, p.batch(t, extra, extra))
					for i, x := range losses {
						require.True(t, optim.Finite(x), "%s, %s: loss %d is %g", name, what, i, x)
					}
					for param, g := range grads {
						for _, x := range g {
							require.True(t, optim.Finite(float64(x)) && math.Abs(float64(x)) < 1e7, "%s, %s: gradient of %s: %g", name, what, param, x)
						}
					}
				}
			}
		}
	}
}

// safeNet is the i-th mode of alignment with some of the other choices that there are, so that all come up.
func safeNet(i int, mode string, released bool) (nn.Config, *config.Config) {
	net, cfg := smallNet(), everything()
	net.Alignment, net.ReleasedAlignment, net.Layers, net.MatchLayers = mode, released, i%2, i%2
	net.PreNorm, net.MeanPool, net.StopWords = i%3 == 0, i%3 == 1, i%3 != 2
	net.WordGates = !released
	net.GatedMean = net.WordGates && net.MeanPool
	t := &cfg.Training
	k := i
	if released {
		k += len(nn.AlignmentModes)
	} else if mode == nn.MrCOSw {
		net.GlobalPair, net.TextLocality, net.WordContext = 0.5, 2, 0.5
	}
	t.DistillationMode, t.Measure = config.DistillationModes[k%len(config.DistillationModes)], config.Measures[k%len(config.Measures)]
	t.Softness, t.MaxViolation, t.LossWeights.Auto = 0.3*float64(k%2), k%4 < 2, k%5 == 0
	if k%3 == 0 {
		t.AlignContrast = "triplet"
	}
	if k%3 == 1 {
		t.Contrast = "infonce"
	}
	if k%4 == 3 {
		t.LossType += "-regularizehidden"
	}
	return net, cfg
}

// Leaving out the padding changes nothing but the last digits.
func TestPacked(t *testing.T) {
	toy.NeedRuntime(t)
	var nets []nn.Config
	for _, mode := range nn.AlignmentModes {
		net := everyNet()
		net.Alignment = mode
		nets = append(nets, net)
		net.PreNorm, net.MeanPool, net.ReleasedAlignment = true, true, true
		nets = append(nets, net)
	}
	for i, net := range nets {
		cfg := everything()
		if i%2 == 0 {
			cfg.Training.Softness = 0
		}
		list, err := nn.Parameters(net)
		require.NoError(t, err)
		full, err := New(net, cfg, drawn(list), Options{Threads: 1, Distil: true, NoDropout: true, Full: true})
		require.NoError(t, err)
		packed := compiled(t, net, cfg)
		p := randomParts(rand.New(rand.NewPCG(7, uint64(i))), net, 5)
		for _, extra := range []int{0, 3} {
			batch := p.batch(t, extra, extra)
			batch.Softness = 0.3
			losses, grads := result(t, full, batch)
			got, gotGrads := result(t, packed, batch)
			require.InDeltaSlice(t, losses, got, 2e-5, "%s", net.Alignment)
			sameGradients(t, grads, gotGrads)
		}
		require.NoError(t, full.Close())
	}
}

// Padding has no rows in a step but where positions matter: what works on single rows is as large as the tokens
// that are there, whatever they are padded to.
func TestPaddingHasNoRows(t *testing.T) {
	cfg := config.Default()
	step := &Step{}
	_, _, _, err := step.build(smallNet(), &cfg, Options{Distil: true})
	require.NoError(t, err)
	tight := map[string]int{"B": 4, "T": 9, "L": 5, "R": 6, nn.KeptDim("B", "T"): 20, nn.KeptDim("B", "L"): 12, nn.KeptDim("B", "R"): 15}
	wide := map[string]int{"B": 4, "T": 19, "L": 15, "R": 16, nn.KeptDim("B", "T"): 20, nn.KeptDim("B", "L"): 12, nn.KeptDim("B", "R"): 15}
	rows := 0
	for _, s := range step.drops.sites {
		if len(s.shape) == 4 { // weights of attention
			continue
		}
		for _, d := range s.shape {
			x, err := d.Eval(tight)
			require.NoError(t, err)
			y, err := d.Eval(wide)
			require.NoError(t, err)
			require.Equal(t, x, y, "%s: %v", s.place, s.shape)
		}
		rows++
	}
	require.Greater(t, rows, 6)
}
