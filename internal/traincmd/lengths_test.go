package traincmd

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/torch"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/vinvl"
)

// plainConfig writes a configuration of the released code without dropout.
func plainConfig(t *testing.T, name string, overrides ...string) string {
	t.Helper()
	cfg, err := config.Load(name, append([]string{"{model: {dropout: 0}, encoder: {dropout: 0, attention-dropout: 0}}"}, overrides...)...)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), name+".yaml")
	require.NoError(t, os.WriteFile(path, cfg.YAML(), 0o644))
	return path
}

// onePair is the fixture's data set with one caption an image, so that a batch of all images is the reference's batch.
func onePair(t *testing.T, dir string, row func(image int) int) (cocoIR string) {
	t.Helper()
	split, err := vinvl.Split(filepath.Join(dir, "coco_ir"), "test", "test_img_keys.tsv")
	require.NoError(t, err)
	captions := &torch.Dict{}
	for i, id := range split.IDs {
		n := row(i)
		number, err := strconv.ParseInt(id, 10, 64)
		require.NoError(t, err)
		require.NoError(t, captions.SetKey(number, split.ByID[id][n:n+1]))
	}
	cocoIR = t.TempDir()
	require.NoError(t, torch.Save(filepath.Join(cocoIR, "train_captions.pt"), captions))
	return cocoIR
}

// A run reads as many tokens and regions as its teacher does, unless it is told otherwise: the first loss is the released
// code's, which cut images to 10 regions and sequences to 16 tokens.
func TestTeachersLengths(t *testing.T) {
	dir := needs(t, "aladin-tiny")
	z, err := npy.OpenZ(filepath.Join(dir, "expected.npz"))
	require.NoError(t, err)
	defer z.Close()
	want := floats(t, z, "f64/total")[0]
	cocoIR := onePair(t, dir, func(image int) int { return image % 5 })
	run := func(name string, more ...string) (float64, string) {
		out := filepath.Join(t.TempDir(), name)
		args := []string{"run", "--config", plainConfig(t, "alad-alignment-and-matching-distill"), "--batch-size", "12", "--threads", "1", "--epochs", "1", "--out", out,
			"--vinvl", filepath.Join(dir, "vinvl"), "--features", filepath.Join(dir, "coco_ir", "features"), "--coco-ir", cocoIR, "--split", "train",
			"--teacher", filepath.Join(dir, "checkpoint.pth.tar")}
		var stdout, stderr bytes.Buffer
		require.Zero(t, Program.Run(t.Context(), append(args, more...), &stdout, &stderr), stderr.String())
		return steps(t, out)[0].Loss["total"], stderr.String()
	}
	loss, said := run("teacher")
	require.InEpsilon(t, want, loss, 1e-4)
	require.Contains(t, said, "captions of at most 16 tokens and labels of at most 16, with [CLS] and [SEP]; at most 10 regions")
	require.Contains(t, said, "dropout: 0 of hidden states and 0 of attention weights in the backbone, 0 in the heads")
	seen := map[float64]bool{loss: true}
	for _, flag := range []string{"--max-regions=3", "--max-regions=14", "--max-caption=9", "--max-labels=6"} {
		other, said := run(strings.TrimLeft(flag, "-"), flag)
		require.False(t, seen[other], "%s changes nothing", flag)
		require.Contains(t, said, "the configuration asks for others")
		seen[other] = true
	}
	var stdout, stderr bytes.Buffer
	require.Equal(t, 1, Program.Run(t.Context(), []string{"run", "--config", "alad-alignment-triplet", "--batch-size", "12", "--out", t.TempDir(),
		"--vinvl", filepath.Join(dir, "vinvl"), "--teacher", filepath.Join(dir, "checkpoint.pth.tar"), "--max-caption", "70",
		"--features", filepath.Join(dir, "coco_ir", "features"), "--coco-ir", cocoIR, "--split", "train"}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "at most 64, the model's positions")
}
