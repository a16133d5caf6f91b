package devicetest

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/align"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/resident"
	"github.com/aladin-go/aladin/internal/vector"
)

// gallery is images of random regions: blocks as an index holds them, and the same as one block for a device.
type gallery struct {
	dim    int
	layout *vector.Tokens
	blocks [][]byte
	spans  []resident.Span
	n      int
}

func newGallery(tb testing.TB, dim, images, most int) *gallery {
	layout, err := vector.NewTokens(vector.Int8, dim)
	require.NoError(tb, err)
	g := &gallery{dim: dim, layout: layout}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range images {
		n := rng.IntN(most + 1)
		tokens, weights := unit(rng, n, dim), make([]float32, n)
		for k := range weights {
			if (i+k)%5 > 0 && i%7 > 0 { // some regions take no part, and in some images none
				weights[k] = 1
			}
		}
		block, err := layout.AppendBlock(nil, tokens, weights)
		require.NoError(tb, err)
		g.blocks, g.spans = append(g.blocks, block), append(g.spans, resident.Span{First: g.n, N: n})
		g.n += n
	}
	return g
}

func unit(rng *rand.Rand, n, dim int) []float32 {
	out := make([]float32, n*dim)
	for i := range n {
		row, sum := out[i*dim:(i+1)*dim], 0.0
		for k := range row {
			row[k] = float32(rng.NormFloat64())
			sum += float64(row[k]) * float64(row[k])
		}
		for k := range row {
			row[k] /= float32(math.Sqrt(sum))
		}
	}
	return out
}

func (g *gallery) block(key any) resident.Block {
	stride := vector.Stride(g.dim)
	return resident.Block{Key: key, N: g.n, Load: func(codes []byte, scales []float32) error {
		for i, b := range g.blocks {
			s := g.spans[i]
			copy(codes[s.First*stride:], b[:s.N*stride])
			for k := range s.N {
				scales[s.First+k] = math.Float32frombits(binary.LittleEndian.Uint32(b[s.N*stride+4*k:]))
			}
		}
		return nil
	}}
}

// queries are captions, some with unwanted words, and their scores by the CPU's kernels.
func (g *gallery) queries(tb testing.TB, n int) ([]resident.Query, []float32) {
	rng := rand.New(rand.NewPCG(3, 4))
	var qs []resident.Query
	var want []float32
	for i := range n {
		words := 1 + rng.IntN(20)
		q := resident.Query{Tokens: unit(rng, words, g.dim)}
		if i%3 > 0 {
			for range words {
				q.Weights = append(q.Weights, float32(rng.IntN(5)-1)/4)
			}
		}
		kernel, err := align.NewQuery(g.layout, q.Tokens, q.Weights)
		require.NoError(tb, err)
		scores := make([]float32, len(g.blocks))
		kernel.Score(g.blocks, scores)
		qs, want = append(qs, q), append(want, scores...)
	}
	return qs, want
}

// What stays on the device is aligned there as on the CPU, and moved once.
func TestResident(t *testing.T) {
	need(t)
	for _, dim := range []int{100, 256} {
		g := newGallery(t, dim, 60, 12)
		queries, want := g.queries(t, 5)
		r, err := resident.New(dim, 0, &ort.Options{Device: device()})
		require.NoError(t, err)
		defer func() { require.NoError(t, r.Close()) }()
		for range 3 {
			got := make([]float32, len(want))
			ok, err := r.Align(t.Context(), queries, g.block("g"), g.spans, got)
			require.NoError(t, err)
			require.True(t, ok)
			assert.InDeltaSlice(t, want, got, 1e-5)
		}
		s := r.Stats()
		assert.Equal(t, s.Held, s.Uploaded, "once")
		assert.Equal(t, int64(3), s.Calls)
		t.Logf("dim %d: %d bytes moved in place of %d", dim, s.Moved, s.Tokens)
	}
}

// The bound holds; blocks in use do not drive each other out, one that rests gives way.
func TestResidentBound(t *testing.T) {
	need(t)
	g := newGallery(t, 32, 20, 6)
	queries, want := g.queries(t, 1)
	size := int64(g.n+resident.MaxSpan) * (64 + 8)
	r, err := resident.New(32, 2*size, &ort.Options{Device: device()})
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	ask := func(key any) bool {
		got := make([]float32, len(want))
		ok, err := r.Align(t.Context(), queries, g.block(key), g.spans, got)
		require.NoError(t, err)
		if ok {
			assert.InDeltaSlice(t, want, got, 1e-5)
		}
		assert.LessOrEqual(t, r.Stats().Held, 2*size)
		return ok
	}
	assert.True(t, ask(1))
	assert.True(t, ask(2))
	assert.False(t, ask(3))
	for range 70 {
		assert.True(t, ask(2))
	}
	assert.True(t, ask(3), "1 has rested")
	assert.False(t, ask(1))
	require.NoError(t, r.Drop(3))
	assert.True(t, ask(1))
}

func TestResidentRefuses(t *testing.T) {
	need(t)
	g := newGallery(t, 32, 4, 6)
	r, err := resident.New(32, 0, &ort.Options{Device: device()})
	require.NoError(t, err)
	defer r.Close()
	out := make([]float32, 4)
	for _, q := range []resident.Query{{}, {Tokens: make([]float32, 31)}, {Tokens: make([]float32, 32), Weights: make([]float32, 2)}} {
		_, err := r.Align(t.Context(), []resident.Query{q}, g.block("g"), g.spans, out)
		require.Error(t, err)
	}
	good := []resident.Query{{Tokens: make([]float32, 32)}}
	for _, s := range []resident.Span{{First: -1, N: 1}, {N: -1}, {N: g.n + 1}, {First: g.n, N: 1}, {N: resident.MaxSpan + 1}} {
		_, err := r.Align(t.Context(), good, g.block("g"), []resident.Span{s}, out)
		require.Error(t, err)
	}
}
