package published

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/torch"
)

func jsonSettings(t testing.TB, text string) settings {
	t.Helper()
	s := settings{where: "config", err: new(error)}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&s.values))
	return s
}

func bertBase() nn.Config {
	cfg, _, err := parseBackbone([]byte(`{"hidden_size":768,"num_hidden_layers":12,"num_attention_heads":12,"vocab_size":30522,"img_feature_dim":2054,"use_img_layernorm":1}`))
	if err != nil {
		panic(err)
	}
	return cfg
}

func TestApplyConfig(t *testing.T) {
	cfg := bertBase()
	require.NoError(t, applyConfig(&cfg, jsonSettings(t, `{"model": {"embed-size": 768, "teran-layers": 2, "tern-layers": 4, "post-layers": 1,
		"shared-transformer": false, "depth-aggregation": "mean", "depth-aggregation-alignment": "gated"}, "training": {"alignment-mode": "symm"}}`)))
	want := bertBase()
	want.AlignLayers, want.MatchLayers, want.PostLayers, want.SeparateAlign = 2, 4, 1, true
	want.DepthAggregation, want.AlignDepthAggregation, want.Alignment = "mean", "gated", "symm"
	want.MatchHeads, want.MatchFF = 4, 768
	require.Equal(t, want, cfg)

	require.NoError(t, applyConfig(&cfg, jsonSettings(t, `{"enable_clip_labels": true, "enable_clip_captions": 0}`)))
	require.Equal(t, [2]int{0, 512}, [2]int{cfg.CLIPCaptions, cfg.CLIPLabels})

	for text, message := range map[string]string{
		`{"model": 5}`:                                             `config: "model" is 5, want a dict`,
		`{"model": {"embed-size": 1024}}`:                          "embed-size is 1024",
		`{"model": {"tern-layers": "two"}}`:                        `config.model: "tern-layers" is two`,
		`{"model": {"tern-layers": true}}`:                         `"tern-layers" is true`,
		`{"model": {"tern-layers": 1000}}`:                         "at most 100 layers",
		`{"model": {"tern-layers": -1}}`:                           "-1",
		`{"model": {"depth-aggregation-matching": true}}`:          "want false, gated or mean",
		`{"model": {"depth-aggregation-matching": "transformer"}}`: "transformer",
		`{"training": {"alignment-mode": "max"}}`:                  `alignment-mode is "max"`,
		`{"enable_clip": true}`:                                    "enable_clip_captions and enable_clip_labels",
		`{"enable_clip_labels": "both"}`:                           `"enable_clip_labels" is both`,
	} {
		cfg := bertBase()
		require.ErrorContains(t, applyConfig(&cfg, jsonSettings(t, text)), message, text)
	}
}

func TestOptLengths(t *testing.T) {
	for text, want := range map[string]lengths{
		`{}`: {50, 50, 34},
		`{"max_seq_length": 70, "max_img_seq_length": 70}`:                                  {70, 70, 70},
		`{"max_caption_seq_len": 40, "max_labels_seq_len": 14, "max_img_seq_length": 70.0}`: {40, 14, 70},
	} {
		l, err := optLengths(jsonSettings(t, text))
		require.NoError(t, err)
		require.Equal(t, want, l, text)
	}
	_, err := optLengths(jsonSettings(t, `{"max_seq_length": 2}`))
	require.ErrorContains(t, err, `"max_seq_length" is 2`)
}

// Whatever stands in a checkpoint's settings gives a network or an error.
func FuzzConfig(f *testing.F) {
	f.Add(`{"model": {"embed-size": 768, "teran-layers": 2, "depth-aggregation-matching": "gated"}, "training": {"alignment-mode": "MrSw"}}`)
	f.Add(`{"model": {"tern-layers": 1e99, "shared-transformer": []}, "training": 3, "detection_type": {}}`)
	f.Add(`{"max_seq_length": -1, "network": "{}", "first-label": 7}`)
	f.Fuzz(func(t *testing.T, text string) {
		s := settings{where: "config", err: new(error)}
		if json.Unmarshal([]byte(text), &s.values) != nil {
			return
		}
		cfg := bertBase()
		cfg.Layers = 1
		if err := applyConfig(&cfg, s); err == nil {
			if _, err := nn.Parameters(cfg); err != nil {
				t.Fatalf("%s makes no network: %v", text, err)
			}
		}
		if l, err := optLengths(s); err == nil && (l.caption < 4 || l.labels < 4 || l.regions < 1) {
			t.Fatalf("%s: lengths %v", text, l)
		}
	})
}

// The kept file is a torch file of anybody's making.
func FuzzKept(f *testing.F) {
	var buf bytes.Buffer
	k := &Kept{unused: &torch.Dict{}, checkpoint: torch.NewDict("epoch", 1), tensors: []keptTensor{{"a", "b", 1}}, configText: "{}"}
	if err := k.Write(&buf); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := torch.Parse(data)
		if err != nil {
			return
		}
		if k, err := parseKept(file.Value()); err == nil {
			if err := k.Write(&bytes.Buffer{}); err != nil {
				t.Logf("cannot be written again: %v", err)
			}
		}
	})
}
