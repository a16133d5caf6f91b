// Package align compares the words of a caption with the regions of an image, word by word: the one driver of
// late interaction (MaxSim) for indexes, models and their evaluation. The score of a pair is
//
//	Σ_w weight_w · max_r ⟨w, r⟩
//
// over the regions r that take part. Tokens of one side are prepared as a [Query]; those of the other are blocks
// of bytes in a layout of package vector, in the precision of an index or in full (F32). Words of negative
// weight, which sums of encodings have, are subtracted.
//
// Queries are never written after they are made and may be shared between goroutines.
package align

import (
	"context"

	"github.com/aladin-go/aladin/internal/vector"
)

// A Query is the words, or the regions, of one side prepared to be aligned with blocks of the other side.
type Query struct {
	weights  []float32 // of the tokens; nil: all 1
	pos, neg *vector.MaxSim
}

// NewQuery prepares tokens (n × dim, row-major). weights has one a token, or is nil: all 1. tokens is not kept,
// weights is.
func NewQuery(t *vector.Tokens, tokens, weights []float32) (*Query, error) {
	pos, neg := split(weights)
	q := &Query{weights: weights}
	var err error
	if q.pos, err = vector.NewMaxSim(t, tokens, pos); err == nil && neg != nil {
		q.neg, err = vector.NewMaxSim(t, tokens, neg)
	}
	return q, err
}

// split separates positive from negative weights; neg is nil if there are none.
func split(weights []float32) (pos, neg []float32) {
	for i, w := range weights {
		if w >= 0 {
			continue
		}
		if neg == nil {
			pos, neg = append([]float32(nil), weights...), make([]float32, len(weights))
		}
		pos[i], neg[i] = 0, -w
	}
	if neg == nil {
		pos = weights
	}
	return pos, neg
}

// Score aligns the words of q with each block of regions and writes a score for each.
func (q *Query) Score(blocks [][]byte, scores []float32) {
	q.pos.Score(blocks, scores)
	if q.neg != nil {
		less := make([]float32, len(blocks))
		q.neg.Score(blocks, less)
		subtract(scores, less)
	}
}

// ScoreAll is Score on several goroutines; workers ≤ 0 is GOMAXPROCS.
func (q *Query) ScoreAll(ctx context.Context, blocks [][]byte, scores []float32, workers int) error {
	const piece = 64
	return vector.InPieces(ctx, len(blocks), piece, workers, func(lo, hi int) { q.Score(blocks[lo:hi], scores[lo:hi]) })
}

func subtract(from, what []float32) {
	for i, v := range what {
		from[i] -= v
	}
}

// ScoreReverse aligns the regions of q with each block of words and writes a score for each. weights[i] are those
// of the words of blocks[i]; nil is all 1. The weights of regions say only whether they take part.
func (q *Query) ScoreReverse(blocks [][]byte, weights [][]float32, scores []float32) {
	q.pos.ScoreReverse(blocks, weights, scores)
}

// Explain aligns the words of q with a block of regions.
func (q *Query) Explain(block []byte) Result {
	r := Result{Weights: q.weights}
	r.Best, r.Score = q.pos.Explain(block)
	if q.neg != nil {
		best, score := q.neg.Explain(block)
		for i, w := range q.weights {
			if w < 0 {
				r.Best[i] = best[i]
			}
		}
		r.Score -= score
	}
	return r
}

// ExplainReverse aligns the regions of q with a block of words, whose weights are given as in ScoreReverse.
func (q *Query) ExplainReverse(block []byte, weights []float32) Result {
	r := Result{Weights: weights}
	r.Best, r.Score = q.pos.ExplainReverse(block, weights)
	return r
}

// Exact aligns words with regions in full precision. Tokens are of dim values; weights may be nil.
func Exact(dim int, words, wordWeights, regions, regionWeights []float32) (Result, error) {
	t, err := vector.NewTokens(vector.F32, dim)
	if err != nil {
		return Result{}, err
	}
	block, err := t.AppendBlock(nil, regions, regionWeights)
	if err != nil {
		return Result{}, err
	}
	q, err := NewQuery(t, words, wordWeights)
	if err != nil {
		return Result{}, err
	}
	return q.Explain(block), nil
}

// A Result says which region each word found.
type Result struct {
	Score   float32
	Best    []vector.Best // by word; a region of −1: the word, or every region, takes no part
	Weights []float32     // by word; nil: all 1
}

func (r *Result) weight(word int) float32 {
	if r.Weights == nil {
		return 1
	}
	return r.Weights[word]
}

// Coverage says how well regions cover the words: the mean similarity of the words of positive weight, each by
// its weight, where a negative similarity counts as 0. It is between 0 and 1.
func (r *Result) Coverage() float32 {
	var covered, total float32
	for i, b := range r.Best {
		if w := r.weight(i); w > 0 {
			covered += float32(w * max(b.Similarity, 0)) // not fused: the same bits everywhere
			total += w
		}
	}
	if total == 0 {
		return 0
	}
	return min(covered/total, 1)
}
