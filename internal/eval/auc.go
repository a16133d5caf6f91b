package eval

import (
	"cmp"
	"math"
	"slices"
)

// AUC is the area under the ROC curve: how often a right one has a higher score than a wrong one, where equal ones count
// half. It is not a number without both.
func AUC(scores []float64, right []bool) float64 {
	order := make([]int, len(scores))
	for k := range order {
		order[k] = k
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[a], scores[b]) })
	var sum, rights float64
	for from := 0; from < len(order); {
		to := from
		for to < len(order) && scores[order[to]] == scores[order[from]] {
			to++
		}
		rank := float64(from+to+1) / 2 // the mean rank of equal ones, from 1
		for _, k := range order[from:to] {
			if right[k] {
				sum, rights = sum+rank, rights+1
			}
		}
		from = to
	}
	wrongs := float64(len(scores)) - rights
	if rights == 0 || wrongs == 0 {
		return math.NaN()
	}
	return (sum - rights*(rights+1)/2) / (rights * wrongs)
}
