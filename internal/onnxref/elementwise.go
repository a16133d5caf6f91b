package onnxref

import (
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/onnx"
)

// ops has every op that is known; an init fills it because ops refer to each other's helpers.
var ops map[string]opFunc

func init() {
	ops = map[string]opFunc{
		"Add": binary2(func(x, y float64) float64 { return x + y }, func(x, y int64) int64 { return x + y }),
		"Sub": binary2(func(x, y float64) float64 { return x - y }, func(x, y int64) int64 { return x - y }),
		"Mul": binary2(func(x, y float64) float64 { return x * y }, func(x, y int64) int64 { return x * y }),
		"Div": binary2(func(x, y float64) float64 { return x / y }, intDiv),
		"Max": binary2(math.Max, func(x, y int64) int64 { return max(x, y) }),
		"Min": binary2(math.Min, func(x, y int64) int64 { return min(x, y) }),
		"Pow": binary2(math.Pow, nil),

		"Equal":          compare(func(x, y float64) bool { return x == y }, func(x, y int64) bool { return x == y }),
		"Less":           compare(func(x, y float64) bool { return x < y }, func(x, y int64) bool { return x < y }),
		"Greater":        compare(func(x, y float64) bool { return x > y }, func(x, y int64) bool { return x > y }),
		"GreaterOrEqual": compare(func(x, y float64) bool { return x >= y }, func(x, y int64) bool { return x >= y }),
		"And":            compare(nil, func(x, y int64) bool { return x != 0 && y != 0 }),
		"Or":             compare(nil, func(x, y int64) bool { return x != 0 || y != 0 }),
		"Not":            not,
		"Where":          where,

		"Neg":        unary(func(x float64) float64 { return -x }),
		"Exp":        unary(math.Exp),
		"Log":        unary(math.Log),
		"Sqrt":       unary(math.Sqrt),
		"Erf":        unary(math.Erf),
		"Tanh":       unary(math.Tanh),
		"Sigmoid":    unary(func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }),
		"Relu":       unary(func(x float64) float64 { return max(x, 0) }),
		"Abs":        unary(math.Abs),
		"Sign":       unary(sign),
		"Reciprocal": unary(func(x float64) float64 { return 1 / x }),
		"Identity":   func(_ *onnx.Op, in []*Tensor) ([]*Tensor, error) { return in[:1], nil },
		"Cast":       cast,

		"Reshape":         reshape,
		"Squeeze":         reshapeTo,
		"Unsqueeze":       reshapeTo,
		"Transpose":       transpose,
		"Expand":          expand,
		"Concat":          concat,
		"Slice":           slice,
		"Pad":             pad,
		"Shape":           shapeOp,
		"ConstantOfShape": constantOfShape,
		"Range":           rangeOp,
		"Gather":          gather,
		"GatherElements":  gatherElements,
		"ScatterElements": scatterElements,
		"ScatterND":       scatterND,
		"TopK":            topK,
		"NonZero":         nonZero,

		"MatMul":             matMul,
		"Gemm":               gemm,
		"Softmax":            softmax(false),
		"LogSoftmax":         softmax(true),
		"LayerNormalization": layerNorm,
		"ReduceSum":          reduce(0, func(sum, x float64) float64 { return sum + x }, false),
		"ReduceMean":         reduce(0, func(sum, x float64) float64 { return sum + x }, true),
		"ReduceMax":          reduce(math.Inf(-1), math.Max, false),
		"ReduceMin":          reduce(math.Inf(1), math.Min, false),
		"ArgMax":             argMax,
	}
}

func intDiv(x, y int64) int64 {
	if y == 0 {
		return 0
	}
	return x / y
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x
}

// broadcast is NumPy's rule for shapes at run time.
func broadcast(shapes ...[]int) ([]int, error) {
	rank := 0
	for _, s := range shapes {
		rank = max(rank, len(s))
	}
	out := make([]int, rank)
	for i := range out {
		out[i] = 1
		for _, s := range shapes {
			d := 1
			if k := i - rank + len(s); k >= 0 {
				d = s[k]
			}
			if out[i] == 1 {
				out[i] = d
			} else if d != 1 && d != out[i] {
				return nil, fmt.Errorf("%w: %v do not broadcast", ErrValue, shapes)
			}
		}
	}
	return out, nil
}

// places maps every element of a broadcast result to the element of a tensor of shape from.
func places(from, to []int) []int {
	strides := make([]int, len(to))
	step := 1
	for i := len(from) - 1; i >= 0; i-- {
		if from[i] != 1 {
			strides[i+len(to)-len(from)] = step
		}
		step *= from[i]
	}
	out := make([]int, size(to))
	index := make([]int, len(to))
	at := 0
	for i := range out {
		out[i] = at
		for a := len(to) - 1; a >= 0; a-- {
			index[a]++
			at += strides[a]
			if index[a] < to[a] {
				break
			}
			at -= strides[a] * to[a]
			index[a] = 0
		}
	}
	return out
}

func unary(f func(float64) float64) opFunc {
	return func(_ *onnx.Op, in []*Tensor) ([]*Tensor, error) {
		x := in[0]
		y := &Tensor{Shape: x.Shape}
		if x.F == nil { // only Neg and the like of integers: exact in float64 as far as sizes go
			y.I = make([]int64, len(x.I))
			for i, v := range x.I {
				y.I[i] = int64(f(float64(v)))
			}
			return []*Tensor{y}, nil
		}
		y.F = make([]float64, len(x.F))
		for i, v := range x.F {
			y.F[i] = f(v)
		}
		return []*Tensor{y}, nil
	}
}

func binary2(f func(x, y float64) float64, g func(x, y int64) int64) opFunc {
	return func(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
		shape, err := broadcast(in[0].Shape, in[1].Shape)
		if err != nil {
			return nil, err
		}
		px, py := places(in[0].Shape, shape), places(in[1].Shape, shape)
		out := newTensor(op.Out[0].Type, shape)
		if out.F != nil {
			for i := range out.F {
				out.F[i] = f(in[0].F[px[i]], in[1].F[py[i]])
			}
			return []*Tensor{out}, nil
		}
		if g == nil {
			return nil, fmt.Errorf("%w: on integers", ErrOp)
		}
		for i := range out.I {
			out.I[i] = g(in[0].I[px[i]], in[1].I[py[i]])
		}
		return []*Tensor{out}, nil
	}
}

func compare(f func(x, y float64) bool, g func(x, y int64) bool) opFunc {
	return func(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
		shape, err := broadcast(in[0].Shape, in[1].Shape)
		if err != nil {
			return nil, err
		}
		px, py := places(in[0].Shape, shape), places(in[1].Shape, shape)
		out := newTensor(onnx.Bool, shape)
		for i := range out.I {
			hit := false
			if isFloat(op.In[0].Type) {
				hit = f(in[0].F[px[i]], in[1].F[py[i]])
			} else {
				hit = g(in[0].I[px[i]], in[1].I[py[i]])
			}
			if hit {
				out.I[i] = 1
			}
		}
		return []*Tensor{out}, nil
	}
}

func not(_ *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	out := newTensor(onnx.Bool, in[0].Shape)
	for i, v := range in[0].I {
		out.I[i] = 1 - v
	}
	return []*Tensor{out}, nil
}

func where(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	shape, err := broadcast(in[0].Shape, in[1].Shape, in[2].Shape)
	if err != nil {
		return nil, err
	}
	pc, px, py := places(in[0].Shape, shape), places(in[1].Shape, shape), places(in[2].Shape, shape)
	out := newTensor(op.Out[0].Type, shape)
	for i := range out.Len() {
		from, at := in[2], py[i]
		if in[0].I[pc[i]] != 0 {
			from, at = in[1], px[i]
		}
		out.set(i, from, at)
	}
	return []*Tensor{out}, nil
}

// set copies an element.
func (t *Tensor) set(i int, from *Tensor, at int) {
	if t.F != nil {
		t.F[i] = from.F[at]
	} else {
		t.I[i] = from.I[at]
	}
}

func cast(op *onnx.Op, in []*Tensor) ([]*Tensor, error) {
	x, to := in[0], op.Out[0].Type
	out := newTensor(to, x.Shape)
	for i := range out.Len() {
		switch {
		case to == onnx.Bool:
			if x.F != nil && x.F[i] != 0 || x.I != nil && x.I[i] != 0 {
				out.I[i] = 1
			}
		case isFloat(op.In[0].Type) && isFloat(to):
			out.F[i] = x.F[i]
		case isFloat(to):
			out.F[i] = float64(x.I[i])
		case isFloat(op.In[0].Type):
			out.I[i] = int64(x.F[i])
		default:
			out.I[i] = x.I[i]
		}
	}
	return []*Tensor{out}, nil
}
