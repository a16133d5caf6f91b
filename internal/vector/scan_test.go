package vector

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTopKKeepsTheBest(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, k := range []int{0, 1, 2, 10, 100, 5000} {
		for _, n := range []int{0, 1, 9, 1000} {
			var all []Hit
			top, left, right := NewTopK(k), NewTopK(k), NewTopK(k)
			for i := range n {
				h := Hit{Pos: i, Score: float32(r.IntN(50))} // many ties
				if r.IntN(20) == 0 {
					h.Score = float32(math.Inf(1 - 2*r.IntN(2)))
				}
				all = append(all, h)
			}
			for _, i := range r.Perm(n) {
				top.Push(all[i])
				if i%3 == 0 {
					left.Push(all[i])
				} else {
					right.Push(all[i])
				}
			}
			top.Push(Hit{Pos: -1, Score: float32(math.NaN())})
			left.Merge(right)
			slices.SortFunc(all, compareHits)
			want := all[:min(k, n)]
			require.Equal(t, append([]Hit{}, want...), append([]Hit{}, top.Hits()...))
			require.Equal(t, top.Hits(), left.Hits(), "merged")
			require.Equal(t, len(want), top.Len())
			top.Reset()
			require.Empty(t, top.Hits())
		}
	}
}

// naive scores and sorts everything.
func naive(rows *Rows, q *Query, filter []uint64, base, k int) []Hit {
	var all []Hit
	for i := range rows.N {
		if filter == nil || i/64 < len(filter) && filter[i/64]>>(i%64)&1 == 1 {
			all = append(all, Hit{base + i, Score(rows, q, i)})
		}
	}
	slices.SortFunc(all, compareHits)
	return all[:min(k, len(all))]
}

func checkScans(t *testing.T, r *rand.Rand, dim, n int) {
	t.Helper()
	v := unit(r, n, dim)
	if n > 3 {
		copy(v[2*dim:3*dim], v[:dim]) // a tie
	}
	filters := map[string][]uint64{"all": nil, "none": {}, "short": {^uint64(0)}}
	half, few := make([]uint64, (n+63)/64), make([]uint64, (n+63)/64)
	for i := range half {
		half[i] = r.Uint64()
		few[i] = 1 << r.IntN(64) & -uint64(r.IntN(2))
	}
	filters["half"], filters["few"] = half, few
	centre := unit(r, 1, dim)
	for _, c := range []Codec{F32, F16, Int8, Bits} {
		rows, err := NewRows(c, dim, v, centre)
		require.NoError(t, err)
		var queries []*Query
		for range 1 + r.IntN(20) {
			q, err := NewQuery(c, unit(r, 1, dim), centre)
			require.NoError(t, err)
			queries = append(queries, q)
		}
		for name, filter := range filters {
			k, base := 1+r.IntN(20), r.IntN(100)
			got, err := Search(context.Background(), []Segment{{rows, filter, base}}, queries, k, 2)
			require.NoError(t, err)
			tops := make([]*TopK, len(queries))
			for i, q := range queries {
				want := naive(rows, q, filter, base, k)
				top := NewTopK(k)
				Scan(rows, q, filter, base, top)
				require.Equal(t, append([]Hit{}, want...), append([]Hit{}, top.Hits()...), "%v %s %d rows of %d", c, name, n, dim)
				require.Equal(t, top.Hits(), got[i], "Search")
				tops[i] = NewTopK(k)
			}
			NewBatch(queries).Scan(rows, filter, base, tops)
			for i := range tops {
				require.Equal(t, tops[i].Hits(), got[i], "batch")
			}
		}
	}
}

func TestScansAgreeWithSorting(t *testing.T) {
	onEachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(6, 6))
		for _, n := range []int{0, 1, 63, 64, 65, 257, 700} {
			checkScans(t, r, 1+r.IntN(130), n)
		}
	})
}

func TestScoresOfEveryLength(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	step := 1
	if raceEnabled {
		step = 31 // no goroutines here, so no races to find
	}
	for dim := 1; dim <= 1025; dim += step {
		v := unit(r, 3, dim)
		for _, c := range []Codec{F32, F16, Int8, Bits} {
			rows, err := NewRows(c, dim, v, nil)
			require.NoError(t, err)
			q, err := NewQuery(c, v[:dim], nil)
			require.NoError(t, err)
			var want []float32
			for _, name := range Kernels() {
				undo := UseKernel(name)
				var got []float32
				for i := range 3 {
					got = append(got, Score(rows, q, i))
				}
				undo()
				if want == nil {
					want = got
				}
				require.Equal(t, want, got, "%v of %d values with %s", c, dim, name)
			}
			exact := float32(1)
			if c == Bits {
				exact = float32(dim)
			}
			require.InDelta(t, exact, want[0], 0.013, "%v of %d values with itself", c, dim)
		}
	}
}

func TestRankingIsTheSameOnEveryKernel(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 12))
	const dim, n = 96, 3000
	v := clustered(r, n, dim, 5, 0.2)
	for _, c := range []Codec{F32, F16, Int8, Bits} {
		rows, err := NewRows(c, dim, v, nil)
		require.NoError(t, err)
		q, err := NewQuery(c, v[:dim], nil)
		require.NoError(t, err)
		var want [][]Hit
		onEachKernel(t, func(t *testing.T) {
			got, err := Search(t.Context(), []Segment{{Rows: rows}}, []*Query{q}, n, 0)
			require.NoError(t, err)
			if want == nil {
				want = got
			}
			require.Equal(t, want, got)
		})
	}
}

func TestRescore(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	v := unit(r, 300, 70)
	rows, err := NewRows(Int8, 70, v, nil)
	require.NoError(t, err)
	q, err := NewQuery(Int8, v[:70], nil)
	require.NoError(t, err)
	var some []int
	filter := make([]uint64, 5)
	for i := 0; i < 300; i += 1 + r.IntN(5) {
		some = append(some, i)
		filter[i/64] |= 1 << (i % 64)
	}
	got, want := NewTopK(10), NewTopK(10)
	Rescore(rows, q, some, 7, got)
	Scan(rows, q, filter, 7, want)
	assert.Equal(t, want.Hits(), got.Hits())
}

func TestSearchSegments(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	const dim, n = 64, 40000
	v := unit(r, n, dim)
	rows, err := NewRows(Int8, dim, v, nil)
	require.NoError(t, err)
	q, err := NewQuery(Int8, v[:dim], nil)
	require.NoError(t, err)
	filter := make([]uint64, n/64)
	for i := range filter {
		filter[i] = r.Uint64()
	}
	whole, err := Search(t.Context(), []Segment{{Rows: rows, Filter: filter}}, []*Query{q, q}, 50, 1)
	require.NoError(t, err)
	const cut = 17024
	parts, err := Search(t.Context(), []Segment{
		{Rows: rows.Slice(0, cut), Filter: filter[:cut/64]},
		{Rows: rows.Slice(cut, n), Filter: filter[cut/64:], Base: cut},
	}, []*Query{q, q}, 50, 4)
	require.NoError(t, err)
	assert.Equal(t, whole, parts)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Search(ctx, []Segment{{Rows: rows}}, []*Query{q}, 5, 2)
	assert.ErrorIs(t, err, context.Canceled)
	other, err := NewQuery(F32, v[:dim], nil)
	require.NoError(t, err)
	_, err = Search(t.Context(), []Segment{{Rows: rows}}, []*Query{other}, 5, 2)
	assert.ErrorIs(t, err, ErrShape)
	assert.Panics(t, func() { Scan(rows, other, nil, 0, NewTopK(1)) })
	none, err := Search(t.Context(), nil, []*Query{q}, 5, 2)
	require.NoError(t, err)
	assert.Empty(t, none[0])
}

func FuzzScans(f *testing.F) {
	f.Add(uint64(1), uint16(100), uint16(300))
	f.Fuzz(func(t *testing.T, seed uint64, dim, n uint16) {
		onEachKernel(t, func(t *testing.T) {
			checkScans(t, rand.New(rand.NewPCG(seed, 0)), 1+int(dim%1025), int(n%600))
		})
	})
}
