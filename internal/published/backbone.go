package published

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/torch"
)

// Files of a backbone's folder.
const (
	configFile      = "config.json"
	vocabFile       = "vocab.txt"
	argsFile        = "training_args.bin"
	torchFile       = "pytorch_model.bin"
	safetensorsFile = "model.safetensors"
	tokenizerFile   = "tokenizer_config.json"
)

// A backbone is what a folder says about itself.
type backbone struct {
	dir        string
	configText []byte // config.json as it is
	args       any    // the value in training_args.bin, or nil
	net        nn.Config
	vinvl      bool // has regions: not a plain BERT
	cased      bool
}

// maxConfig bounds config.json and training_args.bin; real ones have a kilobyte.
const maxConfig = 1 << 20

func readBackbone(dir string) (*backbone, error) {
	b := &backbone{dir: dir}
	text, err := readSmall(filepath.Join(dir, configFile))
	if err != nil {
		return nil, fmt.Errorf("%w: %w (the folder of VinVL's checkpoint, or of a BERT model, is wanted)", ErrBackbone, err)
	}
	b.configText = text
	if b.net, b.vinvl, err = parseBackbone(text); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBackbone, filepath.Join(dir, configFile), err)
	}
	if err := b.readArgs(); err != nil {
		return nil, err
	}
	return b, b.readCase()
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(text) > maxConfig {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxConfig)
	}
	return text, err
}

// readArgs reads training_args.bin if it is there. The released code takes from it only what does not
// shape the network, and demands object labels.
func (b *backbone) readArgs() error {
	path := filepath.Join(b.dir, argsFile)
	data, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBackbone, err)
	}
	f, err := torch.Parse(data)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrBackbone, path, err)
	}
	b.args = f.Value()
	s, err := plainSettings(path, b.args)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBackbone, err)
	}
	if !s.truth("add_od_labels", true) {
		return fmt.Errorf("%w: %s: add_od_labels is False; the network reads object labels", ErrBackbone, path)
	}
	if *s.err != nil {
		return fmt.Errorf("%w: %w", ErrBackbone, *s.err)
	}
	return nil
}

// readCase finds out whether the vocabulary is cased. VinVL's never is: its tokenizer is loaded without
// do_lower_case and lower-cases all the same.
func (b *backbone) readCase() error {
	if b.vinvl {
		return nil
	}
	path := filepath.Join(b.dir, tokenizerFile)
	text, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBackbone, err)
	}
	var t struct {
		Lower *bool `json:"do_lower_case"`
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrBackbone, path, err)
	}
	b.cased = t.Lower != nil && !*t.Lower
	return nil
}

// parseBackbone reads config.json: the encoder's shape, and whether it knows regions.
func parseBackbone(text []byte) (cfg nn.Config, vinvl bool, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	s := settings{where: "config", err: new(error)}
	if err := dec.Decode(&s.values); err != nil {
		return cfg, false, err
	}
	if kind := s.text("model_type", "bert"); kind != "bert" {
		return cfg, false, fmt.Errorf("model_type is %q; only bert is known", kind)
	}
	if act := s.text("hidden_act", "gelu"); act != "gelu" {
		return cfg, false, fmt.Errorf("hidden_act is %q; only gelu (with erf) is known", act)
	}
	if kind := s.text("position_embedding_type", "absolute"); kind != "absolute" {
		return cfg, false, fmt.Errorf("position_embedding_type is %q; only absolute is known", kind)
	}
	vinvl = s.has("img_feature_dim")
	kind := s.text("img_feature_type", "frcnn")
	if kind == "dis_code" || kind == "dis_code_t" || kind == "dis_code_scale" {
		return cfg, false, fmt.Errorf("img_feature_type is %q; only features of regions are known", kind)
	}
	for _, key := range []string{"hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"} {
		if !s.has(key) {
			return cfg, false, fmt.Errorf("%q is missing", key)
		}
	}
	cfg = nn.Config{
		Layers: s.integer("num_hidden_layers", 1, 12), Hidden: s.integer("hidden_size", 1, 768),
		Heads: s.integer("num_attention_heads", 1, 12), FF: s.integer("intermediate_size", 1, 3072),
		Vocab: s.integer("vocab_size", 1, 30522), MaxPositions: s.integer("max_position_embeddings", 3, 512),
		Types: s.integer("type_vocab_size", 1, 2), LayerNormEps: float32(s.float("layer_norm_eps", 1e-12)),
		RegionDim:       s.integer("img_feature_dim", 1, 2054),
		RegionLayerNorm: s.truth("use_img_layernorm", !vinvl), RegionLayerNormEps: float32(s.float("img_layer_norm_eps", 1e-12)),
	}
	if s.has("hidden_dropout_prob") || s.has("attention_probs_dropout_prob") {
		cfg.Dropout = nn.Dropout{Hidden: s.share("hidden_dropout_prob", 0.1), Attention: s.share("attention_probs_dropout_prob", 0.1), Source: configFile}
	}
	if *s.err != nil {
		return cfg, vinvl, *s.err
	}
	if cfg.Layers > 1000 {
		return cfg, vinvl, fmt.Errorf("num_hidden_layers is %d", cfg.Layers)
	}
	if cfg.Hidden%cfg.Heads != 0 {
		return cfg, vinvl, fmt.Errorf("hidden_size %d is no multiple of num_attention_heads %d", cfg.Hidden, cfg.Heads)
	}
	return cfg, vinvl, nil
}
