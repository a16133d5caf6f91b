package eval

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/region"
)

func TestQuantile(t *testing.T) {
	v := []float64{1, 2, 3, 4}
	for q, want := range map[float64]float64{0: 1, 1: 4, .5: 2.5, .25: 1.75} {
		assert.InDelta(t, want, Quantile(v, q), 1e-15)
	}
	assert.True(t, math.IsNaN(Quantile(nil, .5)))
}

// hits makes an outcome of n images with per captions each: an image is easy or hard, and so are all
// its captions, with an easy share of p.
func hits(r *rand.Rand, n, per int, p float64) *Outcome {
	owner := make([]int, n*per)
	for c := range owner {
		owner[c] = c / per
	}
	o := NewOutcome(owner, Whole(n))
	for i := range n {
		rank := int32(20)
		if r.Float64() < p {
			rank = 0
		}
		o.I2T[i] = rank
		for k := range per {
			o.T2I[i*per+k] = rank
		}
	}
	return o
}

// Of intervals made from samples of a known distribution, 95 % must hold the true value. The captions
// of an image share its fate, so intervals by caption would hold it far more rarely.
func TestIntervalCoverage(t *testing.T) {
	const trials, truth = 240, 0.7
	r := rand.New(rand.NewPCG(11, 0))
	var held, byCaption int
	for trial := range trials {
		o := hits(r, 100, 5, truth)
		iv, err := Bootstrap(ctx, o.Statistic(), &Resampling{Resamples: 150, Seed: uint64(trial)})
		require.NoError(t, err)
		t2i := iv[5] // t2i.r1
		if t2i[0] <= 100*truth && 100*truth <= t2i[1] {
			held++
		}
		free := &Outcome{Ranks: Ranks{I2T: o.T2I, T2I: nil}, Split: Whole(len(o.T2I))} // every caption its own cluster
		iv, err = Bootstrap(ctx, free.Statistic(), &Resampling{Resamples: 60, Seed: uint64(trial)})
		require.NoError(t, err)
		if iv[0][0] <= 100*truth && 100*truth <= iv[0][1] {
			byCaption++
		}
	}
	share := float64(held) / trials
	assert.InDelta(t, 0.95, share, 0.028) // two standard errors
	assert.Less(t, float64(byCaption)/trials, 0.75)
}

// The width of an interval is that of the normal approximation, 2·1.96·√(p(1−p)/n).
func TestIntervalWidth(t *testing.T) {
	o := hits(rand.New(rand.NewPCG(2, 2)), 1000, 1, .5)
	p := o.Retrieval().T2I.R1 / 100
	iv, err := Bootstrap(ctx, o.Statistic(), &Resampling{Resamples: 2000, Seed: 1})
	require.NoError(t, err)
	want := 100 * 2 * 1.96 * math.Sqrt(p*(1-p)/1000)
	assert.InEpsilon(t, want, iv[5][1]-iv[5][0], .05)
}

func TestSameDigitsWhateverTheThreads(t *testing.T) {
	m, rel, owner := world(t, 9, 60, 200, 1000)
	split, _ := Folds(60, 5)
	o, err := RankSplit(ctx, m, rel, owner, split, nil)
	require.NoError(t, err)
	other, _, _ := world(t, 10, 60, 200, 1000)
	o2, err := RankSplit(ctx, other, rel, owner, split, nil)
	require.NoError(t, err)
	pair, err := o.Against(o2)
	require.NoError(t, err)
	var intervals [][]Interval
	var differences [][]Difference
	for _, threads := range []int{1, 2, 5} {
		r := &Resampling{Resamples: 100, Seed: 7, Threads: threads}
		iv, err := Bootstrap(ctx, o.Statistic(), r)
		require.NoError(t, err)
		intervals = append(intervals, iv)
		d, err := Compare(ctx, pair, r)
		require.NoError(t, err)
		differences = append(differences, d)
	}
	assert.Equal(t, intervals[0], intervals[1])
	assert.Equal(t, intervals[0], intervals[2])
	assert.Equal(t, differences[0], differences[1])
	assert.Equal(t, differences[0], differences[2])
	values := o.Retrieval().Values()
	for f, d := range differences[0] {
		assert.InDelta(t, values[f], d.Mine, 1e-9)
		assert.InDelta(t, d.Mine-d.Other, d.Diff, 1e-12)
	}
}

// Between two systems that are equally good, p-values are spread evenly; a real difference is found.
func TestCompare(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 0))
	const trials = 120
	small := 0
	for trial := range trials {
		a, b := hits(r, 60, 2, .6), hits(r, 60, 2, .6)
		pair, err := a.Against(b)
		require.NoError(t, err)
		d, err := Compare(ctx, pair, &Resampling{Resamples: 99, Seed: uint64(trial)})
		require.NoError(t, err)
		if d[5].P <= .1 {
			small++
		}
	}
	assert.InDelta(t, .1, float64(small)/trials, .055)

	a, b := hits(r, 300, 2, .8), hits(r, 300, 2, .5)
	pair, err := a.Against(b)
	require.NoError(t, err)
	d, err := Compare(ctx, pair, &Resampling{Resamples: 500})
	require.NoError(t, err)
	rsum := d[len(d)-1]
	assert.InDelta(t, a.Retrieval().RSum, rsum.Mine, 1e-9)
	assert.InDelta(t, b.Retrieval().RSum, rsum.Other, 1e-9)
	assert.Less(t, rsum.P, .01)
	assert.Positive(t, rsum.Interval[0])

	same, err := a.Against(a)
	require.NoError(t, err)
	d, err = Compare(ctx, same, &Resampling{Resamples: 50})
	require.NoError(t, err)
	assert.Equal(t, 1.0, d[0].P)
	assert.Equal(t, Interval{0, 0}, d[0].Interval)
}

func TestCompareMismatch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	a := hits(r, 10, 2, .5)
	for name, b := range map[string]*Outcome{
		"images":   hits(r, 11, 2, .5),
		"captions": hits(r, 10, 3, .5),
		"protocol": {Owner: a.Owner, Split: &Split{make([]int, 10), 2}},
	} {
		_, err := a.Against(b)
		require.ErrorIs(t, err, ErrMismatch, name)
	}
	_, err := NewMean(3, 4).Against(NewMean(3, 5), make([]int, 4), Whole(3))
	require.ErrorIs(t, err, ErrMismatch)
}

func TestMeanStatistic(t *testing.T) {
	m := NewMean(3, 3)
	m.I2T[0], m.I2T[2] = 1, .5
	m.T2I[1] = .25
	owner := []int{0, 1, 2}
	i2t, t2i := m.Values()
	assert.Equal(t, []float64{i2t, t2i}, m.Statistic(owner, Whole(3)).Values())
	out := make([]float64, 2)
	m.Statistic(owner, Whole(3)).New()([]int32{0, 1, 2}, out)
	assert.Equal(t, []float64{.5, .25}, out)

	pair, err := m.Against(m, owner, Whole(3))
	require.NoError(t, err)
	d, err := Compare(ctx, pair, &Resampling{Resamples: 10})
	require.NoError(t, err)
	assert.Equal(t, .75, d[0].Mine)
	assert.Equal(t, .75, d[0].Other)
}

func TestMostChanged(t *testing.T) {
	got := MostChanged([]int32{0, 5, 100, 3, -1}, []int32{9, 5, 130, 0, 3}, 2)
	assert.Equal(t, []Change{{0, 0, 9}, {3, 3, 0}}, got)
	assert.Len(t, MostChanged([]int32{0, 1}, []int32{1, 0}, 10), 2)
}

func TestGrounding(t *testing.T) {
	object := region.Box{.2, .2, .6, .6}
	inside, near, half := region.Box{.5, .5, .6, .6}, region.Box{.6, .6, .9, .9}, region.Box{.2, .2, 1, .6}
	assert.True(t, OnTarget(inside, object)) // a small cell, by its centre
	assert.False(t, OnTarget(near, object))
	assert.True(t, OnTarget(half, object)) // overlap of just a half, or the centre on the edge
	assert.False(t, OnTarget(region.Box{}, object))

	var g Grounding
	all := []region.Box{inside, near, near, near}
	g.Add(0, &inside, all, object)
	g.Add(1, &near, all, object)
	g.Add(1, nil, all, object)
	assert.Equal(t, 3, g.Len())
	assert.InDelta(t, 1./3, g.Accuracy(), 1e-15)
	assert.InDelta(t, .25, g.Chance(), 1e-15)
	iv, err := Bootstrap(ctx, g.Statistic(Whole(2)), &Resampling{Resamples: 200})
	require.NoError(t, err)
	assert.Equal(t, Interval{0, 1}, iv[0])
}
