package aladin

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/index"
)

// Without is the weight of what should not be found: enough to push away what shows it, not so much that the
// search is about it.
const Without = -0.7

// A Query says what to search for: the sum of its terms. [ParseQuery] makes one of a sentence, and terms can be
// added to that.
type Query struct {
	Terms []Term

	text string // as it was typed; the terms of ParseQuery have their places in it
}

// A Term is a part of a query: exactly one of Input, Item and Encoding.
type Term struct {
	Input    Input     // a text, a photo, or regions
	Item     string    // the id of an item of the index: more like this
	Encoding *Encoding // what was encoded before

	// Weight is how much the term counts beside the others; 0 is 1, and a negative weight, such as [Without],
	// pushes away.
	Weight float32
	// Words says what words of a text count more or less. They change the alignment, not the matching.
	Words []WordWeight
	// At is where the text of the term begins in that of the query. ParseQuery and Search set it.
	At int

	typed bool // by ParseQuery
}

// A WordWeight multiplies what those words of a term's text count whose bytes meet Start…End.
type WordWeight struct {
	Start, End int
	Weight     float32
}

// regionShare is what the regions of a photo count together beside the words of a sentence of the same weight: the
// similarities of regions with regions differ more from photo to photo than those of words with regions, and with the
// same share the photo alone would decide. See docs/how-it-works.md for what was measured.
const regionShare = 0.55

// compose adds up encoded terms to one query, and says which token of which term each of its tokens is.
//
// One wanted term is its own encoding, and its scores are those of that encoding. Of more terms, the matching
// vector is the normalised sum of theirs, and each term has the same say in the alignment for the same weight,
// however many words or regions it has: its tokens' weights add up to the term's. The regions of a photo count as
// words: each looks for its like.
//
// A sum of images only is an image, in which what is unwanted has no part in alignment, where regions are only
// found or not; anything else is a caption.
func compose(text string, terms []Term) (*Encoding, [][2]int, error) {
	if len(terms) == 0 {
		return nil, nil, fmt.Errorf("aladin: query: %w: it has no terms", index.ErrInvalid)
	}
	for i := range terms {
		t := &terms[i]
		e, first := t.Encoding, terms[0].Encoding
		switch {
		case e == nil || len(e.Matching) == 0:
			return nil, nil, fmt.Errorf("aladin: query: term %d: %w: no encoding", i+1, index.ErrInvalid)
		case t.Weight-t.Weight != 0:
			return nil, nil, fmt.Errorf("aladin: query: term %d: %w: weight %v", i+1, index.ErrInvalid, t.Weight)
		case e.Model != first.Model || len(e.Matching) != len(first.Matching):
			return nil, nil, fmt.Errorf("aladin: query: term %d: %w", i+1, mismatch(e.Model, first.Model))
		}
		if len(e.Tokens) > 0 && (e.N() == 0 || e.Weights != nil && len(e.Weights) != e.N() || e.Words != nil && len(e.Words) != e.N() ||
			e.Boxes != nil && len(e.Boxes) != e.N() || e.Labels != nil && len(e.Labels) != e.N() ||
			e.Ranking != nil && e.Ranking.Labels != nil && len(e.Ranking.Labels) != e.N()) {
			return nil, nil, fmt.Errorf("aladin: query: term %d: %w: the parts of its tokens do not fit each other", i+1, index.ErrInvalid)
		}
	}
	if len(terms) == 1 && terms[0].Weight > 0 {
		e := weighWords(terms[0].Encoding, terms[0].Words)
		sources := make([][2]int, e.N())
		for i := range sources {
			sources[i][1] = i
		}
		return e, sources, nil
	}
	out := &Encoding{Kind: index.Image, Model: terms[0].Encoding.Model, Weights: []float32{}}
	if slices.ContainsFunc(terms, func(t Term) bool { return t.Encoding.Kind == index.Caption }) {
		out.Kind = index.Caption
	}
	var err error
	if out.Matching, err = sumMatching(terms); err != nil {
		return nil, nil, err
	}
	texts := []string{text}
	if text == "" {
		texts = nil
	}
	length := len(text)
	var sources [][2]int
	for i := range terms {
		t := &terms[i]
		if s := t.Encoding.Text; s != "" && !t.typed {
			if len(texts) > 0 {
				length += len(termSeparator)
			}
			t.At = length
			texts = append(texts, s)
			length += len(s)
		}
		for _, token := range addTokens(out, t) {
			sources = append(sources, [2]int{i, token})
		}
	}
	out.Ranking = composedRanking(terms, sources)
	out.Text = strings.Join(texts, termSeparator)
	out.Untrained = slices.ContainsFunc(terms, func(t Term) bool { return t.Encoding.Untrained })
	return out, sources, nil
}

const termSeparator = "; "

// composedRanking is the ranking of a sum whose tokens come from those of terms. The tokens' weights add up to the terms'
// weights, and those of a text on its own to what the model gives it: matching is scaled as alignment is.
func composedRanking(terms []Term, sources [][2]int) *index.Ranking {
	first := terms[0].Encoding.Ranking
	if first == nil {
		return nil
	}
	out := index.Ranking{MatchScale: first.MatchScale * composedScale(terms)}
	for i, from := range sources {
		r := terms[from[0]].Encoding.Ranking
		if r == nil || r.Labels == nil || r.Labels[from[1]] == nil {
			continue
		}
		if out.Labels == nil {
			out.Labels = make([]map[string]float32, len(sources))
		}
		out.Labels[i] = r.Labels[from[1]]
	}
	return &out
}

// composedScale is what an alignment score is multiplied with when its text becomes a term of a sum.
func composedScale(terms []Term) float32 {
	var scale, n float32
	for _, t := range terms {
		if e := t.Encoding; e.Kind == index.Caption && t.Weight > 0 {
			if total := totalWeight(e); total > 0 {
				scale, n = scale+1/total, n+1
			}
		}
	}
	if n == 0 {
		return 1
	}
	return scale / n
}

// totalWeight is what all tokens of an encoding count together.
func totalWeight(e *Encoding) (total float32) {
	for i := range e.N() {
		total += max(weight(e, i), -weight(e, i))
	}
	return total
}

// sumMatching adds the matching vectors of terms.
func sumMatching(terms []Term) ([]float32, error) {
	sum := make([]float64, len(terms[0].Encoding.Matching))
	for _, t := range terms {
		for k, v := range t.Encoding.Matching {
			sum[k] += float64(t.Weight) * float64(v)
		}
	}
	norm := 0.0
	for _, v := range sum {
		norm += v * v
	}
	if norm < 1e-12 { // only rounding is left
		return nil, fmt.Errorf("aladin: query: %w: the terms cancel each other out", index.ErrInvalid)
	}
	out := make([]float32, len(sum))
	for k, v := range sum {
		out[k] = float32(v / math.Sqrt(norm))
	}
	return out, nil
}

// addTokens adds those tokens of a term to a sum that take part in its alignment, and returns which they are.
func addTokens(out *Encoding, t *Term) []int {
	e := weighWords(t.Encoding, t.Words)
	n, total := e.N(), totalWeight(e)
	if total == 0 || len(e.Tokens) == 0 || out.Kind == index.Image && t.Weight < 0 {
		return nil
	}
	scale := t.Weight / total
	if e.Kind == index.Image && out.Kind == index.Caption {
		scale *= regionShare
	}
	dim := len(e.Tokens) / n
	var tokens []int
	for i := range n {
		w := weight(e, i)
		if w == 0 {
			continue
		}
		tokens = append(tokens, i)
		out.Tokens = append(out.Tokens, e.Tokens[i*dim:(i+1)*dim]...)
		out.Weights = append(out.Weights, scale*w)
		label := ""
		if e.Labels != nil {
			label = e.Labels[i]
		}
		switch {
		case out.Kind == index.Image:
			var box index.Box
			if e.Boxes != nil {
				box = e.Boxes[i]
			}
			out.Boxes, out.Labels = append(out.Boxes, box), append(out.Labels, label)
		case e.Kind == index.Image:
			if label == "" {
				label = "region"
			}
			// Numbered, so that no two of them are taken for one word.
			out.Words = append(out.Words, index.Word{Text: fmt.Sprint(label, " ", i)})
		default:
			var word index.Word
			if e.Words != nil {
				word = e.Words[i]
				word.Start, word.End = word.Start+t.At, word.End+t.At
			}
			out.Words = append(out.Words, word)
		}
	}
	return tokens
}

// weighWords returns an encoding with its words weighed. The original, which a cache may hold, stays as it is.
func weighWords(e *Encoding, ws []WordWeight) *Encoding {
	if len(ws) == 0 || len(e.Words) == 0 {
		return e
	}
	out := *e
	out.Weights = slices.Clone(e.Weights)
	if out.Weights == nil {
		out.Weights = slices.Repeat([]float32{1}, len(e.Words))
	}
	for _, w := range ws {
		for i, word := range e.Words {
			if word.Start < w.End && w.Start < word.End {
				out.Weights[i] *= w.Weight
			}
		}
	}
	return &out
}
