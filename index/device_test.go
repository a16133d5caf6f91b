package index

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A fakeDevice aligns what it has loaded as the definition says.
type fakeDevice struct {
	room  func(part int) bool // for the n-th tokens that are asked for
	err   error
	held  map[any]*heldTokens
	loads int
	spans int
}

type heldTokens struct {
	codes  []byte
	scales []float32
}

func (d *fakeDevice) Align(_ context.Context, words, weights []float32, t *DeviceTokens, spans []Span, scores []float32) (bool, error) {
	if d.err != nil {
		return false, d.err
	}
	stride := (t.Dim + 63) / 64 * 64
	h := d.held[t.Key]
	if h == nil {
		d.loads++
		h = &heldTokens{make([]byte, t.N*stride), make([]float32, t.N)}
		if err := t.Load(h.codes, h.scales); err != nil {
			return false, err
		}
		d.held[t.Key] = h
	}
	if d.room != nil && !d.room(d.loads) {
		delete(d.held, t.Key)
		return false, nil
	}
	d.spans += len(spans)
	for i, s := range spans {
		scores[i] = 0
		for w := range len(words) / t.Dim {
			best, any := float32(math.Inf(-1)), false
			for r := s.First; r < s.First+s.N; r++ {
				if h.scales[r] != h.scales[r] {
					continue
				}
				var dot float32
				for k := range t.Dim {
					dot += words[w*t.Dim+k] * float32(int(h.codes[r*stride+k])-128) * h.scales[r]
				}
				best, any = max(best, dot), true
			}
			if any {
				scores[i] += weights[w] * best
			}
		}
	}
	return true, nil
}

// Candidates are aligned on a device, each with its own tokens wherever they lie, or on the CPU where it has no room.
func TestDevice(t *testing.T) {
	defer func(n int) { deviceBlock = n }(deviceBlock)
	deviceBlock = 64
	const dim = 12
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(kind Kind, n int) *Encoding {
		e := &Encoding{Kind: kind, Model: "m", Matching: make([]float32, 8)}
		e.Matching[rng.IntN(len(e.Matching))] = 1
		for i := range n {
			for range dim {
				e.Tokens = append(e.Tokens, float32(rng.NormFloat64()))
			}
			e.Weights = append(e.Weights, float32(i%4))
			if kind == Image {
				e.Boxes = append(e.Boxes, Box{})
			}
		}
		if kind == Caption {
			e.Words = make([]Word, n)
		}
		return e
	}
	path := filepath.Join(t.TempDir(), "a.aladin")
	item := func(i, n int) Item { return Item{ID: fmt.Sprintf("%03d", i), Encoding: random(Image, n)} }
	b, err := NewBuilder(path, nil)
	require.NoError(t, err)
	defer b.Close()
	for i := range 70 {
		require.NoError(t, b.Add(t.Context(), item(i, 1+i%17)))
	}
	require.NoError(t, b.Finish(t.Context()))
	w, err := OpenWriter(path, nil)
	require.NoError(t, err)
	defer w.Close()
	for i := 70; i < 89; i++ {
		require.NoError(t, w.Add(t.Context(), item(i, 1+i%17)))
	}
	require.NoError(t, w.Add(t.Context(), item(89, deviceSpan+5))) // too many for a device
	require.NoError(t, w.Commit(t.Context()))
	ix, err := Open(path, nil)
	require.NoError(t, err)
	defer ix.Close()
	q := random(Caption, 6)
	search := func(o SearchOptions) []Hit {
		o.K = 90
		hits, err := ix.Search(t.Context(), q, &o)
		require.NoError(t, err)
		slices.SortFunc(hits, func(a, b Hit) int { return strings.Compare(a.ID, b.ID) })
		return hits
	}
	want := search(SearchOptions{})
	same := func(got []Hit) {
		t.Helper()
		require.Len(t, got, len(want))
		for i := range want {
			assert.Equal(t, want[i].ID, got[i].ID)
			assert.InDelta(t, want[i].Align, got[i].Align, 0.3, got[i].ID) // of 20 to 40: the fake does not round words
		}
	}
	var stats SearchStats
	d := &fakeDevice{held: map[any]*heldTokens{}}
	same(search(SearchOptions{Device: d, Stats: &stats}))
	assert.Equal(t, 89, stats.OnDevice)
	assert.Equal(t, 89, d.spans)
	loads := d.loads
	assert.Greater(t, loads, 10, "in parts")
	same(search(SearchOptions{Device: d}))
	assert.Equal(t, loads, d.loads, "they stay")

	half := &fakeDevice{held: map[any]*heldTokens{}, room: func(n int) bool { return n%2 == 0 }}
	same(search(SearchOptions{Device: half, Stats: &stats}))
	assert.Less(t, stats.OnDevice, 70)
	assert.Positive(t, stats.OnDevice)

	lost := errors.New("device lost")
	_, err = ix.Search(t.Context(), q, &SearchOptions{Device: &fakeDevice{err: lost}})
	require.ErrorIs(t, err, lost)
}
