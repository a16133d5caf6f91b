package eval

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Spearman is ρ, Pearson's correlation of the ranks, of which equal values share the average. NaN
// when either side is constant or there are fewer than two values.
func Spearman(x, y []float64) float64 {
	return pearson(averageRanks(x), averageRanks(y))
}

func averageRanks(x []float64) []float64 {
	order := make([]int, len(x))
	for k := range order {
		order[k] = k
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	out := make([]float64, len(x))
	for from := 0; from < len(order); {
		to := from
		for to < len(order) && x[order[to]] == x[order[from]] {
			to++
		}
		for _, k := range order[from:to] {
			out[k] = float64(from+to-1) / 2
		}
		from = to
	}
	return out
}

func pearson(x, y []float64) float64 {
	n := float64(len(x))
	var mx, my float64
	for k := range x {
		mx += x[k] / n
		my += y[k] / n
	}
	var xx, yy, xy float64
	for k := range x {
		dx, dy := x[k]-mx, y[k]-my
		xx += dx * dx
		yy += dy * dy
		xy += dx * dy
	}
	if len(x) < 2 || xx == 0 || yy == 0 {
		return math.NaN()
	}
	return xy / math.Sqrt(xx*yy)
}

// Kendall is τ-b: (concordant − discordant pairs) / √((pairs not tied in x)·(pairs not tied in y)),
// in n log n steps (Knight, 1966). NaN when either side is constant or there are fewer than two values.
func Kendall(x, y []float64) float64 {
	n := len(x)
	order := make([]int, n)
	for k := range order {
		order[k] = k
	}
	slices.SortFunc(order, func(a, b int) int {
		if x[a] != x[b] {
			return cmp.Compare(x[a], x[b])
		}
		return cmp.Compare(y[a], y[b])
	})
	pairs := func(n int) int64 { return int64(n) * int64(n-1) / 2 }
	// ties counts the pairs tied by a key, over runs of the order.
	ties := func(same func(a, b int) bool) (t int64) {
		for from := 0; from < n; {
			to := from
			for to < n && same(order[from], order[to]) {
				to++
			}
			t += pairs(to - from)
			from = to
		}
		return t
	}
	inX := ties(func(a, b int) bool { return x[a] == x[b] })
	inBoth := ties(func(a, b int) bool { return x[a] == x[b] && y[a] == y[b] })
	swaps := mergeSort(order, make([]int, n), y)
	inY := ties(func(a, b int) bool { return y[a] == y[b] })
	all := pairs(n)
	if n < 2 || inX == all || inY == all {
		return math.NaN()
	}
	s := all - inX - inY + inBoth - 2*swaps
	return float64(s) / math.Sqrt(float64(all-inX)) / math.Sqrt(float64(all-inY))
}

// mergeSort sorts by y, stably, and counts the exchanges of neighbours that takes.
func mergeSort(order, scratch []int, y []float64) (swaps int64) {
	if len(order) < 2 {
		return 0
	}
	half := len(order) / 2
	swaps = mergeSort(order[:half], scratch[:half], y) + mergeSort(order[half:], scratch[half:], y)
	copy(scratch, order)
	a, b := scratch[:half], scratch[half:]
	for k := range order {
		if len(b) == 0 || len(a) > 0 && y[a[0]] <= y[b[0]] {
			order[k], a = a[0], a[1:]
		} else {
			order[k], b = b[0], b[1:]
			swaps += int64(len(a))
		}
	}
	return swaps
}

// Judgments are human scores of pairs beside those of a system.
type Judgments struct {
	Image []int // by which they are resampled
	Human []float64
	Model []float64
}

// Statistic is Spearman's ρ and Kendall's τ-b for any weights of the images.
func (j *Judgments) Statistic(split *Split) (*Statistic, error) {
	if len(j.Image) != len(j.Human) || len(j.Model) != len(j.Human) {
		return nil, fmt.Errorf("%w: %d images, %d human and %d model scores", ErrInput, len(j.Image), len(j.Human), len(j.Model))
	}
	return &Statistic{
		Figures: 2,
		Split:   split,
		New: func() func([]int32, []float64) {
			var x, y []float64
			return func(weight []int32, out []float64) {
				x, y = x[:0], y[:0]
				for k, i := range j.Image {
					w := int32(1)
					if weight != nil {
						w = weight[i]
					}
					for range w {
						x, y = append(x, j.Human[k]), append(y, j.Model[k])
					}
				}
				out[0], out[1] = Spearman(x, y), Kendall(x, y)
			}
		},
	}, nil
}
