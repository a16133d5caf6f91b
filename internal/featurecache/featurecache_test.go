package featurecache

import (
	"context"
	"crypto/sha256"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/region"
)

var extractor = Key{1, 2, 3}

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

func content(item int) Key { return sha256.Sum256([]byte{byte(item), 'c'}) }
func stamp(item int) Key   { return sha256.Sum256([]byte{byte(item), 's'}) }

func open(t *testing.T, dir string, shape Shape) *Store {
	t.Helper()
	s, err := Open(dir, extractor, shape, 0)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// add adds samples.
func add(t *testing.T, s *Store, items ...int) {
	t.Helper()
	require.NoError(t, s.Lock(t.Context()))
	for _, i := range items {
		sets := make([]*region.Set, s.shape.Views)
		for v := range sets {
			sets[v] = sample(i, v, s.shape.Dim)
		}
		_, err := s.Add(content(i), stamp(i), sets)
		require.NoError(t, err)
	}
}

// holds checks that a store opened now finds exactly these of the first ten samples, whole.
func holds(t *testing.T, dir string, shape Shape, items ...int) {
	t.Helper()
	s := open(t, dir, shape)
	refs := map[int]Ref{}
	for i := range 10 {
		if r, ok := s.ByContent(content(i)); ok {
			refs[i] = r
			again, ok := s.ByStamp(stamp(i))
			require.True(t, ok)
			require.Equal(t, r, again)
		}
	}
	require.Len(t, refs, len(items))
	require.NoError(t, s.Freeze())
	for _, i := range items {
		require.Contains(t, refs, i)
		for v := range shape.Views {
			got, err := s.Load(refs[i], v)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(sample(i, v, shape.Dim), got))
		}
	}
}

func packs(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	require.NoError(t, err)
	return files
}

func TestStore(t *testing.T) {
	dir, shape := filepath.Join(t.TempDir(), "deep"), Shape{Views: 3, Dim: 4}
	s := open(t, dir, shape)
	_, err := s.Add(content(1), stamp(1), nil)
	require.ErrorIs(t, err, errFrozen, "not locked")
	add(t, s, 0, 1, 2)
	r, ok := s.ByStamp(stamp(1))
	require.True(t, ok)
	_, err = s.Load(r, 0)
	require.ErrorIs(t, err, errThawed)
	require.NoError(t, s.Freeze())

	var wg sync.WaitGroup
	for v := range 3 {
		wg.Go(func() {
			got, err := s.Load(r, v)
			if assert.NoError(t, err) {
				assert.Empty(t, cmp.Diff(sample(1, v, 4), got))
			}
		})
	}
	wg.Wait()
	for _, bad := range []Ref{{-1, 0}, {1, 0}, {0, 1}, {0, 1 << 40}} {
		_, err = s.Load(bad, 0)
		require.Error(t, err, "%v", bad)
	}
	_, err = s.Load(r, 3)
	require.ErrorIs(t, err, ErrInvalid)
	require.NoError(t, s.Close())
	_, err = s.Load(r, 0)
	require.ErrorIs(t, err, errClosed)

	// Another set of photos, in which some are the same.
	s = open(t, dir, shape)
	add(t, s, 3, 4)
	holds(t, dir, shape, 0, 1, 2, 3, 4)
	require.Len(t, packs(t, dir), 1, "what is added is behind what was there")
}

// Of what a process leaves that is killed at any moment, the whole records count, and the next process goes on behind them.
func TestKilledAnywhere(t *testing.T) {
	dir, shape := t.TempDir(), Shape{Views: 2, Dim: 3}
	s := open(t, dir, shape)
	add(t, s, 0, 1, 2)
	ends := []int64{s.content[content(1)].at, s.content[content(2)].at, s.packs[0].end}
	require.NoError(t, s.Close())
	path := packs(t, dir)[0]
	all, err := os.ReadFile(path)
	require.NoError(t, err)
	for n := 0; n <= len(all); n += 5 {
		var want []int
		for i, end := range ends {
			if end <= int64(n) {
				want = append(want, i)
			}
		}
		require.NoError(t, os.WriteFile(path, all[:n], 0o600))
		if n >= headerSize {
			holds(t, dir, shape, want...)
		}
		s := open(t, dir, shape)
		add(t, s, 5)
		require.NoError(t, s.Close())
		holds(t, dir, shape, append(want, 5)...)
	}
	// A block that reached the disk without what is before it.
	torn := append([]byte{}, all...)
	clear(torn[ends[1]-40 : ends[1]])
	require.NoError(t, os.WriteFile(path, torn, 0o600))
	holds(t, dir, shape, 0)
}

// Every flipped bit is found when it is read at the latest, and a photo that is not found is only extracted again.
func TestFlippedBits(t *testing.T) {
	dir, shape := t.TempDir(), Shape{Views: 1, Dim: 2}
	s := open(t, dir, shape)
	add(t, s, 0, 1)
	require.NoError(t, s.Close())
	path := packs(t, dir)[0]
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	// Behind another pack, so that only the heads are checked when it is opened.
	next, err := createPack(dir, 2, shape, extractor)
	require.NoError(t, err)
	require.NoError(t, next.close())
	for n := range good {
		b := append([]byte{}, good...)
		b[n] ^= 1 << (n % 8)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		s := open(t, dir, shape)
		var refs []Ref
		for i := range 2 {
			if r, ok := s.ByContent(content(i)); ok {
				refs = append(refs, r)
			}
		}
		require.NoError(t, s.Freeze())
		errs := 0
		for _, r := range refs {
			if _, err := s.Load(r, 0); err != nil {
				require.ErrorIs(t, err, ErrCorrupt)
				require.ErrorContains(t, err, path)
				errs++
			}
		}
		require.True(t, errs > 0 || len(refs) < 2, "flip at %d", n)
		require.NoError(t, s.Close())
	}
}

func TestRefused(t *testing.T) {
	_, err := Open(t.TempDir(), extractor, Shape{Views: 1}, 0)
	require.ErrorIs(t, err, ErrInvalid)
	s := open(t, t.TempDir(), Shape{Views: 1, Dim: 2})
	require.NoError(t, s.Lock(t.Context()))
	for name, set := range map[string]*region.Set{
		"none":    {Dim: 2},
		"dim":     {Dim: 1, Features: []float32{1}, Boxes: make([]region.Box, 1)},
		"NaN":     {Dim: 2, Features: []float32{1, float32(math.NaN())}, Boxes: make([]region.Box, 1)},
		"lengths": {Dim: 2, Features: []float32{1}, Boxes: make([]region.Box, 1)},
	} {
		_, err := s.Add(content(0), stamp(0), []*region.Set{set})
		require.Error(t, err, name)
	}
	_, err = s.Add(content(0), stamp(0), nil)
	require.ErrorIs(t, err, ErrInvalid)
}

// While one process extracts, another waits, and then finds what the first one did.
func TestTwoProcesses(t *testing.T) {
	dir, shape := t.TempDir(), Shape{Views: 1, Dim: 1}
	first, second := open(t, dir, shape), open(t, dir, shape)
	add(t, first, 0, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, second.Lock(ctx), context.Canceled)
	_, ok := second.ByContent(content(1))
	require.False(t, ok)
	require.NoError(t, first.Freeze())
	require.NoError(t, second.Lock(t.Context()))
	r, ok := second.ByContent(content(1))
	require.True(t, ok)
	add(t, second, 2)
	require.NoError(t, second.Freeze())
	got, err := second.Load(r, 0)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(sample(1, 0, 1), got))
	holds(t, dir, shape, 0, 1, 2)
}

// The folder keeps within its bound: what was not used for longest goes first, and nothing that is being used.
func TestBound(t *testing.T) {
	packSize = 1
	t.Cleanup(func() { packSize = 256 << 20 })
	dir, shape := t.TempDir(), Shape{Views: 1, Dim: 8}
	s := open(t, dir, shape)
	add(t, s, 0, 1, 2, 3)
	require.NoError(t, s.Freeze())
	require.NoError(t, s.Close())
	names := packs(t, dir)
	require.Len(t, names, 4)
	for i, name := range names {
		used := time.Now().Add(-time.Duration(10-i) * time.Hour)
		require.NoError(t, os.Chtimes(name, used, used))
	}
	files, err := List(dir)
	require.NoError(t, err)
	require.Equal(t, names[0], files[0].Path)
	var total int64
	for _, f := range files {
		total += f.Bytes
	}

	bounded, err := Open(dir, extractor, shape, total)
	require.NoError(t, err)
	defer bounded.Close()
	r, ok := bounded.ByContent(content(0)) // the oldest, but used now
	require.True(t, ok)
	add(t, bounded, 4)
	require.NoError(t, bounded.Freeze())
	_, err = bounded.Load(r, 0)
	require.NoError(t, err)
	holds(t, dir, shape, 0, 3, 4)

	// Another extractor's are removed likewise, but not while somebody adds to them.
	adding := open(t, dir, shape)
	add(t, adding, 5)
	other, err := Open(dir, Key{7}, shape, 1)
	require.NoError(t, err)
	require.NoError(t, other.Freeze())
	require.NoError(t, other.Close())
	require.Len(t, packs(t, dir), 4)
	require.NoError(t, adding.Close())
	other, err = Open(dir, Key{7}, shape, 1)
	require.NoError(t, err)
	require.NoError(t, other.Freeze())
	require.NoError(t, other.Close())
	require.Empty(t, packs(t, dir))
}

// Files of the first version go, files of others stay.
func TestOldFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.features": oldMagic + "…", "a.features.lock": "", "b.features.part": oldMagic, "letter.features": "Dear all",
		"letter.features.lock": "", "notes.txt": oldMagic,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	open(t, dir, Shape{Views: 1, Dim: 1})
	open(t, dir, Shape{Views: 1, Dim: 1})
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	require.Equal(t, "letter.features letter.features.lock notes.txt", strings.Join(left, " "))
}

func FuzzChunk(f *testing.F) {
	shape := Shape{Views: 1, Dim: 2}
	f.Add(shape.appendChunk(nil, sample(1, 1, 2)))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole(b, 2)
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

// FuzzPack opens packs of any content.
func FuzzPack(f *testing.F) {
	shape := Shape{Views: 1, Dim: 2}
	dir := f.TempDir()
	s, err := Open(dir, extractor, shape, 0)
	require.NoError(f, err)
	require.NoError(f, s.Lock(f.Context()))
	for i := range 2 {
		_, err := s.Add(content(i), stamp(i), []*region.Set{sample(i, 0, 2)})
		require.NoError(f, err)
	}
	require.NoError(f, s.Close())
	path := filepath.Join(dir, packName(extractor, 1))
	good, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add(good[headerSize:])
	f.Fuzz(func(t *testing.T, b []byte) {
		require.NoError(t, os.WriteFile(path, append(shape.header(extractor), b...), 0o600))
		s, err := Open(dir, extractor, shape, 0)
		require.NoError(t, err)
		var refs []Ref
		for k := range s.content {
			r, _ := s.ByContent(k)
			refs = append(refs, r)
		}
		require.NoError(t, s.Freeze())
		for _, r := range refs {
			_, _ = s.Load(r, 0)
		}
		require.NoError(t, s.Close())
	})
}

func BenchmarkLoad(b *testing.B) {
	s, err := Open(b.TempDir(), extractor, Shape{Views: 1, Dim: 1280}, 0)
	require.NoError(b, err)
	defer s.Close()
	require.NoError(b, s.Lock(b.Context()))
	set := &region.Set{Dim: 1280, Boxes: make([]region.Box, 70), Features: make([]float32, 70*1280)}
	r, err := s.Add(content(0), stamp(0), []*region.Set{set})
	require.NoError(b, err)
	require.NoError(b, s.Freeze())
	b.SetBytes(70 * 1280 * 2)
	for b.Loop() {
		if _, err := s.Load(r, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens a folder with 8000 photos as the recipe for photos leaves them, and finds them all.
func BenchmarkOpen(b *testing.B) {
	dir, shape := b.TempDir(), Shape{Views: 4, Dim: 160}
	s, err := Open(dir, extractor, shape, 0)
	require.NoError(b, err)
	require.NoError(b, s.Lock(b.Context()))
	set := &region.Set{Dim: 160, Boxes: make([]region.Box, 20), Features: make([]float32, 20*160)}
	key := func(i int) Key { return Key{byte(i), byte(i >> 8)} }
	for i := range 8000 {
		_, err := s.Add(key(i), key(i), []*region.Set{set, set, set, set})
		require.NoError(b, err)
	}
	require.NoError(b, s.Close())
	for b.Loop() {
		s, err := Open(dir, extractor, shape, 0)
		require.NoError(b, err)
		for i := range 8000 {
			_, ok := s.ByStamp(key(i))
			require.True(b, ok)
		}
		require.NoError(b, s.Freeze())
		require.NoError(b, s.Close())
	}
}
