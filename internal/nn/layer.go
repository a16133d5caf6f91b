package nn

import (
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/onnx"
)

// A layerNames tells one transformer layer's parameters apart in the two naming schemes of the state
// dict: BERT's with separate query, key and value, and PyTorch's with one matrix for the three.
type layerNames struct {
	query, key, value string // "" when joined
	joined            string
	attOut, attNorm   string
	ff1, ff2, ffNorm  string
}

func bertLayer(i int) layerNames {
	p := fmt.Sprintf("%sencoder.layer.%d.", bertPrefix, i)
	return layerNames{
		query: p + "attention.self.query", key: p + "attention.self.key", value: p + "attention.self.value",
		attOut: p + "attention.output.dense", attNorm: p + "attention.output.LayerNorm",
		ff1: p + "intermediate.dense", ff2: p + "output.dense", ffNorm: p + "output.LayerNorm",
	}
}

func torchLayer(stack string, i int) layerNames {
	p := fmt.Sprintf("%s%s.layers.%d.", encPrefix, stack, i)
	return layerNames{
		joined: p + "self_attn.in_proj_", attOut: p + "self_attn.out_proj", attNorm: p + "norm1",
		ff1: p + "linear1", ff2: p + "linear2", ffNorm: p + "norm2",
	}
}

// A layerKind is what differs between the encoder's layers and the heads'.
type layerKind struct {
	heads, ff  int
	eps        float32
	gelu       bool
	init       Init
	attention  string // dropout places
	hidden     string
	innerDrops bool // PyTorch's layer drops after the activation too
}

func (n *Net) encoderKind() layerKind {
	return layerKind{heads: n.Heads, ff: n.FF, eps: n.LayerNormEps, gelu: true, init: InitNormal, attention: "attention", hidden: "hidden"}
}

func (n *Net) headKind() layerKind {
	return layerKind{heads: n.MatchHeads, ff: n.MatchFF, eps: 1e-5, init: InitGlorot, attention: "head", hidden: "head", innerDrops: true}
}

// queries selects the positions whose states a layer computes, when no others are used. They attend to all positions.
type queries struct {
	take func(x *onnx.Value) *onnx.Value // from states [B, S, H] or packed [N, H], of as many dimensions
	mask mask
}

// layer is one transformer encoder layer (Vaswani et al., arXiv 1706.03762) on x [B, S, H] or packed [N, H]; at nil
// means all positions.
func (n *Net) layer(x *onnx.Value, m mask, at *queries, names layerNames, kind layerKind) (y *onnx.Value) {
	w := n.layerWeights(names, kind)
	if !n.Recompute {
		return n.layerOnce(x, m, at, w, names, kind)
	}
	n.B.Recompute(func() { y = n.layerOnce(x, m, at, w, names, kind) })
	return y
}

// attentionWeights are those of queries, keys and values, one by one or joined.
type attentionWeights struct{ query, key, value, joined weights }

func (n *Net) attentionWeights(names layerNames, kind layerKind) (w attentionWeights) {
	b, h := n.B, n.Hidden
	if names.joined == "" {
		w.query, w.key, w.value = n.weights(names.query, kind.init, h, h), n.weights(names.key, kind.init, h, h), n.weights(names.value, kind.init, h, h)
	} else {
		w.joined = weights{n.Param(names.joined+"weight", kind.init, 3*h, h), n.Param(names.joined+"bias", InitZero, 3*h)}
	}
	if !n.Training {
		return w
	}
	if names.joined != "" { // parts of one product would have to be put together in the backward pass
		part := func(i int) weights {
			from, to := int64(i*h), int64((i+1)*h)
			return weights{b.Slice(w.joined.w, 0, from, to, onnx.D(h)), b.Slice(w.joined.b, 0, from, to, onnx.D(h))}
		}
		w.query, w.key, w.value = part(0), part(1), part(2)
	}
	scale := kind.scoreScale(h)
	w.query = weights{b.MulS(w.query.w, scale), b.MulS(w.query.b, scale)}
	return w
}

// scoreScale is what the products of queries and keys are multiplied by: in training, already the queries' weights.
func (k layerKind) scoreScale(hidden int) float32 {
	return float32(1 / math.Sqrt(float64(hidden/k.heads)))
}

// layerWeights are a layer's weights as the graph uses them. They are derived from the parameters once for all passes, so
// that the passes' gradients are summed before they are propagated to the parameters.
type layerWeights struct {
	attentionWeights
	attOut, ff1, ff2 weights
}

func (n *Net) layerWeights(names layerNames, kind layerKind) *layerWeights {
	if w, ok := n.layers[names]; ok {
		return w
	}
	w := &layerWeights{attentionWeights: n.attentionWeights(names, kind), attOut: n.weights(names.attOut, n.residual(kind.init), n.Hidden, n.Hidden)}
	w.ff1, w.ff2 = n.weights(names.ff1, kind.init, n.Hidden, kind.ff), n.weights(names.ff2, n.residual(kind.init), kind.ff, n.Hidden)
	if kind.gelu && n.Training { // see onnx.Builder.ErfGate
		const scale = math.Sqrt2 / 2
		w.ff1 = weights{n.B.MulS(w.ff1.w, scale), n.B.MulS(w.ff1.b, scale)}
		w.ff2.w = n.B.MulS(w.ff2.w, scale)
	}
	n.layers[names] = w
	return w
}

func (n *Net) layerOnce(x *onnx.Value, m mask, at *queries, w *layerWeights, names layerNames, kind layerKind) *onnx.Value {
	b := n.B
	all, mq := n.rows(x), m
	if n.PreNorm {
		all = n.layerNorm(all, names.attNorm, kind.eps)
	}
	in := all
	if at != nil {
		taken := at.take(b.Reshape(all, x.Shape...))
		if n.PreNorm {
			x = at.take(x)
		} else {
			x = taken
		}
		in, mq = n.rows(taken), at.mask
	}
	shape := x.Shape
	h := n.rows(x)
	att := n.attention(in, mq, all, m, w.attentionWeights, kind)
	att = n.drop(n.affine(att, w.attOut), kind.hidden)
	h = b.Add(h, att)
	if !n.PreNorm {
		h = n.layerNorm(h, names.attNorm, kind.eps)
	}
	in = h
	if n.PreNorm {
		in = n.layerNorm(h, names.ffNorm, kind.eps)
	}
	f := n.drop(n.feedForward(in, w, kind), kind.hidden)
	h = b.Add(h, f)
	if !n.PreNorm {
		h = n.layerNorm(h, names.ffNorm, kind.eps)
	}
	return b.Reshape(h, shape...)
}

// feedForward is a layer's second part on rows.
func (n *Net) feedForward(in *onnx.Value, w *layerWeights, kind layerKind) *onnx.Value {
	b := n.B
	f := n.affine(in, w.ff1)
	switch {
	case !kind.gelu:
		f = b.Relu(f)
	case n.Training:
		f = b.ErfGate(f)
	default:
		f = b.Gelu(f)
	}
	if kind.innerDrops {
		f = n.drop(f, kind.hidden)
	}
	return n.affine(f, w.ff2)
}

// attention is multi-head self-attention without its output layer: the rows at, with mask mq, attend to all. Padding among
// unpacked queries, keys and values does no harm: keys are masked, and the rows that padding yields are dropped.
func (n *Net) attention(at *onnx.Value, mq mask, all *onnx.Value, m mask, w attentionWeights, kind layerKind) *onnx.Value {
	b := n.B
	head := n.Hidden / kind.heads
	q, k, v := n.queryKeyValue(at, all, w)
	split := func(x *onnx.Value, m mask, perm ...int) *onnx.Value {
		return b.Transpose(b.Reshape(n.unpack(x, m), m.shape[0], m.shape[1], onnx.D(kind.heads), onnx.D(head)), perm...)
	}
	if !n.Training {
		q = b.MulS(q, kind.scoreScale(n.Hidden))
	}
	scores := b.MatMul(split(q, mq, 0, 2, 1, 3), split(k, m, 0, 2, 3, 1))
	weights := n.drop(b.Softmax(b.Add(scores, m.additive), -1), kind.attention)
	mixed := b.Transpose(b.MatMul(weights, split(v, m, 0, 2, 1, 3)), 0, 2, 1, 3)
	return n.pack(b.Reshape(mixed, mq.shape.Elements(), onnx.D(n.Hidden)), mq.kept)
}

// queryKeyValue returns queries of the rows at, and keys and values of all. Outside training the two are the same rows.
func (n *Net) queryKeyValue(at, all *onnx.Value, w attentionWeights) (q, k, v *onnx.Value) {
	if w.query.w != nil {
		return n.affine(at, w.query), n.affine(all, w.key), n.affine(all, w.value)
	}
	h := n.Hidden
	joined := n.affine(all, w.joined)
	part := func(i int) *onnx.Value { return n.B.Slice(joined, 1, int64(i*h), int64((i+1)*h), onnx.D(h)) }
	return part(0), part(1), part(2)
}

// stack runs layers of PyTorch's nn.TransformerEncoder, the last of them for some positions alone (nil is all).
func (n *Net) stack(x *onnx.Value, m mask, name string, layers int, at *queries) *onnx.Value {
	for i := range layers {
		var q *queries
		if i == layers-1 {
			q = at
		}
		n.B.Scope(fmt.Sprintf("%s.%d", name, i), func() { x = n.layer(x, m, q, torchLayer(name, i), n.headKind()) })
	}
	return x
}
