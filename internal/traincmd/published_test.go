package traincmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
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
	code := Run(context.Background(), args, &stdout, &stderr)
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
		out.Boxes = append(out.Boxes, aladin.Box(b))
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
		require.NoError(t, b.Add(index.Item{ID: ids[i], Encoding: x}))
	}
	require.NoError(t, b.Finish())
	ix, err := index.Open(file, nil)
	require.NoError(t, err)
	defer ix.Close()

	q, err := m.Encode(t.Context(), aladin.Text("a man with a red hat"))
	require.NoError(t, err)
	hits, err := aladin.Search(t.Context(), m, ix, q, aladin.SearchOptions{K: 10})
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
		hits, err := aladin.Search(t.Context(), m, ix, x, aladin.SearchOptions{K: 1, MatchOnly: true})
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
		{indexcmd.Run, append([]string{"build", "--out", file, "--json"}, from...), `"items"`},
		{indexcmd.Run, []string{"search", file, "--model", model, "--explain", "--json", "a red car"}, `"region"`},
		{evalcmd.Run, append([]string{"--candidates", "5", "--bootstrap", "0", "--latency", "0", "--json"}, from...), `"captions":30`},
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
	require.Contains(t, got, "regions of 1542 features")
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
// go on.
func TestTrainOnFromCheckpoint(t *testing.T) {
	dir := needs(t, "aladin-tiny")
	tmp := t.TempDir()
	checkpoint, backbone := filepath.Join(dir, "checkpoint.pth.tar"), filepath.Join(dir, "vinvl")
	model := filepath.Join(tmp, "tiny.model")
	do(t, "import", "--checkpoint", checkpoint, "--vinvl", backbone, "--out", model)
	data := []string{"--features", filepath.Join(dir, "coco_ir", "features"), "--coco-ir", filepath.Join(dir, "coco_ir"), "--split", "train"}
	for name, teacher := range map[string][]string{
		"bundle":     {"--teacher", model},
		"checkpoint": {"--teacher", checkpoint, "--vinvl", backbone, "--resume-optimizer"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(tmp, name)
			args := append([]string{"run", "--config", "alad-alignment-and-matching-distill", "--epochs", "1", "--batch-size", "12", "--quiet", "--out", out}, teacher...)
			do(t, append(args, data...)...)
			pth := filepath.Join(tmp, name+".pth.tar")
			do(t, "export", filepath.Join(out, "model"), "--pth", pth)
			again := do(t, "import", "--checkpoint", pth, "--vinvl", backbone, "--out", filepath.Join(tmp, name+".model"))
			require.Contains(t, again, "img_txt_enc.oscar_model.classifier.weight", "what the checkpoint held beside the network is still there")
			require.Contains(t, again, "captions of 16 tokens, labels of 16, 10 regions; alignment MrSw")
		})
	}
}
