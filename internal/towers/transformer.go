package towers

import (
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/onnx"
)

// An Activation is the function between the two layers of a feed-forward network.
type Activation string

// The activations of the family.
const (
	GELU      Activation = "gelu"       // x·Φ(x)
	QuickGELU Activation = "quick_gelu" // x·σ(1.702·x), OpenAI's
	TanhGELU  Activation = "gelu_tanh"  // GELU by tanh
)

// A Transformer says of a stack of pre-norm blocks what its weights do not.
type Transformer struct {
	Heads      int
	Activation Activation
	Eps        float32 // of the layer norms
}

func (t *Transformer) check(g *graph, width int) {
	switch t.Activation {
	case GELU, QuickGELU, TanhGELU:
	default:
		g.fail(ErrUnsupported, "activation %q", t.Activation)
	}
	if t.Heads < 1 || width%t.Heads != 0 {
		g.fail(ErrWeights, "a width of %d does not divide into %d heads", width, t.Heads)
		t.Heads = 1
	}
	if !(t.Eps > 0 && t.Eps < 1) {
		g.fail(ErrWeights, "layer norms with an epsilon of %v", t.Eps)
	}
}

func (t *Transformer) activate(b *onnx.Builder, x *onnx.Value) *onnx.Value {
	switch t.Activation {
	case QuickGELU:
		return b.Mul(x, b.Sigmoid(b.MulS(x, 1.702)))
	case TanhGELU:
		cubed := b.Mul(b.Mul(x, x), x)
		inner := b.MulS(b.Add(x, b.MulS(cubed, 0.044715)), float32(math.Sqrt(2/math.Pi)))
		return b.Mul(b.MulS(x, 0.5), b.AddS(b.Tanh(inner), 1))
	}
	return b.Gelu(x)
}

// maxBlocks bounds what a name of a weight can ask for.
const maxBlocks = 1000

// blocks runs x [B·S, W], of b sequences of s, through all the blocks that there are weights for.
func (t *Transformer) blocks(g *graph, x *onnx.Value, b, s onnx.Dim, width int, mask *onnx.Value) *onnx.Value {
	n := 0
	for ; n < maxBlocks && g.has(fmt.Sprintf("blocks.%d.norm1.w", n)); n++ {
		x = t.block(g, x, fmt.Sprintf("blocks.%d.", n), b, s, width, mask)
	}
	if n == 0 {
		g.fail(ErrWeights, "%s is missing", g.w.called("blocks.0.norm1.w"))
	}
	return x
}

func (t *Transformer) block(g *graph, x *onnx.Value, name string, n, s onnx.Dim, width int, mask *onnx.Value) *onnx.Value {
	b := g.b
	all := g.linear(g.norm(x, name+"norm1", width, t.Eps), name+"qkv", width, 3*width)
	part := func(i int) *onnx.Value {
		return b.Slice(all, 1, int64(i*width), int64((i+1)*width), onnx.D(width))
	}
	mixed := t.attend(g, part(0), part(1), part(2), n, s, s, width, mask)
	x = b.Add(x, g.scaled(g.linear(mixed, name+"out", width, width), name+"scale1.w", width))
	return b.Add(x, g.scaled(t.feedForward(g, g.norm(x, name+"norm2", width, t.Eps), name, width), name+"scale2.w", width))
}

func (g *graph) scaled(x *onnx.Value, name string, width int) *onnx.Value {
	if !g.has(name) {
		return x
	}
	return g.b.Mul(x, g.get(name, width))
}

// attend lets nq queries a sequence look at ns keys and values: all are [B·…, W].
func (t *Transformer) attend(g *graph, q, k, v *onnx.Value, n, nq, ns onnx.Dim, width int, mask *onnx.Value) *onnx.Value {
	b, head := g.b, onnx.D(width/t.Heads)
	split := func(x *onnx.Value, s onnx.Dim, perm ...int) *onnx.Value {
		return b.Transpose(b.Reshape(x, n, s, onnx.D(t.Heads), head), perm...)
	}
	scores := b.MatMul(b.MulS(split(q, nq, 0, 2, 1, 3), float32(1/math.Sqrt(float64(head.Size)))), split(k, ns, 0, 2, 3, 1))
	if mask != nil {
		scores = b.Add(scores, mask)
	}
	mixed := b.Transpose(b.MatMul(b.Softmax(scores, -1), split(v, ns, 0, 2, 1, 3)), 0, 2, 1, 3)
	return b.Reshape(mixed, n.Mul(nq), onnx.D(width))
}

// feedForward is the network of two layers whose names begin with name.
func (t *Transformer) feedForward(g *graph, x *onnx.Value, name string, width int) *onnx.Value {
	inner := g.shape(name+"up.w", 0, width)[0]
	return g.linear(t.activate(g.b, g.linear(x, name+"up", width, inner)), name+"down", inner, width)
}
