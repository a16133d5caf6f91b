package traincmd

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/testmodel"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/model"
)

// Every configuration that comes with the command trains, validates and leaves a model, from its own file: published
// ones on the small checkpoint and its features, the others from nothing on a few scenes.
func TestEveryConfig(t *testing.T) {
	dir := needs(t, "aladin-tiny")
	graph, merges := testmodel.CLIP(t, 1)
	features := filepath.Join(dir, "coco_ir", "features")
	both := twoDetectors(t, features)
	start := filepath.Join(t.TempDir(), "start.model")
	do(t, "import", "--checkpoint", filepath.Join(dir, "checkpoint.pth.tar"), "--vinvl", filepath.Join(dir, "vinvl"), "--out", start)
	teacher, err := model.Load(start)
	require.NoError(t, err)
	published := 0
	for _, name := range config.Names() {
		t.Run(name, func(t *testing.T) {
			cfg, err := config.Load(name)
			require.NoError(t, err)
			if cfg.Model.Name == headsModel {
				t.Skip("wants a model of two towers: see TestClipModelsPage")
			}
			out := t.TempDir()
			args := []string{"run", "--config", name, "--epochs", "1", "--threads", "1", "--quiet", "--out", out}
			isPublished := strings.HasPrefix(name, "alad")
			if isPublished {
				published++
				from := features
				if strings.HasPrefix(cfg.DetectionType, "det") {
					from = both
				}
				args = append(args, "--batch-size", "12", "--teacher", start, "--max-caption", "12", "--max-labels", "9", "--features", from, "--coco-ir", filepath.Join(dir, "coco_ir"), "--split", "train",
					"--val-features", from, "--val-coco-ir", filepath.Join(dir, "coco_ir"))
			} else {
				args = append(args, "--batch-size", "16", "--scenes", "12", "--val-scenes", "4", "--cache", filepath.Join(out, "cache"))
			}
			if cfg.EnableCLIPCaptions {
				args = append(args, "--clip-text", graph, "--clip-merges", merges)
			}
			do(t, args...)

			all := steps(t, out)
			require.GreaterOrEqual(t, len(all), 3)
			for _, s := range all {
				require.Len(t, s.Loss, 1+len(cfg.Losses()))
				for _, loss := range append(cfg.Losses(), "total") {
					require.Contains(t, s.Loss, loss)
					require.False(t, math.IsNaN(s.Loss[loss]) || math.IsInf(s.Loss[loss], 0), "%s is %v", loss, s.Loss[loss])
				}
			}
			m, err := model.Load(filepath.Join(out, "model"))
			require.NoError(t, err)
			if !isPublished {
				return
			}
			for _, p := range m.Params.All() {
				was := teacher.Params.Lookup(p.Name)
				if was == nil || !slices.Equal(was.Shape, p.Shape) {
					require.NotEqual(t, "fast", cfg.DetectionType+map[bool]string{true: " with CLIP"}[cfg.EnableCLIPCaptions], p.Name)
					continue
				}
				same := slices.Equal(was.Data, p.Data)
				switch backbone := strings.Contains(p.Name, "oscar_model."); {
				case backbone && cfg.Model.FreezeTeran:
					require.True(t, same, "%s moved, and it is frozen", p.Name)
				case strings.Contains(p.Name, "final_projection_net.") && cfg.Training.LossType == "alignment":
					require.True(t, same, "%s moved, and no loss asks for it", p.Name)
				case strings.HasSuffix(p.Name, ".linear1.weight") || strings.HasSuffix(p.Name, "layer.0.output.dense.weight"):
					require.False(t, same, "%s did not move", p.Name)
				}
			}
		})
	}
	require.Equal(t, 12, published)
}
