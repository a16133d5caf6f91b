package towers

import (
	"slices"

	"github.com/aladin-go/aladin/internal/onnx"
)

// A TextPool says which token's state stands for a sentence.
type TextPool string

// How sentences are pooled.
const (
	PoolLargest TextPool = "largest" // the first token with the largest id: the end token, if none was added above it
	PoolEnd     TextPool = "end"     // the first end token
	PoolLast    TextPool = "last"    // the last place, which is mostly padding
	PoolFirst   TextPool = "first"
)

// Text is a text tower.
type Text struct {
	Transformer
	Causal bool // a token sees those before it
	Pool   TextPool
	End    int // id of the end token, for PoolEnd
}

// TextOutputs are what the graph of a text tower can give: encoder outputs, and the raw values before they
// are brought to length 1.
var TextOutputs = []string{Matching, Tokens, "text_embeds", "token_states", "token_embeds"}

// Names of the outputs that every encoder has.
const (
	Matching = "matching"
	Tokens   = "tokens"
)

// TextSizes are those of a text tower's weights.
type TextSizes struct{ Vocabulary, Context, Width, Embed int }

// Sizes reads the sizes off the weights.
func (t Text) Sizes(w Weights) (s TextSizes, err error) {
	g := newGraph(w, nil, F32)
	table := g.shape("tokens.w", 0, 0)
	s.Vocabulary, s.Width = table[0], table[1]
	s.Context = g.shape("positions.w", 0, s.Width)[0]
	if s.Embed = s.Width; g.has("proj.w") {
		s.Embed = g.shape("proj.w", 0, s.Width)[0]
	}
	return s, g.err
}

// Graph makes the tower. Values of larger weights go to data, or stay in the model where that is nil.
func (t Text) Graph(w Weights, data *onnx.DataFile, p Precision, outputs ...string) (*onnx.Model, error) {
	s, err := t.Sizes(w)
	if err != nil {
		return nil, err
	}
	g := newGraph(w, data, p)
	t.check(g, s.Width)
	b := g.b
	ids := b.Input("ids", onnx.Int64, onnx.Of("B", "S"))
	n, length := ids.Shape[0], ids.Shape[1]
	x := b.Add(b.Gather(g.get("tokens.w", 0, 0), ids), b.Gather(g.get("positions.w", 0, s.Width), b.Range(length)))
	x = b.Reshape(x, n.Mul(length), onnx.D(s.Width))
	var mask *onnx.Value
	if t.Causal {
		later := b.Cast(b.Greater(b.Unsqueeze(b.Range(length), 0), b.Unsqueeze(b.Range(length), 1)), onnx.Float)
		mask = b.Unsqueeze(b.MulS(later, -1e9), 0, 1)
	}
	x = g.norm(t.blocks(g, x, n, length, s.Width, mask), "norm", s.Width, t.Eps)
	states := b.Reshape(x, n, length, onnx.D(s.Width))
	place := t.place(g, ids) // [B, 1]
	here := b.Equal(b.Unsqueeze(b.Range(length), 0), place)
	pooled := b.ReduceSum(b.Mul(states, b.Unsqueeze(b.Cast(here, onnx.Float), 2)), false, 1)
	embeds := g.project(pooled, s.Width, s.Embed)
	give := func(name string, value func() *onnx.Value) {
		if slices.Contains(outputs, name) {
			b.Output(name, value())
		}
	}
	tokens := func() *onnx.Value { return b.Reshape(g.project(x, s.Width, s.Embed), n, length, onnx.D(s.Embed)) }
	give(Matching, func() *onnx.Value { return b.L2Normalize(embeds, tiny) })
	give(Tokens, func() *onnx.Value { return b.L2Normalize(tokens(), tiny) })
	give("text_embeds", func() *onnx.Value { return embeds })
	give("token_states", func() *onnx.Value { return states })
	give("token_embeds", tokens)
	return g.model("text")
}

// tiny is the length up to which a vector counts as one of zeros.
const tiny = 1e-12

// place is where in each sequence the state is that stands for all of it.
func (t Text) place(g *graph, ids *onnx.Value) *onnx.Value {
	b := g.b
	switch t.Pool {
	case PoolLargest:
		return b.ArgMax(ids, 1)
	case PoolEnd:
		return b.ArgMax(b.Cast(b.Equal(ids, b.Int(int64(t.End))), onnx.Float), 1)
	case PoolLast:
		return b.Unsqueeze(b.Add(b.DimVector(ids, 1), b.Ints(-1)), 0)
	case PoolFirst:
		return b.Unsqueeze(b.Ints(0), 0)
	}
	g.fail(ErrUnsupported, "pooling %q", t.Pool)
	return b.Unsqueeze(b.Ints(0), 0)
}

// project takes states [N, W] to the common space, if there is a layer for it.
func (g *graph) project(x *onnx.Value, width, embed int) *onnx.Value {
	if !g.has("proj.w") {
		return x
	}
	var bias *onnx.Value
	if g.has("proj.b") {
		bias = g.get("proj.b", embed)
	}
	return g.b.Gemm(x, g.get("proj.w", embed, width), bias, false, true)
}

// model finishes the graph.
func (g *graph) model(name string) (*onnx.Model, error) {
	if g.err != nil {
		return nil, g.err
	}
	m, err := g.b.Model(name)
	if err != nil || g.p != Int8 {
		return m, err
	}
	return m, quantize(m, g.data)
}

// quantize makes bytes of the weights of a model that holds them and moves them to data.
func quantize(m *onnx.Model, data *onnx.DataFile) error {
	if _, err := m.QuantizeWeights(); err != nil {
		return err
	}
	if _, err := m.QuantizeLookups(); err != nil {
		return err
	}
	if data != nil {
		m.MoveOut(data, smallTensor)
	}
	return nil
}
