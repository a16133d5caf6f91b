package model

import (
	"iter"
	"maps"
	"strings"
	"unicode"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// See counts in how many of the captions that the model is about to learn from each word is. Where it learned before, the
// larger number of the two holds, since they may be the same captions; a model that does not know what it saw stays so.
func (m *Model) See(captions iter.Seq[string]) {
	if m.Seen == nil {
		return
	}
	now := bundle.WordCounts{}
	for text := range captions {
		words := map[string]bool{}
		for _, w := range tokenizer.Words(text, m.Text.Tokenizer.Tokenize(text)) {
			if strings.ContainsFunc(w.Text, unicode.IsLetter) {
				words[strings.ToLower(w.Text)] = true
			}
		}
		for w := range words {
			now[w]++
		}
	}
	seen := maps.Clone(m.Seen) // the teacher's stays as it is
	for w, n := range now {
		seen[w] = max(seen[w], n)
	}
	m.Seen = seen
}
