package traincmd

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/published"
	"github.com/aladin-go/aladin/internal/torch"
)

// A run's last state goes out as a checkpoint and comes back in as if there had been no stop: the same losses as
// the run that went on.
func TestExportState(t *testing.T) {
	dir := needs(t, "aladin-tiny")
	tmp := t.TempDir()
	backbone := filepath.Join(dir, "vinvl")
	config := filepath.Join(tmp, "config.yaml")
	require.NoError(t, os.WriteFile(config, []byte(`
model: {released-alignment: true}
training: {loss-type: alignment-distillation-matching, distillation-mode: mse, lr: 0.001, step-size: 6, bs: 12, max-violation: true, weight-decay: 0.01, beta2: 0.99}
`), 0o644))
	train := func(out, teacher, epochs string) string {
		do(t, "run", "--config", config, "--teacher", teacher, "--vinvl", backbone, "--resume-optimizer", "--epochs", epochs, "--threads", "1", "--quiet", "--out", filepath.Join(tmp, out),
			"--features", filepath.Join(dir, "coco_ir", "features"), "--coco-ir", filepath.Join(dir, "coco_ir"), "--split", "train")
		return filepath.Join(tmp, out)
	}
	whole := steps(t, train("whole", filepath.Join(dir, "checkpoint.pth.tar"), "7"))
	half := train("half", filepath.Join(dir, "checkpoint.pth.tar"), "6")
	pth := filepath.Join(tmp, "half.pth.tar")
	do(t, "export", filepath.Join(half, "last"), "--pth", pth)
	require.Equal(t, whole[10:], steps(t, train("rest", pth, "7")))
	require.Len(t, whole, 15)
	require.InEpsilon(t, 0.0001, whole[14].LR, 1e-9, "the rate fell after six epochs")

	f, err := torch.Open(pth)
	require.NoError(t, err)
	defer f.Close()
	known, err := torch.Open(filepath.Join(dir, "checkpoint.pth.tar"))
	require.NoError(t, err)
	defer known.Close()
	for _, path := range [][]any{{"scheduler"}, {"optimizer"}, {"optimizer", "state", int64(0)}} {
		want, err := torch.Lookup(known.Value(), path...)
		require.NoError(t, err)
		got, err := torch.Lookup(f.Value(), path...)
		require.NoError(t, err)
		for key := range want.(*torch.Dict).All() {
			_, ok := got.(*torch.Dict).Get(key)
			require.True(t, ok, "%v: %v", path, key)
		}
	}
	for key, want := range map[string]int64{"epoch": 6, "Eiters": 30} {
		got, err := torch.Lookup(f.Value(), key)
		require.NoError(t, err)
		require.Equal(t, want, got, key)
	}
	m, err := published.Read(published.Options{Checkpoint: pth, Backbone: backbone})
	require.NoError(t, err)
	defer m.Close()
	adam, err := m.Optimizer()
	require.NoError(t, err)
	require.Equal(t, 82, adam.Len(), "the network's 81 and the loss's one")
	require.Equal(t, []any{0.9, 0.99, 0.01, 0.001}, []any{adam.Beta1, adam.Beta2, adam.WeightDecay, adam.LR})

	// --optimizer finds that state from the run and from its model.
	want, err := os.ReadFile(pth)
	require.NoError(t, err)
	for _, of := range []string{half, filepath.Join(half, "model")} {
		same := filepath.Join(tmp, "same.pth.tar")
		do(t, "export", of, "--optimizer", "--pth", same)
		got, err := os.ReadFile(same)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), of)
	}
	require.Contains(t, refused(t, "export", tmp, "--optimizer", "--pth", pth), "no state of Adam")

	require.NoError(t, os.RemoveAll(filepath.Join(half, "model")))
	require.Contains(t, refused(t, "export", filepath.Join(half, "last"), "--pth", pth), "the first validation writes it")
}
