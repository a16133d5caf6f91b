package eval

import (
	"math"
	"slices"
)

// A Recall is the figures of one direction. Recalls are in percent.
type Recall struct {
	R1    float64 `json:"r1"`
	R5    float64 `json:"r5"`
	R10   float64 `json:"r10"`
	MedR  float64 `json:"medr"`
	MeanR float64 `json:"meanr"`
}

// A Retrieval is the figures of both directions.
type Retrieval struct {
	I2T  Recall  `json:"i2t"`
	T2I  Recall  `json:"t2i"`
	RSum float64 `json:"rsum"`
}

// RetrievalNames name the values of Retrieval.Values.
var RetrievalNames = []string{
	"i2t.r1", "i2t.r5", "i2t.r10", "i2t.medr", "i2t.meanr",
	"t2i.r1", "t2i.r5", "t2i.r10", "t2i.medr", "t2i.meanr", "rsum",
}

// Values are the figures in the order of RetrievalNames.
func (r Retrieval) Values() []float64 {
	a, b := r.I2T, r.T2I
	return []float64{a.R1, a.R5, a.R10, a.MedR, a.MeanR, b.R1, b.R5, b.R10, b.MedR, b.MeanR, r.RSum}
}

// retrievalOf is the inverse of Values.
func retrievalOf(v []float64) Retrieval {
	return Retrieval{
		I2T:  Recall{v[0], v[1], v[2], v[3], v[4]},
		T2I:  Recall{v[5], v[6], v[7], v[8], v[9]},
		RSum: v[10],
	}
}

// RecallOf computes the figures of one direction from 0-based ranks. Negative ranks are no queries;
// without any query every figure is NaN.
func RecallOf(ranks []int32) Recall {
	q := newQueries(ranks, nil, nil, -1)
	return q.recall(nil)
}

// RecallAt is R@k in percent, for any k.
func RecallAt(ranks []int32, k int) float64 {
	n, hit := 0, 0
	for _, r := range ranks {
		if r >= 0 {
			n++
			if int(r) < k {
				hit++
			}
		}
	}
	return 100 * float64(hit) / float64(n)
}

// queries are those of one direction in one gallery, sorted by rank, each with the image by which it
// is resampled: all that is needed to compute the figures for any weights.
type queries struct {
	rank  []int32
	image []int32
}

// newQueries takes the queries whose image lies in the fold (−1: all). image gives a query's image,
// nil where queries are images.
func newQueries(ranks []int32, image []int, fold []int, which int) queries {
	order := make([]int32, 0, len(ranks))
	of := func(q int32) int32 {
		if image == nil {
			return q
		}
		return int32(image[q])
	}
	for q, r := range ranks {
		if r >= 0 && (which < 0 || fold[of(int32(q))] == which) {
			order = append(order, int32(q))
		}
	}
	slices.SortStableFunc(order, func(a, b int32) int { return int(ranks[a]) - int(ranks[b]) })
	out := queries{make([]int32, len(order)), make([]int32, len(order))}
	for k, q := range order {
		out.rank[k], out.image[k] = ranks[q], of(q)
	}
	return out
}

// recall counts every query as often as its image weighs; nil weighs all once.
func (q queries) recall(weight []int32) Recall {
	w := func(k int) int64 {
		if weight == nil {
			return 1
		}
		return int64(weight[q.image[k]])
	}
	var n, n1, n5, n10, sum int64
	for k, r := range q.rank {
		c := w(k)
		n += c
		sum += c * int64(r)
		if r < 10 {
			n10 += c
			if r < 5 {
				n5 += c
				if r < 1 {
					n1 += c
				}
			}
		}
	}
	if n == 0 {
		nan := math.NaN()
		return Recall{nan, nan, nan, nan, nan}
	}
	// The median of the ranks written out with their multiplicity, of an even number the mean of two.
	lower, upper := (n-1)/2, n/2
	var low, high int32
	var seen int64
	for k, r := range q.rank {
		c := w(k)
		if seen <= lower && lower < seen+c {
			low = r
		}
		if seen <= upper && upper < seen+c {
			high = r
			break
		}
		seen += c
	}
	return Recall{
		R1:    100 * float64(n1) / float64(n),
		R5:    100 * float64(n5) / float64(n),
		R10:   100 * float64(n10) / float64(n),
		MedR:  math.Floor((float64(low)+float64(high))/2) + 1,
		MeanR: float64(sum)/float64(n) + 1,
	}
}
