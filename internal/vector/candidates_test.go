package vector

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Candidates are the rows that a TopK finds, whoever scans which part.
func TestCandidates(t *testing.T) {
	r := rand.New(rand.NewPCG(61, 1))
	for _, dim := range []int{1, 5, 64, 200, 768} { // the smaller, the more ties
		const n = 3000
		rows, err := NewRows(Bits, dim, unit(r, n, dim), nil)
		require.NoError(t, err)
		q, err := NewQuery(Bits, unit(r, 1, dim), nil)
		require.NoError(t, err)
		sparse, dense := make([]uint64, n/64-3), make([]uint64, n/64+1)
		for i := range sparse {
			sparse[i] = r.Uint64() & r.Uint64() & r.Uint64() & r.Uint64()
		}
		for i := range dense {
			dense[i] = r.Uint64() | r.Uint64()
		}
		for _, filter := range [][]uint64{nil, sparse, dense} {
			for _, k := range []int{0, 1, 10, 99, 700, n, 2 * n} {
				top := NewTopK(k)
				Scan(rows, q, filter, 7, top)
				want := []int{}
				for _, h := range top.Hits() {
					want = append(want, h.Pos)
				}
				slices.Sort(want)
				one := NewCandidates(k)
				for range 2 { // the second time in used memory
					one.Reset()
					one.Scan(rows, q, filter, 7)
					require.Equal(t, want, one.Rows(), "dim %d, k %d", dim, k)
				}
				// Workers take pieces in turn and merge in any order.
				workers := []*Candidates{NewCandidates(k), NewCandidates(k), NewCandidates(k)}
				for at := 0; at < n; at += 320 {
					end := min(at+320, n)
					var f []uint64
					if filter != nil {
						f = filter[min(at/64, len(filter)):]
					}
					workers[r.IntN(len(workers))].Scan(rows.Slice(at, end), q, f, 7+at)
				}
				r.Shuffle(len(workers), func(i, j int) { workers[i], workers[j] = workers[j], workers[i] })
				workers[0].Merge(workers[1])
				workers[0].Merge(workers[2])
				require.Equal(t, want, workers[0].Rows(), "dim %d, k %d, in parts", dim, k)
			}
		}
	}
	assert.Empty(t, NewCandidates(5).Rows())
	int8Rows, err := NewRows(Int8, 8, unit(r, 4, 8), nil)
	require.NoError(t, err)
	q, err := NewQuery(Int8, unit(r, 1, 8), nil)
	require.NoError(t, err)
	assert.Panics(t, func() { NewCandidates(5).Scan(int8Rows, q, nil, 0) })
}

// Rows that are all alike do not pile up.
func TestCandidatesAlike(t *testing.T) {
	const n, dim, k = 20_000, 64, 10
	rows := &Rows{Codec: Bits, Dim: dim, N: n, Codes: make([]byte, n*RowBytes(Bits, dim))}
	q, err := NewQuery(Bits, unit(rand.New(rand.NewPCG(62, 1)), 1, dim), nil)
	require.NoError(t, err)
	c := NewCandidates(k)
	c.Scan(rows, q, nil, 0)
	assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, c.Rows())
	assert.Less(t, cap(c.kept), 1000)
}
