package eval

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
)

// A Statistic is a list of figures as a function of how often each image (with all its queries) counts.
type Statistic struct {
	Figures int
	Split   *Split // images are drawn within their gallery
	// New makes a function, with its own scratch memory, that computes the figures into out. A nil
	// weight counts every image once.
	New func() func(weight []int32, out []float64)
}

// Values are the figures of the data as they are.
func (s *Statistic) Values() []float64 {
	out := make([]float64, s.Figures)
	s.New()(nil, out)
	return out
}

// An Interval holds 95 % of the resampled values of a figure.
type Interval [2]float64

// MarshalJSON writes [low, high], or null for an interval of nothing.
func (i Interval) MarshalJSON() ([]byte, error) {
	if math.IsNaN(i[0]) || math.IsNaN(i[1]) {
		return []byte("null"), nil
	}
	return json.Marshal([2]float64(i))
}

// Resampling says how often to resample.
type Resampling struct {
	Resamples int    // 0 means 1000
	Seed      uint64 // equal seeds draw equal samples
	Threads   int    // 0 means GOMAXPROCS; the results do not depend on it
	Progress  func(done, total int)
}

func (r *Resampling) defaults() Resampling {
	out := Resampling{}
	if r != nil {
		out = *r
	}
	if out.Resamples <= 0 {
		out.Resamples = 1000
	}
	return out
}

// Bootstrap is the percentile interval of every figure when images are drawn with replacement, as
// many from each gallery as it has.
func Bootstrap(ctx context.Context, s *Statistic, r *Resampling) ([]Interval, error) {
	o := r.defaults()
	values := newSamples(s.Figures, o.Resamples)
	err := parallel(ctx, &Options{Threads: o.Threads, Progress: o.Progress}, o.Resamples, 8, func() func(int, int) error {
		draw, eval := newDrawer(s.Split), s.New()
		out := make([]float64, s.Figures)
		return func(from, to int) error {
			for b := from; b < to; b++ {
				eval(draw.images(random(o.Seed, b)), out)
				values.put(b, out)
			}
			return nil
		}
	})
	if err != nil {
		return nil, err
	}
	return values.intervals(), nil
}

// random is the stream of one resample; it depends on nothing but its number and the seed.
func random(seed uint64, resample int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(resample)))
}

// samples are the values of each figure in all resamples.
type samples [][]float64

func newSamples(figures, resamples int) samples {
	s := make(samples, figures)
	for f := range s {
		s[f] = make([]float64, resamples)
	}
	return s
}

func (s samples) put(resample int, values []float64) {
	for f, v := range values {
		s[f][resample] = v
	}
}

func (s samples) intervals() []Interval {
	out := make([]Interval, len(s))
	for f, v := range s {
		v = slices.DeleteFunc(v, math.IsNaN) // a draw without any query says nothing
		slices.Sort(v)
		out[f] = Interval{Quantile(v, 0.025), Quantile(v, 0.975)}
	}
	return out
}

// Quantile is the q-quantile of ascending values, interpolated between neighbours (Hyndman and Fan's
// type 7, as numpy's default); NaN of none.
func Quantile(ascending []float64, q float64) float64 {
	if len(ascending) == 0 {
		return math.NaN()
	}
	at := q * float64(len(ascending)-1)
	low := int(at)
	if low+1 >= len(ascending) {
		return ascending[len(ascending)-1]
	}
	return ascending[low] + (at-float64(low))*(ascending[low+1]-ascending[low])
}

// drawer draws images with replacement within each gallery.
type drawer struct {
	folds  [][]int32
	weight []int32
}

func newDrawer(s *Split) *drawer {
	d := &drawer{make([][]int32, s.Folds), make([]int32, len(s.Fold))}
	for i, f := range s.Fold {
		if f >= 0 {
			d.folds[f] = append(d.folds[f], int32(i))
		}
	}
	return d
}

func (d *drawer) images(r *rand.Rand) []int32 {
	clear(d.weight)
	for _, images := range d.folds {
		for range images {
			d.weight[images[r.IntN(len(images))]]++
		}
	}
	return d.weight
}
