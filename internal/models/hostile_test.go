package models

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/shareddata"
	"github.com/aladin-go/aladin/internal/towers"
)

// copied is a copy of a fixture that may be changed.
func copied(t testing.TB, kind string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(shareddata.Dir(t, "clip-tiny", kind))))
	require.NoError(t, filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if d.IsDir() {
			return errors.Join(err, os.Chmod(p, 0o755))
		}
		return errors.Join(err, os.Chmod(p, 0o644))
	}))
	return dir
}

func known(err error) bool {
	for _, one := range []error{ErrSource, ErrConfig, ErrWeights, ErrUnsupported, towers.ErrWeights, towers.ErrUnsupported, ort.ErrModel} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		kind, file, old, new, want string
	}{
		"NaFlex":          {"siglip", "config.json", `"model_type": "siglip",`, `"model_type": "siglip2",`, "NaFlex"},
		"another":         {"siglip", "config.json", `"model_type": "siglip",`, `"model_type": "blip",`, `"blip"`},
		"activation":      {"hf-clip-new", "config.json", `"hidden_act": "gelu"`, `"hidden_act": "swish"`, `"swish"`},
		"contradiction":   {"hf-clip", "config.json", `"hidden_size": 12`, `"hidden_size": 24`, "text_config.hidden_size is 24"},
		"heads":           {"hf-clip", "config.json", `"num_attention_heads": 2`, `"num_attention_heads": 5`, "5 heads"},
		"layers":          {"hf-clip", "config.json", `"num_hidden_layers": 2`, `"num_hidden_layers": 3`, "num_hidden_layers is 3"},
		"picture's size":  {"hf-clip", "preprocessor_config.json", `"crop_size": 48`, `"crop_size": 32`, "32×32"},
		"no JSON":         {"hf-clip", "config.json", `{`, `[`, "config.json"},
		"CoCa":            {"openclip", "open_clip_config.json", `"vision_cfg"`, `"multimodal_cfg": {"width": 8}, "vision_cfg"`, "CoCa"},
		"FastViT":         {"openclip", "open_clip_config.json", `"image_size": 48,`, `"image_size": 48, "timm_model_name": "fastvit_mci0",`, "fastvit_mci0 of timm; use its ONNX export"},
		"ResNet":          {"openclip", "open_clip_config.json", `"layers": 2,`, `"layers": [3, 4, 6, 3],`, "ResNet"},
		"HF text tower":   {"openclip", "open_clip_config.json", `"context_length"`, `"hf_model_name": "roberta-base", "context_length"`, "roberta-base"},
		"unknown trunk":   {"openclip-siglip", "open_clip_config.json", `vit_base_patch16_siglip_48`, `vit_huge_patch9_siglip_48`, "vit_huge_patch9_siglip_48"},
		"head width":      {"openclip", "open_clip_config.json", `"head_width": 8`, `"head_width": 7`, "heads of 7"},
		"half a pair":     {"transformers-js", "onnx/vision_model.onnx", "", "", "not the other of the pair"},
		"no preprocessor": {"hf-clip", "preprocessor_config.json", "", "", "how pictures become pixels"},
		"no tokenizer":    {"siglip", "spiece.model", "", "", "spiece.model"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copied(t, c.kind)
			path := filepath.Join(dir, filepath.FromSlash(c.file))
			if c.old == "" {
				require.NoError(t, os.Remove(path))
			} else {
				b, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Contains(t, string(b), c.old)
				require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(b), c.old, c.new, 1)), 0o644))
			}
			if c.file == "spiece.model" {
				require.NoError(t, os.RemoveAll(filepath.Join(dir, "onnx")))
			}
			s, err := Open(dir)
			if err == nil {
				_, err = s.Save(t.Context(), filepath.Join(t.TempDir(), "model"), SaveOptions{})
				s.Close()
			}
			require.Error(t, err)
			require.True(t, known(err), "%v", err)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// Shards say which tensor is where, and must be right.
func TestShards(t *testing.T) {
	dir := copied(t, "openclip")
	weights := filepath.Join(dir, "open_clip_model.safetensors")
	require.NoError(t, os.Rename(weights, filepath.Join(dir, "part-1.safetensors")))
	s, err := openStore(filepath.Join(dir, "part-1.safetensors"))
	require.NoError(t, err)
	var names []string
	for name := range s.tensors {
		names = append(names, `"`+name+`": "part-1.safetensors"`)
	}
	require.NoError(t, s.Close())
	index := func(more ...string) {
		text := `{"weight_map": {` + strings.Join(append(more, names...), ",") + `}}`
		require.NoError(t, os.WriteFile(weights+shardIndex, []byte(text), 0o644))
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "open_clip_pytorch_model.bin")))
	index()
	src, err := Open(dir)
	require.NoError(t, err)
	require.Contains(t, src.Used, "part-1.safetensors")
	require.NoError(t, src.Close())
	for _, bad := range []string{`"x": "../part-1.safetensors"`, `"x": "none.safetensors"`, `"x": "part-1.safetensors"`} {
		index(bad)
		_, err = Open(dir)
		require.ErrorIs(t, err, ErrWeights, bad)
	}
	require.NoError(t, os.WriteFile(weights, []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\n"), 0o644))
	_, err = Open(dir)
	require.ErrorContains(t, err, "git lfs pull")
}

// Whatever stands in a configuration or in the head of a file of weights, the answer is an error with a name.
func FuzzConfig(f *testing.F) {
	root := shareddata.Dir(f, "clip-tiny")
	var stores [3]*store
	for i, file := range []string{"hf-clip-new/pytorch_model.bin", "siglip/model.safetensors", "openclip-siglip/open_clip_model.safetensors"} {
		var err error
		stores[i], err = openStore(filepath.Join(root, file))
		require.NoError(f, err)
	}
	for i, file := range []string{"hf-clip-new/config.json", "siglip/config.json", "openclip-siglip/open_clip_config.json"} {
		b, err := os.ReadFile(filepath.Join(root, file))
		require.NoError(f, err)
		f.Add(uint8(i), b)
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		s := &Source{Family: CLIP, store: stores[which%3]}
		var err error
		if which%3 == 2 {
			var c openConfig
			if json.Unmarshal(b, &c) != nil {
				return
			}
			err = s.openTowers(&c)
		} else {
			var c hfConfig
			if json.Unmarshal(b, &c) != nil {
				return
			}
			if err = s.hfCLIP(&c); which%3 == 1 {
				err = s.hfSigLIP(&c)
			}
		}
		if err == nil {
			_, err = s.text.Graph(s.textWeights, nil, towers.F32, towers.Matching)
		}
		if err == nil {
			_, err = s.image.Graph(s.imageWeights, nil, towers.F32, towers.Matching)
		}
		if err != nil {
			require.True(t, known(err), "%v", err)
		}
	})
}
