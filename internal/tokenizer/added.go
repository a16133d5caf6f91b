package tokenizer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An addedToken is text that is one token wherever it stands, found before the rest is cut.
type addedToken struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word,omitempty"` // not inside a word
	Lstrip     bool   `json:"lstrip,omitempty"`      // takes the white space before it along
	Rstrip     bool   `json:"rstrip,omitempty"`      // and behind it
	Normalized bool   `json:"normalized,omitempty"`  // looked for in the normalized text
	Special    bool   `json:"special,omitempty"`
}

// maxAdded bounds the length of one, so that looking for them stays linear.
const maxAdded = 512

// An addedSet finds tokens in a text: the leftmost, of those the longest.
type addedSet struct {
	tokens []addedToken
	set    *prefixes
	starts [256]bool // of their first bytes
}

// newAddedSet takes the tokens that contents say how to look for.
func newAddedSet(tokens []addedToken, contents []string) *addedSet {
	if len(tokens) == 0 {
		return nil
	}
	a := &addedSet{tokens: tokens}
	vals := make([]int32, len(tokens))
	for i, s := range contents {
		vals[i] = int32(i)
		if s != "" {
			a.starts[s[0]] = true
		}
	}
	a.set = newPrefixes(contents, vals)
	return a
}

// split calls each with every stretch between the tokens, and with every token (id ≥ 0).
func (a *addedSet) split(cs []char, each func(stretch []char, id int)) {
	if a == nil {
		if len(cs) > 0 {
			each(cs, -1)
		}
		return
	}
	from := 0
	for i := 0; i < len(cs); {
		t, n := a.at(cs, i)
		if n == 0 {
			i++
			continue
		}
		start, end := i, i+n
		i = end
		if t.SingleWord && (start > 0 && wordRune(cs[start-1].r) || end < len(cs) && wordRune(cs[end].r)) {
			continue
		}
		for t.Lstrip && start > from && unicode.IsSpace(cs[start-1].r) {
			start--
		}
		for t.Rstrip && end < len(cs) && unicode.IsSpace(cs[end].r) {
			end++
		}
		i = end
		if start > from {
			each(cs[from:start], -1)
		}
		each(cs[start:end], t.ID)
		from = end
	}
	if from < len(cs) {
		each(cs[from:], -1)
	}
}

// at is the longest token at cs[i] and its length in characters, 0 for none.
func (a *addedSet) at(cs []char, i int) (addedToken, int) {
	var buf [utf8.UTFMax]byte
	found, length := int32(0), 0
	w := a.set.walk()
	for j := i; j < len(cs); j++ {
		for _, b := range buf[:utf8.EncodeRune(buf[:], cs[j].r)] {
			if j == i && w.depth == 0 && !a.starts[b] || !w.step(b) {
				return a.result(found, length)
			}
		}
		if v, ok := w.value(); ok {
			found, length = v, j-i+1
		}
	}
	return a.result(found, length)
}

func (a *addedSet) result(found int32, length int) (addedToken, int) {
	if length == 0 {
		return addedToken{}, 0
	}
	return a.tokens[found], length
}

// wordRune is \w.
func wordRune(r rune) bool {
	return r == '_' || unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc)
}

func text(cs []char) string {
	var b strings.Builder
	for _, c := range cs {
		b.WriteRune(c.r)
	}
	return b.String()
}

// sortAdded orders by id.
func sortAdded(tokens []addedToken) {
	slices.SortFunc(tokens, func(a, b addedToken) int { return a.ID - b.ID })
}
