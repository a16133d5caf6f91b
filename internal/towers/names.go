package towers

import (
	"fmt"
	"strconv"
	"strings"
)

// A Naming tells how a tower's weights are called in a checkpoint: by the names of [Weights], without the
// ending w or b. Those of the layers of a block are behind block, in which %d is its number.
type Naming struct {
	prefix string
	names  map[string]recipe
	block  string
	layers map[string]recipe
}

// A recipe makes a weight of one or several of a checkpoint.
type recipe struct {
	parts  []string // stacked; their names without .weight and .bias
	bare   bool     // the name is that of the weight itself
	bias   string   // the name of the bias, if it is not the weight's with .bias
	turned bool     // stored as [in, out]
	flat   bool     // of any shape; a vector here
	rows   [2]int   // if not 0: of three equal parts of the rows, those from…to

}

func named(parts ...string) recipe { return recipe{parts: parts} }
func plain(name string) recipe     { return recipe{parts: []string{name}, bare: true} }

var hfLayers = map[string]recipe{
	"norm1": named("layer_norm1"), "norm2": named("layer_norm2"),
	"qkv": named("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), "out": named("self_attn.out_proj"),
	"up": named("mlp.fc1"), "down": named("mlp.fc2"),
}

// HuggingFaceText are those of transformers' CLIPModel.
var HuggingFaceText = Naming{"", map[string]recipe{
	"tokens": named("text_model.embeddings.token_embedding"), "positions": named("text_model.embeddings.position_embedding"),
	"norm": named("text_model.final_layer_norm"), "proj": named("text_projection"),
}, "text_model.encoder.layers.%d.", hfLayers}

// HuggingFaceImage likewise.
var HuggingFaceImage = Naming{"", map[string]recipe{
	"class":   {parts: []string{"vision_model.embeddings.class_embedding"}, bare: true, flat: true},
	"patches": named("vision_model.embeddings.patch_embedding"), "positions": named("vision_model.embeddings.position_embedding"),
	"pre": named("vision_model.pre_layrnorm"), "norm": named("vision_model.post_layernorm"), "proj": named("visual_projection"),
}, "vision_model.encoder.layers.%d.", hfLayers}

// SigLIPText are those of transformers' SiglipModel.
var SigLIPText = Naming{"", map[string]recipe{
	"tokens": named("text_model.embeddings.token_embedding"), "positions": named("text_model.embeddings.position_embedding"),
	"norm": named("text_model.final_layer_norm"), "proj": named("text_model.head"),
}, "text_model.encoder.layers.%d.", hfLayers}

// SigLIPImage likewise.
var SigLIPImage = Naming{"", map[string]recipe{
	"patches": named("vision_model.embeddings.patch_embedding"), "positions": named("vision_model.embeddings.position_embedding"),
	"norm":       named("vision_model.post_layernorm"),
	"pool.probe": {parts: []string{"vision_model.head.probe"}, bare: true, flat: true},
	"pool.q":     {parts: []string{"vision_model.head.attention.in_proj_weight"}, bare: true, bias: "vision_model.head.attention.in_proj_bias", rows: [2]int{0, 1}},
	"pool.kv":    {parts: []string{"vision_model.head.attention.in_proj_weight"}, bare: true, bias: "vision_model.head.attention.in_proj_bias", rows: [2]int{1, 3}},
	"pool.out":   named("vision_model.head.attention.out_proj"), "pool.norm": named("vision_model.head.layernorm"),
	"pool.up": named("vision_model.head.mlp.fc1"), "pool.down": named("vision_model.head.mlp.fc2"),
}, "vision_model.encoder.layers.%d.", hfLayers}

// OpenCLIP's own towers, which have OpenAI's names.
var openLayers = map[string]recipe{
	"norm1": named("ln_1"), "norm2": named("ln_2"),
	"qkv": {parts: []string{"attn.in_proj_weight"}, bare: true, bias: "attn.in_proj_bias"}, "out": named("attn.out_proj"),
	"up": named("mlp.c_fc"), "down": named("mlp.c_proj"),
	"scale1": plain("ls_1.gamma"), "scale2": plain("ls_2.gamma"),
}

// OpenAIText are the names of OpenAI and OpenCLIP; linear says that the projection is a layer, [out, in] and with a bias.
func OpenAIText(prefix string, linear bool) Naming {
	proj := recipe{parts: []string{"text_projection"}, bare: true, turned: true}
	if linear {
		proj = named("text_projection")
	}
	return Naming{prefix, map[string]recipe{
		"tokens": named("token_embedding"), "positions": plain("positional_embedding"), "norm": named("ln_final"), "proj": proj,
	}, "transformer.resblocks.%d.", openLayers}
}

// OpenAIImage are the names of OpenAI and OpenCLIP.
var OpenAIImage = Naming{"visual.", map[string]recipe{
	"class":   {parts: []string{"class_embedding"}, bare: true, flat: true},
	"patches": named("conv1"), "positions": plain("positional_embedding"),
	"pre": named("ln_pre"), "norm": named("ln_post"), "proj": {parts: []string{"proj"}, bare: true, turned: true},
}, "transformer.resblocks.%d.", openLayers}

// TimmImage are those of timm's vision transformers in OpenCLIP.
var TimmImage = Naming{"visual.trunk.", map[string]recipe{
	"patches":   named("patch_embed.proj"),
	"positions": plain("pos_embed"),
	"norm":      named("norm"), "pool.probe": {parts: []string{"attn_pool.latent"}, bare: true, flat: true},
	"pool.q": named("attn_pool.q"), "pool.kv": named("attn_pool.kv"), "pool.out": named("attn_pool.proj"),
	"pool.norm": named("attn_pool.norm"), "pool.up": named("attn_pool.mlp.fc1"), "pool.down": named("attn_pool.mlp.fc2"),
}, "blocks.%d.", map[string]recipe{
	"norm1": named("norm1"), "norm2": named("norm2"), "qkv": named("attn.qkv"), "out": named("attn.proj"),
	"up": named("mlp.fc1"), "down": named("mlp.fc2"), "scale1": plain("ls1.gamma"), "scale2": plain("ls2.gamma"),
}}

// Weights looks a tower's weights up in a checkpoint; lookup gives nil for a tensor that is not there.
func (n Naming) Weights(lookup func(name string) *Tensor) Weights {
	return Weights{
		Find: func(name string) *Tensor {
			r, prefix, bias, ok := n.recipe(name)
			if !ok {
				return nil
			}
			return r.make(lookup, prefix, bias)
		},
		Called: func(name string) string {
			r, prefix, bias, ok := n.recipe(name)
			if !ok {
				return name
			}
			var names []string
			for _, part := range r.parts {
				names = append(names, prefix+r.name(part, bias))
			}
			return strings.Join(names, ", ")
		},
	}
}

// recipe is what makes the weight of a name, or its bias.
func (n Naming) recipe(name string) (r recipe, prefix string, bias, ok bool) {
	base, weight := strings.CutSuffix(name, ".w")
	if !weight {
		if base, bias = strings.CutSuffix(name, ".b"); !bias {
			return r, "", false, false
		}
	}
	rest, block := strings.CutPrefix(base, "blocks.")
	if !block {
		r, ok = n.names[base]
		return r, n.prefix, bias, ok
	}
	number, layer, _ := strings.Cut(rest, ".")
	i, err := strconv.Atoi(number)
	if err != nil {
		return r, "", false, false
	}
	r, ok = n.layers[layer]
	return r, n.prefix + fmt.Sprintf(n.block, i), bias, ok
}

// name is what a part of the weight, or of its bias, is called; "" if there is none.
func (r recipe) name(part string, bias bool) string {
	switch {
	case bias && r.bias != "":
		return r.bias
	case bias && r.bare:
		return ""
	case bias:
		return part + ".bias"
	case !r.bare:
		return part + ".weight"
	}
	return part
}

// make is the weight, or bias, that the recipe makes; nil if a part of it is missing.
func (r recipe) make(lookup func(name string) *Tensor, prefix string, bias bool) *Tensor {
	var parts []*Tensor
	for _, part := range r.parts {
		name := r.name(part, bias)
		if name == "" {
			return nil
		}
		t := lookup(prefix + name)
		if t == nil {
			return nil
		}
		parts = append(parts, t)
	}
	t := stacked(parts)
	if t == nil {
		return nil
	}
	if r.rows[1] > 0 {
		t = rows(t, r.rows[0], r.rows[1], 3)
	}
	switch {
	case r.flat:
		t = &Tensor{Shape: []int{t.Len()}, Values: t.Values}
	case !bias && r.turned:
		t = transposed(t)
	case len(t.Shape) == 3 && t.Shape[0] == 1: // timm's positions
		t = &Tensor{Shape: t.Shape[1:], Values: t.Values}
	}
	return t
}

// stacked puts tensors of one shape one below the other; nil if they differ.
func stacked(parts []*Tensor) *Tensor {
	first := parts[0]
	if len(parts) == 1 {
		return first
	}
	shape := append([]int(nil), first.Shape...)
	for _, p := range parts[1:] {
		if len(p.Shape) == 0 || fmt.Sprint(p.Shape) != fmt.Sprint(first.Shape) {
			return nil
		}
		shape[0] += p.Shape[0]
	}
	return &Tensor{Shape: shape, Values: func() ([]float32, error) {
		var out []float32
		for _, p := range parts {
			v, err := p.Values()
			if err != nil {
				return nil, err
			}
			if out == nil {
				out = make([]float32, 0, len(v)*len(parts))
			}
			out = append(out, v...)
		}
		return out, nil
	}}
}

// rows are the parts from…to of a tensor whose rows are n equal parts.
func rows(t *Tensor, from, to, n int) *Tensor {
	if len(t.Shape) == 0 || t.Shape[0]%n != 0 {
		return t // of a wrong shape, which shows
	}
	shape := append([]int(nil), t.Shape...)
	shape[0] = shape[0] / n * (to - from)
	return &Tensor{Shape: shape, Values: func() ([]float32, error) {
		v, err := t.Values()
		if err != nil {
			return nil, err
		}
		return v[len(v)/n*from : len(v)/n*to], nil
	}}
}

func transposed(t *Tensor) *Tensor {
	if len(t.Shape) != 2 {
		return t
	}
	h, w := t.Shape[0], t.Shape[1]
	return &Tensor{Shape: []int{w, h}, Values: func() ([]float32, error) {
		v, err := t.Values()
		if err != nil {
			return nil, err
		}
		out := make([]float32, len(v))
		for i := range h {
			for j := range w {
				out[j*h+i] = v[i*w+j]
			}
		}
		return out, nil
	}}
}
