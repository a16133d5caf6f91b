package testmodel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aladin-go/aladin/internal/safetensors"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// WritePair writes a folder as the Hugging Face hub has CLIP's: two small random towers, what describes them, and a
// vocabulary. The same seed gives the same files.
func WritePair(dir string, seed uint64) error {
	tok, err := tokenizer.ReadCLIP(bytes.NewReader([]byte(Merges)))
	if err != nil {
		return err
	}
	const (
		width, heads, layers  = 32, 4, 2
		side, patch, embedded = 48, 16, 24
	)
	all := map[string]*safetensors.Tensor{"logit_scale": safetensors.NewTensor([]int{}, []float32{2.6592})}
	add := func(name string, scale, mean float32, shape ...int) {
		all[name] = safetensors.NewTensor(shape, random(seed, name, scale, mean, shape...))
	}
	norm := func(name string) {
		add(name+".weight", 0.1, 1, width)
		add(name+".bias", 0.1, 0, width)
	}
	for _, tower := range []string{"text_model", "vision_model"} {
		for i := range layers {
			p := fmt.Sprintf("%s.encoder.layers.%d.", tower, i)
			norm(p + "layer_norm1")
			norm(p + "layer_norm2")
			for _, m := range []string{"q_proj", "k_proj", "v_proj", "out_proj"} {
				add(p+"self_attn."+m+".weight", 0.2, 0, width, width)
				add(p+"self_attn."+m+".bias", 0.1, 0, width)
			}
			add(p+"mlp.fc1.weight", 0.2, 0, 4*width, width)
			add(p+"mlp.fc1.bias", 0.1, 0, 4*width)
			add(p+"mlp.fc2.weight", 0.2, 0, width, 4*width)
			add(p+"mlp.fc2.bias", 0.1, 0, width)
		}
	}
	add("text_model.embeddings.token_embedding.weight", 0.5, 0, tok.Size(), width)
	add("text_model.embeddings.position_embedding.weight", 0.2, 0, tokenizer.CLIPLength, width)
	norm("text_model.final_layer_norm")
	add("text_projection.weight", 0.3, 0, embedded, width)
	add("vision_model.embeddings.class_embedding", 0.5, 0, width)
	add("vision_model.embeddings.patch_embedding.weight", 0.05, 0, width, 3, patch, patch)
	add("vision_model.embeddings.position_embedding.weight", 0.2, 0, 1+side/patch*side/patch, width)
	norm("vision_model.pre_layrnorm") // as Hugging Face spells it
	norm("vision_model.post_layernorm")
	add("visual_projection.weight", 0.3, 0, embedded, width)

	tower := map[string]any{
		"hidden_size": width, "intermediate_size": 4 * width, "num_attention_heads": heads, "num_hidden_layers": layers, "projection_dim": embedded,
	}
	text, vision := map[string]any{"vocab_size": tok.Size(), "eos_token_id": tok.End()}, map[string]any{"image_size": side, "patch_size": patch}
	vocab := map[string]int{}
	for key, value := range tower {
		text[key], vision[key] = value, value
	}
	for id := range tok.Size() {
		vocab[tok.Piece(id)] = id
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, value := range map[string]any{
		"config.json":              map[string]any{"model_type": "clip", "projection_dim": embedded, "text_config": text, "vision_config": vision},
		"preprocessor_config.json": map[string]any{"image_processor_type": "CLIPImageProcessor", "size": map[string]int{"shortest_edge": side}, "crop_size": side},
		"vocab.json":               vocab,
	} {
		b, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"merges.txt": Merges, "README.md": "---\nlicense: mit\n---\n\nA random model.\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return safetensors.Save(filepath.Join(dir, "model.safetensors"), all, map[string]string{"format": "pt"})
}
