package traincmd

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/internal/evalcmd"
	"github.com/aladin-go/aladin/internal/testmodel"
	"github.com/aladin-go/aladin/internal/torch"
	"github.com/aladin-go/aladin/internal/vinvl"
)

// refused runs the command, which must fail, and returns what it says.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	require.NotZero(t, Program.Run(t.Context(), args, &stdout, &stderr), "aladin-train %s", strings.Join(args, " "))
	return stderr.String()
}

// withCLIP adds the weights of the small text tower to a checkpoint, as ALADIN-2.0's hold CLIP's.
func withCLIP(t *testing.T, checkpoint string, seed uint64) string {
	t.Helper()
	f, err := torch.Open(checkpoint)
	require.NoError(t, err)
	defer f.Close()
	all := torch.NewDict()
	for key, v := range f.Value().(*torch.Dict).All() {
		if key == "model" {
			model := &torch.Dict{Ordered: true}
			for name, x := range v.(*torch.Dict).All() {
				model.Set(name.(string), x)
			}
			weights := testmodel.CLIPWeights(seed)
			for _, name := range slices.Sorted(maps.Keys(weights)) {
				x, err := torch.NewTensor(weights[name].Shape, weights[name].Data)
				require.NoError(t, err)
				model.Set("img_txt_enc.clip_model."+name, x)
			}
			v = model
		}
		all.Set(key.(string), v)
	}
	path := filepath.Join(t.TempDir(), "aladin2.pth.tar")
	require.NoError(t, torch.Save(path, all))
	return path
}

// ALADIN-2.0's inputs from CLIP: training, evaluation, and the way out and back in, with the tower as a file
// and out of the checkpoint.
func TestCLIPModel(t *testing.T) {
	dir := needs(t, "aladin-tiny")
	tmp := t.TempDir()
	graph, merges := testmodel.CLIP(t, 1)
	backbone, features, cocoIR := filepath.Join(dir, "vinvl"), filepath.Join(dir, "coco_ir", "features"), filepath.Join(dir, "coco_ir")
	start := filepath.Join(tmp, "start.model")
	do(t, "import", "--vinvl", backbone, "--released", "--max-caption", "12", "--max-labels", "9", "--max-regions", "10", "--out", start)
	data := []string{"--features", features, "--coco-ir", cocoIR, "--split", "train"}
	train := append([]string{"run", "--config", "aladin2-clip", "--teacher", start, "--max-caption", "12", "--max-labels", "9", "--epochs", "1", "--batch-size", "12", "--quiet", "--out", filepath.Join(tmp, "run")}, data...)
	require.Contains(t, refused(t, train...), "--clip-merges")
	require.Contains(t, refused(t, append(train, "--clip-merges", merges)...), "--clip-text")
	do(t, append(train, "--clip-text", graph, "--clip-merges", merges, "--aggregation-type", "labels")...)
	model := filepath.Join(tmp, "run", "model")

	var stdout, stderr bytes.Buffer
	code := evalcmd.Program.Run(t.Context(), append([]string{"--model", model, "--candidates", "5", "--bootstrap", "0", "--latency", "0", "--json"}, data...), &stdout, &stderr)
	require.Zero(t, code, stderr.String())

	pth := filepath.Join(tmp, "out.pth.tar")
	do(t, "export", model, "--pth", pth)
	in := []string{"import", "--checkpoint", pth, "--vinvl", backbone, "--out", filepath.Join(tmp, "again.model")}
	require.Contains(t, refused(t, in...), "--clip-merges")
	require.Contains(t, refused(t, append(in, "--clip-merges", merges)...), "holds no weights of CLIP")
	text := do(t, append(in, "--clip-text", graph, "--clip-merges", merges)...)
	require.Contains(t, text, "vectors of CLIP's text tower: of 12 numbers for captions, 12 for labels")
	require.NotContains(t, text, "note:")
	inside := filepath.Join(tmp, "inside.model")
	text = do(t, "import", "--checkpoint", withCLIP(t, pth, 1), "--vinvl", backbone, "--clip-merges", merges, "--out", inside)
	require.Contains(t, text, "not trained: the 29 tensors of CLIP itself")

	want := encodings(t, model, features)
	for _, other := range []string{filepath.Join(tmp, "again.model"), inside} {
		for i, x := range encodings(t, other, features) {
			require.InDeltaSlice(t, want[i].Matching, x.Matching, 1e-5)
			require.InDeltaSlice(t, want[i].Tokens, x.Tokens, 1e-5)
			require.Equal(t, want[i].Words, x.Words)
		}
	}
	require.Equal(t, "photo", want[0].Words[1].Text)

	// Another tower gives other vectors; a model of words has no use for one.
	other := filepath.Join(tmp, "other.model")
	do(t, "import", "--checkpoint", withCLIP(t, pth, 2), "--vinvl", backbone, "--clip-merges", merges, "--out", other)
	require.NotEqual(t, want[0].Matching, encodings(t, other, features)[0].Matching)
	require.Contains(t, refused(t, "import", "--vinvl", backbone, "--clip-merges", merges, "--out", other), "reads word pieces")
	words := slices.Clone(train)
	words[2], words[4] = "alad-alignment-triplet", model
	require.Contains(t, refused(t, words...), "enable_clip_captions")

	// What was trained so goes on without being told of the tower again.
	further := slices.Clone(train)
	further[4], further[15] = model, filepath.Join(tmp, "further")
	do(t, further...)
	require.FileExists(t, filepath.Join(tmp, "further", "model", "clip.onnx"))
}

// encodings are those of a caption and of a picture.
func encodings(t *testing.T, model, features string) []*aladin.Encoding {
	t.Helper()
	m, err := aladin.OpenModel(model, nil)
	require.NoError(t, err)
	defer m.Close()
	d, err := vinvl.Open(t.Context(), features, nil)
	require.NoError(t, err)
	defer d.Close()
	img, err := d.Image(d.IDs()[0])
	require.NoError(t, err)
	out, err := m.EncodeBatch(t.Context(), []aladin.Input{aladin.Text("a photo of the red cat and dogs"), aladin.Regions(asSet(img.Set))})
	require.NoError(t, err)
	return out
}

// The trainer reads what the configuration's detection_type says, or --detection in its place.
func TestDetectionType(t *testing.T) {
	dir := needs(t, "aladin-tiny")
	tmp := t.TempDir()
	start := filepath.Join(tmp, "start.model")
	do(t, "import", "--vinvl", filepath.Join(dir, "vinvl"), "--max-caption", "12", "--max-labels", "9", "--max-regions", "10", "--out", start)
	train := func(features, config string, more ...string) []string {
		return append([]string{"run", "--config", config, "--teacher", start, "--max-caption", "12", "--max-labels", "9", "--epochs", "1", "--batch-size", "12", "--quiet", "--out", filepath.Join(tmp, "run"),
			"--features", features, "--coco-ir", filepath.Join(dir, "coco_ir"), "--split", "train"}, more...)
	}
	features := filepath.Join(dir, "coco_ir", "features")
	require.Contains(t, refused(t, train(features, "aladin2-det-fast")...), "detection type det+fast")
	do(t, train(features, "aladin2-det-fast", "--detection", "fast")...)

	both := twoDetectors(t, features)
	// Regions of another size are read by a new layer, as the released code makes one for Detic's.
	var stdout, stderr bytes.Buffer
	detOnly := slices.DeleteFunc(train(both, "aladin2-det"), func(arg string) bool { return arg == "--quiet" })
	require.Zero(t, Program.Run(t.Context(), detOnly, &stdout, &stderr), stderr.String())
	require.Contains(t, stderr.String(), "img_txt_enc.oscar_model.bert.img_embedding.weight, the teacher's [48 26], the network's [48 9]")
}

// twoDetectors adds to a copy of features those of Detic: for every picture a whisk.
func twoDetectors(t *testing.T, features string) string {
	t.Helper()
	both := filepath.Join(t.TempDir(), "both")
	require.NoError(t, os.CopyFS(both, os.DirFS(features)))
	text, err := os.ReadFile(filepath.Join(both, "predictions.tsv"))
	require.NoError(t, err)
	var detic strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		id, _, _ := strings.Cut(line, "\t")
		detic.WriteString(id + "\t" + `{"image_h": 10, "image_w": 10, "objects": [{"class": "whisk", "rect": [1, 1, 5, 5], "conf": 0.5}]}` + "\tAACAPwAAAEAAAEBA\n")
	}
	require.NoError(t, os.WriteFile(filepath.Join(both, "detic.tsv"), []byte(detic.String()), 0o644))
	return both
}
