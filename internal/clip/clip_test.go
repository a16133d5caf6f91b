package clip_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/clip"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/testmodel"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

func tower(t *testing.T) *clip.Tower {
	t.Helper()
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	graph, merges := testmodel.CLIP(t, 1)
	x, err := clip.Open(graph, merges)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, x.Close()) })
	return x
}

// reference computes the token states of a sequence from CLIP's formulas, in float64.
func reference(w map[string]clip.Weight, ids []int64) [][]float64 {
	at := func(name string, i int) float64 { return float64(w[name].Data[i]) }
	width := w["token_embedding.weight"].Shape[1]
	linear := func(x []float64, weight, bias string) []float64 {
		in, out := w[weight].Shape[1], w[weight].Shape[0]
		y := make([]float64, out)
		for o := range y {
			y[o] = at(bias, o)
			for i, v := range x {
				y[o] += v * at(weight, o*in+i)
			}
		}
		return y
	}
	norm := func(x []float64, name string) []float64 {
		mean, variance := 0.0, 0.0
		for _, v := range x {
			mean += v / float64(len(x))
		}
		for _, v := range x {
			variance += (v - mean) * (v - mean) / float64(len(x))
		}
		y := make([]float64, len(x))
		for i, v := range x {
			y[i] = (v-mean)/math.Sqrt(variance+1e-5)*at(name+".weight", i) + at(name+".bias", i)
		}
		return y
	}
	x := make([][]float64, len(ids))
	for s, id := range ids {
		x[s] = make([]float64, width)
		for i := range x[s] {
			x[s][i] = at("token_embedding.weight", int(id)*width+i) + at("positional_embedding", s*width+i)
		}
	}
	for layer := 0; ; layer++ {
		p := fmt.Sprintf("transformer.resblocks.%d.", layer)
		if _, ok := w[p+"ln_1.weight"]; !ok {
			break
		}
		qkv := make([][]float64, len(x))
		for s := range x {
			qkv[s] = linear(norm(x[s], p+"ln_1"), p+"attn.in_proj_weight", p+"attn.in_proj_bias")
		}
		for s := range x { // one head: 16 numbers
			weights, sum := make([]float64, s+1), 0.0
			for k := range weights {
				for i := range width {
					weights[k] += qkv[s][i] * qkv[k][width+i]
				}
				weights[k] = math.Exp(weights[k] / math.Sqrt(float64(width)))
				sum += weights[k]
			}
			mixed := make([]float64, width)
			for k, a := range weights {
				for i := range mixed {
					mixed[i] += a / sum * qkv[k][2*width+i]
				}
			}
			for i, v := range linear(mixed, p+"attn.out_proj.weight", p+"attn.out_proj.bias") {
				x[s][i] += v
			}
			inner := linear(norm(x[s], p+"ln_2"), p+"mlp.c_fc.weight", p+"mlp.c_fc.bias")
			for i, v := range inner {
				inner[i] = v / (1 + math.Exp(-1.702*v))
			}
			for i, v := range linear(inner, p+"mlp.c_proj.weight", p+"mlp.c_proj.bias") {
				x[s][i] += v
			}
		}
	}
	projection := w["text_projection"]
	out := make([][]float64, len(x))
	for s := range x {
		y := norm(x[s], "ln_final")
		out[s] = make([]float64, projection.Shape[1])
		for i, v := range y {
			for o := range out[s] {
				out[s][o] += v * at("text_projection", i*len(out[s])+o)
			}
		}
	}
	return out
}

// The graph is CLIP's text tower.
func TestGraph(t *testing.T) {
	x := tower(t)
	w := testmodel.CLIPWeights(1)
	texts := []string{"a photo of a dog", "the red cat, photo of dogs & dogs", ""}
	var seqs [][]int64
	for _, text := range texts {
		seqs = append(seqs, tokenizer.IDs(x.Tokenizer.Encode(text, 0)))
	}
	states, err := x.States(t.Context(), seqs)
	require.NoError(t, err)
	sentences, err := x.Sentences(t.Context(), texts)
	require.NoError(t, err)
	for i, seq := range seqs {
		want := reference(w, seq)
		require.Len(t, states[i], len(seq)*testmodel.CLIPDim)
		for s := range want {
			for k, v := range want[s] {
				require.InDelta(t, v, states[i][s*testmodel.CLIPDim+k], 1e-5, "text %d token %d", i, s)
			}
		}
		for k, v := range want[len(want)-1] {
			require.InDelta(t, v, sentences[i][k], 1e-5, "text %d", i)
		}
	}
	sentence, token, err := x.Dims(t.Context())
	require.NoError(t, err)
	require.Equal(t, [2]int{testmodel.CLIPDim, testmodel.CLIPDim}, [2]int{sentence, token})
	joined, err := x.Joined(t.Context())
	require.NoError(t, err)
	require.True(t, joined)
}

// Sentences do not depend on what is asked together with them, nor on what was asked before.
func TestSentences(t *testing.T) {
	x := tower(t)
	alone, err := x.Sentences(t.Context(), []string{"a photo of a cat"})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			texts := []string{strings.Repeat("dog ", 100), fmt.Sprint("number ", i), "a photo of a cat", "a photo of a cat"}
			got, err := x.Sentences(t.Context(), texts)
			if err != nil || len(got) != 4 {
				t.Errorf("%d vectors, error %v", len(got), err)
				return
			}
			for k, v := range alone[0] {
				if math.Abs(float64(v-got[2][k])) > 1e-5 || got[2][k] != got[3][k] {
					t.Errorf("value %d is %v, alone %v", k, got[2][k], v)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, x.Close())
	again, err := x.Sentences(t.Context(), []string{"a photo of dogs"})
	require.NoError(t, err, "a closed tower opens again")
	require.Len(t, again[0], testmodel.CLIPDim)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = x.Sentences(ctx, []string{"something new"})
	require.ErrorIs(t, err, context.Canceled)
}

func TestBadWeights(t *testing.T) {
	for name, change := range map[string]func(map[string]clip.Weight){
		"token_embedding.weight is missing":              func(w map[string]clip.Weight) { delete(w, "token_embedding.weight") },
		"transformer.resblocks.0.ln_1.weight is missing": func(w map[string]clip.Weight) { delete(w, "transformer.resblocks.0.ln_1.weight") },
		"transformer.resblocks.1.attn.in_proj_bias is":   func(w map[string]clip.Weight) { delete(w, "transformer.resblocks.1.attn.in_proj_bias") },
		"ln_final.bias has the shape [17]": func(w map[string]clip.Weight) {
			w["ln_final.bias"] = clip.Weight{Shape: []int{17}, Data: make([]float32, 17)}
		},
		"positional_embedding has 3 values for the shape [77 16]": func(w map[string]clip.Weight) {
			w["positional_embedding"] = clip.Weight{Shape: []int{77, 16}, Data: make([]float32, 3)}
		},
		"token_embedding.weight has the shape []": func(w map[string]clip.Weight) { w["token_embedding.weight"] = clip.Weight{} },
	} {
		w := maps.Clone(testmodel.CLIPWeights(1))
		change(w)
		_, err := clip.Graph(func(name string) (clip.Weight, bool, error) { x, ok := w[name]; return x, ok, nil })
		require.ErrorIs(t, err, clip.ErrWeights, name)
		require.ErrorContains(t, err, name)
	}
	broken := errors.New("cannot read")
	_, err := clip.Graph(func(string) (clip.Weight, bool, error) { return clip.Weight{}, false, broken })
	require.ErrorIs(t, err, broken)
}

// Towers that others exported: fixed lengths, a mask, several outputs, and what is no tower.
func TestForeignTowers(t *testing.T) {
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	_, merges := testmodel.CLIP(t, 1)
	table := func(b *onnx.Builder) *onnx.Value {
		v := make([]float32, 600*4)
		for i := range v {
			v[i] = float32(i%7) - 3
		}
		return b.Weights("table", v, 600, 4)
	}
	for name, c := range map[string]struct {
		build func(b *onnx.Builder)
		want  string // of the error
		dims  [2]int
	}{
		"fixed length, mask": {func(b *onnx.Builder) {
			ids, mask := b.Input("ids", onnx.Int32, onnx.Of("B", 77)), b.Input("attention_mask", onnx.Int32, onnx.Of("B", 77))
			x := b.Mul(b.Gather(table(b), ids), b.Unsqueeze(b.Cast(mask, onnx.Float), 2))
			b.Output("states", x)
			b.Output("pooler_output", b.ReduceSum(x, false, 1))
			b.Output("text_embeds", b.ReduceMax(x, false, 1))
		}, "", [2]int{4, 4}},
		"states alone": {func(b *onnx.Builder) {
			b.Output("x", b.Gather(table(b), b.Input("ids", onnx.Int64, onnx.Of("B", "S"))))
		}, "", [2]int{4, 4}},
		"sentences alone": {func(b *onnx.Builder) {
			b.Output("x", b.ReduceMean(b.Gather(table(b), b.Input("ids", onnx.Int64, onnx.Of("B", "S"))), false, 1))
		}, "", [2]int{4, 0}},
		"two unnamed outputs": {func(b *onnx.Builder) {
			x := b.Gather(table(b), b.Input("ids", onnx.Int64, onnx.Of("B", "S")))
			b.Output("x", b.ReduceMean(x, false, 1))
			b.Output("y", b.ReduceMax(x, false, 1))
		}, "cannot be told", [2]int{}},
		"one text at a time": {func(b *onnx.Builder) {
			b.Output("x", b.Gather(table(b), b.Input("ids", onnx.Int64, onnx.Of(1, 77))))
		}, "free batch size", [2]int{}},
		"pictures": {func(b *onnx.Builder) {
			b.Output("x", b.Neg(b.Input("pixels", onnx.Float, onnx.Of("B", 3, 8, 8))))
		}, "want token ids", [2]int{}},
		"other ids": {func(b *onnx.Builder) {
			b.Output("x", b.Gather(b.Weights("t", make([]float32, 40), 10, 4), b.Input("ids", onnx.Int64, onnx.Of("B", "S"))))
		}, "of the same model as the merges", [2]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			b := onnx.NewBuilder()
			c.build(b)
			m, err := b.Model("test")
			require.NoError(t, err)
			path := filepath.Join(t.TempDir(), "x.onnx")
			require.NoError(t, os.WriteFile(path, m.Marshal(), 0o644))
			x, err := clip.Open(path, merges)
			require.NoError(t, err)
			sentence, token, err := x.Dims(t.Context())
			if c.want != "" {
				require.ErrorIs(t, err, clip.ErrTower)
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.dims, [2]int{sentence, token})
			v, err := x.Sentences(t.Context(), []string{"a dog"})
			require.NoError(t, err)
			require.Len(t, v[0], 4)
			if states, err := x.States(t.Context(), [][]int64{{1, 2, 3}}); token == 0 {
				require.ErrorIs(t, err, clip.ErrTower)
			} else {
				require.NoError(t, err)
				require.Len(t, states[0], 3*4)
			}
			require.NoError(t, x.Close())
		})
	}
	_, err := clip.Open(filepath.Join(t.TempDir(), "none"), filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
