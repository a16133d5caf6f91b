package onnx

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every misuse is an error that names the op, the operands and the line that made it.
func TestShapeErrors(t *testing.T) {
	type B = Builder
	type V = Value
	for name, c := range map[string]struct {
		f    func(b *B, x, y, ids *V)
		want []string
	}{
		"Add":                {func(b *B, x, y, _ *V) { b.Add(x, y) }, []string{"Add", "[B 3]", "(x)", "[B 4]", "(y)"}},
		"Add of types":       {func(b *B, x, _, ids *V) { b.Add(x, ids) }, []string{"Add", "float32", "int64"}},
		"Where":              {func(b *B, x, y, _ *V) { b.Where(b.Greater(x, b.Scalar(0)), x, y) }, []string{"Where", "[B 3]", "[B 4]"}},
		"Where without bool": {func(b *B, x, y, _ *V) { b.Where(x, x, x) }, []string{"Where", "float32"}},
		"MatMul":             {func(b *B, x, y, _ *V) { b.MatMul(x, y) }, []string{"MatMul", "[B 3] (x)", "[B 4] (y)"}},
		"MatMul batches":     {func(b *B, x, _, _ *V) { b.MatMul(b.Zeros(D(2), D(1), D(3)), b.Zeros(D(3), D(3), D(1))) }, []string{"MatMul", "batches", "[2 1 3]", "[3 3 1]"}},
		"Gemm":               {func(b *B, x, y, _ *V) { b.Gemm(x, y, nil, false, true) }, []string{"Gemm", "[B 3] (x)", "[B 4] (y)", "false true"}},
		"Gemm ranks":         {func(b *B, x, _, _ *V) { b.Gemm(x, b.Scalar(1), nil, false, false) }, []string{"Gemm", "matrices"}},
		"Gemm bias":          {func(b *B, x, y, _ *V) { b.Gemm(x, x, y, true, false) }, []string{"Gemm", "bias [B 4] (y)", "[3 3]"}},
		"Softmax":            {func(b *B, x, _, _ *V) { b.Softmax(x, 2) }, []string{"Softmax", "axis 2", "[B 3]"}},
		"LayerNorm":          {func(b *B, x, _, _ *V) { g := b.Zeros(D(4)); b.LayerNorm(x, g, g, 0) }, []string{"LayerNorm", "[4]", "[B 3] (x)"}},
		"ReduceSum":          {func(b *B, x, _, _ *V) { b.ReduceSum(x, false, 0, -2) }, []string{"ReduceSum", "[0 -2]", "[B 3] (x)"}},
		"reduction of none":  {func(b *B, x, _, _ *V) { b.ReduceMean(x, false) }, []string{"ReduceMean", "no axes"}},
		"ArgMax":             {func(b *B, x, _, _ *V) { b.ArgMax(x, -3) }, []string{"ArgMax", "axis -3"}},
		"Gather":             {func(b *B, x, y, _ *V) { b.Gather(x, y) }, []string{"Gather", "float32"}},
		"GatherElements":     {func(b *B, x, _, ids *V) { b.GatherElements(x, ids, 0) }, []string{"GatherElements", "[B 3] (x)", "[B]"}},
		"ScatterElements":    {func(b *B, x, y, _ *V) { b.ScatterElements(x, b.ArgMax(x, 1), y, 1, false) }, []string{"ScatterElements", "[B 3]", "[B 1]", "[B 4]"}},
		"ScatterRows":        {func(b *B, x, y, ids *V) { b.ScatterRows(x, ids, y) }, []string{"ScatterRows", "[B 3]", "[B 4]"}},
		"Reshape":            {func(b *B, x, _, _ *V) { b.Reshape(x, Sym("B"), D(4)) }, []string{"Reshape", "[B 3] (x)", "[B 4]"}},
		"Reshape unknown":    {func(b *B, x, _, _ *V) { b.Expand(x, Sym("Q"), Sym("B"), D(3)) }, []string{"dimension Q"}},
		"Transpose":          {func(b *B, x, _, _ *V) { b.Transpose(x, 0, 0) }, []string{"Transpose", "[0 0]", "[B 3]"}},
		"Concat":             {func(b *B, x, y, _ *V) { b.Concat(0, x, y) }, []string{"Concat", "axis 0", "[B 3]", "[B 4]"}},
		"Concat of nothing":  {func(b *B, x, y, _ *V) { b.Concat(0) }, []string{"Concat"}},
		"Slice":              {func(b *B, x, _, _ *V) { b.Slice(x, 2, 0, 1, D(1)) }, []string{"Slice", "axis 2", "[B 3]"}},
		"Pad":                {func(b *B, x, _, _ *V) { b.Pad(x, -3, b.Ints(0), b.Ints(0), D(1)) }, []string{"Pad", "axis -3"}},
		"Expand":             {func(b *B, x, _, _ *V) { b.Expand(x, D(2)) }, []string{"Expand", "[B 3]", "[2]"}},
		"Squeeze":            {func(b *B, x, _, _ *V) { b.Squeeze(x, 1) }, []string{"Squeeze", "axis 1", "[B 3]"}},
		"Unsqueeze":          {func(b *B, x, _, _ *V) { b.Unsqueeze(x, 5) }, []string{"Unsqueeze", "axis 5"}},
		"DimVector":          {func(b *B, x, _, _ *V) { b.DimVector(x, 2) }, []string{"DimVector", "axis 2"}},
		"input twice":        {func(b *B, _, _, _ *V) { b.Input("x", Float, nil) }, []string{`input "x"`}},
		"output twice":       {func(b *B, x, y, _ *V) { b.Output("o", x); b.Output("o", y) }, []string{`output "o"`}},
		"constant twice":     {func(b *B, _, _, _ *V) { b.Weights("w", nil, 0); b.Weights("w", nil, 0) }, []string{`constant "w"`}},
		"constant's size":    {func(b *B, _, _, _ *V) { b.Weights("w", []float32{1}, 2) }, []string{`"w"`, "4 bytes", "[2]"}},
		"another graph's":    {func(b *B, x, _, _ *V) { b.Neg(NewBuilder().Input("z", Float, nil)) }, []string{"Neg", "z", "another graph"}},
		"in a scope":         {func(b *B, x, y, _ *V) { b.Scope("net", func() { b.Scope("layer", func() { b.Mul(x, y) }) }) }, []string{"net/layer/Mul"}},
		"the first mistake":  {func(b *B, x, y, _ *V) { b.Sub(x, y); b.Div(x, y) }, []string{"Sub"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBuilder()
			x, y := b.Input("x", Float, Of("B", 3)), b.Input("y", Float, Of("B", 4))
			c.f(b, x, y, b.Input("ids", Int64, Of("B")))
			require.ErrorIs(t, b.Err(), ErrGraph)
			for _, w := range append(c.want, "onnx/builder_test.go:") {
				assert.ErrorContains(t, b.Err(), w)
			}
			b.Output("out", b.Neg(x))
			_, err := b.Model("m")
			require.Equal(t, b.Err(), err)
		})
	}
	_, err := NewBuilder().Model("empty")
	require.ErrorIs(t, err, ErrGraph)
}

func TestDims(t *testing.T) {
	b, tt := Sym("B"), Sym("T")
	assert.Equal(t, "B*T", tt.Mul(b).String())
	assert.Equal(t, b.Mul(tt), tt.Mul(b))
	assert.Equal(t, "6*B*T", D(2).Mul(b).Mul(D(3)).Mul(tt).String())
	assert.Equal(t, b, b.Mul(D(1)))
	assert.Equal(t, D(6), D(2).Mul(D(3)))
	sum := b.Mul(tt).plus(D(2))
	assert.Equal(t, "(B*T+2)", sum.String())
	assert.Equal(t, "3*(B*T+2)*R", sum.Mul(Sym("R")).Mul(D(3)).String())
	fixed, syms := sum.Mul(Sym("R")).Mul(D(3)).factors()
	assert.Equal(t, int64(3), fixed)
	assert.Equal(t, []string{"(B*T+2)", "R"}, syms)
	_, syms = Sym("3d").factors()
	assert.Equal(t, []string{"3d"}, syms, "a symbol may begin with a digit")
	assert.Equal(t, Shape{D(2), b, D(3), tt}, Of(2, "B", int64(3), tt))
	assert.Equal(t, b.Mul(D(6)).Mul(tt), Of(2, "B", 3, "T").Elements())

	for _, c := range []struct{ a, b, want Shape }{
		{Of("B", 3), Of(3), Of("B", 3)}, {Of(1, 3), Of("B", 1), Of("B", 3)}, {Of(), Of("B"), Of("B")},
		{Of("B"), Of("T"), nil}, {Of(2), Of(3), nil}, {Of("B"), Of(3), nil},
	} {
		got, ok := Broadcast(c.a, c.b)
		assert.Equal(t, c.want != nil, ok, "%v %v", c.a, c.b)
		if ok {
			assert.Equal(t, c.want, got)
		}
	}
}

// The shape operand of a Reshape says as little as can be said at build time: known sizes, 0 for "as in
// the input", and at most one -1; only what is left is computed.
func TestReshapeSpec(t *testing.T) {
	for name, c := range map[string]struct {
		from, to Shape
		want     []int64 // nil: computed at run time
	}{
		"fixed":          {Of(2, 6), Of(3, 4), []int64{3, 4}},
		"kept in place":  {Of("B", "T", 6), Of("B", "T", 2, 3), []int64{0, 0, 2, 3}},
		"joined":         {Of("B", "T", 6), Shape{Sym("B").Mul(Sym("T")), D(6)}, []int64{-1, 6}},
		"one moved":      {Of("B", 6), Of(6, "B"), []int64{6, -1}},
		"two moved":      {Of("B", "T"), Of("T", "B"), nil},
		"split product":  {Shape{Sym("B").Mul(Sym("T")), D(6)}, Of("B", "T", 6), nil},
		"to a scalar":    {Of(1, 1), Of(), []int64{}},
		"split, doubled": {Shape{Sym("B").Mul(D(2))}, Of("B", 2), []int64{-1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBuilder()
			b.Input("sizes", Float, Of("B", "T"))
			y := b.Reshape(b.Input("x", Float, c.from), c.to...)
			require.NoError(t, b.Err())
			require.Equal(t, c.to, y.Shape)
			require.Equal(t, "Reshape", y.Op.Kind)
			if c.want == nil {
				require.Nil(t, b.Constant(y.Op.In[1]))
				require.Equal(t, "Concat", y.Op.In[1].Op.Kind)
				return
			}
			require.Equal(t, c.want, b.ConstInts(y.Op.In[1]))
		})
	}
	b := NewBuilder()
	x := b.Input("x", Float, Of("B", 2))
	require.Same(t, x, b.Reshape(x, x.Shape...), "nothing to do")
}

// Names that the builder makes give way to those that are declared, whatever they are.
func TestNames(t *testing.T) {
	b := NewBuilder()
	x := b.Input("Neg_1", Float, Of(2))
	b.Input("const_1", Float, Of(2))
	y := b.Neg(b.Neg(b.AddS(x, 1)))
	b.Scope("s", func() { y = b.Neg(b.Neg(y)) })
	b.Output("Neg_9", y)
	for range 10 {
		y = b.Neg(y)
	}
	b.Output("out", y)
	m, err := b.Model("names")
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, v := range m.Graph.Inputs {
		seen[v.Name] = true
	}
	claim := func(name string) {
		require.False(t, seen[name], name)
		seen[name] = true
	}
	for _, c := range m.Graph.Initializers {
		claim(c.Name)
	}
	for _, n := range m.Graph.Nodes {
		for _, o := range n.Outputs {
			claim(o)
		}
	}
}

// Nodes and constants that nothing needs are left out, and equal small constants are one.
func TestDeadEnds(t *testing.T) {
	b := NewBuilder()
	x := b.Input("x", Float, Of(2))
	b.Exp(b.AddS(x, 7))
	b.Output("y", b.AddS(b.MulS(x, 3), 3))
	n := b.Node("TopK", "", []*Value{x, b.Ints(1)}, nil, Value{Type: Float, Shape: Of(1)}, Value{Type: Int64, Shape: Of(1)})
	b.Output("first", n[0])
	m, err := b.Model("small")
	require.NoError(t, err)
	var kinds []string
	for _, node := range m.Graph.Nodes {
		kinds = append(kinds, node.OpType)
		if node.OpType == "TopK" {
			require.Len(t, node.Outputs, 1)
		}
	}
	require.Equal(t, []string{"Mul", "Add", "Identity", "TopK", "Identity"}, kinds)
	require.Len(t, m.Graph.Initializers, 2)
	require.Equal(t, []OpsetID{{"", Opset}}, m.Opsets)

	b.Output("contrib", b.Node("Gelu", "com.microsoft", []*Value{x}, nil, *x)[0])
	m, err = b.Model("small")
	require.NoError(t, err)
	require.Equal(t, []OpsetID{{"", Opset}, {"com.microsoft", 1}}, m.Opsets)
}

func TestDimEval(t *testing.T) {
	sizes := map[string]int{"B": 2, "T": 3, "cut": 5}
	for name, want := range map[string]int{"B": 2, "4*B*T": 24, "B*(T+2*cut)": 26, "((T+1)+cut)": 9, "(B*T+cut)*T": 33} {
		got, err := Sym(name).Eval(sizes)
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
	got, err := D(7).Eval(nil)
	require.NoError(t, err)
	require.Equal(t, 7, got)
	for _, name := range []string{"R", "B*R", "(B+R)"} {
		_, err := Sym(name).Eval(sizes)
		require.ErrorContains(t, err, "dimension R is not known")
	}
}
