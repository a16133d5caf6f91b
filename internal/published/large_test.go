package published_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/published"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// TestLarge leaves a checkpoint of BERT-base size in the folder ALADIN_LARGE, to be measured with:
//
//	ALADIN_LARGE=/var/tmp/large go test ./internal/published -run Large
//	command time -v aladin-train import --checkpoint /var/tmp/large/checkpoint.pth.tar --vinvl /var/tmp/large/backbone --out /var/tmp/large/model
func TestLarge(t *testing.T) {
	dir := os.Getenv("ALADIN_LARGE")
	if dir == "" {
		t.Skip("set ALADIN_LARGE to a folder with room for 3 GB")
	}
	net := nn.Config{
		Layers: 12, Hidden: 768, Heads: 12, FF: 3072, Vocab: 30522, MaxPositions: 512, Types: 2, LayerNormEps: 1e-12,
		RegionDim: 2054, RegionLayerNorm: true, RegionLayerNormEps: 1e-12,
		MatchLayers: 2, MatchHeads: 4, MatchFF: 768, Alignment: "MrSw", ReleasedAlignment: true,
	}
	vocab := append([]string(nil), pieces...)
	for len(vocab) < net.Vocab {
		vocab = append(vocab, fmt.Sprintf("word%d", len(vocab)))
	}
	wp, err := tokenizer.NewWordPiece(vocab, nil)
	require.NoError(t, err)
	s := published.Source{Net: net, MaxCaption: 50, MaxLabels: 50, MaxRegions: 34, Weights: seeded(1), Tokenizer: wp, FirstLabel: "[UNK]"}
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, published.Export(filepath.Join(dir, "checkpoint.pth.tar"), s))
	require.NoError(t, published.ExportBackbone(filepath.Join(dir, "backbone"), s))
}

// What a person puts into config.json must not break the program.
func FuzzBackboneConfig(f *testing.F) {
	f.Add(bertConfig(nil))
	f.Add(bertConfig(map[string]any{"img_feature_dim": 2054, "use_img_layernorm": 1, "img_layer_norm_eps": 1e-12}))
	f.Add([]byte(`{"hidden_size":{"a":1},"num_hidden_layers":1e300,"num_attention_heads":null,"vocab_size":"5"}`))
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "vocab.txt"), bytes.Join([][]byte{[]byte("[PAD]"), []byte("[UNK]"), []byte("[CLS]"), []byte("[SEP]")}, []byte("\n")), 0o644); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := published.Read(published.Options{Backbone: dir}); err == nil { // there are no weights
			t.Fatalf("read a model out of %q", config)
		}
	})
}
