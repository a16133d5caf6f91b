package doctest

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/indexcmd"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/testmodel"
)

// Pictures of the world, and how many of them train.tsv describes; dev.tsv has the others.
const (
	pictures = 20
	learnt   = 14
)

// smallConfig is the file that stands in for the configurations of pages.
const smallConfig = "small.yaml"

// world makes the folder that the pages speak of: photos with captions, stand-ins for the models of the
// ready-made extractor, and two small models with an index.
func world(t *testing.T, dir string) {
	t.Helper()
	photos := filepath.Join(dir, "photos")
	require.NoError(t, scenes.New(5, nil).WriteDir(t.Context(), photos, 0, pictures, nil))
	captions, err := os.ReadFile(filepath.Join(photos, "captions.tsv"))
	require.NoError(t, err)
	var train, dev strings.Builder
	for line := range strings.Lines(string(captions)) {
		var n int
		_, err := fmt.Sscanf(line, "scene-%d.png", &n)
		require.NoError(t, err)
		if n < learnt {
			train.WriteString(line)
		} else {
			dev.WriteString(line)
		}
	}
	for name, text := range map[string]string{
		"train.tsv": train.String(), "dev.tsv": dev.String(),
		"tags.tsv":   "scene-000001.png\tholiday\nscene-000002.png\tholiday\n",
		smallConfig:  "encoder: {layers: 1, hidden: 32, heads: 2, ff: 32, min-count: 1, max-regions: 80}\nmodel: {tern-layers: 1}\n",
		"meta.jsonl": `{"id": "scene-000001.png", "place": "Lisbon"}` + "\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	f, err := os.Create(filepath.Join(dir, "dog.jpg"))
	require.NoError(t, err)
	require.NoError(t, jpeg.Encode(f, scenes.New(6, nil).Scene(0).Image, nil))
	require.NoError(t, f.Close())
	require.NoError(t, testmodel.Write(filepath.Join(dir, "photos.model"), testmodel.Options{Name: "photos"}))
	require.NoError(t, testmodel.Write(filepath.Join(dir, "other.model"), testmodel.Options{Name: "other", Seed: 2}))
	require.NoError(t, testmodel.BERT(filepath.Join(dir, "all-MiniLM-L6-v2"), 3, strings.Fields("a the red blue ball cube mug dog cat kayak puppy left right of and in front")))
	standIns(t, filepath.Join(dir, "models"))
	var stderr bytes.Buffer
	whole := filepath.Join(dir, "photos.aladin")
	require.Zero(t, indexcmd.Program.Run(t.Context(), []string{"build", "--model", filepath.Join(dir, "photos.model"), "--images", photos, "--out", whole}, io.Discard, &stderr), stderr.String())

	// What goes wrong: a folder with good and bad things in it, and an index that was cut short.
	mixed := filepath.Join(dir, "mixed")
	require.NoError(t, os.Mkdir(mixed, 0o755))
	require.NoError(t, os.Link(filepath.Join(photos, "scene-000000.png"), filepath.Join(mixed, "good.png")))
	require.NoError(t, os.WriteFile(filepath.Join(mixed, "notes.jpg"), []byte("milk, bread"), 0o644))
	require.NoError(t, os.WriteFile(mixed+".tsv", []byte("good.png\t0\ta ball\nnotes.jpg\t0\ta list\ngone.jpg\t0\ta hole\nblanks.jpg 0 for tabs\n"), 0o644))
	data, err := os.ReadFile(whole)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cut.aladin"), data[:12000], 0o644))
}

// standIns writes models with the inputs and outputs of those that the preset mobilenet-yolox names: maps of
// the picture's mean colours, and a detector that sees and finds nothing.
func standIns(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.Mkdir(dir, 0o755))
	write := func(name string, b *onnx.Builder) {
		m, err := b.Model(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), m.Marshal(), 0o644))
	}
	b := onnx.NewBuilder()
	x := b.Input("serving_default_input_4:0", onnx.Float, onnx.Of("n", 288, 288, 3))
	cells := b.ReduceMean(b.Reshape(x, onnx.Sym("n"), onnx.D(9), onnx.D(32), onnx.D(9), onnx.D(32), onnx.D(3)), false, 2, 4)
	for name, dim := range map[string]int{"Relu6__87:0": 960, "Relu6__90:0": 1280} {
		weights := make([]float32, 3*dim)
		for i := range weights {
			weights[i] = float32(i%7)/7 - 0.3
		}
		b.Output(name, b.Transpose(b.Relu(b.MatMul(cells, b.Weights("w"+name, weights, 3, dim))), 0, 3, 1, 2))
	}
	write("mobilenetv2.onnx", b)

	b = onnx.NewBuilder()
	x = b.Input("images", onnx.Float, onnx.Of(1, 3, 416, 416))
	for _, name := range []string{"input.359", "input.591"} {
		b.Output(name, b.Weights("pyramid"+name, make([]float32, 256*13*13), 1, 256, 13, 13))
	}
	b.Output("output", b.Add(b.Weights("nothing", make([]float32, 3549*85), 1, 3549, 85), b.MulS(b.ReduceSum(x, false, 0, 1, 2, 3), 0)))
	write("yolox_nano.onnx", b)
}
