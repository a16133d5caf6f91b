package traincmd

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/published"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/torch"
)

// torchSteps are the losses that testdata/torch_steps.py printed for this test's folder, with six steps at 0.002.
var torchSteps = []float64{45.496418, 37.559471, 30.627815, 25.185333, 21.588955, 17.941402}

// broad gives parameters values that spread farther than their usual start, so that every part of the network counts.
type broad struct{}

func (broad) Values(p nn.Param) ([]float32, error) {
	v := p.Start(9)
	if p.Init.Random == nn.Normal {
		for i := range v {
			v[i] *= 10
		}
	}
	return v, nil
}

// A checkpoint with lengths of its own trains as in PyTorch, step by step.
func TestStepsOfPyTorch(t *testing.T) {
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	dir := t.TempDir()
	if keep := os.Getenv("ALADIN_TORCH_STEPS"); keep != "" { // a folder for torch_steps.py
		dir = keep
	}
	words := strings.Fields("red green blue dog cat boat tree child kite horse river street runs sits flies under over near small large old young two three a the of with")
	wp, err := tokenizer.NewWordPiece(append([]string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}, words...), nil)
	require.NoError(t, err)
	net := nn.Config{Layers: 2, Hidden: 16, Heads: 2, FF: 24, Vocab: wp.Size(), MaxPositions: 32, Types: 2, LayerNormEps: 1e-12, RegionDim: 9,
		RegionLayerNorm: true, RegionLayerNormEps: 1e-12, MatchLayers: 2, MatchHeads: 4, MatchFF: 16, Alignment: "MrSw", ReleasedAlignment: true}
	source := published.Source{Net: net, MaxCaption: 23, MaxLabels: 17, MaxRegions: 10, Tokenizer: wp, FirstLabel: "[UNK]", Weights: broad{}}
	require.NoError(t, published.Export(filepath.Join(dir, "checkpoint.pth.tar"), source))
	require.NoError(t, published.ExportBackbone(filepath.Join(dir, "vinvl"), source))

	rng := rand.New(rand.NewPCG(3, 4))
	text := func(n int) string {
		out := make([]string, n)
		for i := range out {
			out[i] = words[rng.IntN(len(words))]
		}
		return strings.Join(out, " ")
	}
	captions := &torch.Dict{}
	var features, predictions strings.Builder
	for i := range 8 {
		n := []int{3, 20, 7, 10, 12, 9, 15, 4}[i]
		values := make([]float32, n*net.RegionDim)
		for k := range values {
			values[k] = float32(rng.NormFloat64())
		}
		type object struct {
			Class string  `json:"class"`
			Conf  float64 `json:"conf"`
			Rect  [4]int  `json:"rect"`
		}
		objects := make([]object, n)
		for k := range objects {
			objects[k] = object{text(1), 0.5, [4]int{0, 0, 9, 9}}
		}
		row, err := json.Marshal(map[string]any{"image_h": 10, "image_w": 10, "objects": objects})
		require.NoError(t, err)
		fmt.Fprintf(&features, "%d\t%d\t%s\n", i, n, base64.StdEncoding.EncodeToString(elem.Bytes(values)))
		fmt.Fprintf(&predictions, "%d\t%s\n", i, row)
		require.NoError(t, captions.SetKey(int64(i), []string{text([]int{4, 30, 9, 21, 26, 12, 18, 7}[i])}))
	}
	for _, d := range []string{"features", "coco_ir"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "features", "features.tsv"), []byte(features.String()), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "features", "predictions.tsv"), []byte(predictions.String()), 0o644))
	require.NoError(t, torch.Save(filepath.Join(dir, "coco_ir", "train_captions.pt"), captions))

	out := filepath.Join(t.TempDir(), "run")
	config := plainConfig(t, "alad-alignment-and-matching-distill", "training: {lr: 0.002, bs: 8}")
	do(t, "run", "--config", config, "--teacher", filepath.Join(dir, "checkpoint.pth.tar"), "--vinvl", filepath.Join(dir, "vinvl"),
		"--features", filepath.Join(dir, "features"), "--coco-ir", filepath.Join(dir, "coco_ir"), "--split", "train", "--epochs", "6", "--quiet", "--out", out)
	got := steps(t, out)
	require.Len(t, got, len(torchSteps))
	for i, want := range torchSteps {
		require.InEpsilon(t, want, got[i].Loss["total"], 1e-4, "step %d", i+1)
	}
}
