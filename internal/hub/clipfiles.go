package hub

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// CLIPFiles chooses the files that importing a model of the CLIP family needs: configuration, tokenizer and one form
// of the weights. Safetensors come before pickles; weights before ONNX, but for a model that has nothing else.
func CLIPFiles(files []File) ([]string, error) {
	names := map[string]bool{}
	for _, f := range files {
		names[f.Name] = true
	}
	var chosen []string
	take := func(list ...string) (n int) {
		for _, name := range list {
			if names[name] && !slices.Contains(chosen, name) {
				chosen = append(chosen, name)
				n++
			}
		}
		return n
	}
	take("README.md", "config.json", "open_clip_config.json", "preprocessor_config.json",
		"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
		"vocab.json", "merges.txt", "spiece.model")
	switch {
	case take("model.safetensors") > 0:
	case take("open_clip_model.safetensors") > 0:
	case takeShards(files, take, "model.safetensors.index.json", "model-", ".safetensors") > 0:
	case take("pytorch_model.bin") > 0:
	case takeShards(files, take, "pytorch_model.bin.index.json", "pytorch_model-", ".bin") > 0:
	case take("open_clip_pytorch_model.bin") > 0:
	case take("onnx/text_model.onnx", "onnx/vision_model.onnx") == 2:
		takeBeside(files, take, "onnx/text_model.onnx", "onnx/vision_model.onnx")
	case take("textual/model.onnx", "visual/model.onnx") == 2: // Immich
		take("textual/tokenizer.json", "textual/tokenizer_config.json", "textual/special_tokens_map.json", "textual/vocab.json", "textual/merges.txt", "visual/preprocess_cfg.json")
		takeBeside(files, take, "textual/model.onnx", "visual/model.onnx")
	default:
		return nil, fmt.Errorf("%w: no model.safetensors, pytorch_model.bin, open_clip_model.safetensors, open_clip_pytorch_model.bin, onnx/text_model.onnx with onnx/vision_model.onnx, or textual/model.onnx with visual/model.onnx", ErrNotFound)
	}
	return chosen, nil
}

// takeShards takes an index and the parts that it speaks of.
func takeShards(files []File, take func(...string) int, index, prefix, suffix string) (n int) {
	if take(index) == 0 {
		return 0
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name, prefix) && strings.HasSuffix(f.Name, suffix) {
			n += take(f.Name)
		}
	}
	return n
}

// takeBeside takes weights that lie beside a graph: model.onnx_data, model.onnx.data.
func takeBeside(files []File, take func(...string) int, graphs ...string) {
	for _, f := range files {
		for _, g := range graphs {
			if path.Dir(f.Name) == path.Dir(g) && len(f.Name) > len(g) && strings.HasPrefix(f.Name, g) {
				take(f.Name)
			}
		}
	}
}
