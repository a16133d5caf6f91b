package index_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/container"
)

// benchItems is the size of the large index, and benchDim that of its vectors.
var (
	benchItems = setting("INDEX_BENCH_ITEMS", 1_000_000)
	benchDim   = setting("INDEX_BENCH_DIM", 768)
)

func setting(name string, value int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return value
}

// fast makes pseudo-random unit vectors around cluster centres, quickly.
type fast struct {
	state   uint64
	centres [][]float32
}

func newFast(clusters, dim int) *fast {
	f := &fast{state: 88172645463325252}
	for range clusters {
		v := make([]float32, dim)
		f.noise(v, 1)
		f.centres = append(f.centres, v)
	}
	return f
}

func (f *fast) next() uint64 {
	f.state ^= f.state << 13
	f.state ^= f.state >> 7
	f.state ^= f.state << 17
	return f.state
}

// noise adds sums of two uniform values to v.
func (f *fast) noise(v []float32, scale float32) {
	for i := 0; i+1 < len(v); i += 2 {
		x := f.next()
		v[i] += scale * (float32(x&0xffff) + float32(x>>16&0xffff) - 65535) / 65536
		v[i+1] += scale * (float32(x>>32&0xffff) + float32(x>>48) - 65535) / 65536
	}
}

func (f *fast) vector(dst []float32) {
	copy(dst, f.centres[f.next()%uint64(len(f.centres))])
	f.noise(dst, 0.8)
	var sum float64
	for _, x := range dst {
		sum += float64(x) * float64(x)
	}
	inv := float32(1 / math.Sqrt(sum))
	for i := range dst {
		dst[i] *= inv
	}
}

var bigFile = struct {
	sync.Once
	path string
}{}

// big returns a file of benchItems matching vectors, made once per run.
func big(b *testing.B) string {
	if testing.Short() {
		b.Skip("makes a large file")
	}
	bigFile.Do(func() {
		dir, err := os.MkdirTemp("", "index-bench")
		require.NoError(b, err)
		bigFile.path = filepath.Join(dir, "big.aladin")
		bl, err := index.NewBuilder(bigFile.path, &index.BuildOptions{Regions: index.None})
		require.NoError(b, err)
		f := newFast(2000, benchDim)
		e := &index.Encoding{Matching: make([]float32, benchDim)}
		for i := range benchItems {
			f.vector(e.Matching)
			require.NoError(b, bl.Add(context.Background(), index.Item{ID: fmt.Sprintf("%09d", i), Encoding: e}))
		}
		require.NoError(b, bl.Finish(context.Background()))
	})
	return bigFile.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if bigFile.path != "" {
		os.RemoveAll(filepath.Dir(bigFile.path))
	}
	os.Exit(code)
}

func photos(b *testing.B) string {
	s := newSynth(50, benchDim, benchDim)
	items := make([]index.Item, 1000)
	for i := range items {
		items[i] = index.Item{ID: fmt.Sprintf("%04d.jpg", i), Encoding: s.image(34)}
	}
	return build(b, nil, items)
}

func BenchmarkOpen1000Photos(b *testing.B) {
	path := photos(b)
	for b.Loop() {
		ix, err := index.Open(path, nil)
		if err != nil {
			b.Fatal(err)
		}
		ix.Close()
	}
}

// BenchmarkSearch1000Photos is a whole search but for encoding the query: 200
// candidates of 34 regions, 12 words, the best 10 explained.
func BenchmarkSearch1000Photos(b *testing.B) {
	ctx := context.Background()
	ix := open(b, photos(b), nil)
	q := newSynth(51, benchDim, benchDim).caption(12)
	for b.Loop() {
		if _, err := ix.Search(ctx, q, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMatchLarge(b *testing.B) {
	ctx := context.Background()
	path := big(b)
	f := newFast(2000, benchDim)
	var qs []*index.Encoding
	for range 32 {
		q := &index.Encoding{Matching: make([]float32, benchDim)}
		f.vector(q.Matching)
		qs = append(qs, q)
	}
	for _, threads := range []int{1, runtime.GOMAXPROCS(0)} {
		ix := open(b, path, &index.Options{Threads: threads})
		for _, batch := range []int{1, 32} {
			b.Run(fmt.Sprintf("threads=%d/batch=%d", threads, batch), func(b *testing.B) {
				for b.Loop() {
					if _, err := ix.SearchBatch(ctx, qs[:batch], &index.SearchOptions{MatchOnly: true, K: 100, Exact: true}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N*batch), "ms/query")
			})
		}
	}
}

// BenchmarkMatchBits is BenchmarkMatchLarge on sign bits with rescoring.
func BenchmarkMatchBits(b *testing.B) {
	ctx := context.Background()
	if testing.Short() {
		b.Skip("makes a large file")
	}
	path := filepath.Join(b.TempDir(), "bits.aladin")
	bl, err := index.NewBuilder(path, &index.BuildOptions{Match: index.Bits, Regions: index.None})
	require.NoError(b, err)
	f := newFast(2000, benchDim)
	e := &index.Encoding{Matching: make([]float32, benchDim)}
	for i := range benchItems {
		f.vector(e.Matching)
		require.NoError(b, bl.Add(context.Background(), index.Item{ID: fmt.Sprintf("%09d", i), Encoding: e}))
	}
	require.NoError(b, bl.Finish(context.Background()))
	f.vector(e.Matching)
	ix := open(b, path, &index.Options{Threads: 1})
	for b.Loop() {
		if _, err := ix.Search(ctx, e, &index.SearchOptions{MatchOnly: true, K: 100}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdd1000 adds to a small and to a large file: the cost must be the same.
func BenchmarkAdd1000(b *testing.B) {
	f := newFast(2000, benchDim)
	e := &index.Encoding{Matching: make([]float32, benchDim)}
	small := func(b *testing.B) string {
		f.vector(e.Matching)
		return build(b, &index.BuildOptions{Regions: index.None}, []index.Item{{ID: "one", Encoding: e}})
	}
	for name, path := range map[string]func(*testing.B) string{"empty": small, "large": big} {
		b.Run(name, func(b *testing.B) {
			w, err := index.OpenWriter(path(b), nil)
			require.NoError(b, err)
			defer w.Close()
			n := 0
			for b.Loop() {
				for range 1000 {
					f.vector(e.Matching)
					if err := w.Add(context.Background(), index.Item{ID: fmt.Sprintf("%s new %09d", name, n), Encoding: e}); err != nil {
						b.Fatal(err)
					}
					n++
				}
				if err := w.Commit(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen10GB opens a sparse file whose one segment has 13 million
// matching vectors.
func BenchmarkOpen10GB(b *testing.B) {
	const n = 13_000_000
	path := filepath.Join(b.TempDir(), "sparse.aladin")
	fw, err := container.Create(sparseFS{container.OS}, path)
	require.NoError(b, err)
	seg := container.Segment{Items: n}
	for kind, size := range map[format.Kind]int64{
		format.KindItem: n, format.KindID: 4 * (n + 1), format.KindMatch: n * int64(benchDim), format.KindMatchScale: 4 * n,
	} {
		s, err := fw.Begin(kind, 0)
		require.NoError(b, err)
		zeros := make([]byte, 1<<20)
		for left := size; left > 0; left -= int64(len(zeros)) {
			_, err := s.Write(zeros[:min(left, int64(len(zeros)))])
			require.NoError(b, err)
		}
		sec, err := s.Close()
		require.NoError(b, err)
		seg.Sections = append(seg.Sections, sec)
	}
	require.NoError(b, fw.Commit(&container.Manifest{Dim: benchDim, MatchCodec: index.Int8, TokenCodec: index.None, Segments: []container.Segment{seg}}))
	require.NoError(b, fw.Close())
	st, err := os.Stat(path)
	require.NoError(b, err)
	b.ReportMetric(float64(st.Size())/1e9, "GB")
	b.ReportAllocs()
	for b.Loop() {
		ix, err := index.Open(path, nil)
		if err != nil {
			b.Fatal(err)
		}
		if ix.Len() != n {
			b.Fatal(ix.Len())
		}
		ix.Close()
	}
}

// sparseFS leaves out writes of zeros: the file system fills the holes.
type sparseFS struct{ format.FS }

func (s sparseFS) Create(name string) (format.File, error) {
	f, err := s.FS.Create(name)
	return sparseFile{f}, err
}

type sparseFile struct{ format.File }

func (f sparseFile) WriteAt(b []byte, off int64) (int, error) {
	for i := range b {
		if b[i] != 0 {
			return f.File.WriteAt(b, off)
		}
	}
	size, err := f.Size()
	if end := off + int64(len(b)); err == nil && end > size {
		err = f.Truncate(end)
	}
	return len(b), err
}

// BenchmarkCells shows what probing cells gains and costs: time relative to the
// exact scan, and recall@100 against it.
func BenchmarkCells(b *testing.B) {
	ctx := context.Background()
	path := filepath.Join(b.TempDir(), "cells.aladin")
	data, err := os.ReadFile(big(b))
	require.NoError(b, err)
	require.NoError(b, os.WriteFile(path, data, 0o666))
	data = nil
	w, err := index.OpenWriter(path, nil)
	require.NoError(b, err)
	require.NoError(b, w.Compact(ctx, nil))
	require.NoError(b, w.Close())
	ix := open(b, path, nil)
	info, err := ix.Info(ctx)
	require.NoError(b, err)
	b.Logf("%d items, %d cells, %d segments", info.Items, info.Cells, info.Segments)

	f := newFast(2000, benchDim) // the same centres, other items
	for range 1000 {
		f.next()
	}
	var qs []*index.Encoding
	for range 40 {
		q := &index.Encoding{Matching: make([]float32, benchDim)}
		f.vector(q.Matching)
		qs = append(qs, q)
	}
	var want []map[string]bool
	var exact time.Duration
	for _, q := range qs {
		start := time.Now()
		hits, err := ix.Search(ctx, q, &index.SearchOptions{MatchOnly: true, K: 100, Exact: true})
		require.NoError(b, err)
		exact += time.Since(start)
		set := map[string]bool{}
		for _, h := range hits {
			set[h.ID] = true
		}
		want = append(want, set)
	}
	for _, probe := range []int{0, 1, 4, 16, 64, 256} {
		b.Run(fmt.Sprintf("probe=%d", probe), func(b *testing.B) {
			found, n := 0, 0
			for b.Loop() {
				q := n % len(qs)
				hits, err := ix.Search(ctx, qs[q], &index.SearchOptions{MatchOnly: true, K: 100, Probe: probe})
				if err != nil {
					b.Fatal(err)
				}
				for _, h := range hits {
					if want[q][h.ID] {
						found++
					}
				}
				n++
			}
			b.ReportMetric(float64(found)/float64(100*n), "recall")
			b.ReportMetric(float64(exact)/float64(len(qs))/(float64(b.Elapsed())/float64(n)), "x-exact")
		})
	}
}

// BenchmarkBuild is the cost of an image of 34 regions beside its encoder.
func BenchmarkBuild(b *testing.B) {
	s := newSynth(52, benchDim, benchDim)
	e := s.image(34)
	for _, regions := range []index.Codec{index.Int8, index.F16, index.FourBit, index.TwoBit} {
		b.Run(regions.String(), func(b *testing.B) {
			bl, err := index.NewBuilder(filepath.Join(b.TempDir(), "f"), &index.BuildOptions{Regions: regions})
			require.NoError(b, err)
			defer bl.Close()
			n := 0
			add := func() {
				if err := bl.Add(context.Background(), index.Item{ID: strconv.Itoa(n), Encoding: e}); err != nil {
					b.Fatal(err)
				}
				n++
			}
			for range 1300 { // past the sample that codebooks are trained on
				add()
			}
			for b.Loop() {
				add()
			}
		})
	}
}
