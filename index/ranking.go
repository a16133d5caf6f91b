package index

import "fmt"

// A Ranking says how the scores of an item become the one by which the candidates of a query are ranked:
//
//	Score = Align + MatchScale · Match + Labelled
//
// where Labelled is the sum over the query's tokens of weight times what the item's labels mean to it. Its numbers are the
// model's and the query's. They do not depend on what else is found, so that no filter changes the order of two items.
type Ranking struct {
	MatchScale float32
	// Labels says for each token what a region adds that a detector called so; nil: labels add nothing. Of several labels
	// of an item the best counts.
	Labels []map[string]float32
}

// Score ranks an item with an alignment score, the inner product of its matching vector, and what its labels add. That
// of a nil Ranking is align.
func (r *Ranking) Score(align, match, labelled float32) float32 {
	if r == nil {
		return align
	}
	return align + float32(r.MatchScale*match) + labelled // not fused: the same bits everywhere
}

// Labelled is what the labels of an item's regions add for a query whose tokens have those weights.
func (r *Ranking) Labelled(weights []float32, labels []string) (sum float32) {
	if r == nil {
		return 0
	}
	for i := range r.Labels {
		if _, gain := r.BestLabel(i, labels); gain > 0 {
			w := float32(1)
			if weights != nil {
				w = weights[i]
			}
			sum += float32(w * gain)
		}
	}
	return sum
}

// BestLabel is which of the regions' labels means most to a token, and what it adds; a gain of 0 is none.
func (r *Ranking) BestLabel(token int, labels []string) (region int, gain float32) {
	if r == nil || token >= len(r.Labels) || len(r.Labels[token]) == 0 {
		return 0, 0
	}
	for k, l := range labels {
		if g := r.Labels[token][l]; l != "" && g > gain {
			region, gain = k, g
		}
	}
	return region, gain
}

// check holds a ranking against the number of a query's tokens.
func (r *Ranking) check(tokens int) error {
	switch {
	case r == nil:
		return nil
	case r.MatchScale-r.MatchScale != 0:
		return fmt.Errorf("%w: the ranking's scale of matching is %v", ErrInvalid, r.MatchScale)
	case r.Labels != nil && len(r.Labels) != tokens:
		return fmt.Errorf("%w: the ranking's labels are of %d tokens, of %d", ErrInvalid, len(r.Labels), tokens)
	}
	for _, gains := range r.Labels {
		for l, g := range gains {
			if g-g != 0 {
				return fmt.Errorf("%w: the ranking's label %.40q adds %v", ErrInvalid, l, g)
			}
		}
	}
	return nil
}
