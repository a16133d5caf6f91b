package testmodel

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aladin-go/aladin/internal/safetensors"
)

// BERT writes a small encoder of texts, as Hugging Face's folders have it, whose vocabulary is the words: random, the same for
// the same seed.
func BERT(dir string, seed uint64, words []string) error {
	const width, ff, heads, positions = 16, 32, 4, 64
	vocab := append([]string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}, words...)
	all := map[string]*safetensors.Tensor{}
	add := func(name string, scale, mean float32, shape ...int) {
		all[name] = safetensors.NewTensor(shape, random(seed, name, scale, mean, shape...))
	}
	norm := func(name string) {
		add(name+".LayerNorm.weight", 0.1, 1, width)
		add(name+".LayerNorm.bias", 0.1, 0, width)
	}
	dense := func(name string, out, in int) {
		add(name+".weight", 0.3, 0, out, in)
		add(name+".bias", 0.1, 0, out)
	}
	add("embeddings.word_embeddings.weight", 0.5, 0, len(vocab), width)
	add("embeddings.position_embeddings.weight", 0.2, 0, positions, width)
	add("embeddings.token_type_embeddings.weight", 0.1, 0, 2, width)
	norm("embeddings")
	layer := "encoder.layer.0."
	for _, part := range []string{"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"} {
		dense(layer+part, width, width)
	}
	norm(layer + "attention.output")
	dense(layer+"intermediate.dense", ff, width)
	dense(layer+"output.dense", width, ff)
	norm(layer + "output")

	config := fmt.Sprintf(`{"model_type": "bert", "hidden_act": "gelu", "hidden_size": %d, "intermediate_size": %d, "num_attention_heads": %d, "num_hidden_layers": 1,
"max_position_embeddings": %d, "type_vocab_size": 2, "vocab_size": %d, "layer_norm_eps": 1e-12}`, width, ff, heads, positions, len(vocab))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{"config.json": config, "vocab.txt": strings.Join(vocab, "\n") + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return safetensors.Save(filepath.Join(dir, "model.safetensors"), all, nil)
}
