package onnxref

import (
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/onnx"
)

func matMul(_ *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	x, y := in[0], in[1]
	nx, ny := len(x.Shape), len(y.Shape)
	if nx < 2 || ny < 2 || x.Shape[nx-1] != y.Shape[ny-2] {
		return nil, fmt.Errorf("%w: %v × %v", ErrValue, x.Shape, y.Shape)
	}
	batch, err := broadcast(x.Shape[:nx-2], y.Shape[:ny-2])
	if err != nil {
		return nil, err
	}
	m, k, n := x.Shape[nx-2], x.Shape[nx-1], y.Shape[ny-1]
	out := newTensor(onnx.Float, append(append([]int(nil), batch...), m, n))
	px, py := places(x.Shape[:nx-2], batch), places(y.Shape[:ny-2], batch)
	for b := range px {
		product(out.F[b*m*n:][:m*n], x.F[px[b]*m*k:], y.F[py[b]*k*n:], m, k, n, false, false)
	}
	return []*Tensor{out}, nil
}

// product adds op(A)·op(B) to c [m, n].
func product(c, a, b []float64, m, k, n int, transA, transB bool) {
	for i := range m {
		for j := range n {
			var sum float64
			for l := range k {
				u, v := i*k+l, l*n+j
				if transA {
					u = l*m + i
				}
				if transB {
					v = j*k + l
				}
				sum += a[u] * b[v]
			}
			c[i*n+j] += sum
		}
	}
}

func gemm(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	if op.Attr("alpha") != nil || op.Attr("beta") != nil {
		return nil, fmt.Errorf("%w: Gemm with alpha or beta", ErrOp)
	}
	transA, transB := attrInt(op, "transA", 0) == 1, attrInt(op, "transB", 0) == 1
	m, k := in[0].Shape[0], in[0].Shape[1]
	if transA {
		m, k = k, m
	}
	k2, n := in[1].Shape[0], in[1].Shape[1]
	if transB {
		k2, n = n, k2
	}
	if k != k2 {
		return nil, fmt.Errorf("%w: %v × %v", ErrValue, in[0].Shape, in[1].Shape)
	}
	out := newTensor(onnx.Float, []int{m, n})
	if len(in) > 2 && in[2] != nil {
		if s, err := broadcast(in[2].Shape, out.Shape); err != nil || size(s) != m*n {
			return nil, fmt.Errorf("%w: bias %v of %v", ErrValue, in[2].Shape, out.Shape)
		}
		for i, at := range places(in[2].Shape, out.Shape) {
			out.F[i] = in[2].F[at]
		}
	}
	product(out.F, in[0].F, in[1].F, m, k, n, transA, transB)
	return []*Tensor{out}, nil
}

func softmax(logarithm bool) opFunc {
	return func(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
		x := in[0]
		a, err := axisOf(op, len(x.Shape), -1)
		if err != nil {
			return nil, err
		}
		out := newTensor(onnx.Float, x.Shape)
		outer, n, inner := split(x.Shape, a)
		for o := range outer {
			for i := range inner {
				at := func(j int) int { return (o*n+j)*inner + i }
				top, sum := math.Inf(-1), 0.0
				for j := range n {
					top = max(top, x.F[at(j)])
				}
				for j := range n {
					sum += math.Exp(x.F[at(j)] - top)
				}
				for j := range n {
					y := x.F[at(j)] - top - math.Log(sum)
					if !logarithm {
						y = math.Exp(x.F[at(j)]-top) / sum
					}
					out.F[at(j)] = y
				}
			}
		}
		return []*Tensor{out}, nil
	}
}

// layerNorm over the last axis, with its mean and inverse deviation.
func layerNorm(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	x := in[0]
	if a, err := axisOf(op, len(x.Shape), -1); err != nil || a != len(x.Shape)-1 {
		return nil, fmt.Errorf("%w: LayerNormalization on another axis than the last", ErrOp)
	}
	eps := 1e-5
	if a := op.Attr("epsilon"); a != nil {
		eps = float64(a.F)
	}
	n := x.Shape[len(x.Shape)-1]
	stat := sized(x.Shape, len(x.Shape)-1, 1)
	out, mean, inv := newTensor(onnx.Float, x.Shape), newTensor(onnx.Float, stat), newTensor(onnx.Float, stat)
	for r := range mean.F {
		row := x.F[r*n:][:n]
		m, v := 0.0, 0.0
		for _, f := range row {
			m += f / float64(n)
		}
		for _, f := range row {
			v += (f - m) * (f - m) / float64(n)
		}
		mean.F[r], inv.F[r] = m, 1/math.Sqrt(v+eps)
		for i, f := range row {
			out.F[r*n+i] = (f-m)*inv.F[r]*in[1].F[i] + in[2].F[i]
		}
	}
	return []*Tensor{out, mean, inv}, nil
}

// reduce folds over the axes of the second operand.
func reduce(start float64, f func(sum, x float64) float64, mean bool) opFunc {
	return func(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
		x := in[0]
		if len(in) < 2 || len(in[1].I) == 0 {
			return nil, fmt.Errorf("%w: a reduction over all axes", ErrOp)
		}
		folded := append([]int(nil), x.Shape...) // with the axes kept
		for _, a := range in[1].I {
			at, err := index(a, len(x.Shape))
			if err != nil {
				return nil, err
			}
			folded[at] = 1
		}
		var shape []int
		for a, d := range folded {
			if attrInt(op, "keepdims", 1) == 1 || d == x.Shape[a] && !reduced(in[1].I, a, len(x.Shape)) {
				shape = append(shape, d)
			}
		}
		out := newTensor(op.Out[0].Type, shape)
		wide := make([]float64, size(folded))
		for i := range wide {
			wide[i] = start
		}
		for i, at := range places(folded, x.Shape) {
			if x.F != nil {
				wide[at] = f(wide[at], x.F[i])
			} else {
				wide[at] = f(wide[at], float64(x.I[i]))
			}
		}
		for i, v := range wide {
			if mean {
				v /= float64(x.Len() / len(wide))
			}
			if out.F != nil {
				out.F[i] = v
			} else {
				out.I[i] = int64(v)
			}
		}
		return []*Tensor{out}, nil
	}
}

func reduced(axes []int64, a, rank int) bool {
	for _, x := range axes {
		if int(x) == a || int(x)+rank == a {
			return true
		}
	}
	return false
}

// argMax is the first of the largest; the axis stays, as 1.
func argMax(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	x := in[0]
	a, err := axisOf(op, len(x.Shape), 0)
	if err != nil {
		return nil, err
	}
	if attrInt(op, "keepdims", 1) != 1 || attrInt(op, "select_last_index", 0) != 0 {
		return nil, fmt.Errorf("%w: ArgMax without keepdims, or of the last", ErrOp)
	}
	outer, n, inner := split(x.Shape, a)
	out := newTensor(onnx.Int64, sized(x.Shape, a, 1))
	for o := range outer {
		for i := range inner {
			best := 0
			for j := 1; j < n; j++ {
				if x.F[(o*n+j)*inner+i] > x.F[(o*n+best)*inner+i] {
					best = j
				}
			}
			out.I[o*inner+i] = int64(best)
		}
	}
	return []*Tensor{out}, nil
}
