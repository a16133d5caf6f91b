package towers

import (
	"fmt"
	"slices"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/onnx"
)

// A Tensor is a weight, row-major, whose values are read when they are needed.
type Tensor struct {
	Shape  []int
	Values func() ([]float32, error)
}

// Len is the number of values that the shape has room for.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Weights are a tower's. Find looks a tensor up, nil if there is none; Called, if not nil, says how a checkpoint
// calls it, for messages. The names, with those of a block i of a transformer behind "blocks.i.":
//
//	tokens.w [V,W], positions.w [S,W], norm.{w,b}, proj.w [D,W], proj.b              the text tower
//	patches.w [W,3,p,p], patches.b, class.w [W], positions.w [N,W], pre.{w,b}        the image tower
//	norm.{w,b}, proj.w [D,W], proj.b, and of a head that attends with a probe:
//	pool.probe.w [W], pool.q.{w,b}, pool.kv.{w,b} (k first), pool.out.{w,b}, pool.norm.{w,b}, pool.up.{w,b}, pool.down.{w,b}
//	norm1.{w,b}, qkv.{w,b} (stacked), out.{w,b}, norm2.{w,b}, up.{w,b}, down.{w,b}    a block
//	scale1.w, scale2.w [W]                                                           what its two halves are multiplied by, if they are
//
// Matrices are [out, in].
type Weights struct {
	Find   func(name string) *Tensor
	Called func(name string) string
}

func (w Weights) called(name string) string {
	if w.Called == nil {
		return name
	}
	return w.Called(name)
}

// Precision is how weights are stored. Everything is computed in float32 but for the products of Int8.
type Precision string

// Precisions of stored weights.
const (
	F32  Precision = "f32"
	F16  Precision = "f16"
	Int8 Precision = "int8"
)

// smallTensor is the size from which values lie in the data file.
const smallTensor = 1 << 10

// graph is a tower under construction. Its first mistake is kept.
type graph struct {
	b    *onnx.Builder
	w    Weights
	data *onnx.DataFile // nil: values lie in the model
	p    Precision
	made map[string]*onnx.Value
	err  error
}

func newGraph(w Weights, data *onnx.DataFile, p Precision) *graph {
	return &graph{b: onnx.NewBuilder(), w: w, data: data, p: p, made: map[string]*onnx.Value{}}
}

func (g *graph) fail(err error, format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf("%w: %s", err, fmt.Sprintf(format, args...))
	}
}

func (g *graph) has(name string) bool { return g.w.Find(name) != nil }

// shape is that of a tensor which must be there, with as many dimensions as are given, in which 0 stands for
// any size. After a mistake it is one that can be gone on with.
func (g *graph) shape(name string, want ...int) []int {
	t := g.w.Find(name)
	switch {
	case t == nil:
		g.fail(ErrWeights, "%s is missing", g.w.called(name))
	case !slices.EqualFunc(t.Shape, want, func(have, want int) bool { return have > 0 && have < 1<<24 && (want == 0 || have == want) }):
		g.fail(ErrWeights, "%s has the shape %v, want %v (0: any)", g.w.called(name), t.Shape, want)
	default:
		return t.Shape
	}
	out := slices.Clone(want)
	for i := range out {
		out[i] = max(1, out[i])
	}
	return out
}

// get is a weight as a constant of the graph.
func (g *graph) get(name string, want ...int) *onnx.Value {
	if v := g.made[name]; v != nil {
		return v
	}
	shape := g.shape(name, want...)
	t := g.w.Find(name)
	if g.err != nil || t == nil {
		n, ok := elem.Product(shape, 4, 1<<20)
		if !ok { // only the shape counts any more
			return g.b.Zeros(onnx.Of(anys(shape)...)...)
		}
		return g.b.Weights(fmt.Sprintf("missing/%d", len(g.b.Ops())+len(g.made)), make([]float32, n), shape...)
	}
	v := g.constant(name, t)
	g.made[name] = v
	return v
}

func anys(shape []int) []any {
	out := make([]any, len(shape))
	for i, d := range shape {
		out[i] = d
	}
	return out
}

func (g *graph) constant(name string, t *Tensor) *onnx.Value {
	n := t.Len()
	values := func() ([]float32, error) {
		v, err := t.Values()
		if err != nil {
			return nil, err
		}
		if len(v) != n {
			return nil, fmt.Errorf("%w: %s has %d values for the shape %v", ErrWeights, g.w.called(name), len(v), t.Shape)
		}
		for _, x := range v {
			if x-x != 0 {
				return nil, fmt.Errorf("%w: %s has values that are not finite", ErrWeights, g.w.called(name))
			}
		}
		return v, nil
	}
	if g.data != nil && g.p != Int8 && 4*n >= smallTensor { // quantizing needs the values
		if g.p == F16 {
			return g.b.Cast(g.b.Outside(g.data, name, onnx.Float16, func() ([]byte, error) {
				v, err := values()
				if err != nil {
					return nil, err
				}
				return elem.Halves(v), nil
			}, t.Shape...), onnx.Float)
		}
		return g.b.Outside(g.data, name, onnx.Float, func() ([]byte, error) {
			v, err := values()
			return elem.Bytes(v), err
		}, t.Shape...)
	}
	v, err := values()
	if err != nil {
		if g.err == nil {
			g.err = err
		}
		v = make([]float32, n)
	}
	return g.b.Weights(name, v, t.Shape...)
}

// linear is a layer on x [N, in] → [N, out].
func (g *graph) linear(x *onnx.Value, name string, in, out int) *onnx.Value {
	return g.b.Gemm(x, g.get(name+".w", out, in), g.get(name+".b", out), false, true)
}

func (g *graph) norm(x *onnx.Value, name string, width int, eps float32) *onnx.Value {
	return g.b.LayerNorm(x, g.get(name+".w", width), g.get(name+".b", width), eps)
}
