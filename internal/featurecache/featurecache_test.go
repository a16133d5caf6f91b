package featurecache

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/region"
)

var key = Key{1, 2, 3}

// sample is a set whose features survive float16.
func sample(item, view, dim int) *region.Set {
	n := 1 + (item+view)%3
	s := &region.Set{Dim: dim, Width: 640 + item, Height: 480}
	for r := range n {
		s.Boxes = append(s.Boxes, region.Box{0, float32(r) / 8, 0.5, 1})
		s.Labels = append(s.Labels, []string{"", "dog", "Straßenbahn 🚋"}[r])
		for k := range dim {
			s.Features = append(s.Features, float32(item-view*r)+float32(k)/16)
		}
	}
	if item%2 == 1 {
		s.Tags, s.Labels = []string{}, nil
	}
	return s
}

func write(t *testing.T, path string, shape Shape, from, to int) *Writer {
	t.Helper()
	w, err := Create(t.Context(), path, key, shape)
	require.NoError(t, err)
	require.Equal(t, from, w.Done())
	for i := from; i < to; i++ {
		sets := make([]*region.Set, shape.Views)
		for v := range sets {
			sets[v] = sample(i, v, shape.Dim)
		}
		require.NoError(t, w.Append(sets))
	}
	return w
}

func TestRoundTrip(t *testing.T) {
	for _, exact := range []bool{false, true} {
		shape := Shape{Items: 5, Views: 3, Dim: 4, Exact: exact}
		path := filepath.Join(t.TempDir(), "c")
		w := write(t, path, shape, 0, 4)
		require.ErrorIs(t, w.Finish(), ErrInvalid)
		require.NoError(t, w.Skip("truncated"))
		require.ErrorIs(t, w.Skip("one too many"), ErrInvalid)
		require.NoError(t, w.Finish())
		require.NoError(t, w.Close())

		c, err := Open(path, key)
		require.NoError(t, err)
		assert.Equal(t, []int{5, 3, 4}, []int{c.Len(), c.Views(), c.Dim()})
		var wg sync.WaitGroup
		for i := range 4 {
			for v := range 3 {
				wg.Go(func() {
					got, err := c.Load(i, v)
					if assert.NoError(t, err) {
						assert.Empty(t, cmp.Diff(sample(i, v, 4), got))
					}
				})
			}
			assert.Empty(t, c.Skipped(i))
		}
		wg.Wait()
		assert.Equal(t, "truncated", c.Skipped(4))
		_, err = c.Load(4, 0)
		assert.ErrorContains(t, err, "truncated")
		_, err = c.Load(5, 0)
		assert.ErrorIs(t, err, ErrInvalid)
		require.NoError(t, c.Close())
		_, err = c.Load(0, 0)
		assert.ErrorIs(t, err, errClosed)
	}
}

// A writer that is stopped anywhere leaves whole items for the next one, and the file is the same.
func TestResume(t *testing.T) {
	shape := Shape{Items: 4, Views: 2, Dim: 3}
	whole := filepath.Join(t.TempDir(), "whole")
	require.NoError(t, write(t, whole, shape, 0, 4).Finish())
	want, err := os.ReadFile(whole)
	require.NoError(t, err)

	path := filepath.Join(t.TempDir(), "c")
	w := write(t, path, shape, 0, 3)
	ends := append([]uint64{}, w.offsets...)
	require.NoError(t, w.Close())
	partial, err := os.ReadFile(part(path))
	require.NoError(t, err)
	for n := 0; n <= len(partial); n += 5 {
		require.NoError(t, os.WriteFile(part(path), partial[:n], 0o600))
		done := 0
		for k := 2; k < len(ends); k += 2 {
			if ends[k] <= uint64(n) {
				done = k / 2
			}
		}
		require.NoError(t, write(t, path, shape, done, 4).Finish())
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want, got, "cut at %d", n)
	}
	// Of another shape or key: from the start.
	require.NoError(t, os.WriteFile(part(path), partial, 0o600))
	require.NoError(t, write(t, path, Shape{Items: 2, Views: 1, Dim: 3}, 0, 2).Finish())
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c")
	require.NoError(t, write(t, path, Shape{Items: 2, Views: 1, Dim: 2}, 0, 2).Finish())
	_, err := Open(path, Key{9})
	require.ErrorIs(t, err, ErrKey)
	_, err = Open(filepath.Join(dir, "none"), key)
	require.ErrorIs(t, err, os.ErrNotExist)
	other := filepath.Join(dir, "letter.txt")
	require.NoError(t, os.WriteFile(other, []byte("Dear all"), 0o600))
	_, err = Open(other, key)
	require.ErrorIs(t, err, ErrNotCache)

	good, err := os.ReadFile(path)
	require.NoError(t, err)
	for n := range good {
		require.NoError(t, os.WriteFile(path, good[:n], 0o600))
		_, err := Open(path, key)
		require.Error(t, err, "cut at %d", n)
	}
	for n := range good { // every flipped bit is found when it is read at the latest
		b := append([]byte{}, good...)
		b[n] ^= 1 << (n % 8)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		c, err := Open(path, key)
		if err != nil {
			continue
		}
		_, err0 := c.Load(0, 0)
		_, err1 := c.Load(1, 0)
		require.True(t, err0 != nil || err1 != nil, "flip at %d", n)
		require.NoError(t, c.Close())
	}

	for name, s := range map[string]*region.Set{
		"none":    {Dim: 2},
		"dim":     {Dim: 1, Features: []float32{1}, Boxes: make([]region.Box, 1)},
		"NaN":     {Dim: 2, Features: []float32{1, float32(math.NaN())}, Boxes: make([]region.Box, 1)},
		"lengths": {Dim: 2, Features: []float32{1}, Boxes: make([]region.Box, 1)},
	} {
		w, err := Create(t.Context(), filepath.Join(dir, "new"), key, Shape{Items: 1, Views: 1, Dim: 2})
		require.NoError(t, err)
		require.Error(t, w.Append([]*region.Set{s}), name)
		require.NoError(t, w.Close())
		require.Error(t, w.Finish())
	}
	_, err = Create(t.Context(), path, key, Shape{Items: 1})
	require.ErrorIs(t, err, ErrInvalid)
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c")
	shape := Shape{Items: 1, Views: 1, Dim: 1}
	w := write(t, path, shape, 0, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Create(ctx, path, key, shape)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, w.Finish())
}

func FuzzChunk(f *testing.F) {
	shape := Shape{Items: 1, Views: 1, Dim: 2}
	f.Add(shape.appendChunk(nil, sample(1, 1, 2)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if body, err := chunk(b); err == nil {
			if s, err := shape.parse(body); err == nil {
				_ = s.Len()
			}
		}
		if s, err := shape.parse(b); err == nil && len(s.Features) > len(b) {
			t.Fatal("more features than bytes")
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	path := filepath.Join(b.TempDir(), "c")
	w, err := Create(b.Context(), path, key, Shape{Items: 1, Views: 1, Dim: 1280})
	require.NoError(b, err)
	s := &region.Set{Dim: 1280, Boxes: make([]region.Box, 70), Features: make([]float32, 70*1280)}
	require.NoError(b, w.Append([]*region.Set{s}))
	require.NoError(b, w.Finish())
	c, err := Open(path, key)
	require.NoError(b, err)
	defer c.Close()
	b.SetBytes(70 * 1280 * 2)
	for b.Loop() {
		if _, err := c.Load(0, 0); err != nil {
			b.Fatal(err)
		}
	}
}
