package testmodel

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aladin-go/aladin/internal/clip"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// Merges is a vocabulary of CLIP's kind in little: words of pictures are one piece, others many.
const Merges = "#version: 0.2\np h\no t\nph ot\nphot o</w>\no f</w>\nd o\ndo g</w>\nc a\nca t</w>\nr e\nre d</w>\ndo g\ndog s</w>\nt h\nth e</w>\n"

// CLIPDim is how many numbers the vectors of the small tower have.
const CLIPDim = 12

// CLIPWeights is a small text tower as CLIP's state dict has it: random, the same for the same seed.
func CLIPWeights(seed uint64) map[string]clip.Weight {
	tok, err := tokenizer.ReadCLIP(bytes.NewReader([]byte(Merges)))
	if err != nil {
		panic(err) // a constant
	}
	const width, layers = 16, 2
	all := map[string]clip.Weight{}
	add := func(name string, scale, mean float32, shape ...int) {
		all[name] = clip.Weight{Shape: shape, Data: random(seed, name, scale, mean, shape...)}
	}
	add("token_embedding.weight", 0.5, 0, tok.Size(), width)
	add("positional_embedding", 0.2, 0, tokenizer.CLIPLength, width)
	add("text_projection", 0.3, 0, width, CLIPDim)
	norm := func(name string) {
		add(name+".weight", 0.1, 1, width)
		add(name+".bias", 0.1, 0, width)
	}
	for i := range layers {
		p := fmt.Sprintf("transformer.resblocks.%d.", i)
		norm(p + "ln_1")
		norm(p + "ln_2")
		for _, m := range []struct {
			weight, bias string
			out, in      int
		}{
			{"attn.in_proj_weight", "attn.in_proj_bias", 3 * width, width}, {"attn.out_proj.weight", "attn.out_proj.bias", width, width},
			{"mlp.c_fc.weight", "mlp.c_fc.bias", 4 * width, width}, {"mlp.c_proj.weight", "mlp.c_proj.bias", width, 4 * width},
		} {
			add(p+m.weight, 0.3, 0, m.out, m.in)
			add(p+m.bias, 0.1, 0, m.out)
		}
	}
	norm("ln_final")
	return all
}

// CLIP writes the small tower and its vocabulary into a folder of the test's.
func CLIP(tb testing.TB, seed uint64) (graph, merges string) {
	tb.Helper()
	all := CLIPWeights(seed)
	model, err := clip.Graph(func(name string) (clip.Weight, bool, error) { w, ok := all[name]; return w, ok, nil })
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	graph, merges = filepath.Join(dir, "tower.onnx"), filepath.Join(dir, "merges.txt")
	for path, data := range map[string][]byte{graph: model.Marshal(), merges: []byte(Merges)} {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return graph, merges
}
