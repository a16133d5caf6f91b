// Package nearest finds the names that somebody who mistyped one may have meant.
package nearest

import (
	"slices"
	"strings"
)

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

// longestWord bounds the time that Word takes, in bytes.
const longestWord = 40

// endings are those that words of English take, the longest first.
var endings = []string{"ing", "ies", "es", "ed", "er", "s", "y", "e"}

// Word is the word of a language that another, not among them, may have been meant for: an inflection of it ("mugs":
// mug; "running": run), or a typing error; "" where none is near. Of equally near ones the first wins, those that
// begin with the same letter before others.
func Word(word string, among []string) string {
	if len(word) < 3 || len(word) > longestWord {
		return ""
	}
	best, least := "", max(1, len(word)/3)*4+4
	for _, w := range among {
		if len(w) < 2 || len(w) > longestWord || max(len(w)-len(word), len(word)-len(w)) > longestWord/8 {
			continue
		}
		cost := 4 * Distance(word, w)
		switch {
		case stem(word) == stem(w):
			cost = 1
		case w[0] != word[0]:
			cost += 2
		}
		if cost < least {
			best, least = w, cost
		}
	}
	return best
}

// stem is a word without its ending.
func stem(w string) string {
	for _, e := range endings {
		s, ok := strings.CutSuffix(w, e)
		if !ok || len(s) < 3 {
			continue
		}
		if n := len(s); n > 3 && s[n-1] == s[n-2] {
			s = s[:n-1]
		}
		return s
	}
	return w
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
