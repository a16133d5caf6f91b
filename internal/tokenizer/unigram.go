package tokenizer

import (
	"math"
	"slices"
	"unicode/utf8"
)

// unknownPenalty is how much worse than the worst piece a character that no piece knows is.
const unknownPenalty = 10

// A unigram finds the pieces of the highest total score (SentencePiece's unigram model).
type unigram struct {
	pieces *prefixes
	scores []float64
	// fixed pieces are taken wherever they occur (SentencePiece's user-defined symbols); nil: none.
	fixed   []bool
	best    float64 // of all scores
	unknown int32
	// floor is the score of an unknown character.
	floor float64
	// single: sums are kept in float32, as in SentencePiece's own code.
	single bool
	// bytes are the pieces <0x00> to <0xFF> that an unknown character is spelt in; nil: it stays unknown.
	bytes []int32
}

// newUnigram makes a model of pieces with scores. Candidate tells which pieces may be found in a text, scored which
// count for the score of an unknown character.
func newUnigram(pieces []string, scores []float64, candidate, scored func(i int) bool, unknown int) *unigram {
	u := &unigram{scores: scores, unknown: int32(unknown), best: math.Inf(-1)}
	keys, ids := make([]string, 0, len(pieces)), make([]int32, 0, len(pieces))
	worst := math.Inf(1)
	for i, p := range pieces {
		if candidate(i) {
			keys, ids = append(keys, p), append(ids, int32(i))
		}
		if scored(i) {
			worst, u.best = min(worst, scores[i]), max(u.best, scores[i])
		}
	}
	if worst > u.best { // no piece at all
		worst, u.best = 0, 0
	}
	u.pieces = newPrefixes(keys, ids)
	u.floor = worst - unknownPenalty
	return u
}

// cell is the best way to a place between two bytes.
type cell struct {
	score float64
	from  int32 // -1: no way
	id    int32
}

// append adds the tokens of a part: Viterbi's algorithm. Its time is the length of the text times that of the
// longest piece.
func (u *unigram) append(tokens []Token, part []char, word int) []Token {
	text := make([]byte, 0, 4*len(part))
	starts := make([]int32, 0, len(part)+1) // of characters in text
	for _, c := range part {
		starts = append(starts, int32(len(text)))
		text = utf8.AppendRune(text, c.r)
	}
	starts = append(starts, int32(len(text)))
	cells := make([]cell, len(text)+1)
	for i := range cells {
		cells[i].from = -1
	}
	for k := range part {
		i, one := int(starts[k]), int(starts[k+1])
		here := cells[i].score
		alone := false // is the character a piece by itself?
		w := u.pieces.walk()
		for j := i; j < len(text) && w.step(text[j]); j++ {
			id, ok := w.value()
			if !ok {
				continue
			}
			score := u.scores[id]
			if u.fixed != nil && u.fixed[id] {
				score = float64(j+1-i)*u.best - 0.1
			}
			u.reach(&cells[j+1], u.round(here+score), i, id)
			alone = alone || j+1 == one
		}
		if !alone {
			u.reach(&cells[one], u.round(here+u.floor), i, u.unknown)
		}
	}
	// From the end back, then turned round.
	first := len(tokens)
	k := len(part)
	for at := int32(len(text)); at > 0; {
		c := cells[at]
		end := k
		for k > 0 && starts[k] > c.from {
			k--
		}
		from := k
		for from < end-1 && part[from].start == part[from].end {
			from++ // a blank covers nothing
		}
		t := Token{int(c.id), part[from].start, part[end-1].end, word}
		at = c.from
		switch {
		case c.id != u.unknown:
			tokens = append(tokens, t)
		case u.bytes != nil:
			for j := end - 1; j >= k; j-- {
				s := utf8.AppendRune(nil, part[j].r)
				for _, b := range slices.Backward(s) {
					tokens = append(tokens, Token{int(u.bytes[b]), part[j].start, part[j].end, word})
				}
			}
		case len(tokens) > first && tokens[len(tokens)-1].ID == int(u.unknown):
			tokens[len(tokens)-1].Start = t.Start // neighbouring unknowns are one token
		default:
			tokens = append(tokens, t)
		}
	}
	slices.Reverse(tokens[first:])
	return tokens
}

func (u *unigram) round(x float64) float64 {
	if u.single {
		return float64(float32(x))
	}
	return x
}

// reach takes the way to a place if it is the best yet.
func (u *unigram) reach(c *cell, score float64, from int, id int32) {
	if c.from < 0 || score > c.score {
		*c = cell{score, int32(from), id}
	}
}
