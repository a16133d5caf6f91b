package input

import (
	"context"
	"fmt"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/clip"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// CLIP says what a network reads as vectors of CLIP's text tower in place of word pieces (ALADIN-2.0).
type CLIP struct {
	Tower *clip.Tower
	// Captions and Labels are how many numbers a vector has: the state of each of a caption's tokens, and one
	// vector for a sentence about each label. 0 = word pieces.
	Captions, Labels int
	// Aggregate makes one sentence of labels that repeat: "a photo of three dogs".
	Aggregate bool
}

// OpenCLIP opens the text tower of a bundle, whose graph is read when it is first needed; nil if it has none.
func OpenCLIP(b *bundle.Bundle) (*CLIP, error) {
	c := b.Manifest.CLIP
	if c == nil {
		return nil, nil
	}
	merges, err := b.Path(c.Merges)
	if err != nil {
		return nil, err
	}
	tok, err := tokenizer.LoadCLIP(merges)
	if err != nil {
		return nil, err
	}
	tower := clip.New(tok, func(o *ort.Options) (*ort.Session, error) {
		path, err := b.Path(c.Tower)
		if err != nil {
			return nil, err
		}
		return ort.Open(path, o)
	})
	return &CLIP{Tower: tower, Captions: c.Captions, Labels: c.Labels, Aggregate: c.Aggregate}, nil
}

// clipCaption cuts a caption into the tower's tokens. As in the released code, a caption has at most as many
// words as the network has positions between the first token and the last, and the end token stays the
// last where there are more tokens than positions: IDs are all that the tower reads, Pieces those of the
// positions.
func (t Text) clipCaption(text string) Caption {
	end := firstWords(text, t.MaxCaption-2)
	tokens := t.CLIP.Tower.Tokenizer.Encode(text[:end], 0)
	c := Caption{Unread: len(text) - end, IDs: tokenizer.IDs(tokens), Pieces: tokens}
	if n := max(2, t.MaxCaption); len(tokens) > n {
		c.Pieces = append(tokens[:n-1:n-1], tokens[len(tokens)-1])
	}
	return c
}

// firstWords is where the first n words of a text end.
func firstWords(text string, n int) int {
	words := 0
	inWord := false
	for i := range len(text) {
		switch blank := text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r'; {
		case blank:
			inWord = false
		case !inWord:
			if words++; words > n {
				return i
			}
			inWord = true
		}
	}
	return len(text)
}

// PadCaptions makes a batch of captions, by the IDs that Caption gave.
func (t Text) PadCaptions(ctx context.Context, seqs [][]int64) (Captions, error) {
	if t.CLIP == nil || t.CLIP.Captions == 0 {
		return PadCaptions(seqs, int64(t.Tokenizer.PAD())), nil
	}
	states, err := t.CLIP.Tower.States(ctx, seqs)
	if err != nil {
		return Captions{}, err
	}
	dim, most := t.CLIP.Captions, max(2, t.MaxCaption)
	lengths := make([]int, len(seqs))
	for i, s := range states {
		if len(s) != len(seqs[i])*dim {
			return Captions{}, &sizeError{"token", len(s) / len(seqs[i]), dim}
		}
		if lengths[i] = len(seqs[i]); lengths[i] > most {
			copy(s[(most-1)*dim:most*dim], s[len(s)-dim:]) // the end token's
			lengths[i] = most
		}
	}
	c := Captions{B: len(seqs), Dim: dim}
	c.T, c.Mask = masked(lengths)
	c.Vectors = make([]float32, c.B*c.T*dim)
	for i, s := range states {
		copy(c.Vectors[i*c.T*dim:], s[:lengths[i]*dim])
	}
	return c, nil
}

// PadImages makes a batch of images with these object tags; see the function PadImages.
func (t Text) PadImages(ctx context.Context, tags [][]string, sets []*region.Set, maxRegions, dim int) (Images, error) {
	if t.CLIP == nil || t.CLIP.Labels == 0 {
		labels := make([][]int64, len(tags))
		for i, of := range tags {
			labels[i] = t.Labels(of)
		}
		return PadImages(labels, sets, maxRegions, dim, int64(t.Tokenizer.PAD()))
	}
	m := Images{B: len(sets), LabelDim: t.CLIP.Labels}
	var all []string
	lengths := make([]int, len(tags))
	for i, of := range tags {
		sentences := clip.LabelSentences(of, t.CLIP.Aggregate, t.MaxLabels)
		lengths[i] = len(sentences)
		all = append(all, sentences...)
	}
	vectors, err := t.CLIP.Tower.Sentences(ctx, all)
	if err != nil {
		return m, err
	}
	m.L, m.LabelMask = masked(lengths)
	m.LabelTypes = labelTypes(lengths, m.L)
	m.LabelVectors = make([]float32, m.B*m.L*m.LabelDim)
	for i, n := range lengths {
		for k, v := range vectors[:n] {
			if len(v) != m.LabelDim {
				return m, &sizeError{"sentence", len(v), m.LabelDim}
			}
			copy(m.LabelVectors[(i*m.L+k)*m.LabelDim:], v)
		}
		vectors = vectors[n:]
	}
	return m, m.padRegions(sets, maxRegions, dim)
}

// masked is the width of a batch of sequences and its mask.
func masked(lengths []int) (width int, mask []int64) {
	width = MinTokens
	for _, n := range lengths {
		width = max(width, n)
	}
	mask = make([]int64, len(lengths)*width)
	for i, n := range lengths {
		for k := range n {
			mask[i*width+k] = 1
		}
	}
	return width, mask
}

// A sizeError tells that the tower is another than the network was made for.
type sizeError struct {
	what      string
	got, want int
}

func (e *sizeError) Error() string {
	return fmt.Sprintf("CLIP's text tower gives %d numbers a %s, the network reads %d: it is another tower", e.got, e.what, e.want)
}
