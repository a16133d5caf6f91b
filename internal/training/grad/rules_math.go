package grad

import (
	"fmt"

	"github.com/aladin-go/aladin/internal/onnx"
)

// matMul: for Z = X·Y, dX = dZ·Yᵀ and dY = Xᵀ·dZ, summed over broadcast batches. A matrix Y under a
// batch of X is one product of the flattened batch.
func matMul(t *tape, op *onnx.Op, dz *onnx.Value) {
	x, y := op.In[0], op.In[1]
	t.add(x, func() *onnx.Value { return t.MatMul(dz, t.swap(y)) })
	t.add(y, func() *onnx.Value {
		if len(y.Shape) == 2 && len(x.Shape) > 2 {
			return t.Gemm(t.flatten(x), t.flatten(dz), nil, true, false)
		}
		return t.MatMul(t.swap(x), dz)
	})
}

// swap transposes the last two axes.
func (t *tape) swap(x *onnx.Value) *onnx.Value {
	perm := make([]int, len(x.Shape))
	for i := range perm {
		perm[i] = i
	}
	n := len(perm)
	perm[n-1], perm[n-2] = n-2, n-1
	return t.Transpose(x, perm...)
}

// flatten joins all axes but the last.
func (t *tape) flatten(x *onnx.Value) *onnx.Value {
	n := len(x.Shape) - 1
	return t.Reshape(x, x.Shape[:n].Elements(), x.Shape[n])
}

// gemm: for Z = op(A)·op(B) + C, where op transposes or not.
func gemm(t *tape, op *onnx.Op, dz *onnx.Value) {
	a, b := op.In[0], op.In[1]
	transA, transB := op.Attr("transA") != nil, op.Attr("transB") != nil
	t.add(a, func() *onnx.Value {
		if transA {
			return t.Gemm(b, dz, nil, transB, true)
		}
		return t.Gemm(dz, b, nil, false, !transB)
	})
	t.add(b, func() *onnx.Value {
		if transB {
			return t.Gemm(dz, a, nil, true, transA)
		}
		return t.Gemm(a, dz, nil, !transA, false)
	})
	if len(op.In) > 2 {
		c := op.In[2]
		t.add(c, func() *onnx.Value {
			if c.Shape.Equal(onnx.Shape{dz.Shape[1]}) {
				return t.Reshape(t.sumRows(dz), c.Shape...)
			}
			return dz
		})
	}
}

func sumExp(t *tape, op *onnx.Op, dy *onnx.Value) {
	t.add(op.In[0], func() *onnx.Value { return t.Mul(op.Out[1], dy) })
}

// softmax: dx = y·(dy − Σ dy·y).
func softmax(t *tape, op *onnx.Op, dy *onnx.Value) {
	y, axis := op.Out[0], int(op.Attr("axis").I)
	t.add(op.In[0], func() *onnx.Value {
		dyy := t.Mul(dy, y)
		return t.Sub(dyy, t.Mul(y, t.ReduceSum(dyy, true, axis)))
	})
}

// logSoftmax: dx = dy − softmax(x)·Σ dy.
func logSoftmax(t *tape, op *onnx.Op, dy *onnx.Value) {
	axis := int(op.Attr("axis").I)
	t.add(op.In[0], func() *onnx.Value {
		return t.Sub(dy, t.Mul(t.Exp(op.Out[0]), t.ReduceSum(dy, true, axis)))
	})
}

// layerNorm: with x̂ = (x−μ)/σ, as the forward pass left it or from the mean and inverse deviation that the op
// returns beside its result, and g = dy·γ, dx = (g − mean(g) − x̂·mean(g·x̂))/σ. Sums are matrix products:
// that takes the fewest passes over memory.
func layerNorm(t *tape, op *onnx.Op, dy *onnx.Value) {
	shape, n := op.In[0].Shape, op.In[0].Shape[len(op.In[0].Shape)-1]
	gamma, beta, inv := op.In[1], op.In[2], op.Out[2]
	var hat *onnx.Value
	if len(op.Out) > 3 {
		hat = t.flatten(op.Out[3])
	} else {
		hat = t.flatten(t.Mul(t.Sub(op.In[0], op.Out[1]), inv))
	}
	d := t.flatten(dy)
	dh := t.Mul(d, hat)
	t.add(gamma, func() *onnx.Value { return t.Reshape(t.sumRows(dh), n) })
	t.add(beta, func() *onnx.Value { return t.Reshape(t.sumRows(d), n) })
	t.add(op.In[0], func() *onnx.Value {
		share := t.Reshape(t.MulS(gamma, 1/float32(n.Size)), n, onnx.D(1))
		g := t.Gemm(d, share, nil, false, false)
		gh := t.Gemm(dh, share, nil, false, false)
		centred := t.Sub(t.Sub(t.Mul(d, gamma), g), t.Mul(hat, gh))
		return t.Reshape(t.Mul(centred, t.Reshape(inv, d.Shape[0], onnx.D(1))), shape...)
	})
}

// sumRows is the sum of a matrix's rows, as a row.
func (t *tape) sumRows(x *onnx.Value) *onnx.Value {
	ones := t.Expand(t.Reshape(t.Scalar(1), onnx.D(1), onnx.D(1)), onnx.D(1), x.Shape[0])
	return t.Gemm(ones, x, nil, false, false)
}

// kept is dy with the reduced axes back as 1.
func (t *tape) kept(op *onnx.Op, dy *onnx.Value) *onnx.Value {
	x := op.In[0]
	if len(dy.Shape) == len(x.Shape) {
		return dy
	}
	shape := append(onnx.Shape(nil), x.Shape...)
	for _, a := range t.ConstInts(op.In[1]) {
		shape[a] = onnx.D(1)
	}
	return t.Reshape(dy, shape...)
}

func reduceSum(t *tape, op *onnx.Op, dy *onnx.Value) {
	t.add(op.In[0], func() *onnx.Value { return t.Expand(t.kept(op, dy), op.In[0].Shape...) })
}

func reduceMean(t *tape, op *onnx.Op, dy *onnx.Value) {
	x := op.In[0]
	t.add(x, func() *onnx.Value {
		n := t.Ints(1)
		for _, a := range t.ConstInts(op.In[1]) {
			n = t.Mul(n, t.DimVector(x, int(a)))
		}
		scaled := t.Div(t.kept(op, dy), t.Reshape(t.Cast(n, onnx.Float)))
		return t.Expand(scaled, x.Shape...)
	})
}

// reduceExtremum passes the gradient to the first of the extreme values along one axis.
func reduceExtremum(arg func(b *onnx.Builder, x *onnx.Value, axis int) *onnx.Value) rule {
	return func(t *tape, op *onnx.Op, dy *onnx.Value) {
		x, axes := op.In[0], t.ConstInts(op.In[1])
		if len(axes) != 1 {
			t.err = fmt.Errorf("%w: %s over %d axes (%s): reduce one after the other", ErrNoGradient, op.Kind, len(axes), op.Out[0].Name)
			return
		}
		t.add(x, func() *onnx.Value {
			axis := int(axes[0])
			// Comparisons run over all of x side by side, where ScatterElements goes one by one.
			along := make(onnx.Shape, len(x.Shape))
			for i := range along {
				along[i] = onnx.D(1)
			}
			along[axis] = x.Shape[axis]
			first := t.Equal(arg(t.Builder, x, axis), t.Reshape(t.Range(x.Shape[axis]), along...))
			return t.Mul(t.kept(op, dy), t.Cast(first, onnx.Float))
		})
	}
}
