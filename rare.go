package aladin

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/aladin-go/aladin/internal/tokenizer"
)

// A RareWord is a word of a query of which a model learned little, since few of the captions that it was trained with had it.
type RareWord struct {
	Text       string
	Start, End int // in bytes of the text
	Captions   int // that had the word
}

// rareBelow is in how many captions a word must have been to be learned well: of queries with rarer ones, hits are often
// wrong.
const rareBelow = 10

// Rare are the words of a text that fewer than ten captions of the model's training had, except those that Unknown gives.
// Models that were trained elsewhere do not know.
func (m *Model) Rare(text string) []RareWord {
	if len(text) > maxText || m.text.Tokenizer == nil {
		return nil
	}
	seen := m.seen()
	if seen == nil {
		return nil
	}
	pieces := m.text.Tokenizer.Tokenize(text)
	var rare []RareWord
	for _, w := range tokenizer.Words(text, pieces) {
		n := seen[strings.ToLower(w.Text)]
		if n >= rareBelow || w.Last-w.First > 1 || !m.text.Tokenizer.IsLearned(pieces[w.First].ID) || !strings.ContainsFunc(w.Text, unicode.IsLetter) {
			continue
		}
		rare = append(rare, RareWord{Text: w.Text, Start: w.Start, End: w.End, Captions: n})
	}
	return rare
}

// warning says what is to be known of a rare word.
func (w RareWord) warning() string {
	switch w.Captions {
	case 0:
		return fmt.Sprintf("No caption that the model learned from had the word %q: it knows the word by others like it.", w.Text)
	case 1:
		return fmt.Sprintf("The model saw the word %q in one caption only.", w.Text)
	}
	return fmt.Sprintf("The model saw the word %q in %d captions only.", w.Text, w.Captions)
}
