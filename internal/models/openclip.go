package models

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aladin-go/aladin/internal/preprocess"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/towers"
)

// openConfig is open_clip_config.json.
type openConfig struct {
	Model openModel `json:"model_cfg"`
}

// openModel is OpenCLIP's description of a model, by itself in Immich's config.json.
type openModel struct {
	Embed      int             `json:"embed_dim"`
	QuickGELU  bool            `json:"quick_gelu"`
	CustomText bool            `json:"custom_text"`
	Vision     openVision      `json:"vision_cfg"`
	Text       openTextConfig  `json:"text_cfg"`
	Multimodal json.RawMessage `json:"multimodal_cfg"`
}

type openVision struct {
	ImageSize  json.RawMessage `json:"image_size"` // a number or [height, width]
	Layers     json.RawMessage `json:"layers"`     // a list in ResNets
	Width      int             `json:"width"`
	HeadWidth  int             `json:"head_width"`
	Patch      int             `json:"patch_size"`
	PoolType   string          `json:"pool_type"`
	GlobalPool bool            `json:"global_average_pool"`
	Attention  json.RawMessage `json:"attentional_pool"`
	PatchNorm  bool            `json:"input_patchnorm"`
	LateNorm   bool            `json:"final_ln_after_pool"`
	Block      string          `json:"block_type"`
	QKNorm     bool            `json:"qk_norm"`
	Timm       string          `json:"timm_model_name"`
	TimmPool   *string         `json:"timm_pool"`
	TimmProj   *string         `json:"timm_proj"`
	openLayers2
}

type openTextConfig struct {
	Context   int    `json:"context_length"`
	Vocab     int    `json:"vocab_size"`
	Width     int    `json:"width"`
	Heads     int    `json:"heads"`
	HFModel   string `json:"hf_model_name"`
	HFTok     string `json:"hf_tokenizer_name"`
	Tokenizer struct {
		Clean string `json:"clean"`
	} `json:"tokenizer_kwargs"`
	EmbedClass bool   `json:"embed_cls"`
	NoMask     bool   `json:"no_causal_mask"`
	PoolType   string `json:"pool_type"`
	End        *int   `json:"eos_id"`
	ProjBias   bool   `json:"proj_bias"`
	ProjType   string `json:"proj_type"`
	LateNorm   bool   `json:"final_ln_after_pool"`
	Block      string `json:"block_type"`
	QKNorm     bool   `json:"qk_norm"`
	openLayers2
}

// openLayers2 are arguments of a tower's layers.
type openLayers2 struct {
	Activation struct {
		Approximate string `json:"approximate"`
	} `json:"act_kwargs"`
	Norm struct {
		Eps *float64 `json:"eps"`
	} `json:"norm_kwargs"`
}

// Defaults of OpenCLIP's CLIPVisionCfg and CLIPTextCfg.
const (
	openHeadWidth = 64
	openVisionW   = 768
	openPatch     = 16
	openImageSize = 224
	openTextHeads = 8
)

func (l *openLayers2) transformer(heads int, quick bool) towers.Transformer {
	t := towers.Transformer{Heads: heads, Activation: towers.GELU, Eps: clipEps}
	switch {
	case l.Activation.Approximate == "tanh":
		t.Activation = towers.TanhGELU
	case quick:
		t.Activation = towers.QuickGELU
	}
	if l.Norm.Eps != nil {
		t.Eps = float32(*l.Norm.Eps)
	}
	return t
}

// openWeights are the names under which OpenCLIP's folders keep their weights.
var openWeights = []string{"open_clip_model.safetensors", "open_clip_model.safetensors" + shardIndex, "open_clip_pytorch_model.bin", "open_clip_pytorch_model.bin" + shardIndex}

// openOpenCLIP reads a folder of OpenCLIP's.
func (s *Source) openOpenCLIP(config, weights string) (err error) {
	var c openConfig
	if err := readJSON(config, &c); err != nil {
		return err
	}
	if s.store, err = openStore(weights); err != nil {
		return err
	}
	if err := s.openTowers(&c); err != nil {
		return err
	}
	if err := s.scales(); err != nil {
		return err
	}
	if err := s.readPixels(config, preprocess.OpenCLIP); err != nil {
		return err
	}
	m := &c.Model.Text
	text, err := s.text.Sizes(s.textWeights)
	if err != nil {
		return err
	}
	return s.readTokenizer(".", tokenizer.ImportOptions{
		Library: tokenizer.OpenCLIP, SigLIP: s.Family == SigLIP, HFName: m.HFTok != "", Clean: m.Tokenizer.Clean, Size: text.Vocabulary,
	})
}

// openTowers says what the towers are whose weights are in the store.
func (s *Source) openTowers(c *openConfig) (err error) {
	s.Layout, s.Family = "OpenCLIP", CLIP
	if s.text, s.image, err = c.Model.towers(); err != nil {
		return err
	}
	prefix := ""
	if c.Model.CustomText || s.store.has("text.token_embedding.weight") {
		prefix = "text."
		s.Layout += " with a text tower of its own (custom_text)"
	}
	linear := s.store.has(prefix + "text_projection.weight")
	s.textWeights, s.imageWeights = towers.OpenAIText(prefix, linear).Weights(s.store.lookup), towers.OpenAIImage.Weights(s.store.lookup)
	if c.Model.Vision.Timm != "" {
		s.Family, s.imageWeights = SigLIP, towers.TimmImage.Weights(s.store.lookup)
		s.Layout = "OpenCLIP's SigLIP"
		if err := s.timm(&c.Model); err != nil {
			return err
		}
	}
	text, image, err := s.sizes()
	if err != nil {
		return err
	}
	m := &c.Model
	for _, x := range []struct {
		what         string
		says, shapes int
	}{
		{"embed_dim", m.Embed, text.Embed}, {"text_cfg.context_length", m.Text.Context, text.Context},
		{"text_cfg.vocab_size", m.Text.Vocab, text.Vocabulary}, {"text_cfg.width", m.Text.Width, text.Width},
		{"vision_cfg.width", m.Vision.Width, image.Width}, {"vision_cfg.patch_size", m.Vision.Patch, image.Patch},
	} {
		if x.says != 0 && x.says != x.shapes {
			return fmt.Errorf("%w: the configuration says %s is %d, the weights have %d", ErrConfig, x.what, x.says, x.shapes)
		}
	}
	if n := m.Vision.layers(); n != 0 && n != depth(s.imageWeights) {
		return fmt.Errorf("%w: the configuration says vision_cfg.layers is %d, the weights have %d", ErrConfig, n, depth(s.imageWeights))
	}
	return nil
}

func (v *openVision) layers() int {
	var n int
	_ = json.Unmarshal(v.Layers, &n) // not a number: another architecture, which was refused
	return n
}

func (v *openVision) size() (out [2]int, err error) {
	out = [2]int{openImageSize, openImageSize}
	if len(v.ImageSize) == 0 {
		return out, nil
	}
	var n int
	if json.Unmarshal(v.ImageSize, &n) == nil {
		return [2]int{n, n}, nil
	}
	if err := json.Unmarshal(v.ImageSize, &out); err != nil {
		return out, fmt.Errorf("%w: vision_cfg.image_size: %w", ErrConfig, err)
	}
	return out, nil
}

// towers says what the two towers are, or names what this program does not read.
func (m *openModel) towers() (*towers.Text, *towers.Image, error) {
	v, t := &m.Vision, &m.Text
	refuse := func(what string) (*towers.Text, *towers.Image, error) {
		return nil, nil, fmt.Errorf("%w: %s; use its ONNX export", ErrUnsupported, what)
	}
	given := func(raw json.RawMessage) bool {
		return len(raw) > 0 && string(raw) != "null" && string(raw) != "false"
	}
	switch {
	case given(m.Multimodal):
		return refuse("CoCa (multimodal_cfg)")
	case t.HFModel != "":
		return refuse("a text tower of Hugging Face's (" + t.HFModel + ") in OpenCLIP")
	case strings.HasPrefix(strings.TrimSpace(string(v.Layers)), "["):
		return refuse("a ResNet image tower")
	case given(v.Attention):
		return refuse("attentional pooling (attentional_pool)")
	case v.PatchNorm, v.Block != "" && v.Block != "default", t.Block != "" && t.Block != "default", v.QKNorm, t.QKNorm:
		return refuse("blocks of another kind (input_patchnorm, block_type, qk_norm)")
	case t.EmbedClass:
		return refuse("a text tower with a class token (embed_cls)")
	case v.Timm != "" && !strings.Contains(v.Timm, "_siglip"):
		return refuse("the image tower " + v.Timm + " of timm")
	case t.ProjType != "" && t.ProjType != "linear":
		return refuse("a text projection of type " + t.ProjType)
	}
	size, err := v.size()
	if err != nil {
		return nil, nil, err
	}
	text := &towers.Text{Causal: !t.NoMask, Transformer: t.transformer(cmp.Or(t.Heads, openTextHeads), m.QuickGELU)}
	switch t.PoolType {
	case "", "argmax":
		text.Pool = towers.PoolLargest
	case "eos":
		if text.Pool = towers.PoolLargest; t.End != nil {
			text.Pool, text.End = towers.PoolEnd, *t.End
		}
	case "last":
		text.Pool = towers.PoolLast
	case "first":
		text.Pool = towers.PoolFirst
	default:
		return refuse("text pooling " + t.PoolType)
	}
	image := &towers.Image{Size: size, Pool: towers.PoolClass}
	if v.Timm != "" {
		return text, image, nil // the rest stands in the trunk's name
	}
	switch {
	case v.GlobalPool, v.PoolType == "avg":
		image.Pool = towers.PoolMean
		if !v.LateNorm {
			return refuse("the mean of patches that were normalised one by one (pool_type avg)")
		}
	case v.PoolType != "" && v.PoolType != "tok":
		return refuse("image pooling " + v.PoolType)
	}
	width, head := cmp.Or(v.Width, openVisionW), cmp.Or(v.HeadWidth, openHeadWidth)
	if width < 1 || head < 1 || width%head != 0 {
		return nil, nil, fmt.Errorf("%w: vision_cfg: a width of %d in heads of %d", ErrConfig, width, head)
	}
	image.Transformer = v.transformer(width/head, m.QuickGELU)
	return text, image, nil
}

// A trunk is one of timm's: how it begins its names, and what stands in neither configuration nor weights.
type trunk struct {
	name         string
	width, heads int
	tanh         []string // ends of the names of those with GELU by tanh; nil: none
}

var trunks = []trunk{
	{"vit_base_patch16_siglip_", 768, 12, nil},
	{"vit_base_patch32_siglip_", 768, 12, []string{""}},
	{"vit_large_patch16_siglip_", 1024, 16, []string{"512"}},
	{"vit_so400m_patch14_siglip_", 1152, 16, nil},
	{"vit_so400m_patch16_siglip_", 1152, 16, []string{""}},
	{"vit_giantopt_patch16_siglip_", 1536, 16, []string{""}},
}

const timmEps = 1e-6

// timm completes the image tower by the name of its trunk.
func (s *Source) timm(m *openModel) error {
	name := m.Vision.Timm
	for what, v := range map[string]*string{"timm_pool": m.Vision.TimmPool, "timm_proj": m.Vision.TimmProj} {
		if v != nil && *v != "map" && *v != "none" && *v != "" {
			return fmt.Errorf("%w: %s %s of the trunk %s; use its ONNX export", ErrUnsupported, what, *v, name)
		}
	}
	for _, extra := range []string{"visual.head.proj.weight", "visual.trunk.blocks.0.attn.q_norm.weight", "visual.trunk.cls_token", "visual.trunk.norm_pre.weight", "visual.trunk.fc_norm.weight"} {
		if s.store.has(extra) {
			return fmt.Errorf("%w: the trunk %s has %s; use its ONNX export", ErrUnsupported, name, extra)
		}
	}
	for _, t := range trunks {
		rest, ok := strings.CutPrefix(name, t.name)
		if !ok || strings.HasPrefix(rest, "gap") {
			continue
		}
		heads := t.heads
		if w := s.imageWeights.Find("norm.w"); w != nil && len(w.Shape) == 1 && w.Shape[0] != t.width {
			if w.Shape[0] != m.Text.Width || m.Text.Heads < 1 {
				return fmt.Errorf("%w: the trunk %s is %d wide; those of that name that are known are %d, so that its heads are not known", ErrUnsupported, name, w.Shape[0], t.width)
			}
			heads = m.Text.Heads
			s.Notes = append(s.Notes, fmt.Sprintf("the trunk %s is %d wide where those of that name are %d: %d heads are assumed, as in the text tower of the same width", name, w.Shape[0], t.width, heads))
		}
		s.image.Pool = towers.PoolProbe
		s.image.Transformer = towers.Transformer{Heads: heads, Activation: towers.GELU, Eps: timmEps}
		for _, end := range t.tanh {
			if strings.HasSuffix(rest, end) {
				s.image.Activation = towers.TanhGELU
			}
		}
		return nil
	}
	return fmt.Errorf("%w: the image tower %s of timm; use its ONNX export", ErrUnsupported, name)
}
