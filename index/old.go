package index

import (
	"context"
	"errors"
	"slices"
)

// Align is on its way out: use Search.
func (ix *Index) Align(ctx context.Context, q *Encoding, hits []Hit) ([]Hit, error) {
	return ix.again(ctx, q, hits, false)
}

// Explain is on its way out: use Search.
func (ix *Index) Explain(ctx context.Context, q *Encoding, hits []Hit) ([]Hit, error) {
	return ix.again(ctx, q, hits, true)
}

func (ix *Index) again(ctx context.Context, q *Encoding, hits []Hit, explain bool) (out []Hit, err error) {
	err = ix.view(func(sn *snapshot) error {
		if err := sn.accepts(q); err != nil {
			return err
		}
		if sn.store.tokens == nil || q.N() == 0 {
			if len(sn.segments) == 0 {
				return nil
			}
			return ErrNoTokens
		}
		a, err := sn.aligner(q)
		if err != nil {
			return err
		}
		for _, h := range hits {
			if h.at, err = sn.find(h.ID); errors.Is(err, ErrNotFound) && !explain {
				continue
			} else if err != nil {
				return err
			}
			out = append(out, h)
		}
		order := slices.Clone(out)
		if err := a.rank(ctx, out, ix.opts.Threads); err != nil || !explain {
			for i := range out {
				err = errors.Join(err, a.explain(&out[i], false))
			}
			return err
		}
		for i := range order {
			j := slices.IndexFunc(out, func(h Hit) bool { return h.ID == order[i].ID })
			order[i].Align = out[j].Align
			if err := a.explain(&order[i], true); err != nil {
				return err
			}
		}
		out = order
		return nil
	})
	return out, err
}
