package config

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every shipped configuration says what the published one does, and comes back from its own YAML.
func TestShippedConfigs(t *testing.T) {
	type row struct {
		Builder string
		weights []float64
		Frozen  bool
		step    int
	}
	published := map[string]row{
		"alad-alignment-triplet":                              {"alignment", []float64{1}, false, 15},
		"alad-matching-triplet-finetune":                      {"matching", []float64{1}, true, 10},
		"alad-matching-distill-finetune":                      {"distillation", []float64{1}, true, 10},
		"alad-matching-triplet-e2e":                           {"matching", []float64{1}, false, 15},
		"alad-alignment-and-matching-distill":                 {"alignment-distillation", []float64{1, 1}, false, 15},
		"alad-alignment-and-matching-triplet0.1-plus-distill": {"alignment-distillation-matching", []float64{1, 1, 0.1}, false, 15},
	}
	second := map[string]row{}
	for _, name := range Names() {
		c, err := Load(name)
		require.NoError(t, err, name)
		again, err := Parse(c.YAML())
		require.NoError(t, err, name)
		require.Equal(t, string(c.YAML()), string(again.YAML()), name)
		got := row{c.Training.LossType, c.Training.LossWeights.Values, c.Model.FreezeTeran, c.Training.StepSize}
		if strings.HasPrefix(name, "aladin2-") {
			second[name] = got
			require.NotEmpty(t, c.DetectionType, name)
		}
		if want, ok := published[name]; ok || strings.HasPrefix(name, "aladin2-") {
			if ok {
				require.Equal(t, want, got, name)
				delete(published, name)
			}
			tr := c.Training
			require.Equal(t, []any{1e-5, 2.0, 32, 20, uint64(88), "MrSw", "listnet", "dot", 0.2, 0.1, 7000}, []any{tr.LR, tr.GradClip, tr.BatchSize, tr.Epochs, tr.Seed,
				tr.AlignmentMode, tr.DistillationMode, tr.Measure, tr.Margin, tr.Gamma, tr.ValEvery}, name)
			require.True(t, tr.MaxViolation && c.Model.ReleasedAlignment && c.Model.SharedTransformer, name)
			require.Equal(t, []int{0, 2, 768}, []int{c.Model.TeranLayers, c.Model.TernLayers, c.Model.EmbedSize}, name)
		}
	}
	require.Empty(t, published)
	require.Len(t, second, 6)
}

func TestParseConfig(t *testing.T) {
	c, err := Parse([]byte("training:\n  activate_distillation_after: 3\n"))
	require.NoError(t, err)
	require.Equal(t, 3, c.Training.DistillAfter)
	c, err = Parse([]byte("training:\n  activate-distillation-after: 2\n  loss-weights: auto\n  warmup: null\n"))
	require.NoError(t, err)
	require.Equal(t, 2, c.Training.DistillAfter)
	require.True(t, c.Training.LossWeights.Auto)
	require.Empty(t, c.Notes)

	c, err = Parse([]byte("model:\n  depth-aggregation: gated\n  depth-aggregation-alignment: mean\n  text-model:\n    name: bert\ntraining:\n  val_step: 3\n"))
	require.NoError(t, err)
	require.Equal(t, Aggregation("gated"), c.Model.DepthAggregationMatching)
	require.Equal(t, Aggregation("mean"), c.Model.DepthAggregationAlignment)
	require.Equal(t, []string{"model.text-model has no effect: the caption encoder is the shared one", "training.val_step has no effect: use val-every"}, c.Notes)

	// As old files spell it, with keys that say where their program finds its data.
	c, err = Parse([]byte("dataset: {name: coco, images-path: a/b, restval: True}\nmodel:\n  depth-aggregation-alignment: False\n  depth-aggregation: no\n  freeze-teran: True\n"))
	require.NoError(t, err)
	require.Empty(t, c.Model.DepthAggregationAlignment+c.Model.DepthAggregationMatching)
	require.True(t, c.Model.FreezeTeran)
	require.Equal(t, []string{"dataset.images-path has no effect: the command line names the data", "dataset.restval has no effect: the command line names the data"}, c.Notes)

	c, err = Parse([]byte("training:\n  measure: order\n"))
	require.NoError(t, err)
	require.Equal(t, []string{"training.measure: order is for the loss alone: validation, evaluation and search rank by inner products"}, c.Notes)

	empty, err := Parse(nil)
	require.NoError(t, err)
	require.Equal(t, Default(), *empty)
	empty, err = Parse([]byte("model:\ntraining:\n"))
	require.NoError(t, err)
	require.Equal(t, Default(), *empty)
}

func TestBadConfigs(t *testing.T) {
	for text, want := range map[string]string{
		"training:\n  max-voilation: true\n":                 `line 2: unknown key "training.max-voilation"; did you mean "training.max-violation"?`,
		"training:\n  batch-sise: 3\nmodle:\n":               `unknown key "training.batch-sise"`,
		"modle:\n  dropout: 1\n":                             `did you mean "model"?`,
		"model:\n  tern_layers: 2\n":                         `did you mean "model.tern-layers"?`,
		"lr: 1\n":                                            `unknown key "lr"; did you mean "training.lr"?`,
		"training:\n  tern-layers: 1\n":                      `did you mean "model.tern-layers"?`,
		"model:\n  detection-type: det\n":                    `did you mean "detection_type"?`,
		"encoder:\n  droput: 1\n":                            `did you mean "encoder.dropout"?`,
		"training:\n  images-path: a\n":                      `unknown key "training.images-path"`,
		"model:\n  depth-aggregation: yes\n":                 `depth aggregation "yes"`,
		"training:\n  lr: fast\n":                            "line 2",
		"training: 3\n":                                      "training must be a mapping",
		"- a\n":                                              "must be a mapping",
		"training: [\n":                                      "invalid configuration",
		"training:\n  loss-type: alignment-attention\n":      `names "attention"`,
		"training:\n  loss-type: alignment-alignment\n":      "twice",
		"training:\n  loss-weights: [1]\n":                   "1 numbers for the 2 losses",
		"training:\n  loss-weights: automatic\n":             `loss-weights "automatic"`,
		"training:\n  alignment-mode: MrSW\n":                "training.alignment-mode",
		"training:\n  distillation-mode: kl\n":               "training.distillation-mode",
		"training:\n  measure: l2\n":                         "training.measure",
		"training:\n  contrast: softmax\n":                   "training.contrast",
		"training:\n  scheduler: step\n":                     "training.scheduler",
		"training:\n  optimizer: sgd\n":                      "training.optimizer",
		"training:\n  warmup: slow\n":                        "training.warmup",
		"training:\n  lr: 0\n":                               "lr > 0",
		"training:\n  lr: .nan\n":                            "lr > 0",
		"training:\n  bs: 1\n":                               "bs ≥ 2",
		"training:\n  epochs: 0\n":                           "epochs ≥ 1",
		"training:\n  accumulate: 0\n":                       "accumulate ≥ 1",
		"training:\n  grad-clip: -1\n":                       "grad-clip ≥ 0",
		"training:\n  ema: 1\n":                              "ema in [0, 1)",
		"training:\n  warmup: linear\n  warmup-period: -3\n": "warmup-period",
		"training:\n  beta2: 1\n":                            "beta2",
		"training:\n  save-every: -1\n":                      "save-every",
		"training:\n  start-lr: -1\n":                        "start-lr",
		"model:\n  text-aggregation: mean\n":                 "model.text-aggregation is \"mean\"",
		"model:\n  image-aggregation: max\n":                 "model.image-aggregation",
		"model:\n  dropout: 1\n":                             "model.dropout is 1",
		"model:\n  depth-aggregation-matching: sum\n":        `depth aggregation "sum"`,
		"encoder:\n  region-dropout: -0.5\n":                 "encoder.region-dropout",
		"encoder:\n  start: pca\n":                           "encoder.start",
		"encoder:\n  max-caption: 2\n":                       "max-caption",
		"detection_type: slow\n":                             "detection_type",
		"training:\n  bs: 3\n  bs: 4\n":                      "already defined",
		"training:\n  activate-distillation-after: 1\n  activate_distillation_after: 2\n": "already defined",
	} {
		_, err := Parse([]byte(text))
		require.ErrorIs(t, err, ErrConfig, text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestLoadConfig(t *testing.T) {
	_, err := Load("alad-alignment-triplets")
	require.ErrorIs(t, err, ErrConfig)
	require.ErrorContains(t, err, "alad-alignment-triplet,")
	path := filepath.Join(t.TempDir(), "c.yaml")
	_, err = Load(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, []byte("traning: 1"), 0o644))
	_, err = Load(path)
	require.ErrorContains(t, err, path)
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("training:\n  lr: 1\n  loss-weights: [1, 2]\nmodel: {dropout: 0.1}\n"))
	for _, name := range Names() {
		text, err := Text(name)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte("training: &a\n  lr: 1\nmodel: *a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			require.ErrorIs(t, err, ErrConfig)
			return
		}
		again, err := Parse(c.YAML())
		require.NoError(t, err)
		require.Equal(t, string(c.YAML()), string(again.YAML()))
		require.False(t, math.IsNaN(c.Training.LR))
	})
}
