package models

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/towers"
)

// hfConfig is config.json of Hugging Face's transformers, which leaves out what equals the library's defaults.
type hfConfig struct {
	ModelType     string   `json:"model_type"`
	Architectures []string `json:"architectures"`
	Projection    *int     `json:"projection_dim"`
	Text          hfTower  `json:"text_config"`
	Vision        hfTower  `json:"vision_config"`
	// What files of 2021 and 2022 call them; these count where both are there.
	OldText   *hfTower `json:"text_config_dict"`
	OldVision *hfTower `json:"vision_config_dict"`
	// ModelConfig is OpenCLIP's own description, which some put into config.json.
	ModelConfig json.RawMessage `json:"model_cfg"`
	Vision2     json.RawMessage `json:"vision_cfg"`
}

type hfTower struct {
	ModelType  string   `json:"model_type"`
	Activation string   `json:"hidden_act"`
	Width      int      `json:"hidden_size"`
	Inner      int      `json:"intermediate_size"`
	Heads      int      `json:"num_attention_heads"`
	Layers     int      `json:"num_hidden_layers"`
	Positions  int      `json:"max_position_embeddings"`
	Vocabulary int      `json:"vocab_size"`
	Eps        *float64 `json:"layer_norm_eps"`
	End        *int     `json:"eos_token_id"`
	ImageSize  int      `json:"image_size"`
	Patch      int      `json:"patch_size"`
	Channels   int      `json:"num_channels"`
	UseHead    *bool    `json:"vision_use_head"`
}

// Defaults of transformers' CLIPTextConfig, CLIPVisionConfig, SiglipTextConfig and SiglipVisionConfig.
var (
	clipTextDefaults   = hfTower{Activation: "quick_gelu", Width: 512, Inner: 2048, Heads: 8, Layers: 12, Positions: 77, Vocabulary: 49408}
	clipImageDefaults  = hfTower{Activation: "quick_gelu", Width: 768, Inner: 3072, Heads: 12, Layers: 12, ImageSize: 224, Patch: 32, Channels: 3}
	siglipTextDefaults = hfTower{Activation: "gelu_pytorch_tanh", Width: 768, Inner: 3072, Heads: 12, Layers: 12, Positions: 64, Vocabulary: 32000}
	siglipImageDefault = hfTower{Activation: "gelu_pytorch_tanh", Width: 768, Inner: 3072, Heads: 12, Layers: 12, ImageSize: 224, Patch: 16, Channels: 3}
)

const (
	clipEps, siglipEps = 1e-5, 1e-6
	clipEnd            = 49407
	// oldEnd is the id that configurations before transformers 4.31 name by mistake: models that have it take
	// the largest id for the end token.
	oldEnd = 2
)

func (t *hfTower) fill(d hfTower) {
	t.Activation = cmp.Or(t.Activation, d.Activation)
	t.Width, t.Inner = cmp.Or(t.Width, d.Width), cmp.Or(t.Inner, d.Inner)
	t.Heads, t.Layers = cmp.Or(t.Heads, d.Heads), cmp.Or(t.Layers, d.Layers)
	t.Positions, t.Vocabulary = cmp.Or(t.Positions, d.Positions), cmp.Or(t.Vocabulary, d.Vocabulary)
	t.ImageSize, t.Patch, t.Channels = cmp.Or(t.ImageSize, d.ImageSize), cmp.Or(t.Patch, d.Patch), cmp.Or(t.Channels, d.Channels)
}

func (t *hfTower) transformer(eps float64) (out towers.Transformer, err error) {
	out = towers.Transformer{Heads: t.Heads, Eps: float32(eps)}
	if t.Eps != nil {
		out.Eps = float32(*t.Eps)
	}
	out.Activation, err = activation(t.Activation)
	return out, err
}

func activation(name string) (towers.Activation, error) {
	switch name {
	case "gelu":
		return towers.GELU, nil
	case "quick_gelu":
		return towers.QuickGELU, nil
	case "gelu_pytorch_tanh", "gelu_new", "gelu_fast":
		return towers.TanhGELU, nil
	}
	return "", fmt.Errorf("%w: activation %q; use its ONNX export", ErrUnsupported, name)
}

// hfWeights are the names under which folders keep their weights, the best first.
var hfWeights = []string{"model.safetensors", "model.safetensors" + shardIndex, "pytorch_model.bin", "pytorch_model.bin" + shardIndex}

// openHF reads a folder of Hugging Face's. config is its config.json.
func (s *Source) openHF(c *hfConfig, weights string) error {
	if c.OldText != nil {
		c.Text = *c.OldText
	}
	if c.OldVision != nil {
		c.Vision = *c.OldVision
	}
	var err error
	if s.store, err = openStore(weights); err != nil {
		return err
	}
	s.use(weights)
	switch c.ModelType {
	case "clip":
		s.Family, s.Layout = CLIP, "Hugging Face CLIPModel"
		err = s.hfCLIP(c)
	case "siglip":
		s.Family, s.Layout = SigLIP, "Hugging Face SiglipModel"
		err = s.hfSigLIP(c)
	default:
		return unsupportedHF(c.ModelType)
	}
	if err != nil {
		return err
	}
	return s.scales()
}

// unsupportedHF refuses an architecture by its name.
func unsupportedHF(kind string) error {
	if kind == "siglip2" {
		return fmt.Errorf("%w: SigLIP 2 NaFlex (model_type siglip2) takes pictures of any shape as flattened patches; use a SigLIP 2 of fixed resolution or its ONNX export", ErrUnsupported)
	}
	return fmt.Errorf("%w: model_type %q: weights of clip and siglip are read; use its ONNX export", ErrUnsupported, kind)
}

func (s *Source) hfCLIP(c *hfConfig) (err error) {
	c.Text.fill(clipTextDefaults)
	c.Vision.fill(clipImageDefaults)
	t := &towers.Text{Causal: true, Pool: towers.PoolEnd, End: clipEnd}
	if t.Transformer, err = c.Text.transformer(clipEps); err != nil {
		return err
	}
	if c.Text.End != nil {
		t.End = *c.Text.End
	}
	if t.End == oldEnd {
		t.Pool = towers.PoolLargest
	}
	i := &towers.Image{Size: [2]int{c.Vision.ImageSize, c.Vision.ImageSize}, Pool: towers.PoolClass}
	if i.Transformer, err = c.Vision.transformer(clipEps); err != nil {
		return err
	}
	s.text, s.image = t, i
	s.textWeights, s.imageWeights = towers.HuggingFaceText.Weights(s.store.lookup), towers.HuggingFaceImage.Weights(s.store.lookup)
	return s.agree(c)
}

func (s *Source) hfSigLIP(c *hfConfig) (err error) {
	c.Text.fill(siglipTextDefaults)
	c.Vision.fill(siglipImageDefault)
	if c.Vision.UseHead != nil && !*c.Vision.UseHead {
		return fmt.Errorf("%w: a SigLIP without its pooling head (vision_use_head); use its ONNX export", ErrUnsupported)
	}
	t := &towers.Text{Pool: towers.PoolLast}
	if t.Transformer, err = c.Text.transformer(siglipEps); err != nil {
		return err
	}
	i := &towers.Image{Size: [2]int{c.Vision.ImageSize, c.Vision.ImageSize}, Pool: towers.PoolProbe}
	if i.Transformer, err = c.Vision.transformer(siglipEps); err != nil {
		return err
	}
	s.text, s.image = t, i
	s.textWeights, s.imageWeights = towers.SigLIPText.Weights(s.store.lookup), towers.SigLIPImage.Weights(s.store.lookup)
	return s.agree(c)
}

// agree holds what the configuration says against the weights.
func (s *Source) agree(c *hfConfig) error {
	text, image, err := s.sizes()
	if err != nil {
		return err
	}
	for _, x := range []struct {
		what         string
		says, shapes int
	}{
		{"text_config.hidden_size", c.Text.Width, text.Width}, {"text_config.vocab_size", c.Text.Vocabulary, text.Vocabulary},
		{"text_config.max_position_embeddings", c.Text.Positions, text.Context}, {"text_config.num_hidden_layers", c.Text.Layers, depth(s.textWeights)},
		{"vision_config.hidden_size", c.Vision.Width, image.Width}, {"vision_config.patch_size", c.Vision.Patch, image.Patch},
		{"vision_config.num_hidden_layers", c.Vision.Layers, depth(s.imageWeights)}, {"vision_config.num_channels", c.Vision.Channels, 3},
	} {
		if x.says != x.shapes {
			return fmt.Errorf("%w: config.json says %s is %d (if it says nothing, that is the default), the weights have %d", ErrConfig, x.what, x.says, x.shapes)
		}
	}
	return nil
}

// depth is the number of blocks that there are weights for.
func depth(w towers.Weights) int {
	n := 0
	for n < 1000 && w.Find(fmt.Sprintf("blocks.%d.norm1.w", n)) != nil {
		n++
	}
	return n
}

// scales reads the logit's scale and bias.
func (s *Source) scales() error {
	scale, err := s.store.scalar("logit_scale")
	if err != nil {
		return err
	}
	bias, err := s.store.scalar("logit_bias")
	if err != nil {
		return err
	}
	if scale != nil {
		s.LogitScale = math.Exp(*scale)
	}
	if bias != nil {
		s.LogitBias = *bias
	}
	return nil
}
