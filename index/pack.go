package index

import (
	"context"
	"fmt"

	"github.com/aladin-go/aladin/internal/vector"
)

// PackedTokens are the tokens of some items side by side as signed int8, ready
// to be aligned elsewhere: a model's align.onnx on a GPU takes just this.
type PackedTokens struct {
	Items, Tokens, Dim int       // Tokens is that of the item with the most
	Codes              []int8    // Items × Tokens × Dim; value = scale · code
	Scales             []float32 // Items × Tokens
	Mask               []float32 // Items × Tokens: 1 where a token takes part, else 0
}

// PackTokens copies the tokens of the hits' items, in the order of the hits, with
// the words of captions and the regions of images alike. An item that was
// deleted since it was found gives ErrNotFound.
func (ix *Index) PackTokens(ctx context.Context, hits []Hit) (*PackedTokens, error) {
	var out *PackedTokens
	err := ix.view(func(sn *snapshot) error {
		var err error
		out, err = sn.pack(ctx, hits)
		return err
	})
	return out, err
}

func (sn *snapshot) pack(ctx context.Context, hits []Hit) (*PackedTokens, error) {
	p := &PackedTokens{Items: len(hits), Dim: sn.store.tokenDim}
	if len(hits) == 0 {
		return p, nil
	}
	t := sn.store.tokens
	if t == nil {
		return nil, fmt.Errorf("%s was built without regions: %w", sn.r.Name(), ErrNoTokens)
	}
	blocks := make([][]byte, len(hits))
	for i := range hits {
		at, err := sn.locate(&hits[i])
		if err != nil {
			return nil, err
		}
		b, _, n, err := sn.segments[at.seg].block(at.row)
		if err != nil {
			return nil, err
		}
		blocks[i], p.Tokens = b, max(p.Tokens, n)
	}
	p.Codes = make([]int8, p.Items*p.Tokens*p.Dim)
	p.Scales = make([]float32, p.Items*p.Tokens)
	p.Mask = make([]float32, p.Items*p.Tokens)
	v := make([]float32, p.Dim)
	for i, b := range blocks {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for j := range t.Count(b) {
			at := i*p.Tokens + j
			if !t.Decode(v, b, j) {
				continue
			}
			// Int8 tokens come back as they were stored: rounding a decoded code
			// gives the same code.
			p.Mask[at] = 1
			p.Scales[at] = vector.QuantizeInt8(p.Codes[at*p.Dim:(at+1)*p.Dim], v)
		}
	}
	return p, nil
}
