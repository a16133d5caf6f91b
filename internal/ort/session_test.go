//go:build cgo

package ort

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unary applies op to x.
func unary(op string, elem uint64, attrs [][]byte, in, out []any) []byte {
	return buildModel([]node{{op: op, in: []string{"x"}, out: []string{"y"}, attrs: attrs}},
		[]value{{"x", elem, in}}, []value{{"y", elem, out}})
}

// slowModel multiplies x by itself many times over.
func slowModel() []byte {
	var nodes []node
	prev := "x"
	for i := range 400 {
		out := fmt.Sprintf("y%d", i)
		nodes = append(nodes, node{op: "MatMul", in: []string{prev, "x"}, out: []string{out}})
		prev = out
	}
	return buildModel(nodes, []value{{"x", elemFloat32, []any{768, 768}}}, []value{{prev, elemFloat32, []any{768, 768}}})
}

func load1(t *testing.T, model []byte, opts *Options) *Session {
	t.Helper()
	if !Available() {
		_, err := Library()
		t.Skipf("needs ONNX Runtime: %v", err)
	}
	s, err := Load(model, opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func TestRun(t *testing.T) {
	s := load1(t, addModel(), nil)
	assert.Equal(t, "cpu", s.Device())
	assert.Equal(t, []string{"a float32[batch,3]", "b float32[batch,3]"}, []string{s.Inputs()[0].String(), s.Inputs()[1].String()})
	in := map[string]*Tensor{
		"a": Float32([]int64{2, 3}, []float32{1, 2, 3, 4, 5, 6}),
		"b": Float32([]int64{2, 3}, []float32{10, 20, 30, 40, 50, 60}),
	}
	out, err := s.Run(t.Context(), in)
	require.NoError(t, err)
	assert.Equal(t, []float32{11, 22, 33, 44, 55, 66}, out["sum"].Float32())
	assert.Equal(t, []float32{22, 44, 66, 88, 110, 132}, out["twice"].Float32())
	assert.Equal(t, []int64{2, 3}, out["twice"].Shape())
	assert.Nil(t, out["twice"].Int64())

	out, err = s.Run(t.Context(), in, "twice")
	require.NoError(t, err)
	assert.Len(t, out, 1)

	// No rows are a batch too.
	out, err = s.Run(t.Context(), map[string]*Tensor{"a": Float32([]int64{0, 3}, nil), "b": Float32([]int64{0, 3}, nil)})
	require.NoError(t, err)
	assert.Equal(t, []int64{0, 3}, out["sum"].Shape())
	assert.Empty(t, out["sum"].Float32())
}

func TestOptionOutputs(t *testing.T) {
	s := load1(t, addModel(), &Options{Outputs: []string{"twice"}, Threads: 1, Optimise: OptBasic, Spin: true})
	require.Len(t, s.Outputs(), 1)
	out, err := s.Run(t.Context(), map[string]*Tensor{"a": Float32([]int64{1, 3}, nil), "b": Float32([]int64{1, 3}, nil)})
	require.NoError(t, err)
	assert.Equal(t, []float32{0, 0, 0}, out["twice"].Float32())

	_, err = Load(addModel(), &Options{Outputs: []string{"sums"}})
	assert.ErrorContains(t, err, `no output "sums"`)
	_, err = Load(addModel(), &Options{Device: "gpu"})
	assert.ErrorContains(t, err, `unknown device "gpu"`)
	_, err = Load(addModel(), &Options{Threads: -1})
	assert.ErrorContains(t, err, "Threads is -1")
}

func TestTypes(t *testing.T) {
	shape := []int64{2}
	for name, c := range map[string]struct {
		elem uint64
		x    *Tensor
	}{
		"float32": {elemFloat32, Float32(shape, []float32{1.5, -2})},
		"float64": {elemFloat64, Float64(shape, []float64{1.5, -2})},
		"float16": {elemFloat16, Float16(shape, []uint16{0x3c00, 0xc000})},
		"int8":    {elemInt8, Int8(shape, []int8{-128, 127})},
		"uint8":   {elemUint8, Uint8(shape, []uint8{0, 255})},
		"int32":   {elemInt32, Int32(shape, []int32{math.MinInt32, math.MaxInt32})},
		"int64":   {elemInt64, Int64(shape, []int64{math.MinInt64, math.MaxInt64})},
		"bool":    {elemBool, Bool(shape, []bool{true, false})},
	} {
		t.Run(name, func(t *testing.T) {
			s := load1(t, unary("Identity", c.elem, nil, []any{"n"}, []any{"n"}), nil)
			out, err := s.Run(t.Context(), map[string]*Tensor{"x": c.x})
			require.NoError(t, err)
			assert.Equal(t, c.x, out["y"])
			assert.Equal(t, name, out["y"].Type().String())
		})
	}
}

func TestScalars(t *testing.T) {
	s := load1(t, unary("Neg", elemFloat32, nil, []any{}, []any{}), nil)
	assert.Equal(t, "x float32[]", s.Inputs()[0].String())
	x, y := Float32(nil, []float32{3}), Float32(nil, nil)
	out, err := s.Run(t.Context(), map[string]*Tensor{"x": x})
	require.NoError(t, err)
	assert.Equal(t, []float32{-3}, out["y"].Float32())
	assert.Empty(t, out["y"].Shape())

	b, err := s.Bind()
	require.NoError(t, err)
	defer b.Close()
	require.NoError(t, b.Input("x", x))
	require.NoError(t, b.Run(t.Context()), "the output is not bound")
	require.NoError(t, b.Output("y", y))
	for _, v := range []float32{4, 5} {
		x.Float32()[0] = v
		require.NoError(t, b.Run(t.Context()))
		assert.Equal(t, -v, y.Float32()[0])
	}
}

func TestBadInput(t *testing.T) {
	s := load1(t, addModel(), nil)
	ok := Float32([]int64{2, 3}, nil)
	for name, c := range map[string]struct {
		in   map[string]*Tensor
		want string
	}{
		"missing":   {map[string]*Tensor{"a": ok}, "input b float32[batch,3] is missing"},
		"unknown":   {map[string]*Tensor{"a": ok, "b": ok, "c": ok}, `no input ["c"]`},
		"nil":       {map[string]*Tensor{"a": ok, "b": nil}, "b float32[batch,3] is nil"},
		"type":      {map[string]*Tensor{"a": ok, "b": Int64([]int64{2, 3}, nil)}, "b float32[batch,3] given as int64[2 3]"},
		"rank":      {map[string]*Tensor{"a": ok, "b": Float32([]int64{6}, nil)}, "b float32[batch,3] given with shape [6]"},
		"dimension": {map[string]*Tensor{"a": ok, "b": Float32([]int64{2, 4}, nil)}, "dimension 1 must be 3"},
		"too few":   {map[string]*Tensor{"a": ok, "b": Float32([]int64{2, 3}, []float32{1})}, "has 6 elements, the slice has 1"},
		"negative":  {map[string]*Tensor{"a": ok, "b": Float32([]int64{-2, 3}, nil)}, "dimension 0 is negative"},
		"huge":      {map[string]*Tensor{"a": ok, "b": Float32([]int64{1 << 62, 3}, nil)}, "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Run(t.Context(), c.in)
			require.ErrorIs(t, err, ErrInput)
			assert.ErrorContains(t, err, c.want)
		})
	}
	_, err := s.Run(t.Context(), map[string]*Tensor{"a": ok, "b": ok}, "none")
	assert.ErrorContains(t, err, `no output "none"`)
	// What the declared shapes cannot tell, ONNX Runtime does, and the session goes on.
	_, err = s.Run(t.Context(), map[string]*Tensor{"a": ok, "b": Float32([]int64{5, 3}, nil)})
	require.Error(t, err)
	_, err = s.Run(t.Context(), map[string]*Tensor{"a": ok, "b": ok})
	assert.NoError(t, err)
}

func TestBadModel(t *testing.T) {
	good := addModel()
	load1(t, good, nil)
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"empty.onnx":      {},
		"text.onnx":       []byte("this is no model at all\n"),
		"cut.onnx":        good[:len(good)/2],
		"unknown op.onnx": unary("NoSuchOp", elemFloat32, nil, []any{"n"}, []any{"n"}),
		"string.onnx":     unary("Identity", elemString, nil, []any{"n"}, []any{"n"}),
		"no input.onnx":   buildModel(nil, nil, []value{{"y", elemFloat32, nil}}),
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		_, err := Open(path, nil)
		require.ErrorIs(t, err, ErrModel, name)
		assert.ErrorContains(t, err, path)
		_, err = Load(data, nil)
		require.ErrorIs(t, err, ErrModel, name)
	}
	_, err := Open(filepath.Join(dir, "absent.onnx"), nil)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestExternalData(t *testing.T) {
	load1(t, addModel(), nil)
	dir := t.TempDir()
	raw := make([]byte, 12)
	for i, v := range []float32{1, 2, 3} {
		binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(v))
	}
	dims := []any{"batch", 3}
	// The weight is listed among the inputs too, as old exporters do; it must not be asked for.
	model := buildModel([]node{{op: "Add", in: []string{"x", "w"}, out: []string{"y"}}},
		[]value{{"x", elemFloat32, dims}, {"w", elemFloat32, []any{3}}}, []value{{"y", elemFloat32, dims}},
		weight("w", "weights.bin", nil, 3))
	path := filepath.Join(dir, "model.onnx")
	require.NoError(t, os.WriteFile(path, model, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "weights.bin"), raw, 0o600))
	s, err := Open(path, nil)
	require.NoError(t, err)
	defer s.Close()
	require.Len(t, s.Inputs(), 1)
	out, err := s.Run(t.Context(), map[string]*Tensor{"x": Float32([]int64{1, 3}, nil)})
	require.NoError(t, err)
	assert.Equal(t, []float32{1, 2, 3}, out["y"].Float32())

	require.NoError(t, os.Remove(filepath.Join(dir, "weights.bin")))
	_, err = Open(path, nil)
	assert.ErrorContains(t, err, "weights.bin")
}

func TestConcurrentRuns(t *testing.T) {
	s := load1(t, addModel(), &Options{Threads: 2})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for i := range 50 {
				n := int64(1 + (g+i)%5)
				a := Float32([]int64{n, 3}, nil)
				for k := range a.Float32() {
					a.Float32()[k] = float32(g*1000 + i)
				}
				out, err := s.Run(ctx, map[string]*Tensor{"a": a, "b": a}, "sum")
				if !assert.NoError(t, err) {
					return
				}
				for _, v := range out["sum"].Float32() {
					assert.Equal(t, float32(2*(g*1000+i)), v)
				}
			}
		})
	}
	wg.Wait()
}

func TestResultsOutliveTheSession(t *testing.T) {
	if !Available() {
		t.Skip("needs ONNX Runtime")
	}
	s, err := Load(addModel(), nil)
	require.NoError(t, err)
	out, err := s.Run(t.Context(), map[string]*Tensor{
		"a": Float32([]int64{1, 3}, []float32{1, 2, 3}), "b": Float32([]int64{1, 3}, nil)})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	runtime.GC()
	assert.Equal(t, []float32{1, 2, 3}, out["sum"].Float32())
	_, err = s.Run(t.Context(), map[string]*Tensor{"a": Float32([]int64{1, 3}, nil), "b": Float32([]int64{1, 3}, nil)})
	require.ErrorIs(t, err, ErrClosed)
	_, err = s.Bind()
	assert.ErrorIs(t, err, ErrClosed)
}

func TestCancel(t *testing.T) {
	s := load1(t, slowModel(), &Options{Threads: 1})
	x := Float32([]int64{768, 768}, nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Run(ended, map[string]*Tensor{"x": x})
	require.ErrorIs(t, err, context.Canceled)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = s.Run(ctx, map[string]*Tensor{"x": x}) // takes over a second when it is not stopped
	require.ErrorIs(t, err, context.DeadlineExceeded)

	b, err := s.Bind()
	require.NoError(t, err)
	defer b.Close()
	require.NoError(t, b.Input("x", x))
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, b.Run(ctx), context.DeadlineExceeded)
}

func TestBinding(t *testing.T) {
	s := load1(t, addModel(), nil)
	b, err := s.Bind()
	require.NoError(t, err)
	shape := []int64{1, 3}
	a, c := Float32(shape, []float32{1, 2, 3}), Float32(shape, nil)
	sum, twice := Float32(shape, nil), Float32(shape, nil)
	require.NoError(t, b.Input("a", a))
	err = b.Run(t.Context())
	require.ErrorIs(t, err, ErrInput)
	assert.ErrorContains(t, err, "input b float32[batch,3] is not bound")
	require.NoError(t, b.Input("b", c))
	require.NoError(t, b.Output("sum", sum))
	require.NoError(t, b.Run(t.Context()))
	assert.Equal(t, []float32{1, 2, 3}, sum.Float32())

	// New values in the same slices are what the next run reads, also after a collection.
	require.NoError(t, b.Output("twice", twice))
	for i := range 3 {
		runtime.GC()
		a.Float32()[0], c.Float32()[2] = float32(i), 100
		require.NoError(t, b.Run(t.Context()))
		assert.Equal(t, []float32{float32(2 * i), 4, 206}, twice.Float32())
	}

	// Another tensor may take a place.
	require.NoError(t, b.Input("a", Float32(shape, []float32{7, 7, 7})))
	require.NoError(t, b.Run(t.Context()))
	assert.Equal(t, []float32{7, 7, 107}, sum.Float32())

	assert.ErrorContains(t, b.Input("z", a), `nothing to bind named "z"`)
	assert.ErrorIs(t, b.Input("a", Int8(shape, nil)), ErrInput)
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	assert.ErrorIs(t, b.Run(t.Context()), ErrClosed)
	assert.ErrorIs(t, b.Input("a", a), ErrClosed)
}

// A forgotten binding must not end the program when it is collected.
func TestForgottenBinding(t *testing.T) {
	s := load1(t, addModel(), nil)
	func() {
		b, err := s.Bind()
		require.NoError(t, err)
		require.NoError(t, b.Input("a", Float32([]int64{1, 3}, nil)))
	}()
	for range 3 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}

func TestFloat16Outputs(t *testing.T) {
	cast := func(out []any) []byte {
		return buildModel([]node{{op: "Cast", in: []string{"x"}, out: []string{"y"}, attrs: [][]byte{intAttr("to", elemFloat16)}}},
			[]value{{"x", elemFloat32, []any{"n", 2}}}, []value{{"y", elemFloat16, out}})
	}
	s := load1(t, cast([]any{"n", 2}), nil)
	out, err := s.Run(t.Context(), map[string]*Tensor{"x": Float32([]int64{2, 2}, []float32{1, 2, -1, 0.5})})
	require.NoError(t, err)
	assert.Equal(t, []uint16{0x3c00, 0x4000, 0xbc00, 0x3800}, out["y"].Float16())

	s = load1(t, cast([]any{"other", 2}), nil)
	_, err = s.Run(t.Context(), map[string]*Tensor{"x": Float32([]int64{2, 2}, nil)})
	require.ErrorIs(t, err, ErrModel)
	assert.ErrorContains(t, err, "y float16[other,2]")
}
