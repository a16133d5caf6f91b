package nn

import "github.com/aladin-go/aladin/internal/onnx"

// fusionWidth is the inner width of the layers that weigh aggregated and last states.
const fusionWidth = 512

// matchingDepth is the input of the matching head under DepthAggregation.
func (n *Net) matchingDepth(s States) *onnx.Value {
	hidden := s.Hidden
	if n.PostLayers > 0 {
		last := hidden[len(hidden)-1]
		hidden = append(append([]*onnx.Value(nil), hidden...), n.stack(last, s.mask, "post_oscar_transformer", n.PostLayers, nil))
	}
	return n.aggregateDepth(n.DepthAggregation, encPrefix+"depth_aggregator_model_matching.", hidden, s.mask)
}

// fuseDepth replaces the last states by what AlignDepthAggregation makes of all of them: those of the
// layers before are aggregated, and a weight each for the aggregate and the last state is computed from
// the two.
func (n *Net) fuseDepth(s States) States {
	if n.AlignDepthAggregation == "" {
		return s
	}
	defer n.making(Backbone)()
	b := n.B
	last := len(s.Hidden) - 1
	before := n.aggregateDepth(n.AlignDepthAggregation, encPrefix+"depth_aggregator_model_alignment.", s.Hidden[:last], s.mask)
	x, y := n.rows(before), n.rows(s.Hidden[last])
	const name = encPrefix + "feature_fusion.alphas."
	inner := b.Relu(n.linear(b.Concat(1, x, y), name+"0", InitGlorot, 2*n.Hidden, fusionWidth))
	alphas := b.Sigmoid(n.linear(n.drop(inner, "head"), name+"3", InitGlorot, fusionWidth, 2))
	weigh := func(x *onnx.Value, i int64) *onnx.Value { return b.Mul(x, b.Slice(alphas, 1, i, i+1, onnx.D(1))) }
	s.Last = b.Reshape(b.Add(weigh(x, 0), weigh(y, 1)), s.Last.Shape...)
	return s
}

// aggregateDepth mixes the states of several layers into one per token, as old configurations do: their
// mean, or a sum in which every state is weighted by a gate that attends over its layer's sequence. (The
// released code pairs the sequences of a batch with each other's padding there; this does not.)
func (n *Net) aggregateDepth(how, name string, hidden []*onnx.Value, m mask) *onnx.Value {
	b := n.B
	kind := n.headKind()
	var w attentionWeights
	if how == "gated" {
		w = n.attentionWeights(layerNames{joined: name + "self_attn.in_proj_"}, kind)
	}
	var sum *onnx.Value
	for _, h := range hidden {
		if how == "gated" {
			rows := n.attention(n.rows(h), m, n.rows(h), m, w, kind)
			rows = n.linear(rows, name+"self_attn.out_proj", kind.init, n.Hidden, n.Hidden)
			gate := b.Sigmoid(n.linear(rows, name+"gate_ffn", InitGlorot, n.Hidden, 1))
			h = b.Mul(h, b.Reshape(gate, h.Shape[0], h.Shape[1], onnx.D(1)))
		}
		if sum == nil {
			sum = h
		} else {
			sum = b.Add(sum, h)
		}
	}
	if how == "mean" {
		sum = b.MulS(sum, 1/float32(len(hidden)))
	}
	return sum
}
