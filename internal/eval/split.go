package eval

import (
	"context"
	"fmt"
)

// A Split is the galleries in which queries are answered. Every figure is computed in each gallery
// and averaged over them.
type Split struct {
	// Fold[i] is the gallery of image i, −1 for images left out.
	Fold []int
	// Folds is the number of galleries.
	Folds int
}

// Whole is one gallery of all images.
func Whole(images int) *Split { return &Split{make([]int, images), 1} }

// Only is one gallery of the given images.
func Only(images int, list []int) (*Split, error) {
	s := &Split{make([]int, images), 1}
	for i := range s.Fold {
		s.Fold[i] = -1
	}
	for _, i := range list {
		if i < 0 || i >= images {
			return nil, fmt.Errorf("%w: image %d of %d", ErrInput, i, images)
		}
		if s.Fold[i] == 0 {
			return nil, fmt.Errorf("%w: image %d is listed twice", ErrInput, i)
		}
		s.Fold[i] = 0
	}
	return s, nil
}

// Folds cuts the images, in their order, into k galleries of equal size; where k does not divide
// them, the first ones are larger by one. COCO's "1k" of papers is Folds(5000, 5).
func Folds(images, k int) (*Split, error) {
	if k < 1 || images < k {
		return nil, fmt.Errorf("%w: %d images cannot make %d folds", ErrInput, images, k)
	}
	s := &Split{make([]int, images), k}
	for i := range s.Fold {
		big := images % k * (images/k + 1) // images in the larger folds
		if i < big {
			s.Fold[i] = i / (images/k + 1)
		} else {
			s.Fold[i] = images%k + (i-big)/(images/k)
		}
	}
	return s, nil
}

// A Gallery is the images of one fold and the captions that belong to them, by index.
type Gallery struct{ Images, Captions []int }

// Galleries lists them. A caption is in the gallery of its owner.
func (s *Split) Galleries(owner []int) []Gallery {
	out := make([]Gallery, s.Folds)
	for i, f := range s.Fold {
		if f >= 0 {
			out[f].Images = append(out[f].Images, i)
		}
	}
	for c, i := range owner {
		if f := s.Fold[i]; f >= 0 {
			out[f].Captions = append(out[f].Captions, c)
		}
	}
	return out
}

// An Outcome is the ranks of all queries, each in its gallery, and what is needed to resample them.
type Outcome struct {
	Ranks
	Owner []int // of every caption
	Split *Split
}

// RankSplit ranks every query in its own gallery.
func RankSplit(ctx context.Context, s Scores, rel *Relation, owner []int, split *Split, o *Options) (*Outcome, error) {
	n, m := s.Dims()
	if len(split.Fold) != n || len(owner) != m {
		return nil, fmt.Errorf("%w: scores of %d × %d, %d images in the split, %d owners", ErrInput, n, m, len(split.Fold), len(owner))
	}
	out := NewOutcome(owner, split)
	for f, g := range split.Galleries(owner) {
		if len(g.Captions) == 0 {
			return nil, fmt.Errorf("%w: gallery %d has %d images but no caption", ErrInput, f, len(g.Images))
		}
		sub, err := rel.Select(g.Images, g.Captions)
		if err != nil {
			return nil, err
		}
		r, err := Rank(ctx, Select(s, g.Images, g.Captions), sub, o)
		if err != nil {
			return nil, err
		}
		out.Put(g, r)
	}
	return out, nil
}

// NewOutcome is an Outcome without any query yet.
func NewOutcome(owner []int, split *Split) *Outcome {
	out := &Outcome{Owner: owner, Split: split}
	out.I2T, out.T2I = none(len(split.Fold)), none(len(owner))
	return out
}

// Put enters the ranks found in one gallery.
func (o *Outcome) Put(g Gallery, r *Ranks) {
	for k, i := range g.Images {
		o.I2T[i] = r.I2T[k]
	}
	for k, c := range g.Captions {
		o.T2I[c] = r.T2I[k]
	}
	o.TiedI2T += r.TiedI2T
	o.TiedT2I += r.TiedT2I
}

func none(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = -1
	}
	return out
}

// Retrieval is the figures, averaged over the galleries.
func (o *Outcome) Retrieval() Retrieval {
	out := make([]float64, len(RetrievalNames))
	o.Statistic().New()(nil, out)
	return retrievalOf(out)
}

// Statistic is the same figures for any weights of the images, named by RetrievalNames.
func (o *Outcome) Statistic() *Statistic {
	i2t, t2i := make([]queries, o.Split.Folds), make([]queries, o.Split.Folds)
	for f := range i2t {
		i2t[f] = newQueries(o.I2T, nil, o.Split.Fold, f)
		t2i[f] = newQueries(o.T2I, o.Owner, o.Split.Fold, f)
	}
	return &Statistic{
		Figures: len(RetrievalNames),
		Split:   o.Split,
		New: func() func([]int32, []float64) {
			return func(weight []int32, out []float64) {
				clear(out)
				for f := range i2t {
					r := Retrieval{I2T: i2t[f].recall(weight), T2I: t2i[f].recall(weight)}
					r.RSum = (r.I2T.R1 + r.I2T.R5 + r.I2T.R10) + (r.T2I.R1 + r.T2I.R5 + r.T2I.R10)
					for k, v := range r.Values() {
						out[k] += v / float64(len(i2t))
					}
				}
			}
		},
	}
}
