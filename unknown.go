package aladin

import (
	"fmt"
	"strings"

	"github.com/aladin-go/aladin/internal/nearest"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// An UnknownWord is a word of a query that means little or nothing to a model.
type UnknownWord struct {
	Text       string
	Start, End int // in bytes of the text
	// Unreadable: the model has no pieces for it, letters included, as a rule because it is of another script. To
	// the model all such words are the same. Others are spelt from pieces, and were rare or absent in training.
	Unreadable bool
	// Nearest is a word that the model knows and that may have been meant, or "".
	Nearest string
}

// String is the word, and what may have been meant.
func (w UnknownWord) String() string {
	if w.Nearest == "" {
		return w.Text
	}
	return fmt.Sprintf("%s: %s?", w.Text, w.Nearest)
}

// mostUnknown bounds how many words the nearest is looked for.
const mostUnknown = 8

// Unknown are the words of a text that the model does not know, and whether the text has no others: for all models
// those for which it has no pieces, and for models whose vocabulary was made of the captions that they were trained
// with also words which those captions hardly had. (Other vocabularies do not say what training showed.)
func (m *Model) Unknown(text string) (words []UnknownWord, all bool) {
	if len(text) > maxText || m.towers != nil || m.text.CLIP != nil && m.text.CLIP.Captions > 0 {
		return nil, false // no text that is encoded, or its pieces are bytes
	}
	pieces := m.text.Tokenizer.Tokenize(text)
	learned := m.learned()
	total := 0
	for _, w := range tokenizer.Words(text, pieces) {
		total++
		u := UnknownWord{Text: w.Text, Start: w.Start, End: w.End}
		for _, p := range pieces[w.First:w.Last] {
			u.Unreadable = u.Unreadable || p.ID == m.text.Tokenizer.UNK()
		}
		if !u.Unreadable && (learned == nil || w.Last-w.First == 1 && m.text.Tokenizer.IsLearned(pieces[w.First].ID)) {
			continue
		}
		if len(words) < mostUnknown {
			u.Nearest = nearest.Word(strings.ToLower(w.Text), learned)
		}
		words = append(words, u)
	}
	return words, total > 0 && len(words) == total
}

// warning says what is to be known of a text with unknown words; "" is nothing.
func warning(text string, unknown []UnknownWord, all bool) string {
	for _, w := range unknown {
		all = all && w.Nearest == ""
	}
	switch {
	case len(unknown) == 0:
		return ""
	case all:
		return fmt.Sprintf("The model knows no word of %q: what is found means nothing.", strings.TrimSpace(text))
	case len(unknown) == 1 && unknown[0].Nearest != "":
		return fmt.Sprintf("The model never learned the word %q. Is %q meant?", unknown[0].Text, unknown[0].Nearest)
	case len(unknown) == 1:
		return fmt.Sprintf("The model does not know the word %q.", unknown[0].Text)
	}
	names := make([]string, len(unknown))
	for i, w := range unknown {
		names[i] = fmt.Sprintf("%q", w.Text)
		if w.Nearest != "" {
			names[i] += fmt.Sprintf(" (%q?)", w.Nearest)
		}
	}
	return fmt.Sprintf("The model does not know the words %s.", strings.Join(names, ", "))
}

// cutWarning says where the reading of a text ends.
func cutWarning(text string, unread int) string {
	read := strings.TrimSpace(text[:len(text)-unread])
	if words := strings.Fields(read); len(words) > 3 {
		read = strings.Join(words[len(words)-3:], " ")
	}
	return fmt.Sprintf("The text is longer than the model reads: what comes after %q does not count.", "… "+read)
}
