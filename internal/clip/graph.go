package clip

import (
	"fmt"
	"math"
	"slices"

	"github.com/aladin-go/aladin/internal/onnx"
)

// A Weight is a tensor of a state dict, row-major.
type Weight struct {
	Shape []int
	Data  []float32
}

// Weights looks up the tensors of CLIP's state dict by their names there; ok is false for one that is not
// in it.
type Weights func(name string) (w Weight, ok bool, err error)

// headWidth is how many numbers an attention head of CLIP has.
const headWidth = 64

const layerNormEps = 1e-5

// Graph makes the text tower of a state dict: ids int64 [B, S] → text_embeds [B, C], token_embeds
// [B, S, C]. The sizes are those of the tensors.
func Graph(w Weights) (*onnx.Model, error) {
	b := onnx.NewBuilder()
	g := &graph{b: b, w: w, width: 1}
	table := g.get("token_embedding.weight", 0, 0)
	g.width = table.Shape[1]
	positions := g.get("positional_embedding", 0, g.width)
	projection := g.get("text_projection", g.width, 0)
	if g.heads = max(1, g.width/headWidth); g.width%g.heads != 0 && g.err == nil {
		g.err = fmt.Errorf("%w: a width of %d is no multiple of %d heads", ErrWeights, g.width, g.heads)
	}
	if g.err != nil {
		return nil, g.err
	}
	ids := b.Input("input_ids", onnx.Int64, onnx.Of("B", "S"))
	s := ids.Shape[1]
	x := b.Add(b.Gather(g.constant(table), ids), b.Gather(g.constant(positions), b.Range(s)))
	g.shape = x.Shape
	x = b.Reshape(x, x.Shape[:2].Elements(), onnx.D(g.width))
	later := b.Cast(b.Greater(b.Unsqueeze(b.Range(s), 0), b.Unsqueeze(b.Range(s), 1)), onnx.Float)
	g.mask = b.Unsqueeze(b.MulS(later, -10000), 0, 1)
	layers := 0
	for ; g.has(block(layers) + "ln_1.weight"); layers++ {
		x = g.layer(x, block(layers))
	}
	if layers == 0 && g.err == nil {
		g.err = fmt.Errorf("%w: there is no %sln_1.weight", ErrWeights, block(0))
	}
	x = g.norm(x, "ln_final")
	tokens := b.Reshape(b.MatMul(x, g.constant(projection)), g.shape[0], s, onnx.D(projection.Shape[1]))
	// The end token has the highest id: its state is the sentence's.
	end := b.Equal(b.Unsqueeze(b.Range(s), 0), b.ArgMax(ids, 1)) // [B, S]
	b.Output("text_embeds", b.ReduceSum(b.Mul(tokens, b.Unsqueeze(b.Cast(end, onnx.Float), 2)), false, 1))
	b.Output("token_embeds", tokens)
	if g.err != nil {
		return nil, g.err
	}
	return b.Model("clip text")
}

func block(i int) string { return fmt.Sprintf("transformer.resblocks.%d.", i) }

// graph is a tower under construction. Its first mistake is kept.
type graph struct {
	b            *onnx.Builder
	w            Weights
	width, heads int
	shape        onnx.Shape  // [B, S, width]
	mask         *onnx.Value // [1, 1, S, S]: a token sees those up to itself
	err          error
}

// A parameter is a weight with its name.
type parameter struct {
	Weight
	name string
}

func (g *graph) has(name string) bool {
	_, ok, err := g.w(name)
	return ok && err == nil && g.err == nil
}

// get looks a tensor up and compares its shape, in which 0 stands for any size.
func (g *graph) get(name string, shape ...int) parameter {
	w, ok, err := g.w(name)
	n := 1
	for _, d := range w.Shape {
		n *= d
	}
	switch {
	case g.err != nil:
	case err != nil:
		g.err = fmt.Errorf("%w: %s: %w", ErrWeights, name, err)
	case !ok:
		g.err = fmt.Errorf("%w: %s is missing", ErrWeights, name)
	case !slices.EqualFunc(w.Shape, shape, func(have, want int) bool { return have > 0 && (want == 0 || have == want) }) || n != len(w.Data):
		g.err = fmt.Errorf("%w: %s has the shape %v and %d values", ErrWeights, name, w.Shape, len(w.Data))
	default:
		return parameter{w, name}
	}
	size := 1 // zeros to go on with
	for i, d := range shape {
		shape[i] = max(1, d)
		size *= shape[i]
	}
	return parameter{Weight{shape, make([]float32, size)}, "missing/" + name}
}

func (g *graph) constant(p parameter) *onnx.Value { return g.b.Weights(p.name, p.Data, p.Shape...) }

func (g *graph) linear(x *onnx.Value, weight, bias string, in, out int) *onnx.Value {
	return g.b.Gemm(x, g.constant(g.get(weight, out, in)), g.constant(g.get(bias, out)), false, true)
}

func (g *graph) norm(x *onnx.Value, name string) *onnx.Value {
	return g.b.LayerNorm(x, g.constant(g.get(name+".weight", g.width)), g.constant(g.get(name+".bias", g.width)), layerNormEps)
}

// layer is a residual block on x [B·S, width]: attention and a feed-forward network, each after a
// normalisation.
func (g *graph) layer(x *onnx.Value, name string) *onnx.Value {
	b, w, head := g.b, g.width, g.width/g.heads
	all := g.linear(g.norm(x, name+"ln_1"), name+"attn.in_proj_weight", name+"attn.in_proj_bias", w, 3*w)
	split := func(i int, perm ...int) *onnx.Value {
		part := b.Slice(all, 1, int64(i*w), int64((i+1)*w), onnx.D(w))
		return b.Transpose(b.Reshape(part, g.shape[0], g.shape[1], onnx.D(g.heads), onnx.D(head)), perm...)
	}
	scores := b.MatMul(b.MulS(split(0, 0, 2, 1, 3), float32(1/math.Sqrt(float64(head)))), split(1, 0, 2, 3, 1))
	mixed := b.Transpose(b.MatMul(b.Softmax(b.Add(scores, g.mask), -1), split(2, 0, 2, 1, 3)), 0, 2, 1, 3)
	x = b.Add(x, g.linear(b.Reshape(mixed, x.Shape...), name+"attn.out_proj.weight", name+"attn.out_proj.bias", w, w))
	inner := g.linear(g.norm(x, name+"ln_2"), name+"mlp.c_fc.weight", name+"mlp.c_fc.bias", w, 4*w)
	inner = b.Mul(inner, b.Sigmoid(b.MulS(inner, 1.702))) // CLIP's fast GELU
	return b.Add(x, g.linear(inner, name+"mlp.c_proj.weight", name+"mlp.c_proj.bias", 4*w, w))
}
