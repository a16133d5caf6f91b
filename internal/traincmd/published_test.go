package traincmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/evalcmd"
	"github.com/aladin-go/aladin/internal/indexcmd"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/published"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/shareddata"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/torch"
	"github.com/aladin-go/aladin/internal/vinvl"
)

// do runs the command in process and returns what it prints.
func do(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := Program.Run(context.Background(), args, &stdout, &stderr)
	require.Zero(t, code, "aladin-train %s\n%s", strings.Join(args, " "), stderr.String())
	return stdout.String()
}

// needs skips where the fixtures or the runtime are absent.
func needs(t *testing.T, fixture string) string {
	dir := shareddata.Dir(t, fixture)
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	return dir
}

// pictures are a features folder's, in the order of keys, as a user's program would have them.
func pictures(t *testing.T, features string, keys []string) (ids []string, sets []*aladin.RegionSet) {
	t.Helper()
	d, err := vinvl.Open(context.Background(), features, nil)
	require.NoError(t, err)
	defer d.Close()
	for img, err := range d.Images(context.Background(), keys) {
		require.NoError(t, err)
		ids, sets = append(ids, img.ID), append(sets, asSet(img.Set))
	}
	return ids, sets
}

func asSet(s *region.Set) *aladin.RegionSet {
	out := &aladin.RegionSet{Features: s.Features, Dim: s.Dim, Labels: s.Labels, Tags: s.Tags}
	for _, b := range s.Boxes {
		out.Boxes = append(out.Boxes, index.Box(b))
	}
	return out
}

func floats(t *testing.T, z *npy.Archive, name string) []float64 {
	t.Helper()
	a, err := z.Read(name)
	require.NoError(t, err)
	v, err := a.Float64s()
	require.NoError(t, err)
	return v
}

// The imported checkpoint gives the released code's scores through the API that everybody uses.
func TestImportedModelInUse(t *testing.T) {
	dir := needs(t, "aladin-tiny")
	model := filepath.Join(t.TempDir(), "tiny.model")
	do(t, "import", "--checkpoint", filepath.Join(dir, "checkpoint_legacy.pth.tar"), "--vinvl", filepath.Join(dir, "vinvl"), "--out", model)
	m, err := aladin.OpenModel(model, nil)
	require.NoError(t, err)
	defer m.Close()

	split, err := vinvl.Split(filepath.Join(dir, "coco_ir"), "test", "test_img_keys.tsv")
	require.NoError(t, err)
	_, sets := pictures(t, filepath.Join(dir, "coco_ir", "features"), split.IDs)
	var images, captions []*aladin.Encoding
	for i, id := range split.IDs {
		x, err := m.Encode(t.Context(), aladin.Regions(sets[i]))
		require.NoError(t, err)
		images = append(images, x)
		for _, c := range split.ByID[id] {
			q, err := m.Encode(t.Context(), aladin.Text(c))
			require.NoError(t, err)
			captions = append(captions, q)
		}
	}
	z, err := npy.OpenZ(filepath.Join(dir, "expected.npz"))
	require.NoError(t, err)
	defer z.Close()
	matching, alignment := floats(t, z, "f64/scores/matching"), floats(t, z, "f64/scores_eval71/MrSw")
	for i, x := range images {
		for c, q := range captions {
			require.InDelta(t, matching[i*len(captions)+c], float64(aladin.Match(q, x)), 1e-4, "image %d caption %d", i, c)
			if (i+c)%7 == 0 {
				a, err := m.Align(t.Context(), q, x)
				require.NoError(t, err)
				require.InDelta(t, alignment[i*len(captions)+c], float64(a.Score), 1e-4, "image %d caption %d", i, c)
			}
		}
	}
}

// Ten photographs with bottom-up features go through a model of VinVL's feature size, an index and search.
func TestRealFeatures(t *testing.T) {
	dir := needs(t, "coco_real")
	vocab := shareddata.Dir(t, "models", "bert-base-uncased-vocab.txt")
	backbone := syntheticBackbone(t, vocab)
	model := filepath.Join(t.TempDir(), "vinvl.model")
	out := do(t, "import", "--vinvl", backbone, "--released", "--out", model)
	require.Contains(t, out, "regions of 2054 features")
	m, err := aladin.OpenModel(model, nil)
	require.NoError(t, err)
	defer m.Close()

	keys, err := vinvl.Keys(filepath.Join(dir, "test_img_keys.tsv"))
	require.NoError(t, err)
	ids, sets := pictures(t, filepath.Join(dir, "features"), keys)
	require.Len(t, ids, 10)
	file := filepath.Join(t.TempDir(), "coco.aladin")
	b, err := index.NewBuilder(file, nil)
	require.NoError(t, err)
	defer b.Close()
	for i, set := range sets {
		x, err := m.Encode(t.Context(), aladin.Regions(set))
		require.NoError(t, err)
		require.NoError(t, b.Add(context.Background(), index.Item{ID: ids[i], Encoding: x}))
	}
	require.NoError(t, b.Finish(context.Background()))
	ix, err := index.Open(file, nil)
	require.NoError(t, err)
	defer ix.Close()

	q, err := m.Encode(t.Context(), aladin.Text("a man with a red hat"))
	require.NoError(t, err)
	hits, err := aladin.Search(t.Context(), m, ix, q, &aladin.SearchOptions{K: 10})
	require.NoError(t, err)
	require.Len(t, hits, 10)
	for _, h := range hits {
		require.Contains(t, ids, h.ID)
		require.False(t, math.IsNaN(float64(h.Align)))
		require.NotEmpty(t, h.Words)
	}
	// Each picture is its own best match.
	for i, set := range sets {
		x, err := m.Encode(t.Context(), aladin.Regions(set))
		require.NoError(t, err)
		hits, err := aladin.Search(t.Context(), m, ix, x, &aladin.SearchOptions{K: 1, MatchOnly: true})
		require.NoError(t, err)
		require.Equal(t, ids[i], hits[0].ID)
	}
	t.Run("commands", func(t *testing.T) { realFeaturesByCommand(t, model, filepath.Join(dir, "features"), keys) })
}

// realFeaturesByCommand builds, searches and evaluates the ten photographs with captions of our own, which
// the data has none of.
func realFeaturesByCommand(t *testing.T, model, features string, keys []string) {
	cocoIR, file := t.TempDir(), filepath.Join(t.TempDir(), "coco.aladin")
	captions := &torch.Dict{}
	for i, key := range keys {
		id, err := strconv.ParseInt(key, 10, 64)
		require.NoError(t, err)
		require.NoError(t, captions.SetKey(id, []string{fmt.Sprintf("picture number %d", i), "a street with cars", "two people"}))
	}
	require.NoError(t, torch.Save(filepath.Join(cocoIR, "test_captions.pt"), captions))
	from := []string{"--model", model, "--features", features, "--coco-ir", cocoIR, "--split", "test"}
	for _, c := range []struct {
		run  func(ctx context.Context, args []string, stdout, stderr io.Writer) int
		args []string
		want string
	}{
		{indexcmd.Program.Run, append([]string{"build", "--out", file, "--json"}, from...), `"items"`},
		{indexcmd.Program.Run, []string{"search", file, "--model", model, "--explain", "--json", "a red car"}, `"region"`},
		{evalcmd.Program.Run, append([]string{"--candidates", "5", "--bootstrap", "0", "--latency", "0", "--json"}, from...), `"captions":30`},
	} {
		var stdout, stderr bytes.Buffer
		require.Zero(t, c.run(t.Context(), c.args, &stdout, &stderr), "%q\n%s", c.args, stderr.String())
		require.Contains(t, strings.ReplaceAll(stdout.String(), " ", ""), c.want)
	}
}

// A skeleton around real models tells their features' size and holds them.
func TestInitWithModels(t *testing.T) {
	models := needs(t, "models")
	out := filepath.Join(t.TempDir(), "photos.skeleton")
	got := do(t, "init", "--regions", "mobilenet-yolox", "--models", models, "--out", out)
	require.Contains(t, got, "regions of 2758 features")
	for _, f := range []string{"mobilenetv2.onnx", "yolox_nano.onnx", "model.json"} {
		require.FileExists(t, filepath.Join(out, f))
	}
}

// syntheticBackbone is a folder like VinVL's: its vocabulary and its features, in a narrow network.
func syntheticBackbone(t *testing.T, vocab string) string {
	wp, err := tokenizer.LoadWordPiece(vocab, nil)
	require.NoError(t, err)
	dir := t.TempDir()
	net := nn.Config{Layers: 1, Hidden: 16, Heads: 2, FF: 16, Vocab: wp.Size(), MaxPositions: 64, Types: 2, LayerNormEps: 1e-12,
		RegionDim: 2054, RegionLayerNorm: true, RegionLayerNormEps: 1e-12, MatchLayers: 1, MatchHeads: 4, MatchFF: 16, Alignment: "MrSw", ReleasedAlignment: true}
	require.NoError(t, published.ExportBackbone(dir, published.Source{Net: net, MaxCaption: 50, MaxLabels: 50, MaxRegions: 34,
		Weights: starts{}, Tokenizer: wp, FirstLabel: "[UNK]"}))
	return dir
}

// A bundle that is trained further keeps what belongs to the checkpoint, and the checkpoint's optimiser may
// go on, in its epoch.
func TestTrainOnFromCheckpoint(t *testing.T) {
	dir := needs(t, "aladin-tiny")
	tmp := t.TempDir()
	backbone := filepath.Join(dir, "vinvl")
	model := filepath.Join(tmp, "tiny.model")
	do(t, "import", "--checkpoint", filepath.Join(dir, "checkpoint.pth.tar"), "--vinvl", backbone, "--out", model)
	data := []string{"--features", filepath.Join(dir, "coco_ir", "features"), "--coco-ir", filepath.Join(dir, "coco_ir"), "--split", "train"}
	first := map[string]trainedStep{}
	for name, teacher := range map[string][]string{
		"bundle": {"--teacher", model, "--epochs", "1"},
		"zip":    {"--teacher", filepath.Join(dir, "checkpoint.pth.tar"), "--vinvl", backbone, "--epochs", "1"},
		"legacy": {"--teacher", filepath.Join(dir, "checkpoint_legacy.pth.tar"), "--vinvl", backbone, "--epochs", "1"},
		"resume": {"--teacher", filepath.Join(dir, "checkpoint_legacy.pth.tar"), "--vinvl", backbone, "--resume-optimizer", "--epochs", "5"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(tmp, name)
			args := append([]string{"run", "--config", "alad-alignment-and-matching-distill", "--batch-size", "12", "--threads", "1", "--out", out}, teacher...)
			var stdout, stderr bytes.Buffer
			require.Zero(t, Program.Run(t.Context(), append(args, data...), &stdout, &stderr), stderr.String())
			require.Contains(t, stderr.String(), ": 81 of 81 parameters taken\n  taken: ")
			if name != "bundle" {
				require.Contains(t, stderr.String(), "left, the network has none: img_txt_enc.oscar_model.classifier.weight [2 48]")
			}
			pth := filepath.Join(tmp, name+".pth.tar")
			do(t, "export", filepath.Join(out, "model"), "--pth", pth)
			again := do(t, "import", "--checkpoint", pth, "--vinvl", backbone, "--out", filepath.Join(tmp, name+".model"))
			require.Contains(t, again, "img_txt_enc.oscar_model.classifier.weight", "what the checkpoint held beside the network is still there")
			require.Contains(t, again, "captions of 16 tokens, labels of 16, 10 regions; alignment MrSw")
			first[name] = steps(t, out)[0]
		})
	}
	// The checkpoint as a teacher is what its import is.
	require.Equal(t, first["bundle"], first["zip"])
	require.Equal(t, first["bundle"], first["legacy"])
	require.Equal(t, []int{21, 4}, []int{first["resume"].Step, first["resume"].Epoch})
	require.NotEqual(t, first["zip"].Loss, first["resume"].Loss, "the fifth epoch has other batches")
	args := append([]string{"run", "--config", "alad-alignment-and-matching-distill", "--batch-size", "12", "--out", filepath.Join(tmp, "done"),
		"--teacher", filepath.Join(dir, "checkpoint.pth.tar"), "--vinvl", backbone, "--resume-optimizer", "--epochs", "4"}, data...)
	require.Contains(t, refused(t, args...), "4 epochs are done, of 4")
}

// A trainedStep is a line of metrics.jsonl.
type trainedStep struct {
	Step, Epoch int
	Loss        map[string]float64
	LR          float64
	Validation  any
}

// steps are those of a run's metrics.jsonl, without validations.
func steps(t *testing.T, run string) (out []trainedStep) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(run, "metrics.jsonl"))
	require.NoError(t, err)
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var s trainedStep
		require.NoError(t, json.Unmarshal([]byte(line), &s))
		if s.Validation == nil {
			out = append(out, s)
		}
	}
	return out
}

// A checkpoint with holes and surprises is a teacher all the same, and the command says what it took; one that has
// nothing to give is refused.
func TestTeacherParts(t *testing.T) {
	dir := needs(t, "aladin-tiny")
	tmp := t.TempDir()
	change := func(name string, f func(name string, x *torch.Tensor) *torch.Tensor) string {
		file, err := torch.Open(filepath.Join(dir, "checkpoint.pth.tar"))
		require.NoError(t, err)
		defer file.Close()
		all := torch.NewDict()
		for key, v := range file.Value().(*torch.Dict).All() {
			if key == "model" {
				model := &torch.Dict{Ordered: true}
				for name, x := range v.(*torch.Dict).All() {
					if x := f(name.(string), x.(*torch.Tensor)); x != nil {
						model.Set(name.(string), x)
					}
				}
				v = model
			}
			all.Set(key.(string), v)
		}
		path := filepath.Join(tmp, name)
		require.NoError(t, torch.Save(path, all))
		return path
	}
	run := func(teacher string, more ...string) (int, string) {
		var stdout, stderr bytes.Buffer
		code := Program.Run(t.Context(), append([]string{"run", "--config", "alad-alignment-and-matching-distill", "--batch-size", "12", "--epochs", "1", "--out", filepath.Join(tmp, "run"),
			"--teacher", teacher, "--vinvl", filepath.Join(dir, "vinvl"), "--features", filepath.Join(dir, "coco_ir", "features"), "--coco-ir", filepath.Join(dir, "coco_ir"), "--split", "train"}, more...), &stdout, &stderr)
		return code, stderr.String()
	}
	odd, err := torch.NewTensor([]int{2}, []float32{1, 2})
	require.NoError(t, err)
	code, text := run(change("holes.pth.tar", func(name string, x *torch.Tensor) *torch.Tensor {
		switch {
		case strings.Contains(name, "final_projection_net.layers.1."):
			return nil
		case strings.HasSuffix(name, "img_embedding.bias"):
			return odd
		}
		return x
	}))
	require.Zero(t, code, text)
	require.Contains(t, text, "68 of 81 parameters taken")
	require.Contains(t, text, "starts anew, the teacher has none: img_txt_enc.final_projection_net.layers.1.")
	require.Contains(t, text, "starts anew, of another shape: img_txt_enc.oscar_model.bert.img_embedding.bias, the teacher's [2], the network's [48]")

	code, text = run(change("nothing.pth.tar", func(string, *torch.Tensor) *torch.Tensor { return odd }))
	require.Equal(t, 1, code)
	require.Contains(t, text, "nothing.pth.tar: train: parameter does not fit: the teacher has none of the network's 81 parameters")

	nan, err := torch.NewTensor([]int{48}, append(make([]float32, 47), float32(math.NaN())))
	require.NoError(t, err)
	code, text = run(change("nan.pth.tar", func(name string, x *torch.Tensor) *torch.Tensor {
		if strings.HasSuffix(name, "img_embedding.bias") {
			return nan
		}
		return x
	}))
	require.Equal(t, 1, code)
	require.Contains(t, text, "img_embedding.bias: value 47 is NaN")

	code, text = run(filepath.Join(tmp, "nowhere"))
	require.Equal(t, 1, code)
	require.Contains(t, text, "--teacher")
}
