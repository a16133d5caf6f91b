// Package input turns captions, object tags and regions into the padded integer and float arrays that
// the networks of package nn read. Training and inference share it, so they see the same tokens.
package input

import (
	"fmt"
	"strings"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// MinTokens and MinRegions are the shortest padded sequences: room for what alignment leaves out, and one more.
const (
	MinTokens  = 4
	MinRegions = 2
)

// A Text prepares captions and object tags. It is immutable and safe for concurrent use.
type Text struct {
	Tokenizer  *tokenizer.WordPiece
	MaxCaption int // tokens of a caption, [CLS] and [SEP] included
	MaxLabels  int // tokens of the object tags, likewise
	// FirstLabel is the token in front of the object tags: [CLS], or [UNK] in published models.
	FirstLabel int
	// CLIP, if not nil, stands in for word pieces.
	CLIP *CLIP
}

// A Caption is a caption's tokens: [CLS] pieces [SEP]. Pieces has one entry per position of the network,
// which is one per ID where these are word pieces; those of [CLS] and [SEP] cover no text.
type Caption struct {
	IDs    []int64
	Pieces []tokenizer.Token
	Unread int // bytes at the end of the text that were left out
}

// Caption cuts a caption into tokens, at most MaxCaption; what does not fit is left out at the end.
func (t Text) Caption(text string) Caption {
	if t.CLIP != nil && t.CLIP.Captions > 0 {
		return t.clipCaption(text)
	}
	pieces, unread := t.Tokenizer.Tokenize(text), 0
	if room := max(0, t.MaxCaption-2); len(pieces) > room {
		pieces, unread = pieces[:room], len(text)-pieces[room].Start
	}
	c := Caption{Unread: unread, IDs: make([]int64, 0, len(pieces)+2), Pieces: make([]tokenizer.Token, 0, len(pieces)+2)}
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

// Captions is a padded batch: B sequences of T tokens, row-major. They are IDs, or Vectors of Dim numbers.
type Captions struct {
	B, T, Dim int
	IDs, Mask []int64
	Vectors   []float32
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

// Images is a padded batch of B images: L label tokens, which are IDs or Vectors of LabelDim numbers, and R
// regions of F features each, row-major.
type Images struct {
	B, L, R, F                      int
	LabelDim                        int
	LabelIDs, LabelTypes, LabelMask []int64
	LabelVectors                    []float32
	Regions                         []float32
	RegionMask                      []int64
}

// PadImages pads label tokens and regions to the longest of each. Of a set with more than maxRegions
// regions the first count; 0 means no limit. Every set must have at least one region and dim features.
func PadImages(labels [][]int64, sets []*region.Set, maxRegions, dim int, pad int64) (Images, error) {
	m := Images{B: len(sets), L: longest(labels)}
	m.LabelIDs, m.LabelMask = padded(labels, m.L, pad)
	lengths := make([]int, len(labels))
	for i, ids := range labels {
		lengths[i] = len(ids)
	}
	m.LabelTypes = labelTypes(lengths, m.L)
	return m, m.padRegions(sets, maxRegions, dim)
}

// labelTypes are 0 on the first token and on padding, 1 on the others.
func labelTypes(lengths []int, width int) []int64 {
	types := make([]int64, len(lengths)*width)
	for i, n := range lengths {
		for k := 1; k < n; k++ {
			types[i*width+k] = 1
		}
	}
	return types
}

func (m *Images) padRegions(sets []*region.Set, maxRegions, dim int) error {
	m.R, m.F = MinRegions, dim
	count := func(s *region.Set) int {
		if maxRegions > 0 {
			return min(s.Len(), maxRegions)
		}
		return s.Len()
	}
	for _, s := range sets {
		if s.Dim != dim {
			return fmt.Errorf("%w: regions of %d features, the model reads %d", region.ErrInvalid, s.Dim, dim)
		}
		if s.Len() == 0 {
			return fmt.Errorf("%w: no regions", region.ErrInvalid)
		}
		m.R = max(m.R, count(s))
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
	return nil
}

// Tensors are the batch as the encoder's inputs.
func (c *Captions) Tensors() map[string]*ort.Tensor {
	shape := []int64{int64(c.B), int64(c.T)}
	in := map[string]*ort.Tensor{"mask": ort.Int64(shape, c.Mask)}
	if c.Dim > 0 {
		in["clip"] = ort.Float32([]int64{shape[0], shape[1], int64(c.Dim)}, c.Vectors)
	} else {
		in["ids"] = ort.Int64(shape, c.IDs)
	}
	return in
}

// Tensors are the batch as the encoder's inputs.
func (m *Images) Tensors() map[string]*ort.Tensor {
	b, l, r := int64(m.B), int64(m.L), int64(m.R)
	in := map[string]*ort.Tensor{
		"label_types": ort.Int64([]int64{b, l}, m.LabelTypes), "label_mask": ort.Int64([]int64{b, l}, m.LabelMask),
		"regions": ort.Float32([]int64{b, r, int64(m.F)}, m.Regions), "region_mask": ort.Int64([]int64{b, r}, m.RegionMask),
	}
	if m.LabelDim > 0 {
		in["label_clip"] = ort.Float32([]int64{b, l, int64(m.LabelDim)}, m.LabelVectors)
	} else {
		in["label_ids"] = ort.Int64([]int64{b, l}, m.LabelIDs)
	}
	return in
}
