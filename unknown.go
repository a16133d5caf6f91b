package aladin

import "github.com/aladin-go/aladin/internal/tokenizer"

// Unknown are the words of a text for which the model has no pieces, letters included: those of another
// script, as a rule. To the model they are all the same word, so what they find means nothing. All says that
// the text has no other words. (A word in known letters that training never showed is not among them.)
func (m *Model) Unknown(text string) (words []string, all bool) {
	if m.towers != nil || m.text.CLIP != nil && m.text.CLIP.Captions > 0 {
		return nil, false // its pieces are bytes
	}
	pieces := m.text.Tokenizer.Tokenize(text)
	total := 0
	for _, w := range tokenizer.Words(text, pieces) {
		total++
		for _, p := range pieces[w.First:w.Last] {
			if p.ID == m.text.Tokenizer.UNK() {
				words = append(words, w.Text)
				break
			}
		}
	}
	return words, total > 0 && len(words) == total
}
