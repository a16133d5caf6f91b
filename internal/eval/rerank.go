package eval

import (
	"context"
	"fmt"
	"slices"
)

// A PairScorer scores chosen pairs, safe for concurrent use: dst[k] is the score of the image with
// captions[k], which come in ascending order without repeats.
type PairScorer interface {
	Pairs(image int, captions []int32, dst []float32) error
}

// Lookup is the PairScorer that reads from scores already computed.
func Lookup(s Scores) PairScorer { return lookup{s} }

type lookup struct{ s Scores }

func (l lookup) Pairs(image int, captions []int32, dst []float32) error {
	_, m := l.s.Dims()
	row := make([]float32, m)
	if err := l.s.Rows([]int{image}, row); err != nil {
		return err
	}
	for k, c := range captions {
		dst[k] = row[c]
	}
	return nil
}

// A Rescored is the first answers of a recall with the scores of a second, better model: what
// re-ranking works on. Made by Rescore.
type Rescored struct {
	Pairs int    // scored
	again *Lists // in the recall's order, with the second scores

	optimistic bool
}

// Rescore scores the answers of a recall again. Pairs are scored image by image, each once.
func Rescore(ctx context.Context, recall *Lists, second PairScorer, o *Options) (*Rescored, error) {
	n, m := len(recall.I2T), len(recall.T2I)
	out := &Lists{make([][]Hit, n), make([][]Hit, m)}
	type place struct{ caption, at int32 }
	asked := make([][]place, n) // by image, where captions list it
	for c, list := range recall.T2I {
		out.T2I[c] = make([]Hit, len(list))
		for at, h := range list {
			asked[h.Index] = append(asked[h.Index], place{int32(c), int32(at)})
		}
	}
	counts := make([]int, n)
	err := parallel(ctx, o, n, 4, func() func(int, int) error {
		var captions []int32
		var scores []float32
		return func(from, to int) error {
			for i := from; i < to; i++ {
				captions = captions[:0]
				for _, p := range asked[i] {
					captions = append(captions, p.caption)
				}
				for _, h := range recall.I2T[i] {
					captions = append(captions, h.Index)
				}
				slices.Sort(captions)
				captions = slices.Compact(captions)
				scores = append(scores[:0], make([]float32, len(captions))...)
				if err := second.Pairs(i, captions, scores); err != nil {
					return err
				}
				score := func(c int32) float32 {
					k, _ := slices.BinarySearch(captions, c)
					return scores[k]
				}
				for k, v := range scores {
					if v != v {
						return fmt.Errorf("%w: the score of image %d and caption %d is NaN", ErrInput, i, captions[k])
					}
				}
				counts[i] = len(captions)
				for _, p := range asked[i] {
					out.T2I[p.caption][p.at] = Hit{int32(i), score(p.caption)}
				}
				out.I2T[i] = make([]Hit, len(recall.I2T[i]))
				for at, h := range recall.I2T[i] {
					out.I2T[i][at] = Hit{h.Index, score(h.Index)}
				}
			}
			return nil
		}
	})
	if err != nil {
		return nil, err
	}
	r := &Rescored{again: out, optimistic: o.optimistic()}
	for _, c := range counts {
		r.Pairs += c
	}
	return r, nil
}

// Ranks are those when the first k answers of the recall are put in order by the second score and the others
// stay as they are; k must not exceed the length of the lists that were rescored. recall are the
// ranks of the recall: a query whose right answers the recall puts at k or beyond keeps its rank.
// Ties count as the options of Rescore say.
func (r *Rescored) Ranks(recall *Ranks, rel *Relation, k int) (*Ranks, error) {
	n, m := rel.Dims()
	if len(r.again.I2T) != n || len(r.again.T2I) != m || len(recall.I2T) != n || len(recall.T2I) != m {
		return nil, fmt.Errorf("%w: lists of %d and %d queries for %d images and %d captions", ErrInput, len(r.again.I2T), len(r.again.T2I), n, m)
	}
	out := &Ranks{I2T: make([]int32, n), T2I: make([]int32, m)}
	for i := range n {
		var tied bool
		if out.I2T[i], tied = r.rerank(r.again.I2T[i], k, recall.I2T[i], rel.Captions(i)); tied {
			out.TiedI2T++
		}
	}
	for c := range m {
		var tied bool
		if out.T2I[c], tied = r.rerank(r.again.T2I[c], k, recall.T2I[c], rel.Images(c)); tied {
			out.TiedT2I++
		}
	}
	return out, nil
}

// Lists are the answers re-ranked among the first k; those after them follow in the recall's order.
func (r *Rescored) Lists(k int) *Lists {
	side := func(from [][]Hit) [][]Hit {
		out := make([][]Hit, len(from))
		for q, list := range from {
			out[q] = slices.Clone(list)
			slices.SortFunc(out[q][:min(k, len(list))], order)
		}
		return out
	}
	return &Lists{side(r.again.I2T), side(r.again.T2I)}
}

func (r *Rescored) rerank(list []Hit, k int, before int32, right []int32) (rank int32, tied bool) {
	list = list[:min(k, len(list))]
	if before < 0 || int(before) >= len(list) {
		return before, false
	}
	first := Hit{Index: -1}
	for _, h := range list {
		if _, ok := slices.BinarySearch(right, h.Index); ok && (first.Index < 0 || order(h, first) < 0) {
			first = h
		}
	}
	if first.Index < 0 { // the recall's rank is an optimistic one
		return before, true
	}
	for _, h := range list {
		if h.Score > first.Score || !r.optimistic && order(h, first) < 0 {
			rank++
		}
		if h.Score == first.Score && !tied {
			_, ok := slices.BinarySearch(right, h.Index)
			tied = !ok
		}
	}
	return rank, tied
}
