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

// Rerank gives the ranks when the first k answers of the recall are put in order by a second, better
// score and the others stay as they are: one Ranks for each k of ks. recall holds the first
// max(ks) answers of every query and ranks the ranks of the recall. It also returns the number of pairs scored.
//
// A query whose right answers the recall puts at k or beyond keeps the recall's rank; otherwise
// its rank is that of the first right answer among the k. Ties stand in the order of their index.
func Rerank(ctx context.Context, recall *Lists, ranks *Ranks, rel *Relation, ks []int, second PairScorer, o *Options) ([]*Ranks, int, error) {
	n, m := rel.Dims()
	if len(recall.I2T) != n || len(recall.T2I) != m || len(ranks.I2T) != n || len(ranks.T2I) != m {
		return nil, 0, fmt.Errorf("%w: lists of %d and %d queries for %d images and %d captions", ErrInput, len(recall.I2T), len(recall.T2I), n, m)
	}
	again, pairs, err := rescore(ctx, recall, second, o)
	if err != nil {
		return nil, 0, err
	}
	out := make([]*Ranks, len(ks))
	for j, k := range ks {
		r := &Ranks{I2T: make([]int32, n), T2I: make([]int32, m)}
		for i := range n {
			var tied bool
			r.I2T[i], tied = rerank(again.I2T[i], k, ranks.I2T[i], rel.Captions(i))
			r.TiedI2T += one(tied)
		}
		for c := range m {
			var tied bool
			r.T2I[c], tied = rerank(again.T2I[c], k, ranks.T2I[c], rel.Images(c))
			r.TiedT2I += one(tied)
		}
		out[j] = r
	}
	return out, pairs, nil
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// rescore is the recall's lists, in the recall's order, with the scores of the second.
func rescore(ctx context.Context, recall *Lists, second PairScorer, o *Options) (*Lists, int, error) {
	n, m := len(recall.I2T), len(recall.T2I)
	out := &Lists{make([][]Hit, n), make([][]Hit, m)}
	// Pairs are scored image by image: for each, the places in which captions list it.
	type place struct{ caption, at int32 }
	asked := make([][]place, n)
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
	pairs := 0
	for _, c := range counts {
		pairs += c
	}
	return out, pairs, err
}

func rerank(list []Hit, k int, before int32, right []int32) (rank int32, tied bool) {
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
	for _, h := range list {
		if order(h, first) < 0 {
			rank++
		}
		if h.Score == first.Score && !tied {
			_, ok := slices.BinarySearch(right, h.Index)
			tied = !ok
		}
	}
	return rank, tied
}
