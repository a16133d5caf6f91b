package vector

import (
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

// testFilters are filters of n rows, by name.
func testFilters(r *rand.Rand, n int) map[string][]uint64 {
	half, few := make([]uint64, (n+63)/64), make([]uint64, (n+63)/64)
	for i := range half {
		half[i] = r.Uint64()
		few[i] = 1 << r.IntN(64) & -uint64(r.IntN(2))
	}
	return map[string][]uint64{"all": nil, "none": {}, "short": {^uint64(0)}, "half": half, "few": few}
}

var rowCodecs = []Codec{F32, F16, Int8, Bits}

// checkScans compares scans of one and of several queries with sorting.
func checkScans(t *testing.T, r *rand.Rand, c Codec, filter []uint64, queries, dim, n int) {
	t.Helper()
	v := unit(r, n, dim)
	if n > 3 {
		copy(v[2*dim:3*dim], v[:dim]) // a tie
	}
	centre := unit(r, 1, dim)
	rows, err := NewRows(c, dim, v, centre)
	require.NoError(t, err)
	var qs []*Query
	for range queries {
		q, err := NewQuery(c, unit(r, 1, dim), centre)
		require.NoError(t, err)
		qs = append(qs, q)
	}
	k, base := 1+r.IntN(20), r.IntN(100)
	tops := make([]*TopK, queries)
	for i := range tops {
		tops[i] = NewTopK(k)
	}
	NewBatch(qs).Scan(rows, filter, base, tops)
	for i, q := range qs {
		want := naive(rows, q, filter, base, k)
		top := NewTopK(k)
		Scan(rows, q, filter, base, top)
		for what, hits := range map[string][]Hit{"alone": top.Hits(), "in a batch": tops[i].Hits()} {
			if !slices.Equal(want, hits) {
				require.Equal(t, want, hits, "%v, %d rows of %d, %s", c, n, dim, what)
			}
		}
	}
}

func TestScansAgreeWithSorting(t *testing.T) {
	onEachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(6, 6))
		for _, n := range []int{0, 1, 63, 64, 65, 257, 700} {
			for _, c := range rowCodecs {
				for _, filter := range testFilters(r, n) {
					checkScans(t, r, c, filter, 1+r.IntN(20), 1+r.IntN(130), n)
				}
			}
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
		var want []Hit
		onEachKernel(t, func(t *testing.T) {
			top := NewTopK(n)
			Scan(rows, q, nil, 0, top)
			got := top.Hits()
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

func TestScanPanicsOnForeignQueries(t *testing.T) {
	rows, err := NewRows(Int8, 3, []float32{1, 2, 3}, nil)
	require.NoError(t, err)
	q, err := NewQuery(Int8, []float32{1, 2, 3}, nil)
	require.NoError(t, err)
	other, err := NewQuery(F32, []float32{1, 2, 3}, nil)
	require.NoError(t, err)
	assert.Panics(t, func() { Scan(rows, other, nil, 0, NewTopK(1)) })
	assert.Panics(t, func() { NewBatch([]*Query{q, other}) })
	NewBatch(nil).Scan(rows, nil, 0, nil)
}

// One codec, one filter, one set of kernels (FuzzKernels compares those), and at most 4096 values and 2000 scores
// a run.
func FuzzScans(f *testing.F) {
	for i := range uint8(5) {
		f.Add(uint64(1), i, i, i, uint8(i*4), uint16(100), uint16(300))
	}
	f.Fuzz(func(t *testing.T, seed uint64, kernel, codec, filter, queries uint8, dim, n uint16) {
		r := rand.New(rand.NewPCG(seed, 0))
		d, qs := 1+int(dim%1025), 1+int(queries%20)
		rows := min(int(n%600), 4096/d, 2000/qs)
		filters := testFilters(r, rows)
		name := []string{"all", "none", "short", "half", "few"}[filter%5]
		sets := Kernels()
		defer UseKernel(sets[int(kernel)%len(sets)])()
		checkScans(t, r, rowCodecs[codec%4], filters[name], qs, d, rows)
	})
}
