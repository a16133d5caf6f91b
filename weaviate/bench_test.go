//go:build linux

package weaviate_test

import (
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/weaviate"
)

// photos makes encodings of 768 values and 34 regions (or 12 words) of 128. Those of a model lie near a surface of few
// dimensions; here it is some 40.
type photos struct {
	maker
	basis []float32
}

func newPhotos(seed uint64) *photos {
	const inner = 40
	p := &photos{maker: maker{rand.New(rand.NewPCG(1, 1)), 768, 128}}
	for range inner {
		p.basis = append(p.basis, p.unit(p.dim)...)
	}
	p.rng = rand.New(rand.NewPCG(seed, 2))
	return p
}

func (p *photos) photo(kind index.Kind, tokens int) *index.Encoding {
	e := p.encoding(kind, tokens)
	var norm float32
	noise := p.unit(p.dim)
	for d := range e.Matching {
		e.Matching[d] = noise[d]
	}
	for k := range len(p.basis) / p.dim {
		z := float32(p.rng.NormFloat64()) / 2
		for d := range e.Matching {
			e.Matching[d] += z * p.basis[k*p.dim+d]
		}
	}
	for _, x := range e.Matching {
		norm += x * x
	}
	for d := range e.Matching {
		e.Matching[d] /= float32(math.Sqrt(float64(norm)))
	}
	return e
}

// processor is the time that this process, or another one, has computed.
func processor(tb testing.TB, pid int) time.Duration {
	if pid == 0 {
		var u syscall.Rusage
		require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(tb, err)
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
	var utime, stime time.Duration
	_, err = fmt.Sscan(f[12]+" "+f[13], &utime, &stime)
	require.NoError(tb, err)
	return (utime + stime) * 10 * time.Millisecond
}

// BenchmarkServer measures what docs/many-machines.md tells of an engine of one node, and of three that lose one.
func BenchmarkServer(b *testing.B) {
	const n, queries = 20_000, 200
	ctx := b.Context()
	p := newPhotos(1)
	path := filepath.Join(b.TempDir(), "photos.aladin")
	w, err := index.NewBuilder(path, &index.BuildOptions{Regions: index.FourBit})
	require.NoError(b, err)
	for i := range n {
		require.NoError(b, w.Add(ctx, index.Item{ID: fmt.Sprintf("photo %06d", i), Encoding: p.photo(index.Image, 34)}))
	}
	require.NoError(b, w.Finish(ctx))
	file, err := index.Open(path, nil)
	require.NoError(b, err)
	defer file.Close()
	var qs []*index.Encoding
	for range queries {
		q := p.photo(index.Caption, 12)
		q.Ranking = nil
		qs = append(qs, q)
	}
	push := func(b *testing.B, c *cluster) *weaviate.Collection {
		l, err := file.Layout(ctx)
		require.NoError(b, err)
		coll, err := weaviate.Create(ctx, c.address("Photos"), l, nil, nil)
		require.NoError(b, err)
		w := coll.Writer()
		computed := func() (sum time.Duration) {
			for _, cmd := range c.cmds {
				sum += processor(b, cmd.Process.Pid)
			}
			return sum + processor(b, 0)
		}
		began, before := time.Now(), computed()
		for it, err := range file.Packed(ctx) {
			require.NoError(b, err)
			require.NoError(b, w.AddPacked(ctx, it))
		}
		require.NoError(b, w.Commit(ctx))
		b.ReportMetric(n/time.Since(began).Seconds(), "items/s")
		b.ReportMetric((computed()-before).Seconds()*1000/n, "ms/item") // of processors, the client's included
		return coll
	}

	b.Run("one node", func(b *testing.B) {
		c := startCluster(b, 1)
		status := func() (resident float64) {
			data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmds[0].Process.Pid))
			require.NoError(b, err)
			_, after, _ := strings.Cut(string(data), "VmRSS:")
			_, err = fmt.Sscan(after, &resident)
			require.NoError(b, err)
			return resident * 1024
		}
		before := status()
		coll := push(b, c)
		defer coll.Close()
		b.ReportMetric((status()-before)/n, "resident-B/item")
		var disk int64
		require.NoError(b, filepath.WalkDir(filepath.Join(c.dir, "data0"), func(_ string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				var info fs.FileInfo
				if info, err = d.Info(); err == nil {
					disk += info.Size()
				}
			}
			return err
		}))
		b.ReportMetric(float64(disk)/n, "disk-B/item")
		same := 0
		for _, q := range qs {
			want, err := file.Search(ctx, q, &index.SearchOptions{K: 100, MatchOnly: true, Exact: true})
			require.NoError(b, err)
			got, err := coll.Search(ctx, q, &index.SearchOptions{K: 100, MatchOnly: true})
			require.NoError(b, err)
			for _, h := range got {
				if slices.ContainsFunc(want, func(w index.Hit) bool { return w.ID == h.ID }) {
					same++
				}
			}
		}
		b.ReportMetric(float64(same)/float64(100*queries), "recall@100")
		o := &index.SearchOptions{K: 10, Candidates: 200}
		search := func(q *index.Encoding) {
			hits, err := coll.Search(ctx, q, o)
			require.NoError(b, err)
			require.Len(b, hits, 10)
		}
		fetch := func(q *index.Encoding) {
			got, err := coll.Fetch(ctx, q.Matching, 200+16, 10)
			require.NoError(b, err)
			require.Equal(b, 226, got)
		}
		server, began := processor(b, c.cmds[0].Process.Pid), time.Now()
		for _, q := range qs {
			search(q)
		}
		b.ReportMetric(time.Since(began).Seconds()*1000/queries, "wall-ms")
		b.ReportMetric((processor(b, c.cmds[0].Process.Pid)-server).Seconds()*1000/queries, "server-ms")
		server = processor(b, c.cmds[0].Process.Pid)
		for _, q := range qs {
			_, err := coll.Search(ctx, q, &index.SearchOptions{K: 1, MatchOnly: true})
			require.NoError(b, err)
		}
		b.ReportMetric((processor(b, c.cmds[0].Process.Pid)-server).Seconds()*1000/queries, "graph-server-ms")
		var searching, fetching time.Duration
		for _, q := range qs { // in turn, so that both have the same neighbours
			t0 := processor(b, 0)
			search(q)
			t1 := processor(b, 0)
			fetch(q)
			searching, fetching = searching+t1-t0, fetching+processor(b, 0)-t1
		}
		b.ReportMetric(searching.Seconds()*1000/queries, "search-client-ms")
		b.ReportMetric(fetching.Seconds()*1000/queries, "fetch-client-ms")
		b.ReportMetric(float64(searching)/float64(fetching), "search/fetch")
		self := processor(b, 0)
		for _, q := range qs {
			_, err := file.Search(ctx, q, o)
			require.NoError(b, err)
		}
		b.ReportMetric((processor(b, 0)-self).Seconds()*1000/queries, "file-ms")
	})

	b.Run("a node lost", func(b *testing.B) {
		c := startCluster(b, 3)
		coll := push(b, c)
		defer coll.Close()
		const searches = 10_000
		var next, failed atomic.Int64
		var slowest, retried atomic.Int64
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for {
					i := next.Add(1)
					if i > searches {
						return
					}
					began := time.Now()
					hits, err := coll.Search(ctx, qs[int(i)%len(qs)], &index.SearchOptions{K: 10, Candidates: 50})
					took := time.Since(began)
					if err != nil || len(hits) != 10 {
						failed.Add(1)
						b.Logf("search %d: %d hits, %v", i, len(hits), err)
					}
					if took > time.Second {
						retried.Add(1)
					}
					slowest.Store(max(slowest.Load(), int64(took)))
				}
			})
		}
		for next.Load() < searches/2 {
			time.Sleep(10 * time.Millisecond)
		}
		c.kill(1)
		wg.Wait()
		b.ReportMetric(float64(failed.Load()), "failed")
		b.ReportMetric(float64(retried.Load()), "over-1s")
		b.ReportMetric(float64(slowest.Load())/1e6, "slowest-ms")
	})
}
