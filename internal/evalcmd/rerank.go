package evalcmd

import (
	"context"

	"github.com/aladin-go/aladin/internal/eval"
)

// rerankFused fills the head of what a search does. Labels mean words of a query: they count for captions that look for
// images, not the other way round.
func (e *evaluation) rerankFused(ctx context.Context, h *head, g eval.Gallery, a *answers, first *ranking, pairs *fusedPairs, o *eval.Options) error {
	r, err := reranked(ctx, h, a, first, pairs, o)
	if err != nil {
		return err
	}
	if e.d.labelScores != nil {
		pairs.labels = eval.Lookup(eval.Select(e.d.labelScores, g.Images, g.Captions))
		labelled, err := reranked(ctx, h, a, first, pairs, o)
		if err != nil {
			return err
		}
		for _, x := range [][2]*eval.Ranks{{r.ranks, labelled.ranks}, {r.forgiving, labelled.forgiving}} {
			if x[0] != nil {
				x[0].T2I, x[0].TiedT2I = x[1].T2I, x[1].TiedT2I
			}
		}
		r.lists.T2I = labelled.lists.T2I
	}
	return e.enter(ctx, h, g, a, r, o)
}

// reranked puts the first answers of matching in order by a second score.
func reranked(ctx context.Context, h *head, a *answers, first *ranking, second eval.PairScorer, o *eval.Options) (*ranking, error) {
	again, err := eval.Rescore(ctx, first.lists, second, o)
	if err != nil {
		return nil, err
	}
	return ranksOf(again, h, a, first)
}

// rerank fills the heads that put the first answers of matching in order by a second score.
func (e *evaluation) rerank(ctx context.Context, heads []*head, g eval.Gallery, a *answers, first *ranking, second eval.PairScorer, o *eval.Options, done func(int)) error {
	again, err := eval.Rescore(ctx, first.lists, second, o)
	if err != nil {
		return err
	}
	for _, h := range heads {
		r, err := ranksOf(again, h, a, first)
		if err != nil {
			return err
		}
		if err := e.enter(ctx, h, g, a, r, o); err != nil {
			return err
		}
		done(1)
	}
	return nil
}

// ranksOf are the ranks and lists of a head's candidates.
func ranksOf(again *eval.Rescored, h *head, a *answers, first *ranking) (*ranking, error) {
	r := &ranking{lists: again.Lists(h.candidates)}
	var err error
	if r.ranks, err = again.Ranks(first.ranks, a.own, h.candidates); err != nil {
		return nil, err
	}
	if first.forgiving != nil {
		r.forgiving, err = again.Ranks(first.forgiving, a.duplicate, h.candidates)
	}
	return r, err
}
