//go:build cgo

package ort

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
)

// chainModel writes a model of products, with weights that are mapped when they are kept and some that are not.
func chainModel(t *testing.T, seed uint64) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	b := onnx.NewBuilder()
	x := b.Input("x", onnx.Float, onnx.Of("n", 520))
	for i, shape := range [][2]int{{520, 530}, {530, 7}, {7, 530}, {530, 520}} {
		w := make([]float32, shape[0]*shape[1])
		for k := range w {
			w[k] = float32(rng.NormFloat64()) / 20
		}
		x = b.Relu(b.MatMul(x, b.Weights(fmt.Sprint("w", i), w, shape[0], shape[1])))
	}
	b.Output("y", x)
	m, err := b.Model("chain")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "chain.onnx")
	require.NoError(t, os.WriteFile(path, m.Marshal(), 0o600))
	return path
}

func runChain(t *testing.T, path string, o *Options) []float32 {
	t.Helper()
	s, err := Open(path, o)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	x := make([]float32, 3*520)
	for i := range x {
		x[i] = float32(i%17)/17 - 0.4
	}
	out, err := s.Run(t.Context(), map[string]*Tensor{"x": Float32([]int64{3, 520}, x)})
	require.NoError(t, err)
	return out["y"].Float32()
}

// A kept graph computes what the model does, to the last bit, and is made again when it is not what it was.
func TestKeep(t *testing.T) {
	if !Available() {
		t.Skip("needs ONNX Runtime")
	}
	path := chainModel(t, 1)
	want := runChain(t, path, nil)
	folder := filepath.Join(t.TempDir(), "graphs")
	keep := &Options{Keep: &Keep{Folder: folder, Key: "one"}}
	kept := func() (dir string, graph []byte) {
		dirs, err := filepath.Glob(filepath.Join(folder, "*"))
		require.NoError(t, err)
		require.Len(t, dirs, 1)
		graph, err = os.ReadFile(filepath.Join(dirs[0], keptGraph))
		require.NoError(t, err)
		return dirs[0], graph
	}
	assert.Equal(t, want, runChain(t, path, keep))
	dir, graph := kept()
	assert.Equal(t, want, runChain(t, path, keep))

	// Mapped weights lie where kernels can read them.
	model, err := onnx.Unmarshal(graph)
	require.NoError(t, err)
	mapped := 0
	for _, w := range model.Graph.Initializers {
		for _, e := range w.External {
			if e.Key == "offset" {
				at, err := strconv.ParseInt(e.Value, 10, 64)
				require.NoError(t, err)
				assert.Zero(t, at%64, w.Name)
				mapped++
			}
		}
	}
	assert.Equal(t, 2, mapped)

	// The graph that is there is used: with weights of another model under its name it would compute something else.
	other := chainModel(t, 2)
	assert.Equal(t, want, runChain(t, other, keep), "the key says it is the same model")
	changed := runChain(t, other, &Options{Keep: &Keep{Folder: folder, Key: "two"}})
	assert.Equal(t, runChain(t, other, nil), changed)
	assert.NotEqual(t, want, changed)
	dirs, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	for _, d := range dirs {
		if d != dir {
			require.NoError(t, os.RemoveAll(d))
		}
	}

	for name, spoil := range map[string]func(){
		"graph":   func() { flip(t, filepath.Join(dir, keptGraph)) },
		"weights": func() { flip(t, filepath.Join(dir, keptWeights)) },
		"cut":     func() { require.NoError(t, os.Truncate(filepath.Join(dir, keptWeights), 1000)) },
		"record":  func() { require.NoError(t, os.Remove(filepath.Join(dir, keptRecord))) },
		"gone":    func() { require.NoError(t, os.Remove(filepath.Join(dir, keptWeights))) },
	} {
		spoil()
		assert.Equal(t, want, runChain(t, path, keep), name)
		_, again := kept()
		assert.Equal(t, graph, again, name)
	}

	// A model that is no model is an error, and nothing is kept of it.
	bad := filepath.Join(t.TempDir(), "bad.onnx")
	require.NoError(t, os.WriteFile(bad, unary("NoSuchOp", elemFloat32, nil, []any{1}, []any{1}), 0o600))
	_, err = Open(bad, &Options{Keep: &Keep{Folder: folder, Key: "bad"}})
	require.ErrorIs(t, err, ErrModel)
	kept()

	// Where others may write, nothing is kept, and nothing used.
	if runtime.GOOS != "windows" {
		open := filepath.Join(t.TempDir(), "open")
		require.NoError(t, os.Mkdir(open, 0o700))
		require.NoError(t, os.Chmod(open, 0o777))
		assert.Equal(t, want, runChain(t, path, &Options{Keep: &Keep{Folder: open, Key: "one"}}))
		entries, err := os.ReadDir(open)
		require.NoError(t, err)
		assert.Empty(t, entries)
	}
}

// flip flips a bit in the middle of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[len(b)/2] ^= 1
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

// A graph that is made for the session is made once.
func TestKeepMade(t *testing.T) {
	if !Available() {
		t.Skip("needs ONNX Runtime")
	}
	path, other := chainModel(t, 1), chainModel(t, 2)
	want := runChain(t, other, nil)
	calls := 0
	k := &Keep{Folder: filepath.Join(t.TempDir(), "graphs"), Key: "made", Make: func(dir string) (string, error) {
		calls++
		b, err := os.ReadFile(other)
		require.NoError(t, err)
		made := filepath.Join(dir, "m.onnx")
		return made, os.WriteFile(made, b, 0o600)
	}}
	for range 3 {
		assert.Equal(t, want, runChain(t, path, &Options{Keep: k}))
	}
	assert.Equal(t, 1, calls)
	left, err := filepath.Glob(filepath.Join(k.Folder, ".*"))
	require.NoError(t, err)
	assert.Empty(t, left)
	made, err := filepath.Glob(filepath.Join(k.Folder, "*", ".made-*"))
	require.NoError(t, err)
	assert.Empty(t, made)
	k = &Keep{Folder: k.Folder, Key: "other", Make: func(string) (string, error) { return "", os.ErrPermission }}
	_, err = Open(path, &Options{Keep: k})
	require.ErrorIs(t, err, os.ErrPermission)
}

// Beyond the bound what was not used for longest goes, and what attempts left that did not end.
func TestKeepBound(t *testing.T) {
	k := &Keep{Folder: t.TempDir()}
	for i, name := range []string{"old", "middle", "new", ".new-1", ".new-2"} {
		dir := filepath.Join(k.Folder, name)
		require.NoError(t, os.Mkdir(dir, 0o700))
		f, err := os.Create(filepath.Join(dir, keptWeights))
		require.NoError(t, err)
		require.NoError(t, f.Truncate(keepBytes/2-1)) // without taking room
		require.NoError(t, f.Close())
		age := time.Duration(4-i) * keepStale
		require.NoError(t, os.Chtimes(dir, time.Time{}, time.Now().Add(-age-time.Minute)))
	}
	require.NoError(t, os.Chtimes(filepath.Join(k.Folder, ".new-2"), time.Time{}, time.Now()))
	k.prune(filepath.Join(k.Folder, "old")) // the one in use
	left, err := os.ReadDir(k.Folder)
	require.NoError(t, err)
	var names []string
	for _, e := range left {
		names = append(names, e.Name())
	}
	assert.ElementsMatch(t, []string{"old", "new", ".new-2"}, names)
}
