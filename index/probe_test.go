package index_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
)

// hard makes items around centres, and queries that are nothing like items: all items lie on one side, all queries on
// another, and a query is near two centres at once.
type hard struct {
	*synth
	side, otherSide []float32
	centres         [][]float32
}

func newHard(seed uint64, dim int) *hard {
	h := &hard{synth: newSynth(seed, dim, dim)}
	h.side, h.otherSide = h.unit(dim), h.unit(dim)
	for range 60 {
		h.centres = append(h.centres, h.unit(dim))
	}
	return h
}

func (h *hard) vector(side []float32, parts int) []float32 {
	v := h.unit(h.dim)
	for i := range v {
		v[i] = v[i]*0.5 + side[i]*0.7
	}
	for range parts {
		c := h.centres[h.rng.IntN(len(h.centres))]
		for i := range v {
			v[i] += c[i] * (0.4 + 0.4*h.rng.Float32())
		}
	}
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	for i := range v {
		v[i] /= float32(max(sum, 1)) // some are shorter
	}
	return v
}

// Searches in cells find nearly what searches of everything find, whatever share of the items the filters let pass,
// and as many hits whenever there are as many.
func TestCellsKeepTheirPromise(t *testing.T) {
	ctx := context.Background()
	const n, dim, queries = 12_000, 64, 30
	h := newHard(31, dim)
	shares := map[string]float64{"0.1 %": 0.001, "1 %": 0.01, "5 %": 0.05, "13 %": 0.13, "30 %": 0.3, "70 %": 0.7}
	rng := rand.New(rand.NewPCG(9, 9))
	items := make([]index.Item, n)
	for i := range items {
		e := &index.Encoding{Kind: index.Image, Model: "m", Matching: h.vector(h.side, 3)}
		items[i] = index.Item{ID: fmt.Sprintf("%06d", i), Encoding: e}
		for tag, share := range shares {
			if rng.Float64() < share {
				items[i].Tags = append(items[i].Tags, tag)
			}
		}
	}
	shares[""] = 1
	for _, match := range []index.Codec{index.Int8, index.F16, index.Bits} {
		path := build(t, &index.BuildOptions{Match: match, Regions: index.None}, items[:n-500])
		w := openWriter(t, path, nil)
		require.NoError(t, w.Compact(ctx, &index.CompactOptions{Cells: 100}))
		for _, it := range items[n-500:] { // a segment of its own
			require.NoError(t, w.Add(ctx, it))
		}
		for i := 0; i < n; i += 37 {
			require.NoError(t, w.Delete(ctx, items[i].ID))
		}
		require.NoError(t, w.Commit(ctx))
		ix, one := open(t, path, nil), open(t, path, &index.Options{Threads: 1})
		require.NoError(t, ix.Verify(ctx, nil))
		var qs []*index.Encoding
		for range queries {
			qs = append(qs, &index.Encoding{Kind: index.Caption, Model: "m", Matching: h.vector(h.otherSide, 2)})
		}
		truth := ix
		if match == index.Bits { // an exact search of bits is an estimate
			plain := build(t, &index.BuildOptions{Regions: index.None}, items)
			w := openWriter(t, plain, nil)
			for i := 0; i < n; i += 37 {
				require.NoError(t, w.Delete(ctx, items[i].ID))
			}
			require.NoError(t, w.Commit(ctx))
			truth = open(t, plain, nil)
		}
		for tag := range shares {
			for _, k := range []int{10, 200} {
				o := &index.SearchOptions{K: k, MatchOnly: true}
				if tag != "" {
					o.Tags = index.Tag(tag)
				}
				exact := *o
				exact.Exact = true
				want, err := truth.SearchBatch(ctx, qs, &exact)
				require.NoError(t, err)
				got, err := ix.SearchBatch(ctx, qs, o)
				require.NoError(t, err)
				again, err := one.SearchBatch(ctx, qs, o)
				require.NoError(t, err)
				require.Equal(t, got, again, "threads make no difference")
				found, all := 0, 0
				for i := range qs {
					require.Len(t, got[i], len(want[i]), "%v, %q", match, tag)
					is := map[string]bool{}
					for _, hit := range want[i] {
						is[hit.ID] = true
					}
					for _, hit := range got[i] {
						if is[hit.ID] {
							found++
						}
						require.NotZero(t, atoi(t, hit.ID)%37, "deleted")
					}
					all += len(want[i])
				}
				require.GreaterOrEqual(t, float64(found)/float64(all), 0.97, "%v, %q, k %d", match, tag, k)
			}
		}
	}
}

func atoi(t *testing.T, id string) (n int) {
	t.Helper()
	_, err := fmt.Sscanf(id, "%d", &n)
	require.NoError(t, err)
	return n
}

// Cells of a file from before there were signs are searched by the codes.
func TestCellsWithoutSigns(t *testing.T) {
	ix := open(t, filepath.Join(compatDir, "v1-bits-2bit-cells.aladin"), nil)
	item := compatItems()[3]
	for _, probe := range []int{0, 1, 2} {
		hits, err := ix.Search(context.Background(), item.Encoding, &index.SearchOptions{MatchOnly: true, K: 100, Probe: probe})
		require.NoError(t, err)
		require.Len(t, hits, ix.Len(), "as many as there are, whatever is probed")
		require.Equal(t, item.ID, hits[0].ID)
	}
}
