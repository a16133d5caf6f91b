package step

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/shareddata"
	"github.com/aladin-go/aladin/internal/torch"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/param"
)

// tinyNet is the network of the parity fixtures, as their README states it.
func tinyNet() nn.Config {
	return nn.Config{
		Layers: 3, Hidden: 48, Heads: 4, FF: 96, Vocab: 300, MaxPositions: 64, Types: 2, LayerNormEps: 1e-12,
		RegionDim: 26, RegionLayerNorm: true, RegionLayerNormEps: 1e-12,
		MatchLayers: 2, MatchHeads: 4, MatchFF: 48, Alignment: "MrSw", ReleasedAlignment: true,
	}
}

type fixture struct {
	*testing.T
	dir string
	npz *npy.Archive
}

func openFixture(t *testing.T) fixture {
	dir := shareddata.Dir(t, "aladin-tiny")
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	z, err := npy.OpenZ(filepath.Join(dir, "expected.npz"))
	require.NoError(t, err)
	t.Cleanup(func() { z.Close() })
	return fixture{t, dir, z}
}

func (f fixture) floats(name string) []float64 {
	a, err := f.npz.Read(name)
	require.NoError(f, err, name)
	v, err := a.Float64s()
	require.NoError(f, err)
	return v
}

func (f fixture) ints(name string) []int64 {
	a, err := f.npz.Read(name)
	require.NoError(f, err, name)
	v, err := a.Int64s()
	require.NoError(f, err)
	return v
}

// checkpoint reads the parameters of one of the fixture's checkpoints.
func (f fixture) checkpoint(name string) (*param.Set, torchFile) {
	file, err := torch.Open(filepath.Join(f.dir, name))
	require.NoError(f, err)
	f.Cleanup(func() { file.Close() })
	v := file.Value()
	model, err := torch.Lookup(v, "model")
	require.NoError(f, err)
	params := param.NewSet()
	for key, value := range model.(*torch.Dict).All() {
		x := value.(*torch.Tensor)
		data, err := x.Float32()
		require.NoError(f, err)
		params.Set(key.(string), x.Shape, append([]float32(nil), data...))
	}
	return params, torchFile{f, v}
}

type torchFile struct {
	fixture
	v any
}

// batch is the fixture's twelve pairs, trimmed to the longest caption and image as the collate does.
func (f fixture) batch(images, captions []int64) *dataset.Batch {
	const l, r, dim = 16, 10, 26
	capIDs, capLen := f.ints("inputs/cap_ids"), f.ints("inputs/cap_len")
	imgIDs, imgMask, imgLen := f.ints("inputs/img_ids"), f.ints("inputs/img_mask"), f.ints("inputs/img_len")
	feats := f.floats("inputs/img_feats")
	var caps, labels [][]int64
	var sets []*region.Set
	for i := range images {
		c, im := int(captions[i]), int(images[i])
		caps = append(caps, capIDs[c*l:][:capLen[c]])
		n := 0
		for n < l && imgMask[im*(l+r)+n] == 1 {
			n++
		}
		labels = append(labels, imgIDs[im*l:][:n])
		set := &region.Set{Dim: dim, Boxes: make([][4]float32, imgLen[im])}
		for _, v := range feats[im*r*dim:][:int(imgLen[im])*dim] {
			set.Features = append(set.Features, float32(v))
		}
		sets = append(sets, set)
	}
	b := &dataset.Batch{Captions: input.PadCaptions(caps, 0)}
	var err error
	b.Images, err = input.PadImages(labels, sets, r, dim, 0)
	require.NoError(f, err)
	return b
}

func closeTo(t *testing.T, name string, want []float64, got []float32, tol float64) {
	t.Helper()
	require.Len(t, got, len(want), name)
	worst := 0.0
	for i := range want {
		if math.IsNaN(want[i]) {
			require.False(t, math.IsNaN(float64(got[i])), "%s[%d]: a NaN of the original must have a defined value", name, i)
			continue
		}
		worst = max(worst, math.Abs(want[i]-float64(got[i])))
	}
	require.LessOrEqual(t, worst, tol, "%s: largest difference", name)
}

func TestParityEncoders(t *testing.T) {
	f := openFixture(t)
	params, _ := f.checkpoint("checkpoint.pth.tar")
	text, err := nn.TextModel(tinyNet(), params)
	require.NoError(t, err)
	ts, err := ort.Load(text.Marshal(), nil)
	require.NoError(t, err)
	defer ts.Close()
	ctx := context.Background()
	out, err := ts.Run(ctx, map[string]*ort.Tensor{
		"ids":  ort.Int64([]int64{60, 16}, f.ints("inputs/cap_ids")),
		"mask": ort.Int64([]int64{60, 16}, f.ints("inputs/cap_mask")),
	})
	require.NoError(t, err)
	closeTo(t, "emb/caption", f.floats("emb/caption"), out["matching"].Float32(), 1e-4)
	closeTo(t, "f64/emb/caption", f.floats("f64/emb/caption"), out["matching"].Float32(), 1e-4)

	image, err := nn.ImageModel(tinyNet(), params)
	require.NoError(t, err)
	is, err := ort.Load(image.Marshal(), nil)
	require.NoError(t, err)
	defer is.Close()
	all := f.batch(seq(12), make([]int64, 12))
	iout, err := is.Run(ctx, all.Images.Tensors())
	require.NoError(t, err)
	closeTo(t, "emb/image", f.floats("emb/image"), iout["matching"].Float32(), 1e-4)

	// MaxSim of the tokens, with the null region, is the released evaluation's score.
	words, ww := out["tokens"].Float32(), out["weights"].Float32()
	regions, rw := iout["tokens"].Float32(), iout["weights"].Float32()
	scores := make([]float32, 12*60)
	for i := range 12 {
		for c := range 60 {
			for w := range 16 {
				if ww[c*16+w] == 0 {
					continue
				}
				best := float32(-2)
				for r := range 11 {
					if rw[i*11+r] > 0 {
						var dot float32
						for d := range 48 {
							dot += words[(c*16+w)*48+d] * regions[(i*11+r)*48+d]
						}
						best = max(best, dot)
					}
				}
				scores[i*60+c] += best * ww[c*16+w]
			}
		}
	}
	closeTo(t, "scores_eval71/MrSw", f.floats("scores_eval71/MrSw"), scores, 1e-4)
}

func seq(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i)
	}
	return out
}

func TestParityAlignmentModes(t *testing.T) {
	f := openFixture(t)
	empty := 6 // the caption of length 2: the released code's mask covers its last column only
	for _, c := range []struct {
		name, want string
		rows, pad  int
		skipEmpty  bool
	}{
		{"the batch's own padding", "edge/scores/", 0, 0, false},
		{"padded to 71 rows", "edge/scores71/", 71, 0, false},
		{"as if padded to 71 rows", "edge/scores71/", 0, 71, true},
	} {
		for _, mode := range nn.AlignmentModes {
			if mode == nn.MrCOSw { // ours
				continue
			}
			cfg := tinyNet()
			cfg.Hidden, cfg.Alignment = 16, mode
			got := runScores(t, cfg, f, c.rows, c.pad)
			want := f.floats(c.want + mode)
			// For an empty caption the original divides by a length of −1 in MrAVGw.
			if mode == "MrAVGw" || c.skipEmpty {
				for i := range 6 {
					want[i*8+empty] = math.NaN()
				}
			}
			closeTo(t, c.name+": "+mode, want, got, 1e-4)
		}
	}
}

// runScores scores the edge cases, sets with rubbish in the padding, in rows rows a side (0: as they are).
func runScores(t *testing.T, cfg nn.Config, f fixture, rows, pad int) []float32 {
	const r, w, d = 9, 12, 16
	b := onnx.NewBuilder()
	n, err := nn.New(b, cfg, &nn.Inputs{})
	require.NoError(t, err)
	side := func(name string) nn.Side {
		x := b.Input(name, onnx.Float, onnx.Of(name+"N", name+"S", d))
		return nn.Side{Tokens: b.L2Normalize(x, 1e-12), Weights: b.Input(name+"_weights", onnx.Float, onnx.Of(name+"N", name+"S"))}
	}
	image, text := side("image"), side("text")
	b.Output("scores", n.Scores(image, text, pad))
	require.NoError(t, n.Err())
	m, err := b.Model("scores")
	require.NoError(t, err)
	s, err := ort.Load(m.Marshal(), nil)
	require.NoError(t, err)
	defer s.Close()

	in := map[string]*ort.Tensor{}
	fill := func(name, set string, lens []int64, have, cut int) {
		all := max(have, rows)
		x, weights := make([]float32, len(lens)*all*d), make([]float32, len(lens)*all)
		for i, v := range f.floats(set) {
			x[i/(have*d)*all*d+i%(have*d)] = float32(v)
		}
		for i, l := range lens {
			last := int(l) - cut
			if last < 0 {
				last += all - cut
			}
			for k := 1; k <= last; k++ {
				weights[i*all+k] = 1
			}
		}
		shape := []int64{int64(len(lens)), int64(all)}
		in[name+"_weights"] = ort.Float32(shape, weights)
		in[name] = ort.Float32(append(shape, d), x)
	}
	fill("image", "edge/img_set", f.ints("edge/img_len"), r, 1)
	fill("text", "edge/cap_set", f.ints("edge/cap_len"), w, 3)
	out, err := s.Run(context.Background(), in)
	require.NoError(t, err)
	return out["scores"].Float32()
}

func TestParityTraining(t *testing.T) {
	f := openFixture(t)
	batch := f.batch(f.ints("batch/image_rows"), f.ints("batch/caption_rows"))
	var norms struct {
		Norms map[string]float64 `json:"grad_l2_norm"`
	}
	data, err := os.ReadFile(filepath.Join(f.dir, "grad_norms.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &norms))

	configs := 0
	for _, name := range config.Names() {
		want := name
		if strings.HasPrefix(name, "aladin2-") { // its losses are those of the best model
			want = "alad-alignment-and-matching-distill"
		} else if !strings.HasPrefix(name, "alad-") {
			continue
		}
		configs++
		t.Run(name, func(t *testing.T) {
			params, _ := f.checkpoint("checkpoint.pth.tar")
			cfg, err := config.Load(name)
			require.NoError(t, err)
			step, err := New(tinyNet(), cfg, params, Options{Threads: 1, Distil: true, NoDropout: true})
			require.NoError(t, err)
			defer step.Close()
			res, err := step.Run(context.Background(), nil, batch)
			require.NoError(t, err)
			total := f.floats("config/" + want + "/total")[0]
			require.InEpsilon(t, total, res.Losses[0], 1e-4)
			require.Equal(t, append([]string{"total"}, cfg.Losses()...), res.Names)
			for i, part := range res.Names[1:] {
				require.InEpsilon(t, f.floats("config/" + want + "/part_" + part)[0], res.Losses[i+1], 1e-4, part)
			}
			require.InEpsilon(t, f.floats("config/" + want + "/grad_norm")[0], optim.Norm(res.Grads), 1e-3)
			if name != "alad-alignment-and-matching-distill" {
				return
			}
			checkGradients(t, f, step, res, norms.Norms)
			res, err = step.Run(context.Background(), nil, batch)
			require.NoError(t, err)
			require.InEpsilon(t, f.floats("adam_fresh/total_after")[0], res.Losses[0], 1e-5, "after one step of Adam")
		})
	}
	require.Equal(t, 12, configs)
}

// Every loss in every mode, through the whole network, has the value that the released code gives it.
func TestParityLosses(t *testing.T) {
	f := openFixture(t)
	batch := f.batch(f.ints("batch/image_rows"), f.ints("batch/caption_rows"))
	missing := map[string]bool{}
	for _, name := range f.npz.Names() {
		if strings.HasPrefix(name, "loss/") {
			missing[name] = true
		}
	}
	require.Len(t, missing, 28)
	params, _ := f.checkpoint("checkpoint.pth.tar")
	check := func(change func(net *nn.Config, c *config.TrainingConfig), want map[string]string) {
		t.Helper()
		cfg, net := config.Default(), tinyNet()
		cfg.Training.LossType = "alignment-matching-distillation-entropy"
		change(&net, &cfg.Training)
		require.NoError(t, cfg.Validate())
		step := &Step{}
		b, source, _, err := step.build(net, &cfg, Options{Distil: true, NoDropout: true})
		require.NoError(t, err)
		model, err := b.Model("losses")
		require.NoError(t, err)
		session, err := ort.Load(model.Marshal(), &ort.Options{Threads: 1})
		require.NoError(t, err)
		defer session.Close()
		in := batch.Tensors()
		for _, p := range source.Params {
			require.NoError(t, params.Ensure(p, 1))
			in[p.Name] = ort.Float32(p.Dims(), params.Lookup(p.Name).Data)
		}
		out, err := session.Run(t.Context(), in)
		require.NoError(t, err)
		for part, name := range want {
			require.InEpsilon(t, f.floats("loss/" + name)[0], out["losses"].Float32()[slices.Index(step.losses, part)], 1e-4, name)
			delete(missing, "loss/"+name)
		}
	}
	for i, mode := range nn.AlignmentModes {
		if mode == nn.MrCOSw { // ours
			continue
		}
		for _, hardest := range []bool{true, false} {
			measure, kind := config.Measures[i%len(config.Measures)], "all"
			if hardest {
				kind = "max_violation"
			}
			check(func(net *nn.Config, c *config.TrainingConfig) {
				net.Alignment, c.MaxViolation, c.Measure = mode, hardest, measure
			}, map[string]string{"alignment": "alignment_triplet/" + mode + "/" + kind, "matching": "matching_triplet/" + measure + "/" + kind, "entropy": "entropy"})
		}
	}
	for _, mode := range config.DistillationModes {
		check(func(_ *nn.Config, c *config.TrainingConfig) { c.DistillationMode, c.Contrast = mode, "infonce" },
			map[string]string{"distillation": "distillation/" + mode, "matching": "infonce/matching", "alignment": "infonce/alignment_MrSw"})
	}
	check(func(_ *nn.Config, c *config.TrainingConfig) { c.Margin, c.MaxViolation = 0.5, true }, map[string]string{"matching": "matching_triplet_margin0.5/dot/max_violation"})
	require.Empty(t, missing)
}

func checkGradients(t *testing.T, f fixture, step *Step, res *Result, norms map[string]float64) {
	for _, g := range res.Grads {
		norm := math.Sqrt(optim.NormSquared(g.Grad))
		want, ok := norms[g.Name]
		require.True(t, ok, "%s has a gradient here and none in the original", g.Name)
		if strings.HasSuffix(g.Name, "key.bias") {
			continue // zero but for noise
		}
		require.InEpsilon(t, want, norm, 1e-3, g.Name)
		if key := "f64/grad/" + g.Name; f.npz.Has(key) {
			p := step.Params.Lookup(g.Name)
			dense := make([]float32, len(p.Data))
			if g.Index == nil {
				copy(dense, g.Grad)
			}
			for i, row := range g.Index {
				copy(dense[row*g.Width:], g.Grad[i*g.Width:(i+1)*g.Width])
			}
			closeTo(t, key, f.floats(key), dense, 1e-3*largest(f.floats(key)))
		}
	}
	require.Len(t, res.Grads, len(norms))

	opt := optim.New(step.Params, config.Default())
	before := step.Params.Clone()
	opt.Apply(step.Params, res.Grads, 1e-5)
	for _, g := range res.Grads {
		key := "f64/adam_fresh/delta/" + g.Name
		if !f.npz.Has(key) || strings.HasSuffix(g.Name, "key.bias") {
			continue
		}
		now, was := step.Params.Lookup(g.Name).Data, before.Lookup(g.Name).Data
		delta := make([]float32, len(now))
		for i := range now {
			delta[i] = now[i] - was[i]
		}
		closeTo(t, key, f.floats(key), delta, 2e-7) // float32 parameters round a change of 1e-5
	}
}

func largest(v []float64) float64 {
	m := 0.0
	for _, x := range v {
		m = max(m, math.Abs(x))
	}
	return m
}
