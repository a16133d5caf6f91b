// Package nearest finds the names that somebody who mistyped one may have meant.
package nearest

import "slices"

// Names are the n names with the fewest edits from name, nearest first; equally near ones keep their order.
func Names(name string, among []string, n int) []string {
	sorted := slices.Clone(among)
	distance := make(map[string]int, len(among))
	for _, s := range among {
		distance[s] = Distance(name, s)
	}
	slices.SortStableFunc(sorted, func(a, b string) int { return distance[a] - distance[b] })
	return sorted[:min(n, len(sorted))]
}

// Typo is the name that was most likely meant by one that does not exist, or "" if none is near: more than an
// edit for every three letters is no typing error.
func Typo(name string, among []string) string {
	best := Names(name, among, 1)
	if len(best) == 0 || Distance(name, best[0]) > max(1, len(name)/3) {
		return ""
	}
	return best[0]
}

// Distance counts the bytes to insert, delete, replace or swap with the next that make b of a (optimal string
// alignment distance).
func Distance(a, b string) int {
	before := make([]int, len(b)+1) // the row before last
	last := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			replaced := last[j]
			if a[i] != b[j] {
				replaced++
			}
			row[j+1] = min(replaced, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
