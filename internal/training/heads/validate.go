package heads

import (
	"context"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/training/param"
	"github.com/aladin-go/aladin/internal/training/validate"
)

// A valSide holds the validation data.
type valSide struct {
	images, texts []float32   // vectors
	cells, words  [][]float32 // of each image, caption
	rel           *eval.Relation
}

func newValSide(ctx context.Context, f *features) (*valSide, error) {
	v := &valSide{}
	for _, id := range f.images {
		e, err := f.item(ctx, id)
		if err != nil {
			return nil, err
		}
		v.images, v.cells = append(v.images, e.Matching...), append(v.cells, e.Tokens)
	}
	owner := make([]int, len(f.captions))
	for c, caption := range f.captions {
		e, err := f.item(ctx, caption.id)
		if err != nil {
			return nil, err
		}
		v.texts, v.words = append(v.texts, e.Matching...), append(v.words, e.Tokens)
		owner[c] = caption.image
	}
	var err error
	v.rel, err = eval.Owners(len(f.images), owner)
	return v, err
}

// result is what parameters reach: matching over all pairs, and alignment of its first candidates.
func (v *valSide) result(ctx context.Context, p *param.Set, dim int) (*validate.Result, error) {
	images, texts := residual(p, imageAdapter, v.images, dim), residual(p, textAdapter, v.texts, dim)
	iv, err := eval.NewVectors("image", len(v.cells), dim, images, nil)
	if err != nil {
		return nil, err
	}
	cv, err := eval.NewVectors("caption", len(v.words), dim, texts, nil)
	if err != nil {
		return nil, err
	}
	dot, err := eval.NewDot(iv, cv)
	if err != nil {
		return nil, err
	}
	out := &validate.Result{}
	first, err := eval.Rank(ctx, dot, v.rel, nil)
	if err != nil {
		return nil, err
	}
	out.Matching = validate.Retrieval(first)
	lists, err := eval.Top(ctx, dot, candidates, nil)
	if err != nil {
		return nil, err
	}
	a := &aligner{dim: dim}
	for i, cells := range v.cells {
		a.cells = append(a.cells, append(residual(p, cellHead, cells, dim), images[i*dim:(i+1)*dim]...))
	}
	for c, words := range v.words {
		a.words = append(a.words, append(residual(p, wordHead, words, dim), texts[c*dim:(c+1)*dim]...))
		a.weights = append(a.weights, gates(p, words, dim))
	}
	again, err := eval.Rescore(ctx, lists, a, nil)
	if err != nil {
		return nil, err
	}
	ranks, err := again.Ranks(first, v.rel, candidates)
	if err != nil {
		return nil, err
	}
	out.Rerank = validate.Retrieval(ranks)
	out.Alignment = out.Rerank // of the first candidates only: all pairs would take longer than a step
	out.RSum = out.Matching.RSum + out.Rerank.RSum
	return out, nil
}

// An aligner scores pairs by alignment.
type aligner struct {
	dim          int
	cells, words [][]float32
	weights      [][]float32
}

// Pairs implements eval.PairScorer.
func (a *aligner) Pairs(image int, captions []int32, dst []float32) error {
	cells := a.cells[image]
	r := len(cells) / a.dim
	var similar []float32
	for k, c := range captions {
		words := a.words[c]
		n := len(words) / a.dim
		similar = slices.Grow(similar[:0], n*r)[:n*r]
		general := func(rows, cols int, data []float32) blas32.General {
			return blas32.General{Rows: rows, Cols: cols, Stride: cols, Data: data}
		}
		blas32.Gemm(blas.NoTrans, blas.Trans, 1, general(n, a.dim, words), general(r, a.dim, cells), 0, general(n, r, similar))
		var score float32
		for w := range n {
			score += a.weights[c][w] * slices.Max(similar[w*r:(w+1)*r])
		}
		dst[k] = score
	}
	return nil
}
