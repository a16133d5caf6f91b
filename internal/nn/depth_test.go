package nn

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
)

// started are parameters as they start, with noise on those that would be constants.
type started struct{}

func (started) Values(p Param) ([]float32, error) {
	v := p.Start(1)
	for i, x := range (Param{Name: p.Name + "?", Shape: p.Shape, Init: InitNormal}).Start(1) {
		v[i] += 5 * x
	}
	return v, nil
}

// A matrix is rows of float64, for references that read like the formulas.
type matrix [][]float64

func rowsOf(v []float32, width int) matrix {
	var m matrix
	for i := 0; i < len(v); i += width {
		row := make([]float64, width)
		for k := range row {
			row[k] = float64(v[i+k])
		}
		m = append(m, row)
	}
	return m
}

// reference computes layers in the plainest way.
type reference struct{ t *testing.T }

func (r reference) param(name string, shape ...int) []float32 {
	v, err := started{}.Values(Param{Name: encPrefix + name, Shape: shape, Init: initOf(name)})
	require.NoError(r.t, err)
	return v
}

// initOf repeats how the parameters of this test start: biases as zeros, matrices as Glorot's or normal.
func initOf(name string) Init {
	switch {
	case strings.HasSuffix(name, "bias"):
		return InitZero
	case strings.Contains(name, "bert."):
		return InitNormal
	}
	return InitGlorot
}

func (r reference) linear(x matrix, name string, in, out int) matrix {
	w, b := r.param(name+weightSuffix(name), out, in), r.param(name+biasSuffix(name), out)
	y := make(matrix, len(x))
	for i := range x {
		y[i] = make([]float64, out)
		for o := range out {
			y[i][o] = float64(b[o])
			for k := range in {
				y[i][o] += x[i][k] * float64(w[o*in+k])
			}
		}
	}
	return y
}

func weightSuffix(name string) string {
	if strings.HasSuffix(name, "_") {
		return "weight"
	}
	return ".weight"
}

func biasSuffix(name string) string {
	if strings.HasSuffix(name, "_") {
		return "bias"
	}
	return ".bias"
}

// gate is the sigmoid gate of every position of one sequence of n tokens.
func (r reference) gate(x matrix, n, heads int, name string) []float64 {
	h := len(x[0])
	qkv := r.linear(x, name+"self_attn.in_proj_", h, 3*h)
	mixed := make(matrix, len(x))
	size := h / heads
	for i := range x {
		mixed[i] = make([]float64, h)
		for head := range heads {
			at := head * size
			weights, total := make([]float64, n), 0.0
			for j := range n {
				var dot float64
				for d := range size {
					dot += qkv[i][at+d] * qkv[j][h+at+d]
				}
				weights[j] = math.Exp(dot / math.Sqrt(float64(size)))
				total += weights[j]
			}
			for j := range n {
				for d := range size {
					mixed[i][at+d] += weights[j] / total * qkv[j][2*h+at+d]
				}
			}
		}
	}
	scores := r.linear(r.linear(mixed, name+"self_attn.out_proj", h, h), name+"gate_ffn", h, 1)
	out := make([]float64, len(x))
	for i, s := range scores {
		out[i] = sigmoid(s[0])
	}
	return out
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// aggregate mixes layers.
func (r reference) aggregate(how string, layers []matrix, n, heads int, name string) matrix {
	out := make(matrix, len(layers[0]))
	for i := range out {
		out[i] = make([]float64, len(layers[0][0]))
	}
	for _, x := range layers {
		var gates []float64
		if how == "gated" {
			gates = r.gate(x, n, heads, name)
		}
		for i := range x {
			g := 1 / float64(len(layers))
			if gates != nil {
				g = gates[i]
			}
			for d := range x[i] {
				out[i][d] += g * x[i][d]
			}
		}
	}
	return out
}

func depthConfig() Config {
	return Config{Layers: 2, Hidden: 8, Heads: 2, FF: 16, Vocab: 20, MaxPositions: 10, Types: 2, LayerNormEps: 1e-12, RegionDim: 12,
		RegionLayerNorm: true, RegionLayerNormEps: 1e-12, MatchLayers: 0, MatchHeads: 4, MatchFF: 8, Alignment: "MrSw", ReleasedAlignment: true}
}

func run(t *testing.T, b *onnx.Builder, n *Net, in map[string]*ort.Tensor) map[string]*ort.Tensor {
	t.Helper()
	require.NoError(t, n.Err())
	m, err := b.Model("test")
	require.NoError(t, err)
	s, err := ort.Load(m.Marshal(), nil)
	require.NoError(t, err)
	defer s.Close()
	out, err := s.Run(context.Background(), in)
	require.NoError(t, err)
	return out
}

func needORT(t *testing.T) {
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
}

// Depth aggregation of both heads against the formulas, on a padded batch.
func TestDepthAggregation(t *testing.T) {
	needORT(t)
	for _, c := range []struct{ matching, alignment string }{{"gated", ""}, {"mean", ""}, {"", "gated"}, {"", "mean"}, {"mean", "gated"}} {
		t.Run(fmt.Sprintf("matching %s alignment %s", c.matching, c.alignment), func(t *testing.T) {
			cfg := depthConfig()
			cfg.DepthAggregation, cfg.AlignDepthAggregation = c.matching, c.alignment
			b := onnx.NewBuilder()
			n, err := New(b, cfg, constants{started{}})
			require.NoError(t, err)
			states := n.EncodeText(TextInputs(b, cfg, "", "B"))
			side := n.Text(states)
			b.Output("tokens", side.Tokens)
			b.Output("matching", side.Matching)
			for i, h := range states.Hidden {
				b.Output(fmt.Sprint("hidden", i), h)
			}
			const length = 6
			lens := []int{6, 4}
			out := run(t, b, n, map[string]*ort.Tensor{
				"ids":  ort.Int64([]int64{2, length}, []int64{2, 5, 6, 7, 8, 3, 2, 9, 10, 3, 0, 0}),
				"mask": ort.Int64([]int64{2, length}, []int64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0}),
			})
			for seq, count := range lens {
				cut := func(name string) matrix { // the rows that are tokens
					return rowsOf(out[name].Float32(), cfg.Hidden)[seq*length : seq*length+count]
				}
				var layers []matrix
				for i := range states.Hidden {
					layers = append(layers, cut(fmt.Sprint("hidden", i)))
				}
				r := reference{t}
				last := layers[len(layers)-1]
				words := last
				if c.alignment != "" {
					before := r.aggregate(c.alignment, layers[:len(layers)-1], count, cfg.MatchHeads, "depth_aggregator_model_alignment.")
					words = r.fuse(before, last)
				}
				match := words[0]
				if c.matching != "" {
					match = r.aggregate(c.matching, layers, count, cfg.MatchHeads, "depth_aggregator_model_matching.")[0]
				}
				near(t, normalised(words), cut("tokens"))
				near(t, normalised(matrix{match}), rowsOf(out["matching"].Float32(), cfg.Hidden)[seq:seq+1])
			}
		})
	}
}

func (r reference) fuse(x, y matrix) matrix {
	h := len(x[0])
	both := make(matrix, len(x))
	for i := range x {
		both[i] = append(append([]float64(nil), x[i]...), y[i]...)
	}
	inner := r.linear(both, "feature_fusion.alphas.0", 2*h, fusionWidth)
	for i := range inner {
		for k, v := range inner[i] {
			inner[i][k] = max(v, 0)
		}
	}
	alphas := r.linear(inner, "feature_fusion.alphas.3", fusionWidth, 2)
	out := make(matrix, len(x))
	for i := range x {
		out[i] = make([]float64, h)
		for d := range h {
			out[i][d] = sigmoid(alphas[i][0])*x[i][d] + sigmoid(alphas[i][1])*y[i][d]
		}
	}
	return out
}

func normalised(m matrix) matrix {
	out := make(matrix, len(m))
	for i, row := range m {
		var sum float64
		for _, v := range row {
			sum += v * v
		}
		for _, v := range row {
			out[i] = append(out[i], v/math.Sqrt(sum))
		}
	}
	return out
}

func near(t *testing.T, want, got matrix) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.InDeltaSlice(t, want[i], got[i], 1e-5, "row %d", i)
	}
}

// Detic's regions, padded with zeros, take their own layers; the others the usual one.
func TestDeticRegions(t *testing.T) {
	needORT(t)
	cfg := depthConfig()
	cfg.RegionDim, cfg.RegionLayerNorm, cfg.DeticIn, cfg.DeticHidden = DeticDim+10, false, DeticDim, 6
	b := onnx.NewBuilder()
	n, err := New(b, cfg, constants{started{}})
	require.NoError(t, err)
	x := b.Input("regions", onnx.Float, onnx.Of("B", "R", cfg.RegionDim))
	b.Output("y", n.embedRegions(x, nil))
	feats := make([]float32, 3*cfg.RegionDim)
	for i := range feats {
		if i/cfg.RegionDim != 1 || i%cfg.RegionDim < DeticDim {
			feats[i] = float32(i%17)/17 - 0.5
		}
	}
	out := run(t, b, n, map[string]*ort.Tensor{"regions": ort.Float32([]int64{1, 3, int64(cfg.RegionDim)}, feats)})
	r := reference{t}
	rows := rowsOf(feats, cfg.RegionDim)
	want := r.linear(rows, "oscar_model.bert.img_embedding", cfg.RegionDim, cfg.Hidden)
	inner := r.linear(matrix{rows[1][:DeticDim]}, "oscar_model.bert.detic_to_oscar_img.0", DeticDim, cfg.DeticHidden)
	for k, v := range inner[0] {
		inner[0][k] = max(v, 0)
	}
	want[1] = r.linear(inner, "oscar_model.bert.detic_to_oscar_img.2", cfg.DeticHidden, cfg.Hidden)[0]
	near(t, want, rowsOf(out["y"].Float32(), cfg.Hidden))
}
