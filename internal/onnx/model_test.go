package onnx

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/aladin-go/aladin/internal/shareddata"
)

func bytesField(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}

func varintField(b []byte, num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

// foreign is a model with fields that this package does not model, at every level.
func foreign() []byte {
	attr := bytesField(nil, 1, []byte("body"))
	attr = bytesField(attr, 6, []byte{}) // a subgraph
	attr = bytesField(attr, 13, []byte("of an attribute"))
	attr = varintField(attr, 20, 5)
	old := bytesField(nil, 1, []byte("axis")) // before IR version 2: no kind
	old = varintField(old, 3, 7)
	node := bytesField(nil, 1, []byte("x"))
	node = bytesField(node, 2, []byte("y"))
	node = bytesField(node, 4, []byte("Loop"))
	node = bytesField(node, 5, attr)
	node = bytesField(node, 5, old)
	node = bytesField(node, 6, []byte("of a node"))
	tensor := varintField(nil, 1, 2)
	tensor = varintField(tensor, 2, uint64(Float))
	tensor = bytesField(tensor, 4, []byte{0, 0, 128, 63, 0, 0, 0, 64}) // float_data
	tensor = bytesField(tensor, 8, []byte("w"))
	tensor = bytesField(tensor, 12, []byte("of a tensor"))
	dims := bytesField(nil, 1, bytesField(nil, 2, []byte("B")))
	dims = bytesField(dims, 1, nil)                                                // nothing known
	dims = bytesField(dims, 1, bytesField(varintField(nil, 1, 3), 3, []byte("C"))) // with a denotation
	typ := bytesField(nil, 1, bytesField(varintField(nil, 1, uint64(Float)), 2, dims))
	typ = bytesField(typ, 6, []byte("IMAGE"))
	input := bytesField(bytesField(bytesField(nil, 1, []byte("x")), 2, typ), 3, []byte("of a value"))
	output := bytesField(bytesField(nil, 1, []byte("y")), 2, bytesField(nil, 4, []byte{})) // a sequence
	graph := bytesField(nil, 1, node)
	graph = bytesField(graph, 2, []byte("g"))
	graph = bytesField(graph, 5, tensor)
	graph = bytesField(graph, 10, []byte("of a graph"))
	graph = bytesField(graph, 11, input)
	graph = bytesField(graph, 12, output)
	model := varintField(nil, 1, 7)
	model = bytesField(model, 6, []byte("of a model"))
	model = bytesField(model, 7, graph)
	model = bytesField(model, 8, varintField(nil, 2, 13))
	return bytesField(model, 14, bytesField(bytesField(nil, 1, []byte("k")), 2, []byte("v")))
}

func TestForeignRoundTrip(t *testing.T) {
	m, err := Unmarshal(foreign())
	require.NoError(t, err)
	first := m.Marshal()
	for _, of := range []string{"model", "graph", "node", "attribute", "tensor", "value"} {
		require.Contains(t, string(first), "of a"+map[bool]string{true: "n"}[of[0] == 'a']+" "+of)
	}
	for _, s := range []string{"IMAGE", "body"} {
		require.Contains(t, string(first), s)
	}
	again, err := Unmarshal(first)
	require.NoError(t, err)
	require.Equal(t, first, again.Marshal(), "a second round changes nothing")

	x := m.Graph.Inputs[0]
	require.Equal(t, Shape{Sym("B"), Sym("?"), D(3)}, x.Shape)
	attr := m.Graph.Nodes[0].Attrs[1]
	require.Equal(t, AttrInt, attr.Kind)
	require.Equal(t, int64(7), again.Graph.Nodes[0].Attrs[1].I)
	require.Equal(t, Undefined, m.Graph.Outputs[0].Type)
	require.Equal(t, "v", m.Metadata[0].Value)
	_, err = m.Graph.Initializers[0].Float32s()
	require.ErrorIs(t, err, ErrModel, "values in float_data are not read, and not taken for none")

	// A type that is changed is written as it now is; an unknown size stays unknown and becomes no symbol.
	x.Shape[0] = D(8)
	changed, err := Unmarshal(m.Marshal())
	require.NoError(t, err)
	require.Equal(t, Shape{D(8), Sym("?"), D(3)}, changed.Graph.Inputs[0].Shape)
	require.NotContains(t, string(m.Marshal()), "\x12\x01?")
}

// A graph of the builder comes back as it was.
func TestRoundTrip(t *testing.T) {
	b := NewBuilder()
	x := b.Input("x", Float, Of("B", "T", 4))
	ids := b.Input("ids", Int64, Of("B"))
	y := b.LayerNorm(x, b.Weights("gamma", []float32{1, 2, 3, 4}, 4), b.Weights("beta", make([]float32, 4), 4), 1e-5)
	y = b.Transpose(b.Slice(y, 1, 0, -1, Sym("T-1")), 1, 0, 2)
	y = b.ScatterRows(b.Zeros(Sym("T-1"), Sym("B"), D(4)), b.ArgMax(b.Reshape(b.ReduceMax(y, false, 1, 2), Sym("T-1")), 0), b.ReduceSum(y, true, 0))
	b.Output("y", y)
	b.Output("codes", b.Cast(b.Raw("codes-in", Int8, []byte{1, 255}, 2), Float))
	b.Output("ids-out", ids)
	m, err := b.Model("round")
	require.NoError(t, err)
	m.Metadata = []Entry{{"a", "b"}, {"", ""}}
	data := m.Marshal()
	require.Equal(t, data, m.Marshal())
	back, err := Unmarshal(data)
	require.NoError(t, err)
	require.Equal(t, data, back.Marshal())
	require.Equal(t, m.Graph.Nodes, back.Graph.Nodes)
	require.Equal(t, m.Graph.Initializers, back.Graph.Initializers)
	require.Equal(t, m.Graph.Inputs[0].Shape, back.Graph.Inputs[0].Shape)
	require.Equal(t, m.Opsets, back.Opsets)
	require.Equal(t, m.Metadata, back.Metadata)
	w, err := back.Graph.Initializers[0].Float32s()
	require.NoError(t, err)
	require.Equal(t, []float32{1, 2, 3, 4}, w)
}

func TestMalformed(t *testing.T) {
	good := foreign()
	for name, data := range map[string][]byte{
		"empty": nil, "no graph": varintField(nil, 1, 7), "text": []byte("not a model"), "a byte": {0xff}, "cut": good[:len(good)/2], "cut at the end": good[:len(good)-1],
	} {
		m, err := Unmarshal(data)
		require.ErrorIs(t, err, ErrModel, name)
		require.Nil(t, m, name)
	}
	_, err := Unmarshal(bytesField(nil, 7, []byte{0x0a, 0x7f}))
	require.ErrorContains(t, err, "GraphProto field 1 at byte 0")
}

func TestExpose(t *testing.T) {
	b := NewBuilder()
	x := b.Input("x", Float, Of(2))
	hidden := b.Exp(x)
	b.Output("y", b.Neg(hidden))
	m, err := b.Model("m")
	require.NoError(t, err)
	require.NoError(t, m.Expose("y", hidden.Name, hidden.Name))
	require.Len(t, m.Graph.Outputs, 2)
	require.Equal(t, hidden.Name, m.Graph.Outputs[1].Name)
	err = m.Expose("exp_1")
	require.ErrorIs(t, err, ErrNoValue)
	require.ErrorContains(t, err, `nearest: ["Exp_1"`)
	require.ErrorIs(t, m.Expose(""), ErrNoValue)
}

func TestFloat32s(t *testing.T) {
	for name, ten := range map[string]*Tensor{
		"a type":   {Type: Int64, Dims: []int64{1}, Raw: make([]byte, 8)},
		"outside":  {Type: Float, Dims: []int64{1}, External: []Entry{{"location", "f"}}},
		"ragged":   {Type: Float, Dims: []int64{1}, Raw: make([]byte, 5)},
		"too few":  {Type: Float, Dims: []int64{2}, Raw: make([]byte, 4)},
		"negative": {Type: Float, Dims: []int64{-1}, Raw: make([]byte, 4)},
		"overflow": {Type: Float, Dims: []int64{1 << 62, 1 << 62}},
	} {
		_, err := ten.Float32s()
		require.ErrorIs(t, err, ErrModel, name)
	}
}

// TestExposeForeign opens an inner value of a published classifier.
func TestExposeForeign(t *testing.T) {
	data, err := os.ReadFile(shareddata.Dir(t, "models", "mobilenetv2.onnx"))
	require.NoError(t, err)
	m, err := Unmarshal(data)
	require.NoError(t, err)
	plain := m.Marshal()
	require.InDelta(t, len(data), len(plain), float64(len(data))/100)
	back, err := Unmarshal(plain)
	require.NoError(t, err)
	require.Equal(t, plain, back.Marshal())
	err = m.Expose("Relu6__91:0")
	require.ErrorIs(t, err, ErrNoValue)
	require.ErrorContains(t, err, "Relu6__90:0")
	require.NoError(t, m.Expose("Relu6__90:0"))
	require.Greater(t, len(m.Marshal()), len(plain))
}

func FuzzUnmarshal(f *testing.F) {
	f.Add(foreign())
	f.Add(sample().Marshal()[:400])
	b := NewBuilder()
	b.Output("y", b.Transpose(b.Input("x", Float, Of("B", 2)), 1, 0))
	m, err := b.Model("m")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m.Marshal())
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Unmarshal(data)
		if err != nil {
			require.ErrorIs(t, err, ErrModel)
			return
		}
		once := m.Marshal()
		again, err := Unmarshal(once)
		require.NoError(t, err)
		require.Equal(t, once, again.Marshal())
		_ = m.Expose("y")
		for _, x := range m.Graph.Initializers {
			_, _ = x.Float32s()
		}
	})
}
