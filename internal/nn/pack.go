package nn

import "github.com/aladin-go/aladin/internal/onnx"

// Packed states hold only the rows of real tokens, [N, H] in the order of their positions, instead of [B, S, H]. Operations
// on single rows need no more; attention unpacks them. Real batches are about half padding, so a training step takes little
// more than half the time, with the same result.

// packs reports whether states are packed. Depth aggregation needs them by position.
func (n *Net) packs() bool {
	return n.Pack && n.Training && n.DepthAggregation == "" && n.AlignDepthAggregation == ""
}

// kept lists the positions, of all B·S, at which a mask int64 [B, S] is not 0; nil when states are not packed.
func (n *Net) kept(m *onnx.Value) *onnx.Value {
	if !n.packs() {
		return nil
	}
	return n.B.NonZero(n.B.Reshape(m, m.Shape.Elements()), onnx.Sym(KeptDim(m.Shape[0].Name, m.Shape[1].Name)))
}

// KeptDim is the name of the dimension that counts a batch's tokens, the rows of packed states, given the names of its
// size and its padded length.
func KeptDim(batch, length string) string { return batch + ":" + length + "-kept" }

// pack takes the rows at the kept positions of [B, S, …]; without any list it returns x.
func (n *Net) pack(x, kept *onnx.Value) *onnx.Value {
	if kept == nil {
		return x
	}
	return n.B.TakeRows(n.rows(x), kept)
}

// unpack puts rows back to their positions of [B·S, …], with zeros between them.
func (n *Net) unpack(rows *onnx.Value, m mask) *onnx.Value {
	if m.kept == nil {
		return rows
	}
	return n.B.PlaceRows(m.shape.Elements(), m.kept, rows)
}

// padded is x [B, S, H] whether it is packed or not.
func (n *Net) padded(x *onnx.Value, m mask) *onnx.Value {
	if m.kept == nil {
		return x
	}
	return n.B.Reshape(n.unpack(x, m), m.shape[0], m.shape[1], x.Shape[1])
}

// joined is the list of kept positions of sequences that two batches make, left and right of each other.
func (n *Net) joined(left, right *onnx.Value, leftMask, rightMask *onnx.Value) *onnx.Value {
	if left == nil {
		return nil
	}
	b := n.B
	l, r := b.DimVector(leftMask, 1), b.DimVector(rightMask, 1)
	left = b.Add(left, b.Mul(b.Div(left, l), r))
	right = b.Add(right, b.Mul(b.Add(b.Div(right, r), b.Ints(1)), l))
	return b.Concat(0, left, right)
}

// owners is a matrix [B, N]: 1 where a packed row belongs to a sequence. With first it marks only the first
// position of each.
func (n *Net) owners(m mask, first bool) *onnx.Value {
	b := n.B
	rows := m.kept.Shape[0]
	length := b.DimVector(m.tokens, 1)
	owner := b.Div(m.kept, length)
	hit := b.Equal(b.Reshape(owner, onnx.D(1), rows), b.Reshape(b.Range(m.shape[0]), m.shape[0], onnx.D(1)))
	if first {
		hit = b.And(hit, b.Reshape(b.Equal(b.Mul(owner, length), m.kept), onnx.D(1), rows))
	}
	return b.Cast(hit, onnx.Float)
}

// weighed is owners with each row's weight, of weights [B, S].
func (n *Net) weighed(m mask, weights *onnx.Value) *onnx.Value {
	b := n.B
	w := b.TakeRows(b.Reshape(weights, m.shape.Elements(), onnx.D(1)), m.kept)
	return b.Mul(n.owners(m, false), b.Reshape(w, onnx.D(1), m.kept.Shape[0]))
}

// Least gives the minimum padded lengths of a batch.
type Least struct{ Tokens, Regions int64 }

// Tight cuts the states after the batch's longest caption (or longest list of regions), where Loose allows more padding.
// States must not be packed.
func (n *Net) Tight(s States, captions bool) []*onnx.Value {
	out := make([]*onnx.Value, len(s.Hidden))
	for i, x := range s.Hidden {
		out[i] = n.tight(x, s.mask, captions)
	}
	return out
}

func (n *Net) tight(x *onnx.Value, m mask, captions bool) *onnx.Value {
	if n.Loose == nil {
		return x
	}
	b, least := n.B, n.Loose.Regions
	if captions {
		least = n.Loose.Tokens
	}
	longest := b.Cast(b.ReduceMax(b.ReduceSum(m.tokens, false, 1), true, 0), onnx.Int64)
	return b.SliceV(x, 1, b.Ints(0), b.Max(longest, b.Ints(least)), onnx.Sym(x.Shape[1].String()+"-longest"))
}
