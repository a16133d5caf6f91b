package aladin

import (
	"fmt"
	"math"
	"strings"

	"github.com/aladin-go/aladin/index"
)

// A Term is an encoding and how much of it is wanted; a negative weight means "without".
type Term struct {
	Encoding *Encoding
	Weight   float32
}

// Combine adds encodings up to one query: Combine(q1, 1, x, 0.5, q2, -0.7) is "q1, like the photo x, but
// without q2". Arguments alternate between *Encoding and a number; [Sum] is the same with types.
func Combine(parts ...any) (*Encoding, error) {
	if len(parts)%2 != 0 {
		return nil, fmt.Errorf("aladin: Combine: %d arguments, want pairs of an encoding and a weight", len(parts))
	}
	terms := make([]Term, len(parts)/2)
	for i := range terms {
		e, ok := parts[2*i].(*Encoding)
		if !ok {
			return nil, fmt.Errorf("aladin: Combine: argument %d is a %T, want an *Encoding", 2*i+1, parts[2*i])
		}
		w, err := number(parts[2*i+1])
		if err != nil {
			return nil, fmt.Errorf("aladin: Combine: argument %d: %w", 2*i+2, err)
		}
		terms[i] = Term{e, w}
	}
	return Sum(terms...)
}

func number(v any) (float32, error) {
	switch v := v.(type) {
	case int:
		return float32(v), nil
	case float64:
		return float32(v), nil
	case float32:
		return v, nil
	}
	return 0, fmt.Errorf("a %T, want a number", v)
}

// Sum adds terms up to one query. Its vector is the normalised sum of theirs. Its words are those of all
// terms, and each term has the same say in the alignment score for the same weight, however many words it
// has. The regions of an image count as words: each looks for its like.
//
// A sum of images only is an image and of no use with negative weights in alignment; anything else is a
// caption.
func Sum(terms ...Term) (*Encoding, error) {
	out := &Encoding{Weights: []float32{}}
	var sum []float64
	for i, t := range terms {
		e := t.Encoding
		switch {
		case e == nil || len(e.Matching) == 0:
			return nil, fmt.Errorf("aladin: term %d: %w: no encoding", i+1, index.ErrInvalid)
		case t.Weight-t.Weight != 0:
			return nil, fmt.Errorf("aladin: term %d: %w: weight %v", i+1, index.ErrInvalid, t.Weight)
		case i == 0:
			out.Model, sum = e.Model, make([]float64, len(e.Matching))
		case e.Model != out.Model || len(e.Matching) != len(sum):
			return nil, fmt.Errorf("aladin: term %d: %w: %s and %s", i+1, ErrModelMismatch, e.Model, out.Model)
		}
		for k, v := range e.Matching {
			sum[k] += float64(t.Weight) * float64(v)
		}
		if e.Kind == index.Caption {
			out.Kind = index.Caption
		}
		out.Untrained = out.Untrained || e.Untrained
	}
	if len(terms) == 0 {
		return nil, fmt.Errorf("aladin: %w: nothing to add up", index.ErrInvalid)
	}
	norm := 0.0
	for _, v := range sum {
		norm += v * v
	}
	if norm < 1e-12 {
		return nil, fmt.Errorf("aladin: %w: the terms cancel each other out", index.ErrInvalid)
	}
	out.Matching = make([]float32, len(sum))
	for k, v := range sum {
		out.Matching[k] = float32(v / math.Sqrt(norm))
	}
	var text []string
	at := 0
	for _, t := range terms {
		addTokens(out, t, at)
		if t.Encoding.Text != "" {
			text = append(text, t.Encoding.Text)
			at += len(t.Encoding.Text) + len(termSeparator)
		}
	}
	out.Text = strings.Join(text, termSeparator)
	return out, nil
}

const termSeparator = "; "

// addTokens adds a term's words to a sum whose text has at bytes so far. What is unwanted in a sum of images
// has no place in its alignment, where regions are only found or not.
func addTokens(out *Encoding, t Term, at int) {
	e := t.Encoding
	n := e.N()
	var total float32
	for i := range n {
		total += max(weight(e, i), -weight(e, i))
	}
	if total == 0 || len(e.Tokens) == 0 || out.Kind == index.Image && t.Weight < 0 {
		return
	}
	dim := len(e.Tokens) / n
	for i := range n {
		w := weight(e, i)
		if w == 0 || t.Weight == 0 {
			continue
		}
		out.Tokens = append(out.Tokens, e.Tokens[i*dim:(i+1)*dim]...)
		out.Weights = append(out.Weights, t.Weight*w/total)
		if out.Kind == index.Image {
			box, label := Box{}, ""
			if e.Boxes != nil {
				box = e.Boxes[i]
			}
			if e.Labels != nil {
				label = e.Labels[i]
			}
			out.Boxes, out.Labels = append(out.Boxes, box), append(out.Labels, label)
			continue
		}
		var word index.Word
		switch {
		case e.Kind == index.Image:
			if e.Labels != nil {
				word.Text = e.Labels[i]
			}
			if word.Text == "" {
				word.Text = "region"
			}
			word.Text += fmt.Sprintf(" %d", i) // so that no two of them are taken for one word
		case e.Words != nil:
			word = e.Words[i]
			word.Start, word.End = word.Start+at, word.End+at
		}
		out.Words = append(out.Words, word)
	}
}
