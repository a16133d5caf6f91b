package eval

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var ctx = context.Background()

// world is a random problem with uneven caption counts and many ties.
func world(t *testing.T, seed uint64, images, captions, levels int) (*Matrix, *Relation, []int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	owner := make([]int, captions)
	for c := range owner {
		owner[c] = r.IntN(images)
	}
	data := make([]float32, images*captions)
	for k := range data {
		data[k] = float32(r.IntN(levels)) / 4
	}
	rel, err := Owners(images, owner)
	require.NoError(t, err)
	m, err := NewMatrix(images, captions, data)
	require.NoError(t, err)
	return m, rel, owner
}

// sorted is the ranking of a query by the plain definition.
func sorted(scores []float32) []int32 {
	list := make([]int32, len(scores))
	for k := range list {
		list[k] = int32(k)
	}
	slices.SortStableFunc(list, func(a, b int32) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		}
		return 0
	})
	return list
}

func firstRight(list, right []int32) int32 {
	return int32(slices.IndexFunc(list, func(x int32) bool { return slices.Contains(right, x) }))
}

func column(m *Matrix, c int) []float32 {
	out := make([]float32, m.Images)
	for i := range out {
		out[i] = m.Row(i)[c]
	}
	return out
}

func TestRankByHand(t *testing.T) {
	// Three images, captions of 0, 1, 1; image 2 is a distractor.
	m, err := NewMatrix(3, 3, []float32{
		.5, .9, .5,
		.5, .2, .3,
		.1, .2, .9,
	})
	require.NoError(t, err)
	rel, err := Owners(3, []int{0, 1, 1})
	require.NoError(t, err)
	r, err := Rank(ctx, m, rel, nil)
	require.NoError(t, err)
	assert.Equal(t, []int32{1, 1, -1}, r.I2T)
	assert.Equal(t, 1, r.TiedI2T) // image 0: captions 0 and 2 both .5
	// Caption 0: .5 at images 0 and 1, the right one first. Caption 1: images 0, then 1 before 2. Caption 2: 2, 0, 1.
	assert.Equal(t, []int32{0, 1, 2}, r.T2I)
	assert.Equal(t, 2, r.TiedT2I)
	assert.Equal(t, Recall{R1: 0, R5: 100, R10: 100, MedR: 2, MeanR: 2}, RecallOf(r.I2T))
	assert.InDelta(t, 100./3, RecallOf(r.T2I).R1, 1e-12)
	assert.InDelta(t, 200./3, RecallAt(r.T2I, 2), 1e-12)
}

// A model that scores every pair the same is at chance, not perfect.
func TestConstantScores(t *testing.T) {
	m, _ := NewMatrix(100, 100, make([]float32, 10000))
	owner := make([]int, 100)
	for c := range owner {
		owner[c] = c
	}
	rel, _ := Owners(100, owner)
	r, err := Rank(ctx, m, rel, nil)
	require.NoError(t, err)
	assert.Equal(t, Recall{1, 5, 10, 50, 50.5}, RecallOf(r.T2I))
	assert.Equal(t, Recall{1, 5, 10, 50, 50.5}, RecallOf(r.I2T))
	assert.Equal(t, 100, r.TiedT2I)
	assert.Equal(t, 100, r.TiedI2T)
}

func TestRankAgainstSorting(t *testing.T) {
	for seed := range uint64(8) {
		m, rel, owner := world(t, seed, 90, 140, 12)
		if seed%2 == 1 { // several right answers
			more, err := Pairs(90, 140, [][2]int{{0, 1}, {0, 2}, {3, 5}, {7, 8}, {7, 80}, {139, 89}})
			require.NoError(t, err)
			rel, err = rel.With(more)
			require.NoError(t, err)
		}
		for _, threads := range []int{1, 7} {
			r, err := Rank(ctx, m, rel, &Options{Threads: threads})
			require.NoError(t, err)
			top, err := Top(ctx, m, 33, &Options{Threads: threads})
			require.NoError(t, err)
			var tied [2]int
			for i := range 90 {
				list := sorted(m.Row(i))
				want := firstRight(list, rel.Captions(i))
				require.Equal(t, want, r.I2T[i], "seed %d image %d", seed, i)
				require.Equal(t, list[:33], indexes(top.I2T[i]))
				tied[0] += hasTie(m.Row(i), list, want, rel.Captions(i))
			}
			for c := range 140 {
				list := sorted(column(m, c))
				want := firstRight(list, rel.Images(c))
				require.Equal(t, want, r.T2I[c], "seed %d caption %d of %d", seed, c, owner[c])
				require.Equal(t, list[:33], indexes(top.T2I[c]))
				tied[1] += hasTie(column(m, c), list, want, rel.Images(c))
			}
			require.Equal(t, tied, [2]int{r.TiedI2T, r.TiedT2I})
		}
	}
}

func indexes(hits []Hit) []int32 {
	out := make([]int32, len(hits))
	for k, h := range hits {
		out[k] = h.Index
	}
	return out
}

func hasTie(scores []float32, list []int32, rank int32, right []int32) int {
	if rank < 0 {
		return 0
	}
	for k, v := range scores {
		if v == scores[list[rank]] && !slices.Contains(right, int32(k)) {
			return 1
		}
	}
	return 0
}

func TestRankErrors(t *testing.T) {
	rel, _ := Owners(2, []int{0, 1})
	m, _ := NewMatrix(2, 2, []float32{0, 1, float32(math.NaN()), 0})
	_, err := Rank(ctx, m, rel, nil)
	require.ErrorIs(t, err, ErrInput)
	assert.ErrorContains(t, err, "image 1 and caption 0 is NaN")
	m, _ = NewMatrix(1, 2, []float32{0, 1})
	_, err = Rank(ctx, m, rel, nil)
	require.ErrorIs(t, err, ErrInput)
	_, err = NewMatrix(2, 2, make([]float32, 5))
	require.ErrorIs(t, err, ErrInput)

	done, cancel := context.WithCancel(ctx)
	cancel()
	m, rel, _ = world(t, 1, 50, 50, 5)
	_, err = Rank(done, m, rel, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestVectors(t *testing.T) {
	v, err := NewVectors("images", 2, 2, []float32{3, 4, 1, 0}, nil)
	require.NoError(t, err)
	n := v.Normalised()
	assert.InDeltaSlice(t, []float32{.6, .8, 1, 0}, n.Data, 1e-7)
	w, _ := NewVectors("captions", 1, 2, []float32{1, 1}, nil)
	d, err := NewDot(v, w)
	require.NoError(t, err)
	dst := make([]float32, 2)
	require.NoError(t, d.Rows([]int{1, 0}, dst))
	assert.Equal(t, []float32{1, 7}, dst)

	nan := float32(math.NaN())
	name := func(k int) string { return "photo" + string(rune('a'+k)) + ".jpg" }
	for _, bad := range []struct {
		n, dim int
		data   []float32
		want   string
	}{
		{2, 2, []float32{1, 2, 3}, "3 values for 2 vectors of 2"},
		{1, 0, nil, "0 values for 1 vectors of 0"},
		{2, 2, []float32{1, 2, 3, nan}, "images: value 1 of vector 1 (photob.jpg) is NaN"},
		{2, 2, []float32{1, 2, 0, 0}, "vector 1 (photob.jpg) is all zero"},
	} {
		_, err := NewVectors("images", bad.n, bad.dim, bad.data, name)
		require.ErrorIs(t, err, ErrInput)
		assert.ErrorContains(t, err, bad.want)
	}
	x, _ := NewVectors("captions", 1, 1, []float32{1}, nil)
	_, err = NewDot(v, x)
	require.ErrorIs(t, err, ErrInput)
}

func TestFolds(t *testing.T) {
	s, err := Folds(12, 5)
	require.NoError(t, err)
	assert.Equal(t, []int{0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4}, s.Fold)
	_, err = Folds(4, 5)
	require.ErrorIs(t, err, ErrInput)
	_, err = Only(3, []int{1, 1})
	require.ErrorIs(t, err, ErrInput)
	_, err = Only(3, []int{3})
	require.ErrorIs(t, err, ErrInput)
}

// Ranks in folds are those of the folds' own matrices; figures their averages.
func TestRankSplit(t *testing.T) {
	m, rel, owner := world(t, 3, 40, 120, 1000)
	split, err := Folds(40, 5)
	require.NoError(t, err)
	o, err := RankSplit(ctx, m, rel, owner, split, nil)
	require.NoError(t, err)
	var sum Recall
	for f, g := range split.Galleries(owner) {
		var ranks []int32
		for _, c := range g.Captions {
			before := int32(0)
			for _, i := range g.Images {
				s, own := m.Row(i)[c], m.Row(owner[c])[c]
				if s > own || s == own && i < owner[c] {
					before++
				}
			}
			require.Equal(t, before, o.T2I[c], "fold %d", f)
			ranks = append(ranks, before)
		}
		r := RecallOf(ranks)
		sum.R1 += r.R1 / 5
		sum.MedR += r.MedR / 5
		sum.MeanR += r.MeanR / 5
	}
	got := o.Retrieval()
	assert.InDelta(t, sum.R1, got.T2I.R1, 1e-9)
	assert.InDelta(t, sum.MedR, got.T2I.MedR, 1e-9)
	assert.InDelta(t, sum.MeanR, got.T2I.MeanR, 1e-9)

	only, _ := Only(40, []int{7, 3, 20})
	o, err = RankSplit(ctx, m, rel, owner, only, nil)
	require.NoError(t, err)
	for c := range owner {
		assert.Equal(t, slices.Contains([]int{3, 7, 20}, owner[c]), o.T2I[c] >= 0)
	}
	lonely, _ := Only(41, []int{40}) // no caption belongs to image 40
	big, _ := NewMatrix(41, 120, append(slices.Clone(m.Data), make([]float32, 120)...))
	rel41, _ := Owners(41, owner)
	_, err = RankSplit(ctx, big, rel41, owner, lonely, nil)
	require.ErrorIs(t, err, ErrInput)
}

func TestMedianAndWeights(t *testing.T) {
	assert.Equal(t, 3.0, RecallOf([]int32{0, 1, 4, 9}).MedR) // floor(2.5)+1
	assert.Equal(t, 2.0, RecallOf([]int32{0, 1, 2, -1}).MedR)
	assert.True(t, math.IsNaN(RecallOf([]int32{-1}).R1))
	// Weights are the same as writing the queries out.
	r := rand.New(rand.NewPCG(5, 5))
	for range 50 {
		ranks, weight := make([]int32, 30), make([]int32, 30)
		var written []int32
		for k := range ranks {
			ranks[k], weight[k] = int32(r.IntN(20)), int32(r.IntN(4))
			for range weight[k] {
				written = append(written, ranks[k])
			}
		}
		require.Equal(t, RecallOf(written), newQueries(ranks, nil, nil, -1).recall(weight))
	}
}

func TestRerank(t *testing.T) {
	const n, m = 60, 130
	for seed := range uint64(4) {
		first, rel, _ := world(t, seed, n, m, 30)
		second, _, _ := world(t, seed+100, n, m, 8)
		ranks, err := Rank(ctx, first, rel, nil)
		require.NoError(t, err)
		ks := []int{1, 10, 50, 1000}
		var runs [2][]*Ranks
		for run, threads := range []int{1, 5} {
			top, err := Top(ctx, first, 1000, &Options{Threads: threads})
			require.NoError(t, err)
			again, err := Rescore(ctx, top, Lookup(second), &Options{Threads: threads})
			require.NoError(t, err)
			require.Equal(t, n*m, again.Pairs)
			for _, k := range ks {
				got, err := again.Ranks(ranks, rel, k)
				require.NoError(t, err)
				runs[run] = append(runs[run], got)
				for i, list := range again.Lists(k).I2T {
					require.Equal(t, got.I2T[i], firstRight(indexes(list), rel.Captions(i)))
				}
			}
		}
		require.Equal(t, runs[0], runs[1])
		want := func(recall, align []float32, k int, right []int32) int32 {
			list := sorted(recall)
			k = min(k, len(list))
			head := slices.Clone(list[:k])
			slices.Sort(head)
			slices.SortStableFunc(head, func(a, b int32) int {
				return order(Hit{a, align[a]}, Hit{b, align[b]})
			})
			return firstRight(append(head, list[k:]...), right)
		}
		for j, k := range ks {
			for i := range n {
				require.Equal(t, want(first.Row(i), second.Row(i), k, rel.Captions(i)), runs[0][j].I2T[i])
			}
			for c := range m {
				require.Equal(t, want(column(first, c), column(second, c), k, rel.Images(c)), runs[0][j].T2I[c])
			}
		}
		// One candidate changes nothing; all of them is the second score alone.
		require.Equal(t, ranks.T2I, runs[0][0].T2I)
		exhaustive, err := Rank(ctx, second, rel, nil)
		require.NoError(t, err)
		require.Equal(t, exhaustive, runs[0][3])
	}
}
