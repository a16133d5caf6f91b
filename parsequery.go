package aladin

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aladin-go/aladin/index"
)

// Limits of ParseQuery.
const (
	maxQueryBytes = 4096
	maxQueryTerms = 64
)

// ParseQuery reads a query as people type it: what they want, and what they do not.
//
//	a beach without people          a dog but no leash
//	a beach -people -"red cars"     a street without cars or bikes
//
// After "without", and after "no" where a clause begins, an article and up to three words are excluded, until a
// word that must begin something else ("a dog without a leash on grass"). The first term is the wanted text, if
// there is any; excluded ones follow, with the weight [Without].
//
// A query of more than 4096 bytes or 64 terms, or one that is not UTF-8, is [index.ErrInvalid]; one without any
// word is [ErrNoWords].
func ParseQuery(q string) (*Query, error) {
	switch {
	case len(q) > maxQueryBytes:
		return nil, fmt.Errorf("aladin: query: %w: %d bytes; at most %d", index.ErrInvalid, len(q), maxQueryBytes)
	case !utf8.ValidString(q):
		return nil, fmt.Errorf("aladin: query: %w: it is not UTF-8", index.ErrInvalid)
	}
	out := &Query{text: q}
	want, excluded := splitQuery(q)
	if want != "" {
		out.Terms = append(out.Terms, Term{Input: Text(want), Weight: 1, typed: true})
	}
	for _, s := range excluded {
		out.Terms = append(out.Terms, Term{Input: Text(q[s.from:s.to]), Weight: Without, At: s.from, typed: true})
	}
	switch {
	case len(out.Terms) == 0:
		return nil, fmt.Errorf("aladin: query: %w", ErrNoWords)
	case len(out.Terms) > maxQueryTerms:
		return nil, fmt.Errorf("aladin: query: %w: %d terms; at most %d", index.ErrInvalid, len(out.Terms), maxQueryTerms)
	}
	return out, nil
}

// span is a half-open range of a query's bytes.
type span struct{ from, to int }

// splitQuery returns the wanted text, in which the rest is blank, so that a word has the same place here and
// there, and the places of what is excluded.
func splitQuery(q string) (want string, excluded []span) {
	keep := []byte(q)
	blank := func(from, to int) {
		for i := from; i < to; i++ {
			keep[i] = ' '
		}
	}
	exclude := func(from, to int) {
		if hasWord(q[from:to]) {
			excluded = append(excluded, span{from, to})
		}
	}
	ts := scanWords(q)
	for i := 0; i < len(ts); {
		t := ts[i]
		if t.minus {
			exclude(t.from, t.to)
			blank(t.start, t.end)
			i++
			continue
		}
		next := beginsExclusion(ts, i)
		if next == 0 {
			i++
			continue
		}
		start := t.start
		if i > 0 && !t.clause && isOneOf(ts[i-1].word, "but", "and", "with") {
			start = ts[i-1].start
		}
		end := i + next
		for {
			from, to := nounPhrase(ts, end)
			if from == to {
				break
			}
			exclude(ts[from].from, ts[to-1].to)
			end = to
			// "without cars or bikes", "without cars and bikes", but "without cars and a dog".
			if to+1 >= len(ts) || !isOneOf(ts[to].word, "or", "nor", "and") || ts[to].word == "and" && isArticle(ts[to+1].word) {
				break
			}
			end = to + 1
		}
		if end == i+next { // "without" what? Not a word to act on.
			i++
			continue
		}
		blank(start, ts[end-1].end)
		i = end
	}
	return tidy(string(keep)), excluded
}

// hasWord says whether a text says anything: blanks, punctuation and signs that are not seen do not.
func hasWord(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.IsPunct(r) })
}

// queryWord is a word of a query, or a quoted phrase after a minus sign.
type queryWord struct {
	word       string // in lower case, without the signs around it
	from, to   int    // bytes of the word in the query
	start, end int    // with those signs
	minus      bool
	clause     bool // a clause begins here: the start, or after a comma
	stop       bool // a sign after it ends the phrase
}

func scanWords(q string) []queryWord {
	var ts []queryWord
	clause := true
	blank := 0 // the next one
	for i := 0; i < len(q); {
		r, n := utf8.DecodeRuneInString(q[i:])
		if unicode.IsSpace(r) {
			i += n
			continue
		}
		if i >= blank {
			blank = len(q)
			if n := strings.IndexFunc(q[i:], unicode.IsSpace); n >= 0 {
				blank = i + n
			}
		}
		start, end := i, blank
		if dash := dashLen(q[i:]); dash > 0 && i+dash < len(q) {
			at := i + dash
			if q[at] == '"' {
				if j := strings.IndexByte(q[at+1:], '"'); j > 0 {
					ts = append(ts, queryWord{from: at + 1, to: at + 1 + j, start: start, end: at + j + 2, minus: true})
					i, clause = at+j+2, false
					continue
				}
			} else if r, _ := utf8.DecodeRuneInString(q[at:]); unicode.IsLetter(r) || unicode.IsDigit(r) {
				to := at + len(strings.TrimRightFunc(q[at:end], unicode.IsPunct))
				ts = append(ts, queryWord{from: at, to: to, start: start, end: end, minus: true})
				i, clause = end, false
				continue
			}
		}
		from := end - len(strings.TrimLeftFunc(q[start:end], unicode.IsPunct))
		to := from + len(strings.TrimRightFunc(q[from:end], unicode.IsPunct))
		if to > from {
			ts = append(ts, queryWord{word: strings.ToLower(q[from:to]), from: from, to: to, start: start, end: end,
				clause: clause || from > start, stop: to < end})
			clause = to < end
		} else {
			clause = true // a sign on its own
			if len(ts) > 0 {
				ts[len(ts)-1].stop = true
			}
		}
		i = end
	}
	return ts
}

// dashLen is the length of a minus sign, as keyboards and phones write it.
func dashLen(s string) int {
	for _, d := range []string{"-", "−", "–"} {
		if strings.HasPrefix(s, d) {
			return len(d)
		}
	}
	return 0
}

// beginsExclusion returns how many terms from i on say "without".
func beginsExclusion(ts []queryWord, i int) int {
	switch ts[i].word {
	case "without", "w/o", "excluding":
		return 1
	case "no":
		if ts[i].clause || isOneOf(ts[i-1].word, "but", "and", "with") {
			return 1
		}
	}
	return 0
}

// nounPhrase finds the words from i on that name one thing, without the article.
func nounPhrase(ts []queryWord, i int) (from, to int) {
	if i > 0 && ts[i-1].stop {
		return i, i
	}
	for i < len(ts) && isArticle(ts[i].word) && !ts[i].stop && !ts[i].minus {
		i++
	}
	const longest = 3
	for to = i; to < len(ts) && to-i < longest && !ts[to].minus && !endsPhrase(ts[to].word); to++ {
		if ts[to].stop {
			return i, to + 1
		}
	}
	return i, to
}

func isArticle(w string) bool {
	return isOneOf(w, "a", "an", "the", "any", "some", "his", "her", "its", "their")
}

// endsPhrase says that a word begins something else.
func endsPhrase(w string) bool {
	return isOneOf(w, "and", "or", "nor", "but", "with", "without", "no", "excluding", "w/o",
		"in", "on", "at", "by", "of", "for", "from", "to", "into", "onto", "over", "under", "above", "below", "behind", "beside", "near", "next",
		"between", "through", "across", "along", "around", "inside", "outside", "during", "while", "when", "where", "that", "which", "who",
		"is", "are", "was", "were", "be", "being")
}

func isOneOf(w string, list ...string) bool {
	for _, l := range list {
		if w == l {
			return true
		}
	}
	return false
}

// tidy blanks what is left hanging where parts were taken out, and nothing else.
func tidy(s string) string {
	if !hasWord(s) {
		return ""
	}
	return strings.TrimRightFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' })
}
