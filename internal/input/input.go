// Package input turns captions, object tags and regions into the padded integer and float arrays that
// the networks of package nn read. Training and inference share it, so they see the same tokens.
package input

import (
	"fmt"
	"strings"

	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// MinTokens is the shortest padded sequence: room for the tokens that alignment leaves out.
const MinTokens = 4

// A Text prepares captions and object tags. It is immutable and safe for concurrent use.
type Text struct {
	Tokenizer  *tokenizer.WordPiece
	MaxCaption int // tokens of a caption, [CLS] and [SEP] included
	MaxLabels  int // tokens of the object tags, likewise
	// FirstLabel is the token in front of the object tags: [CLS], or [UNK] in published models.
	FirstLabel int
}

// A Caption is a caption's tokens: [CLS] pieces [SEP]. Pieces has one entry per ID; those of [CLS] and
// [SEP] cover no text.
type Caption struct {
	IDs    []int64
	Pieces []tokenizer.Token
}

// Caption cuts a caption into tokens, at most MaxCaption; what does not fit is left out at the end.
func (t Text) Caption(text string) Caption {
	pieces := t.Tokenizer.Tokenize(text)
	pieces = pieces[:min(len(pieces), max(0, t.MaxCaption-2))]
	c := Caption{IDs: make([]int64, 0, len(pieces)+2), Pieces: make([]tokenizer.Token, 0, len(pieces)+2)}
	add := func(p tokenizer.Token) {
		c.IDs = append(c.IDs, int64(p.ID))
		c.Pieces = append(c.Pieces, p)
	}
	add(tokenizer.Token{ID: t.Tokenizer.CLS()})
	for _, p := range pieces {
		add(p)
	}
	add(tokenizer.Token{ID: t.Tokenizer.SEP(), Start: len(text), End: len(text)})
	return c
}

// Labels are the tokens of object tags joined by spaces: first token, pieces, [SEP].
func (t Text) Labels(tags []string) []int64 {
	pieces := t.Tokenizer.Tokenize(strings.Join(tags, " "))
	pieces = pieces[:min(len(pieces), max(0, t.MaxLabels-2))]
	ids := make([]int64, 0, len(pieces)+2)
	ids = append(ids, int64(t.FirstLabel))
	for _, p := range pieces {
		ids = append(ids, int64(p.ID))
	}
	return append(ids, int64(t.Tokenizer.SEP()))
}

// Captions is a padded batch: B sequences of T tokens, row-major.
type Captions struct {
	B, T      int
	IDs, Mask []int64
}

// PadCaptions pads token sequences to the longest.
func PadCaptions(seqs [][]int64, pad int64) Captions {
	c := Captions{B: len(seqs), T: longest(seqs)}
	c.IDs, c.Mask = padded(seqs, c.T, pad)
	return c
}

func longest(seqs [][]int64) int {
	n := MinTokens
	for _, s := range seqs {
		n = max(n, len(s))
	}
	return n
}

func padded(seqs [][]int64, width int, pad int64) (ids, mask []int64) {
	ids, mask = make([]int64, len(seqs)*width), make([]int64, len(seqs)*width)
	for i := range ids {
		ids[i] = pad
	}
	for i, s := range seqs {
		for k, id := range s {
			ids[i*width+k] = id
			mask[i*width+k] = 1
		}
	}
	return ids, mask
}

// Images is a padded batch of B images: L label tokens and R regions of F features each, row-major.
type Images struct {
	B, L, R, F                      int
	LabelIDs, LabelTypes, LabelMask []int64
	Regions                         []float32
	RegionMask                      []int64
}

// PadImages pads label tokens and regions to the longest of each. Of a set with more than maxRegions
// regions the first count; 0 means no limit. Every set must have at least one region and dim features.
func PadImages(labels [][]int64, sets []*region.Set, maxRegions, dim int, pad int64) (Images, error) {
	m := Images{B: len(sets), L: longest(labels), R: 1, F: dim}
	count := func(s *region.Set) int {
		if maxRegions > 0 {
			return min(s.Len(), maxRegions)
		}
		return s.Len()
	}
	for _, s := range sets {
		if s.Dim != dim {
			return m, fmt.Errorf("%w: regions of %d features, the model reads %d", region.ErrInvalid, s.Dim, dim)
		}
		if s.Len() == 0 {
			return m, fmt.Errorf("%w: no regions", region.ErrInvalid)
		}
		m.R = max(m.R, count(s))
	}
	m.LabelIDs, m.LabelMask = padded(labels, m.L, pad)
	m.LabelTypes = make([]int64, len(m.LabelIDs))
	for i, ids := range labels {
		for k := 1; k < len(ids); k++ { // type 0 on the first token, 1 on labels and [SEP]
			m.LabelTypes[i*m.L+k] = 1
		}
	}
	m.Regions = make([]float32, m.B*m.R*dim)
	m.RegionMask = make([]int64, m.B*m.R)
	for i, s := range sets {
		n := count(s)
		copy(m.Regions[i*m.R*dim:], s.Features[:n*dim])
		for k := range n {
			m.RegionMask[i*m.R+k] = 1
		}
	}
	return m, nil
}
