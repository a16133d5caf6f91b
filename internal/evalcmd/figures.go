package evalcmd

import (
	"context"
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/eval"
)

// curvePoints are the k of the recall curves.
var curvePoints = []int{1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000}

// figures turns the heads into the document's figures, with their intervals.
func (e *evaluation) figures(ctx context.Context) error {
	if e.resamples > 0 {
		e.doc.Bootstrap = &resampled{e.resamples, e.seed, "image, with all its captions"}
	}
	if e.relevances != nil {
		e.doc.NDCG = &ndcg{At: e.ndcgAt, Relevance: "ROUGE-L"}
		if e.relevance != "" {
			e.doc.NDCG.Relevance = e.relevance
		}
	}
	e.doc.Queries = &queryRanks{
		Images: e.d.images, Captions: e.d.captions, Owner: e.d.owner, Fold: e.split.Fold,
		Ranks: map[string]twoRanks{}, NDCG: map[string]twoValues{},
	}
	p := e.tell("intervals", len(e.heads))
	defer p.Done()
	for _, h := range e.heads {
		f, gain, err := e.figuresOf(ctx, h)
		if err != nil {
			return fmt.Errorf("%s: %w", h.name, err)
		}
		e.doc.Queries.Ranks[h.name] = twoRanks{h.outcome.I2T, h.outcome.T2I}
		if h.ndcg != nil {
			e.doc.Queries.NDCG[h.name] = twoValues{finites(h.ndcg.I2T), finites(h.ndcg.T2I)}
		}
		var forgiving *eval.Retrieval
		if h.forgiving != nil {
			r := h.forgiving.Retrieval()
			forgiving = &r
		}
		switch {
		case h.fused:
			f.Candidates = h.candidates
			e.doc.Fused, e.doc.Duplicates.Fused = f, forgiving
			if e.doc.NDCG != nil {
				e.doc.NDCG.Fused = gain
			}
		case h.candidates > 0:
			f.Candidates = h.candidates
			e.doc.RerankAll = append(e.doc.RerankAll, *f)
			e.doc.Rerank, e.doc.Duplicates.Rerank = f, forgiving // ascending: the last stays
			if e.doc.NDCG != nil {
				e.doc.NDCG.Rerank = gain
			}
		case h.name == "alignment":
			e.doc.Alignment, e.doc.Duplicates.Alignment = f, forgiving
			if e.doc.NDCG != nil {
				e.doc.NDCG.Alignment = gain
			}
		default:
			e.doc.Matching, e.doc.Duplicates.Matching = f, forgiving
			if e.doc.NDCG != nil {
				e.doc.NDCG.Matching = gain
			}
		}
		p.Add(1)
	}
	return nil
}

func (e *evaluation) resampling() *eval.Resampling {
	return &eval.Resampling{Resamples: e.resamples, Seed: e.seed, Threads: e.threads}
}

func (e *evaluation) figuresOf(ctx context.Context, h *head) (*figures, *bothWays, error) {
	f := &figures{Retrieval: h.outcome.Retrieval(), Ties: &tieCount{h.outcome.TiedI2T, h.outcome.TiedT2I}, Curve: &recallLine{}}
	for _, k := range curvePoints {
		if k > len(e.d.captions) {
			break
		}
		f.Curve.K = append(f.Curve.K, k)
		f.Curve.I2T = append(f.Curve.I2T, eval.RecallAt(h.outcome.I2T, k))
		f.Curve.T2I = append(f.Curve.T2I, eval.RecallAt(h.outcome.T2I, k))
	}
	if e.resamples > 0 {
		ci, err := eval.Bootstrap(ctx, h.outcome.Statistic(), e.resampling())
		if err != nil {
			return nil, nil, err
		}
		f.CI = intervalsOf(ci)
	}
	var err error
	if f.MAPAtR, err = e.both(ctx, h.mapAtR); err != nil {
		return nil, nil, fmt.Errorf("mAP@R: %w", err)
	}
	if f.RPrecision, err = e.both(ctx, h.rPrecision); err != nil {
		return nil, nil, fmt.Errorf("R-Precision: %w", err)
	}
	var gain *bothWays
	if h.ndcg != nil {
		if gain, err = e.both(ctx, h.ndcg); err != nil {
			return nil, nil, fmt.Errorf("nDCG: %w", err)
		}
	}
	return f, gain, nil
}

func (e *evaluation) both(ctx context.Context, m *eval.Mean) (*bothWays, error) {
	out := &bothWays{}
	out.I2T, out.T2I = m.Values()
	if math.IsNaN(out.I2T) || math.IsNaN(out.T2I) {
		return nil, fmt.Errorf("%w: no query of the gallery has a relevant answer", errData)
	}
	if e.resamples > 0 {
		ci, err := eval.Bootstrap(ctx, m.Statistic(e.d.owner, e.split), e.resampling())
		if err != nil {
			return nil, err
		}
		out.CI = &bothCI95{ci[0], ci[1]}
	}
	return out, nil
}
