package nn_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/onnxref"
	"github.com/aladin-go/aladin/internal/training/grad"
)

const dim = 6

// A bag is sets of unit vectors, padded with rubbish to a common size.
type bag struct {
	rows    int
	vectors [][][]float64
	weights [][]float64
}

// newBag draws sets of the given sizes in rows rows. Released sets begin with a place that takes no part,
// and those of words end with two.
func newBag(rng *rand.Rand, rows int, counts []int, before, after int) bag {
	b := bag{rows: rows}
	for _, n := range counts {
		set, weights := make([][]float64, rows), make([]float64, rows)
		for k := range set {
			set[k] = unit(rng)
			if k >= before && k < before+n && k < rows-after {
				weights[k] = 1
			}
		}
		b.vectors, b.weights = append(b.vectors, set), append(b.weights, weights)
	}
	return b
}

func unit(rng *rand.Rand) []float64 {
	v, norm := make([]float64, dim), 0.0
	for i := range v {
		v[i] = rng.NormFloat64()
		norm += v[i] * v[i]
	}
	for i := range v {
		v[i] /= math.Sqrt(norm)
	}
	return v
}

// widened has more rows of padding, filled with other rubbish.
func (b bag) widened(rng *rand.Rand, by int) bag {
	out := bag{rows: b.rows + by}
	for i := range b.vectors {
		set, weights := slices.Clone(b.vectors[i]), slices.Clone(b.weights[i])
		for k, w := range weights {
			if w == 0 {
				set[k] = unit(rng)
			}
		}
		for range by {
			set, weights = append(set, unit(rng)), append(weights, 0)
		}
		out.vectors, out.weights = append(out.vectors, set), append(out.weights, weights)
	}
	return out
}

func (b bag) tensors() (tokens, weights *onnxref.Tensor) {
	var x, w []float64
	for i, set := range b.vectors {
		for k := range set {
			x = append(x, set[k]...)
			w = append(w, b.weights[i][k])
		}
	}
	return onnxref.Floats(x, len(b.vectors), b.rows, dim), onnxref.Floats(w, len(b.vectors), b.rows)
}

// aligner is the graph of one alignment mode, with a loss that weighs the scores unevenly.
type aligner struct {
	b             *onnx.Builder
	scores, loss  *onnx.Value
	wrt, gradient []*onnx.Value
}

func align(t *testing.T, cfg nn.Config, soft bool) aligner {
	cfg.Layers, cfg.Hidden, cfg.Heads, cfg.Vocab, cfg.MaxPositions, cfg.Types, cfg.RegionDim = 0, dim, 1, 9, 9, 2, 3
	a := aligner{b: onnx.NewBuilder()}
	n, err := nn.New(a.b, cfg, nil)
	require.NoError(t, err)
	side := func(name string) nn.Side {
		x := a.b.Input(name, onnx.Float, onnx.Of(name+"-count", name+"-rows", dim))
		w := a.b.Input(name+"-weights", onnx.Float, onnx.Of(name+"-count", name+"-rows"))
		a.wrt = append(a.wrt, x)
		return nn.Side{Tokens: x, Weights: w}
	}
	image, text := side("image"), side("text")
	if cfg.WordGates {
		a.wrt = append(a.wrt, text.Weights)
	}
	if soft {
		n.Softness = a.b.Input("softness", onnx.Float, onnx.Of(1))
	}
	a.scores = n.Scores(image, text, 0)
	coefficient := a.b.Input("coefficient", onnx.Float, a.scores.Shape)
	a.loss = a.b.ReduceSum(a.b.Mul(a.b.Mul(a.scores, a.scores), coefficient), false, 0, 1)
	require.NoError(t, n.Err())
	gs, err := grad.Gradients(a.b, a.loss, a.wrt)
	require.NoError(t, err)
	for i, g := range gs {
		if g.Dense == nil {
			g.Dense = a.b.Zeros(a.wrt[i].Shape...)
		}
		a.gradient = append(a.gradient, g.Dense)
	}
	return a
}

func inputs(rng *rand.Rand, image, text bag, softness float64) map[string]*onnxref.Tensor {
	in := map[string]*onnxref.Tensor{"softness": onnxref.Floats([]float64{softness}, 1)}
	in["image"], in["image-weights"] = image.tensors()
	in["text"], in["text-weights"] = text.tensors()
	c := make([]float64, len(image.vectors)*len(text.vectors))
	for i := range c {
		c[i] = rng.NormFloat64()
	}
	in["coefficient"] = onnxref.Floats(c, len(image.vectors), len(text.vectors))
	return in
}

// plain is the score of one image and one caption by the definition of the mode.
func plain(mode string, image, text [][]float64, weights []float64, softness float64) float64 {
	sim := func(r, w int) float64 { return dot(image[r], text[w]) }
	best := func(n int, f func(i int) float64) float64 {
		top, sum := math.Inf(-1), 0.0
		for i := range n {
			top = max(top, f(i))
		}
		if softness == 0 {
			return top
		}
		for i := range n {
			sum += math.Exp((f(i) - top) / softness)
		}
		return top + softness*math.Log(sum)
	}
	var overRegions, overWords, sum, weight float64
	for w := range text {
		overRegions += weights[w] * best(len(image), func(r int) float64 { return sim(r, w) })
		weight += weights[w]
		for r := range image {
			sum += sim(r, w)
		}
	}
	if len(text) > 0 {
		for r := range image {
			overWords += best(len(text), func(w int) float64 { return sim(r, w) })
		}
	}
	switch mode {
	case "sum":
		return sum
	case "mean":
		return sum / max(1, float64(len(image)*len(text)))
	case "MrSw":
		return overRegions
	case "MrAVGw":
		return overRegions / max(weight, 1e-6)
	case nn.MrCOSw:
		total := make([]float64, dim)
		for w := range text {
			for k, x := range text[w] {
				total[k] += weights[w] * x
			}
		}
		return overRegions / max(math.Sqrt(dot(total, total)+1e-8), 0.05*weight)
	case "MwSr":
		return overWords
	case "symm":
		return overRegions + overWords
	}
	return scan(image, text)
}

// scan is stacked cross attention without a temperature: each region attends over the words.
func scan(image, text [][]float64) float64 {
	total := 0.0
	for _, region := range image {
		attended, sum := make([]float64, dim), 0.0
		for _, word := range text {
			norm := 0.0
			for _, other := range image {
				p := max(dot(other, word), 0)
				norm += p * p
			}
			e := math.Exp(max(dot(region, word), 0) / math.Sqrt(norm+1e-24))
			sum += e
			for i := range attended {
				attended[i] += e * word[i]
			}
		}
		if len(text) == 0 {
			continue
		}
		for i := range attended {
			attended[i] /= sum
		}
		total += dot(attended, region) / math.Sqrt(dot(attended, attended)+1e-16)
	}
	return total
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

// present are the vectors that take part.
func (b bag) present(i int) (vectors [][]float64, weights []float64) {
	for k, w := range b.weights[i] {
		if w > 0 {
			vectors, weights = append(vectors, b.vectors[i][k]), append(weights, w)
		}
	}
	return vectors, weights
}

// TestScores holds every mode against its definition, in ragged batches with an empty caption and an
// image of one region.
func TestScores(t *testing.T) {
	for _, mode := range nn.AlignmentModes {
		for _, softness := range []float64{0, 0.05, 1} {
			a := align(t, nn.Config{Alignment: mode, WordGates: true}, softness > 0)
			for seed := range uint64(3) {
				rng := rand.New(rand.NewPCG(seed, 1))
				image, text := newBag(rng, 4, []int{4, 1, 3}, 0, 0), newBag(rng, 5, []int{2, 0, 4, 1}, 1, 0)
				for _, ws := range text.weights {
					for k := range ws {
						ws[k] *= 0.5 + rng.Float64()
					}
				}
				in := inputs(rng, image, text, softness)
				out, err := onnxref.Eval(a.b, in, a.scores)
				require.NoError(t, err)
				require.Equal(t, []int{3, 4}, out[0].Shape)
				for i := range 3 {
					for c := range 4 {
						regions, _ := image.present(i)
						words, weights := text.present(c)
						want := plain(mode, regions, words, weights, softness)
						require.InDelta(t, want, out[0].F[i*4+c], 1e-6, "%s, softness %g, image %d, caption %d", mode, softness, i, c)
					}
				}
			}
		}
	}
}

// TestScoresGradients holds the gradients of every mode against central differences, with padding.
func TestScoresGradients(t *testing.T) {
	for _, mode := range nn.AlignmentModes {
		for _, released := range []bool{false, true} {
			for _, soft := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s released %v soft %v", mode, released, soft), func(t *testing.T) {
					a := align(t, nn.Config{Alignment: mode, ReleasedAlignment: released, WordGates: !released}, soft)
					for seed := range uint64(2) {
						rng := rand.New(rand.NewPCG(seed, 2))
						after := 0
						if released {
							after = 2
						}
						image, text := newBag(rng, 4, []int{3, 1, 2}, 1, 0), newBag(rng, 7, []int{2, 0, 4}, 1, after)
						in := inputs(rng, image, text, 0.2)
						got, err := onnxref.Eval(a.b, in, a.gradient...)
						require.NoError(t, err)
						for i, v := range a.wrt {
							elements := []int{}
							for k := range got[i].F {
								// Words that take no part stand at a jump: whether their weight is 0 decides it.
								if v.Name != "text-weights" || in[v.Name].F[k] > 0 {
									elements = append(elements, k)
								}
							}
							want, err := onnxref.Differences(a.b, in, a.loss, v.Name, elements, 1e-6)
							require.NoError(t, err)
							for j, k := range elements {
								require.InDelta(t, want[j], got[i].F[k], 1e-5*max(1, math.Abs(want[j])), "seed %d, %s[%d]", seed, v.Name, k)
							}
						}
					}
				})
			}
		}
	}
}

// cancelled makes the words of a caption cancel each other but for a part.
func (b bag) cancelled(i int, part float64) {
	for k := 2; k < b.rows; k += 2 {
		for d, x := range b.vectors[i][k-1] {
			b.vectors[i][k][d] = -x
		}
		b.vectors[i][k][0] += part
	}
}

// Where words cancel each other, MrCOSw stays bounded, and its gradients are those of what it computes.
func TestCancellingWords(t *testing.T) {
	for _, soft := range []bool{false, true} {
		a := align(t, nn.Config{Alignment: nn.MrCOSw, WordGates: true}, soft)
		for _, part := range []float64{0, 1e-9, 0.01, 0.5} { // 0.5 is past the bound
			rng := rand.New(rand.NewPCG(8, 9))
			image, text := newBag(rng, 4, []int{4, 2}, 0, 0), newBag(rng, 5, []int{4, 4}, 1, 0)
			text.cancelled(0, part)
			in := inputs(rng, image, text, 0.1)
			out, err := onnxref.Eval(a.b, in, append([]*onnx.Value{a.scores}, a.gradient...)...)
			require.NoError(t, err)
			for i := range 2 {
				for c := range 2 {
					softness := 0.0
					if soft {
						softness = 0.1
					}
					regions, _ := image.present(i)
					words, weights := text.present(c)
					got := out[0].F[i*2+c]
					require.InDelta(t, plain(nn.MrCOSw, regions, words, weights, softness), got, 1e-6)
					require.Less(t, math.Abs(got), 20*(1+0.1*math.Log(4)))
				}
			}
			for i, v := range a.wrt {
				elements := []int{}
				for k := range out[i+1].F {
					if v.Name != "text-weights" || in[v.Name].F[k] > 0 {
						elements = append(elements, k)
					}
				}
				want, err := onnxref.Differences(a.b, in, a.loss, v.Name, elements, 1e-6)
				require.NoError(t, err)
				for j, k := range elements {
					require.InDelta(t, want[j], out[i+1].F[k], 1e-4*max(1, math.Abs(want[j])), "part %g, %s[%d]", part, v.Name, k)
				}
			}
		}
	}
}

// Padding is invisible: neither its contents nor its amount change scores or gradients.
func TestScoresPadding(t *testing.T) {
	for _, mode := range nn.AlignmentModes {
		for _, soft := range []bool{false, true} {
			a := align(t, nn.Config{Alignment: mode}, soft)
			rng := rand.New(rand.NewPCG(3, 3))
			image, text := newBag(rng, 3, []int{3, 1}, 0, 0), newBag(rng, 5, []int{3, 0}, 1, 0)
			in := inputs(rng, image, text, 1)
			want, err := onnxref.Eval(a.b, in, append(a.gradient, a.scores)...)
			require.NoError(t, err)
			wideImage, wideText := image.widened(rng, 2), text.widened(rng, 3)
			wide := inputs(rng, wideImage, wideText, 1)
			wide["coefficient"] = in["coefficient"]
			got, err := onnxref.Eval(a.b, wide, append(a.gradient, a.scores)...)
			require.NoError(t, err)
			require.InDeltaSlice(t, want[2].F, got[2].F, 1e-12, mode)
			for s, pair := range [][2]bag{{image, wideImage}, {text, wideText}} {
				for i := range pair[0].vectors {
					for k := range pair[1].rows {
						g := got[s].F[(i*pair[1].rows+k)*dim:][:dim]
						if k >= pair[0].rows || pair[0].weights[i][k] == 0 {
							require.Equal(t, make([]float64, dim), abs(g), "%s: padding has a gradient", mode)
							continue
						}
						require.InDeltaSlice(t, want[s].F[(i*pair[0].rows+k)*dim:][:dim], g, 1e-12, mode)
					}
				}
			}
		}
	}
}

func abs(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = math.Abs(x)
	}
	return out
}
