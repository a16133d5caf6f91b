package eval

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// A Difference is one figure of two systems on the same data.
type Difference struct {
	Mine     float64  `json:"mine"`
	Other    float64  `json:"other"`
	Diff     float64  `json:"diff"` // mine − other
	Interval Interval `json:"ci95"` // of Diff
	// P is the probability, were the two systems equally good, of a difference at least as large.
	P float64 `json:"p"`
}

// A Pair is a Statistic over the images of two systems side by side: image i of mine, image N+i of
// the other. Made by Outcome.Against and Mean.Against.
type Pair struct {
	both  *Statistic // of 2N images
	split *Split     // of N
}

// Compare tests every figure for a difference. Both systems are resampled together; p-values come from
// swapping the systems image by image at random, (1 + swaps with at least this difference) / (1 + swaps).
func Compare(ctx context.Context, p *Pair, r *Resampling) ([]Difference, error) {
	o := r.defaults()
	n, figures := len(p.split.Fold), p.both.Figures
	mine, other := make([]float64, figures), make([]float64, figures)
	w := make([]int32, 2*n)
	halves(w, n, func(i int) (int32, int32) { return 1, 0 })
	p.both.New()(w, mine)
	halves(w, n, func(i int) (int32, int32) { return 0, 1 })
	p.both.New()(w, other)

	drawn, swapped := newSamples(figures, o.Resamples), newSamples(figures, o.Resamples)
	err := parallel(ctx, &Options{Threads: o.Threads, Progress: o.Progress}, o.Resamples, 8, func() func(int, int) error {
		draw, eval := newDrawer(p.split), p.both.New()
		w := make([]int32, 2*n)
		a, b := make([]float64, figures), make([]float64, figures)
		swap := make([]bool, n)
		minus := func() []float64 {
			for f := range a {
				a[f] -= b[f]
			}
			return a
		}
		return func(from, to int) error {
			for k := from; k < to; k++ {
				rnd := random(o.Seed, k)
				d := draw.images(rnd)
				halves(w, n, func(i int) (int32, int32) { return d[i], 0 })
				eval(w, a)
				halves(w, n, func(i int) (int32, int32) { return 0, d[i] })
				eval(w, b)
				drawn.put(k, minus())

				for i := range swap {
					swap[i] = rnd.Uint64()&1 == 0
				}
				halves(w, n, func(i int) (int32, int32) { return unit(!swap[i]), unit(swap[i]) })
				eval(w, a)
				halves(w, n, func(i int) (int32, int32) { return unit(swap[i]), unit(!swap[i]) })
				eval(w, b)
				swapped.put(k, minus())
			}
			return nil
		}
	})
	if err != nil {
		return nil, err
	}
	out := make([]Difference, figures)
	for f, iv := range drawn.intervals() {
		diff := mine[f] - other[f]
		extreme := 1
		for _, v := range swapped[f] {
			if math.Abs(v) >= math.Abs(diff)-1e-12 { // equal but for the order of sums
				extreme++
			}
		}
		out[f] = Difference{mine[f], other[f], diff, iv, float64(extreme) / float64(1+o.Resamples)}
	}
	return out, nil
}

func halves(w []int32, n int, of func(i int) (mine, other int32)) {
	for i := range n {
		w[i], w[n+i] = of(i)
	}
}

func unit(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

// Against pairs two outcomes on the same images, captions and galleries.
func (o *Outcome) Against(other *Outcome) (*Pair, error) {
	if err := sameData(o.Owner, other.Owner, o.Split, other.Split); err != nil {
		return nil, err
	}
	both := &Outcome{Owner: doubled(o.Owner, len(o.Split.Fold)), Split: o.Split.doubled()}
	both.I2T = slices.Concat(o.I2T, other.I2T)
	both.T2I = slices.Concat(o.T2I, other.T2I)
	return &Pair{both.Statistic(), o.Split}, nil
}

// Against pairs the values of two systems on the same queries.
func (m *Mean) Against(other *Mean, owner []int, split *Split) (*Pair, error) {
	if len(m.I2T) != len(other.I2T) || len(m.T2I) != len(other.T2I) || len(owner) != len(m.T2I) || len(split.Fold) != len(m.I2T) {
		return nil, fmt.Errorf("%w: %d and %d images, %d and %d captions", ErrMismatch, len(m.I2T), len(other.I2T), len(m.T2I), len(other.T2I))
	}
	both := &Mean{slices.Concat(m.I2T, other.I2T), slices.Concat(m.T2I, other.T2I)}
	return &Pair{both.Statistic(doubled(owner, len(split.Fold)), split.doubled()), split}, nil
}

func doubled(owner []int, images int) []int {
	out := slices.Concat(owner, owner)
	for c := range owner {
		out[len(owner)+c] += images
	}
	return out
}

func (s *Split) doubled() *Split { return &Split{slices.Concat(s.Fold, s.Fold), s.Folds} }

func sameData(owner, other []int, split, split2 *Split) error {
	switch {
	case len(split.Fold) != len(split2.Fold):
		return fmt.Errorf("%w: %d and %d images", ErrMismatch, len(split.Fold), len(split2.Fold))
	case !slices.Equal(owner, other):
		return fmt.Errorf("%w: the captions belong to different images", ErrMismatch)
	case split.Folds != split2.Folds || !slices.Equal(split.Fold, split2.Fold):
		return fmt.Errorf("%w: different galleries (protocols)", ErrMismatch)
	}
	return nil
}

// A Change is a query that two systems rank differently.
type Change struct {
	Query       int
	Mine, Other int32 // 0-based ranks
}

// MostChanged is up to k queries whose rank changed most, by the ratio of the 1-based ranks: from
// place 1 to 10 is as much as from 100 to 1000.
func MostChanged(mine, other []int32, k int) []Change {
	var all []Change
	for q := range mine {
		if mine[q] >= 0 && other[q] >= 0 && mine[q] != other[q] {
			all = append(all, Change{q, mine[q], other[q]})
		}
	}
	size := func(c Change) float64 {
		return math.Abs(math.Log(float64(c.Mine+1) / float64(c.Other+1)))
	}
	slices.SortStableFunc(all, func(a, b Change) int {
		switch x, y := size(a), size(b); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	return all[:min(k, len(all))]
}
