package published

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/aladin-go/aladin/internal/atomicfile"
	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/torch"
)

// A Source is a model to export.
type Source struct {
	Net                               nn.Config
	MaxCaption, MaxLabels, MaxRegions int
	Tokenizer                         *tokenizer.WordPiece
	FirstLabel                        string // the token before an image's labels
	Aggregate                         bool   // labels that repeat became one sentence for CLIP
	Weights                           nn.Weights
	Kept                              *Kept // of the checkpoint that the model was imported from, or nil
	State                             *State
}

// Strange lists what the released code does not know about a network; a checkpoint of one that has any
// gives other results there, if it loads at all.
func Strange(c nn.Config) []string {
	var s []string
	for _, x := range []struct {
		has  bool
		what string
	}{
		{c.PreNorm, "pre-norm layers (encoder.pre-norm)"},
		{c.MeanPool, "matching vectors by mean (encoder.mean-pool)"},
		{c.WordGates, "weights of words (encoder.word-gates)"},
		{c.GatedMean, "weights of words in matching (encoder.gated-mean)"},
		{c.RegionFF > 0, "a hidden layer for regions (encoder.region-ff)"},
		{c.SkipImageLayers > 0, "fewer layers for images (encoder.skip-image-layers)"},
		{c.TextLocality > 0, "attention that falls with distance (encoder.text-locality)"},
		{c.WordContext > 0, "words in their context (encoder.word-context)"},
		{c.Hubs > 0, "shorter vectors of hubs (encoder.hubness-bank)"},
		{c.StopWords, "stop words that take no part in alignment (model.exclude-stopwords)"},
		{c.Standardise, "standardised region features"},
		{c.AlignProjection, "projections before alignment (encoder.align-projection)"},
		{c.MatchProjection, "projections before matching (encoder.match-projection)"},
		{c.MatchHeads != 4 && c.MatchLayers > 0, fmt.Sprintf("%d attention heads in the matching head, not 4", c.MatchHeads)},
		{c.MatchFF != c.Hidden && c.MatchLayers > 0, fmt.Sprintf("feed-forward layers of %d in the matching head, not %d", c.MatchFF, c.Hidden)},
		{!c.ReleasedAlignment, "alignment of all words and regions, where padding never wins a maximum"},
	} {
		if x.has {
			s = append(s, x.what)
		}
	}
	return s
}

// Export writes a checkpoint in the published layout: model, config, opt, epoch and Eiters; and, if the
// source has a State, optimizer and scheduler.
func Export(path string, s Source) error {
	model, err := s.model()
	if err != nil {
		return err
	}
	d := torch.NewDict()
	if !s.fromCheckpoint() {
		d = torch.NewDict("epoch", 0, "Eiters", 0)
	} else {
		for key, v := range s.Kept.checkpoint.All() {
			d.Set(key.(string), v)
		}
	}
	config, err := s.config(d)
	if err != nil {
		return err
	}
	d.Set("config", config)
	d.Set("opt", s.opt(d))
	d.Set("model", model)
	if s.State != nil {
		if err := s.State.write(d, model); err != nil {
			return err
		}
	}
	return torch.Save(path, d)
}

// model is the state dict: the checkpoint's tensors in its order, names and types, then what it lacks.
func (s Source) model() (*torch.Dict, error) {
	params, err := nn.Parameters(s.Net)
	if err != nil {
		return nil, err
	}
	if s.State != nil {
		params = append(params, s.State.Losses...)
	}
	byName := map[string]nn.Param{}
	for _, p := range params {
		byName[p.Name] = p
	}
	d := &torch.Dict{Ordered: true}
	if s.Kept != nil {
		d.State = s.Kept.metadata
		for _, k := range s.Kept.tensors {
			if p, ok := byName[k.name]; ok {
				t, err := s.tensor(p, k.typ)
				if err != nil {
					return nil, err
				}
				d.Set(s.outName(k), t)
				delete(byName, k.name)
			} else if t, ok := s.Kept.unused.Get(k.source); ok {
				d.Set(s.outName(k), t)
			}
		}
	}
	for _, p := range params {
		if _, ok := byName[p.Name]; !ok {
			continue
		}
		t, err := s.tensor(p, elem.Float32)
		if err != nil {
			return nil, err
		}
		d.Set(p.Name, t)
	}
	return d, nil
}

// outName is a kept tensor's name in a checkpoint: its own if it comes from one, else the network's.
func (s Source) outName(k keptTensor) string {
	if s.fromCheckpoint() {
		return k.source
	}
	return k.name
}

func (s Source) fromCheckpoint() bool { return s.Kept != nil && s.Kept.checkpoint.Len() > 0 }

// tensor is a parameter in a type that a checkpoint had.
func (s Source) tensor(p nn.Param, typ elem.Type) (*torch.Tensor, error) {
	v, err := s.Weights.Values(p)
	if err != nil {
		return nil, err
	}
	var t *torch.Tensor
	switch typ {
	case elem.Float16:
		t, err = torch.NewTensor(p.Shape, convert(v, elem.ToHalf))
	case elem.BFloat16:
		t, err = torch.NewTensor(p.Shape, convert(v, toBFloat))
	case elem.Float64:
		return torch.NewTensor(p.Shape, convert(v, func(x float32) float64 { return float64(x) }))
	default:
		return torch.NewTensor(p.Shape, v)
	}
	if err != nil {
		return nil, err
	}
	t.Type, t.Storage.Type = typ, typ
	return t, nil
}

func convert[T any](v []float32, f func(float32) T) []T {
	out := make([]T, len(v))
	for i, x := range v {
		out[i] = f(x)
	}
	return out
}

// toBFloat rounds to the nearest, ties to even.
func toBFloat(x float32) uint16 {
	b := math.Float32bits(x)
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// Keys of ours in a checkpoint's config: the network as JSON where the released settings cannot say what
// it is, and the token before an image's labels where it is not [UNK].
const (
	networkKey    = "network"
	firstLabelKey = "first-label"
)

// config is the checkpoint's training configuration, or one that stands for the network.
func (s Source) config(checkpoint *torch.Dict) (*torch.Dict, error) {
	c := s.Net
	v, _ := checkpoint.Get("config")
	config, ok := v.(*torch.Dict)
	if !ok {
		config = s.newConfig()
	}
	config = s.withHeads(config)
	if len(Strange(c)) > 0 {
		text, err := json.Marshal(c)
		if err != nil {
			return nil, err
		}
		config = set(config, networkKey, string(text))
	}
	if s.FirstLabel != "[UNK]" {
		config = set(config, firstLabelKey, s.FirstLabel)
	}
	return config, nil
}

// withHeads is a configuration that says what the heads are: a model that was trained further may have
// others than the checkpoint it came from.
func (s Source) withHeads(config *torch.Dict) *torch.Dict {
	said := s.Net
	if have, err := plainSettings("config", config); err == nil && applyConfig(&said, have) == nil && said == s.Net {
		return config
	}
	v, _ := s.newConfig().Get("model")
	model := v.(*torch.Dict)
	for _, key := range []string{"teran-layers", "tern-layers", "post-layers", "shared-transformer", "depth-aggregation-alignment", "depth-aggregation-matching"} {
		value, _ := model.Get(key)
		config = set(config, key, value, "model")
	}
	config = set(config, captionsKey, s.Net.CLIPCaptions > 0)
	config = set(config, labelsKey, s.Net.CLIPLabels > 0)
	return set(config, "alignment-mode", s.Net.Alignment, "training")
}

func (s Source) newConfig() *torch.Dict {
	c := s.Net
	aggregation := func(how string) any {
		if how == "" {
			return false
		}
		return how
	}
	return torch.NewDict(
		"dataset", torch.NewDict("name", "coco"),
		"model", torch.NewDict("name", "aladin", "embed-size", c.Hidden, "text-aggregation", "first", "image-aggregation", "first",
			"freeze-teran", false, "teran-layers", c.AlignLayers, "tern-layers", c.MatchLayers, "post-layers", c.PostLayers,
			"exclude-stopwords", false, "shared-transformer", !c.SeparateAlign,
			"depth-aggregation-alignment", aggregation(c.AlignDepthAggregation),
			"depth-aggregation-matching", aggregation(c.DepthAggregation), "dropout", 0.1),
		"training", torch.NewDict("lr", 1e-5, "grad-clip", 2.0, "max-violation", true, "loss-type", "alignment-distillation",
			"loss-weights", []int{1, 1}, "alignment-mode", c.Alignment, "distillation-mode", "listnet",
			"activate-distillation-after", 0, "measure", "dot", "margin", 0.2, "bs", 32, "scheduler", "steplr", "gamma", 0.1,
			"step-size", 15, "warmup", nil, "warmup-period", 1000),
		captionsKey, c.CLIPCaptions > 0, labelsKey, c.CLIPLabels > 0)
}

// opt is the checkpoint's command line, or one that stands for the model's lengths.
func (s Source) opt(checkpoint *torch.Dict) *torch.Object {
	want := lengths{s.MaxCaption, s.MaxLabels, s.MaxRegions}
	v, _ := checkpoint.Get("opt")
	attrs, ok := torch.Namespace(v)
	if ok {
		if have, err := plainSettings("opt", attrs); err == nil {
			if l, err := optLengths(have); err == nil && l == want && (have.text(aggregateKey, "") == "labels") == s.Aggregate {
				return torch.NewNamespace(attrs)
			}
		}
	} else {
		attrs = torch.NewDict("img_feature_dim", s.Net.RegionDim, "add_od_labels", true, "od_label_type", "vg",
			"img_feature_type", "frcnn", "do_lower_case", !s.Tokenizer.Cased())
	}
	attrs = set(attrs, "max_seq_length", max(want.caption, want.labels))
	attrs = set(attrs, "max_img_seq_length", want.regions)
	if s.Aggregate {
		attrs = set(attrs, aggregateKey, "labels")
	}
	if want.caption != want.labels {
		attrs = set(attrs, "max_caption_seq_len", want.caption)
		attrs = set(attrs, "max_labels_seq_len", want.labels)
	}
	return torch.NewNamespace(attrs)
}

// set is a dict with a value changed, inside the dicts that path names. What a file gave stays as it is.
func set(d *torch.Dict, key string, value any, path ...string) *torch.Dict {
	out := &torch.Dict{Ordered: d.Ordered, State: d.State}
	for k, v := range d.All() {
		_ = out.SetKey(k, v) // it was a key before
	}
	if len(path) == 0 {
		out.Set(key, value)
		return out
	}
	v, _ := d.Get(path[0])
	sub, ok := v.(*torch.Dict)
	if !ok {
		sub = torch.NewDict()
	}
	out.Set(path[0], set(sub, key, value, path[1:]...))
	return out
}

// ExportBackbone writes the folder that goes with a checkpoint: config.json, vocab.txt, training_args.bin
// and the encoder's weights. The folder may exist; its other files stay.
func ExportBackbone(dir string, s Source) error {
	model, err := s.model()
	if err != nil {
		return err
	}
	bert := &torch.Dict{Ordered: true}
	for key, t := range model.All() {
		if name, ok := strings.CutPrefix(strings.TrimPrefix(key.(string), "module."), oscarPrefix); ok {
			bert.Set(name, t)
		}
	}
	text, err := s.configJSON()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(dir, configFile), func(w io.Writer) error { _, err := w.Write(text); return err }); err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(dir, vocabFile), func(w io.Writer) error { return tokenizer.WriteVocab(w, s.Tokenizer.Vocab()) }); err != nil {
		return err
	}
	var args any = s.opt(torch.NewDict())
	if s.Kept != nil && s.Kept.args != nil {
		args = s.Kept.args
	}
	if err := torch.Save(filepath.Join(dir, argsFile), args); err != nil {
		return err
	}
	return torch.Save(filepath.Join(dir, torchFile), bert)
}

// configJSON is the backbone's config.json as it was, or one made from the network.
func (s Source) configJSON() ([]byte, error) {
	if s.Kept != nil && s.Kept.configText != "" {
		if cfg, vinvl, err := parseBackbone([]byte(s.Kept.configText)); err == nil && vinvl && cfg.RegionDim == s.Net.RegionDim {
			return []byte(s.Kept.configText), nil
		}
	}
	c := s.Net
	norm := 0
	if c.RegionLayerNorm {
		norm = 1
	}
	drop := c.Dropout
	if drop.Source == "" {
		drop = nn.Dropout{Hidden: 0.1, Attention: 0.1}
	}
	return json.MarshalIndent(map[string]any{
		"attention_probs_dropout_prob": drop.Attention, "hidden_act": "gelu", "hidden_dropout_prob": drop.Hidden, "hidden_size": c.Hidden,
		"img_feature_dim": c.RegionDim, "img_feature_type": "frcnn", "img_layer_norm_eps": float64(c.RegionLayerNormEps),
		"initializer_range": 0.02, "intermediate_size": c.FF, "layer_norm_eps": float64(c.LayerNormEps), "loss_type": "sfmx",
		"max_position_embeddings": c.MaxPositions, "num_attention_heads": c.Heads, "num_hidden_layers": c.Layers, "num_labels": 2,
		"type_vocab_size": c.Types, "use_img_layernorm": norm, "vocab_size": c.Vocab,
	}, "", "  ")
}
