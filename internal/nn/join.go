package nn

import "github.com/aladin-go/aladin/internal/onnx"

// Join puts the sides of a batch's parts together, in their order: batch is the dimension of the whole.
func (n *Net) Join(parts []Side, batch string) Side {
	if len(parts) == 1 {
		return parts[0]
	}
	b, size, first := n.B, onnx.Sym(batch), parts[0]
	rows := func(dim onnx.Dim, of func(s Side) *onnx.Value) *onnx.Value {
		all := make([]*onnx.Value, len(parts))
		for i, s := range parts {
			all[i] = of(s)
		}
		v := b.Concat(0, all...)
		v.Shape[0] = dim
		b.DefineDim(dim, v, 0)
		return v
	}
	side := Side{
		Matching: rows(size, func(s Side) *onnx.Value { return s.Matching }),
		Weights:  rows(size, func(s Side) *onnx.Value { return s.Weights }),
	}
	tokens := size
	if first.mask.kept != nil {
		length := first.mask.shape[1]
		tokens = onnx.Sym(KeptDim(batch, length.Name))
		side.mask = mask{shape: onnx.Shape{size, length}, tokens: rows(size, func(s Side) *onnx.Value { return s.mask.tokens })}
		start := b.Ints(0) // of a part's positions among those of all
		side.mask.kept = rows(tokens, func(s Side) *onnx.Value {
			kept := b.Add(s.mask.kept, start)
			start = b.Add(start, b.Mul(b.DimVector(s.mask.tokens, 0), b.DimVector(s.mask.tokens, 1)))
			return kept
		})
	}
	side.Tokens = rows(tokens, func(s Side) *onnx.Value { return s.Tokens })
	return side
}
