package published_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/published"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/shareddata"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/param"
	"github.com/aladin-go/aladin/internal/training/step"
	"github.com/aladin-go/aladin/internal/vinvl"
)

// A fixture is the small checkpoint whose every value the released code computed (see its README).
type fixture struct {
	testing.TB
	dir string
	npz *npy.Archive
}

func openFixture(t testing.TB) fixture {
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

func (f fixture) model(checkpoint string) *published.Model {
	return read(f, published.Options{Checkpoint: filepath.Join(f.dir, checkpoint), Backbone: filepath.Join(f.dir, "vinvl")})
}

// data are the test split's captions and pictures, read by the sources as a user's would be.
func (f fixture) data() (captions []string, sets []*region.Set) {
	ctx := context.Background()
	split, err := vinvl.Split(filepath.Join(f.dir, "coco_ir"), "test", "test_img_keys.tsv")
	require.NoError(f, err)
	d, err := vinvl.Open(ctx, filepath.Join(f.dir, "coco_ir", "features"), nil)
	require.NoError(f, err)
	defer d.Close()
	for img, err := range d.Images(ctx, split.IDs) {
		require.NoError(f, err)
		captions = append(captions, split.ByID[img.ID]...)
		sets = append(sets, img.Set)
	}
	return captions, sets
}

func near(t testing.TB, name string, want []float64, got []float32, tol float64) {
	t.Helper()
	require.Len(t, got, len(want), name)
	worst := 0.0
	for i := range want {
		worst = max(worst, math.Abs(want[i]-float64(got[i])))
	}
	require.LessOrEqual(t, worst, tol, "%s: largest difference", name)
}

// encoded is everything that the two graphs of a bundle say about the fixture's data.
type encoded struct {
	captions input.Captions
	images   input.Images
	text     map[string]*ort.Tensor
	image    map[string]*ort.Tensor
}

func session(t testing.TB, m *onnx.Model, err error) *ort.Session {
	t.Helper()
	require.NoError(t, err)
	s, err := ort.Load(m.Marshal(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func (f fixture) encode(m *published.Model) encoded {
	texts, sets := f.data()
	first, ok := m.Tokenizer.ID(m.FirstLabel)
	require.True(f, ok)
	text := input.Text{Tokenizer: m.Tokenizer, MaxCaption: m.MaxCaption, MaxLabels: m.MaxLabels, FirstLabel: first}
	var e encoded
	var caps, labels [][]int64
	for _, c := range texts {
		caps = append(caps, text.Caption(c).IDs)
	}
	for _, s := range sets {
		labels = append(labels, text.Labels(s.ObjectTags()))
	}
	pad := int64(m.Tokenizer.PAD())
	e.captions = input.PadCaptions(caps, pad)
	var err error
	e.images, err = input.PadImages(labels, sets, m.MaxRegions, m.Net.RegionDim, pad)
	require.NoError(f, err)

	graph, err := nn.TextModel(m.Net, m)
	e.text, err = session(f, graph, err).Run(context.Background(), captionTensors(&e.captions))
	require.NoError(f, err)
	graph, err = nn.ImageModel(m.Net, m)
	e.image, err = session(f, graph, err).Run(context.Background(), imageTensors(&e.images))
	require.NoError(f, err)
	return e
}

func captionTensors(c *input.Captions) map[string]*ort.Tensor {
	shape := []int64{int64(c.B), int64(c.T)}
	return map[string]*ort.Tensor{"ids": ort.Int64(shape, c.IDs), "mask": ort.Int64(shape, c.Mask)}
}

func imageTensors(m *input.Images) map[string]*ort.Tensor {
	b, l, r := int64(m.B), int64(m.L), int64(m.R)
	return map[string]*ort.Tensor{
		"label_ids": ort.Int64([]int64{b, l}, m.LabelIDs), "label_types": ort.Int64([]int64{b, l}, m.LabelTypes),
		"label_mask": ort.Int64([]int64{b, l}, m.LabelMask),
		"regions":    ort.Float32([]int64{b, r, int64(m.F)}, m.Regions), "region_mask": ort.Int64([]int64{b, r}, m.RegionMask),
	}
}

// Captions and regions go from their files through the imported model: inputs, embeddings, states, scores
// and metrics are those of the released code.
func TestCheckpointParity(t *testing.T) {
	for _, checkpoint := range []string{"checkpoint.pth.tar", "checkpoint_legacy.pth.tar"} {
		t.Run(checkpoint, func(t *testing.T) {
			f := openFixture(t)
			m := f.model(checkpoint)
			require.Empty(t, m.Fresh)
			require.Len(t, m.Unused, 8)
			for _, u := range m.Unused {
				require.NotEmpty(t, u.Why, u.Name)
			}
			e := f.encode(m)
			f.checkInputs(e)
			match, captions := e.image["matching"].Float32(), e.text["matching"].Float32()
			near(t, "emb/image", f.floats("f64/emb/image"), match, 1e-4)
			near(t, "emb/caption", f.floats("f64/emb/caption"), captions, 1e-4)
			f.checkStates(e)
			f.checkMatching(match, captions)
		})
	}
}

func (f fixture) checkInputs(e encoded) {
	const l, r = 16, 10
	ids, mask := f.ints("inputs/cap_ids"), f.ints("inputs/cap_mask")
	img, imgMask := f.ints("inputs/img_ids"), f.ints("inputs/img_mask")
	types := f.ints("inputs/img_types")
	for i := range 60 {
		require.Equal(f, ids[i*l:i*l+e.captions.T], e.captions.IDs[i*e.captions.T:(i+1)*e.captions.T], "caption %d", i)
		require.Equal(f, mask[i*l:i*l+e.captions.T], e.captions.Mask[i*e.captions.T:(i+1)*e.captions.T])
	}
	for i := range 12 {
		n := e.images.L
		require.Equal(f, img[i*l:i*l+n], e.images.LabelIDs[i*n:(i+1)*n], "labels of image %d", i)
		require.Equal(f, imgMask[i*(l+r):i*(l+r)+n], e.images.LabelMask[i*n:(i+1)*n])
		require.Equal(f, types[i*l:i*l+n], e.images.LabelTypes[i*n:(i+1)*n])
	}
}

// checkStates compares tokens, which are the normalised states, where they are tokens.
func (f fixture) checkStates(e encoded) {
	const h, l, r = 48, 16, 10
	compare := func(name string, want []float64, stride int, got *ort.Tensor, lens []int64) {
		rows := int(got.Shape()[1])
		v := got.Float32()
		worst := 0.0
		for i, n := range lens {
			for k := range int(n) {
				w, g := want[(i*stride+k)*h:][:h], v[(i*rows+k)*h:][:h]
				var norm float64
				for _, x := range w {
					norm += x * x
				}
				for d := range w {
					worst = max(worst, math.Abs(w[d]/math.Sqrt(norm)-float64(g[d])))
				}
			}
		}
		require.LessOrEqual(f, worst, 1e-4, name)
	}
	compare("text_states", f.floats("text_states"), l, e.text["tokens"], f.ints("inputs/cap_len"))
	compare("region_states", f.floats("f64/region_states"), r, e.image["tokens"], f.ints("inputs/img_len"))
}

func owners() []int {
	o := make([]int, 60)
	for i := range o {
		o[i] = i / 5
	}
	return o
}

func (f fixture) checkMatching(images, captions []float32) {
	const h = 48
	scores := make([]float32, 12*60)
	for i := range 12 {
		for c := range 60 {
			for d := range h {
				scores[i*60+c] += images[i*h+d] * captions[c*h+d]
			}
		}
	}
	near(f, "scores/matching", f.floats("f64/scores/matching"), scores, 1e-4)
	f.checkMetrics("metrics/matching", scores)
}

func (f fixture) checkMetrics(key string, scores []float32) {
	s, err := eval.NewMatrix(12, 60, scores)
	require.NoError(f, err)
	rel, err := eval.Owners(12, owners())
	require.NoError(f, err)
	ranks, err := eval.Rank(context.Background(), s, rel, nil)
	require.NoError(f, err)
	for side, r := range map[string][]int32{"i2t": ranks.I2T, "t2i": ranks.T2I} {
		x := eval.RecallOf(r)
		want := f.floats(key + "/" + side)
		require.InDeltaSlice(f, want, []float64{x.R1, x.R5, x.R10, x.MedR, x.MeanR}, 1e-4, "%s/%s", key, side)
	}
}

// All seven modes of alignment, on the tokens that the imported encoders give.
func TestAlignmentModes(t *testing.T) {
	f := openFixture(t)
	e := f.encode(f.model("checkpoint.pth.tar"))
	// The null region is how a bundle says what the padding to 71 rows says here.
	rows := int(e.image["tokens"].Shape()[1])
	tokens, weights := dropLast(e.image["tokens"].Float32(), rows, 48), dropLast(e.image["weights"].Float32(), rows, 1)
	for _, mode := range nn.AlignmentModes {
		if mode == nn.MrCOSw { // ours
			continue
		}
		m := read(t, published.Options{Checkpoint: filepath.Join(f.dir, "checkpoint.pth.tar"), Backbone: filepath.Join(f.dir, "vinvl"), Alignment: mode})
		require.Equal(t, mode, m.Net.Alignment)
		b := onnx.NewBuilder()
		n, err := nn.New(b, m.Net, nil)
		require.NoError(t, err)
		side := func(name string) nn.Side {
			return nn.Side{Tokens: b.Input(name, onnx.Float, onnx.Of(name+"N", name+"S", m.Net.Hidden)),
				Weights: b.Input(name+"_weights", onnx.Float, onnx.Of(name+"N", name+"S"))}
		}
		b.Output("scores", n.Scores(side("image"), side("text"), 71))
		require.NoError(t, n.Err())
		graph, err := b.Model("scores")
		out, err := session(t, graph, err).Run(context.Background(), map[string]*ort.Tensor{
			"image": ort.Float32([]int64{12, int64(rows - 1), 48}, tokens), "image_weights": ort.Float32([]int64{12, int64(rows - 1)}, weights),
			"text": e.text["tokens"], "text_weights": e.text["weights"],
		})
		require.NoError(t, err)
		scores := out["scores"].Float32()
		near(t, mode, f.floats("f64/scores_eval71/"+mode), scores, 1e-4)
		f.checkMetrics("metrics/alignment/"+mode, scores)
	}
}

// dropLast leaves out the last row of every group of rows.
func dropLast(v []float32, rows, width int) []float32 {
	var out []float32
	for i := 0; i < len(v); i += rows * width {
		out = append(out, v[i:i+(rows-1)*width]...)
	}
	return out
}

// What a bundle's users do: the sum over words of the best region, with the weights that the graphs give.
func TestBundleAlignment(t *testing.T) {
	f := openFixture(t)
	e := f.encode(f.model("checkpoint.pth.tar"))
	const h = 48
	words, wordWeights := e.text["tokens"].Float32(), e.text["weights"].Float32()
	regions, regionWeights := e.image["tokens"].Float32(), e.image["weights"].Float32()
	rows, length := int(e.image["tokens"].Shape()[1]), e.captions.T
	scores := make([]float32, 12*60)
	for i := range 12 {
		for w := range 60 * length {
			if wordWeights[w] == 0 {
				continue
			}
			best := float32(-2)
			for r := i * rows; r < (i+1)*rows; r++ {
				if regionWeights[r] > 0 {
					var dot float32
					for d := range h {
						dot += words[w*h+d] * regions[r*h+d]
					}
					best = max(best, dot)
				}
			}
			scores[i*60+w/length] += wordWeights[w] * best
		}
	}
	near(t, "scores_eval71/MrSw", f.floats("f64/scores_eval71/MrSw"), scores, 1e-4)
	f.checkMetrics("metrics/alignment/MrSw", scores)
}

// VinVL's backbone alone, before any of ALADIN's training.
func TestBackboneParity(t *testing.T) {
	f := openFixture(t)
	m := read(t, published.Options{Backbone: filepath.Join(f.dir, "vinvl"), MaxCaption: 16, MaxLabels: 16})
	require.Len(t, m.Unused, 4)
	rows := func(name, which string, width int) []int64 {
		var out []int64
		all := f.ints(name)
		for _, r := range f.ints(which) {
			out = append(out, all[int(r)*width:(int(r)+1)*width]...)
		}
		return out
	}
	b := onnx.NewBuilder()
	n, err := nn.New(b, m.Net, constants{m})
	require.NoError(t, err)
	b.Output("text_states", n.EncodeText(nn.TextInputs(b, m.Net, "", "B")).Last)
	b.Output("region_states", n.EncodeImage(nn.ImageInputs(b, m.Net, "", "B")).Last)
	require.NoError(t, n.Err())
	graph, err := b.Model("states")
	s := session(t, graph, err)

	feats, all := []float32(nil), f.floats("inputs/img_feats")
	var labelMask, regionMask []int64
	both := rows("inputs/img_mask", "vinvl/image_rows", 26)
	for i, r := range f.ints("vinvl/image_rows") {
		for _, v := range all[int(r)*260 : (int(r)+1)*260] {
			feats = append(feats, float32(v))
		}
		labelMask, regionMask = append(labelMask, both[i*26:i*26+16]...), append(regionMask, both[i*26+16:(i+1)*26]...)
	}
	out, err := s.Run(context.Background(), map[string]*ort.Tensor{
		"ids":       ort.Int64([]int64{3, 16}, rows("inputs/cap_ids", "vinvl/caption_rows", 16)),
		"mask":      ort.Int64([]int64{3, 16}, rows("inputs/cap_mask", "vinvl/caption_rows", 16)),
		"label_ids": ort.Int64([]int64{3, 16}, rows("inputs/img_ids", "vinvl/image_rows", 16)), "label_types": ort.Int64([]int64{3, 16}, rows("inputs/img_types", "vinvl/image_rows", 16)),
		"label_mask": ort.Int64([]int64{3, 16}, labelMask), "regions": ort.Float32([]int64{3, 10, 26}, feats), "region_mask": ort.Int64([]int64{3, 10}, regionMask),
	})
	require.NoError(t, err)
	near(t, "vinvl/text_states", f.floats("vinvl/text_states"), out["text_states"].Float32(), 1e-4)
	var want []float64
	for i, states := 0, f.floats("vinvl/image_states"); i < 3; i++ {
		want = append(want, states[(i*26+16)*48:(i+1)*26*48]...)
	}
	near(t, "vinvl/image_states", want, out["region_states"].Float32(), 1e-4)
}

// One step of Adam from the checkpoint's own state.
func TestOptimizerResumes(t *testing.T) {
	for _, checkpoint := range []string{"checkpoint.pth.tar", "checkpoint_legacy.pth.tar"} {
		t.Run(checkpoint, func(t *testing.T) {
			f := openFixture(t)
			m := f.model(checkpoint)
			adam, err := m.Optimizer()
			require.NoError(t, err)
			require.Equal(t, f.ints("adam_resumed/step_before")[0], adam.Step)
			require.Equal(t, 81, adam.Len())
			require.InDelta(t, 1e-5, adam.LR, 1e-12)

			params := param.NewSet()
			for name, v := range values(t, m.Params, m) {
				for _, p := range m.Params {
					if p.Name == name {
						params.Set(name, p.Shape, v)
					}
				}
			}
			cfg, err := config.Load("alad-alignment-and-matching-distill")
			require.NoError(t, err)
			step, err := step.New(m.Net, cfg, params, step.Options{Threads: 1, Distil: true, NoDropout: true})
			require.NoError(t, err)
			defer step.Close()
			opt := optim.New(params, *cfg)
			require.NoError(t, opt.Restore(adam.Step, func(name string) (first, second []float32) {
				first, second, err := adam.Moments(name)
				require.NoError(t, err)
				require.NotNil(t, first, name)
				return first, second
			}))
			before := params.Clone()
			res, err := step.Run(context.Background(), nil, f.batch(m))
			require.NoError(t, err)
			require.InEpsilon(t, f.floats("f64/total")[0], res.Losses[0], 1e-4)
			opt.Apply(params, res.Grads, adam.LR)
			f.checkDeltas(before, params)
			res, err = step.Run(context.Background(), nil, f.batch(m))
			require.NoError(t, err)
			require.InEpsilon(t, f.floats("adam_resumed/total_after")[0], res.Losses[0], 1e-5)
		})
	}
}

func (f fixture) checkDeltas(before, after *param.Set) {
	checked := 0
	for _, p := range after.All() {
		key := "f64/adam_resumed/delta/" + p.Name
		if !f.npz.Has(key) {
			continue
		}
		checked++
		want, was := f.floats(key), before.Lookup(p.Name).Data
		largest, worst := 0.0, 0.0
		for i, x := range want {
			largest = max(largest, math.Abs(x))
			// A float32 parameter rounds its change: that much is not the step's error.
			ulp := float64(math.Nextafter32(float32(math.Abs(float64(was[i]))), math.MaxFloat32) - float32(math.Abs(float64(was[i]))))
			worst = max(worst, math.Abs(x-(float64(p.Data[i])-float64(was[i])))-ulp)
		}
		require.LessOrEqual(f, worst, 1e-3*largest, p.Name)
	}
	require.Equal(f, 8, checked)
}

// batch is the fixture's twelve pairs.
func (f fixture) batch(m *published.Model) *dataset.Batch {
	texts, sets := f.data()
	first, _ := m.Tokenizer.ID(m.FirstLabel)
	text := input.Text{Tokenizer: m.Tokenizer, MaxCaption: m.MaxCaption, MaxLabels: m.MaxLabels, FirstLabel: first}
	var caps, labels [][]int64
	var regions []*region.Set
	for i, c := range f.ints("batch/caption_rows") {
		caps = append(caps, text.Caption(texts[c]).IDs)
		set := sets[f.ints("batch/image_rows")[i]]
		labels, regions = append(labels, text.Labels(set.ObjectTags())), append(regions, set)
	}
	b := &dataset.Batch{Captions: input.PadCaptions(caps, 0)}
	var err error
	b.Images, err = input.PadImages(labels, regions, m.MaxRegions, m.Net.RegionDim, 0)
	require.NoError(f, err)
	return b
}

// The tokenizer that comes with an imported model gives the pieces that the model was trained with.
func TestImportedTokenizer(t *testing.T) {
	dir := shareddata.Dir(t, "aladin-tiny")
	m := read(t, published.Options{Checkpoint: filepath.Join(dir, "checkpoint.pth.tar"), Backbone: filepath.Join(dir, "vinvl")})
	var cases []struct {
		Text string  `json:"text"`
		IDs  []int64 `json:"tiny_ids"`
	}
	data, err := os.ReadFile(filepath.Join(dir, "tokenizer_cases.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &cases))
	require.NotEmpty(t, cases)
	for _, c := range cases {
		got := tokenizer.IDs(m.Tokenizer.Tokenize(c.Text))
		if len(c.IDs) == 0 {
			require.Empty(t, got, "%q", c.Text)
			continue
		}
		require.Equal(t, c.IDs, got, "%q", c.Text)
	}
}

// constants hands a model's values to a graph.
type constants struct{ w nn.Weights }

func (c constants) Param(b *onnx.Builder, p nn.Param) (*onnx.Value, error) {
	v, err := c.w.Values(p)
	if err != nil {
		return nil, err
	}
	return b.Weights(p.Name, v, p.Shape...), nil
}
