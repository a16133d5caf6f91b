package evalcmd

import (
	"context"
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/vector"
)

// judge correlates the scores with those that people gave.
func (e *evaluation) judge(ctx context.Context) (err error) {
	people := e.truths.judgments
	if people == nil {
		return nil
	}
	images, captions, human := people.images, people.captions, people.scores
	e.doc.Judgments = &judged{Pairs: len(human)}
	correlate := func(s eval.PairScorer) (*correlation, error) {
		j := &eval.Judgments{Image: images, Human: human, Model: make([]float64, len(human))}
		score := make([]float32, 1)
		for k := range human {
			if err := s.Pairs(images[k], []int32{int32(captions[k])}, score); err != nil {
				return nil, err
			}
			j.Model[k] = float64(score[0])
		}
		// Judgments speak of pairs, not of galleries: resample over all images.
		stat, err := j.Statistic(eval.Whole(len(e.d.images)))
		if err != nil {
			return nil, err
		}
		v := stat.Values()
		if math.IsNaN(v[0]) || math.IsNaN(v[1]) {
			return nil, fmt.Errorf("%w: %s: all scores are equal, so nothing correlates", errData, e.judgments)
		}
		c := &correlation{Spearman: v[0], Kendall: v[1]}
		if e.resamples > 0 {
			ci, err := eval.Bootstrap(ctx, stat, e.resampling())
			if err != nil {
				return nil, err
			}
			c.CI = &correlationCI{ci[0], ci[1]}
		}
		return c, nil
	}
	var matching, alignment eval.PairScorer
	if e.matching != nil {
		dot, err := eval.NewDot(e.d.imageVectors, e.d.captionVectors)
		if err != nil {
			return err
		}
		matching = dot
		if e.doc.Judgments.Matching, err = correlate(matching); err != nil {
			return err
		}
	}
	switch {
	case e.aligner != nil:
		alignment = e.aligner
	case e.exact != nil:
		alignment = eval.Lookup(e.exact)
	default:
		return nil
	}
	if e.doc.Judgments.Alignment, err = correlate(alignment); err != nil || matching == nil || e.d.ranking == nil {
		return err
	}
	fused := &fusedPairs{ranking: e.d.ranking, align: alignment, matching: matching}
	if e.d.labelScores != nil {
		fused.labels = eval.Lookup(e.d.labelScores)
	}
	e.doc.Judgments.Fused, err = correlate(fused)
	return err
}

// ground asks for every noun whose object is known whether its best region finds it.
func (e *evaluation) ground(ctx context.Context) error {
	d := e.d
	if d.mentions == nil || d.boxes == nil || d.words == nil || d.imageTokens == nil {
		return nil
	}
	var g eval.Grounding
	for c, list := range d.mentions {
		if c%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if len(list) == 0 {
			continue
		}
		i := d.owner[c]
		r, err := d.exact(i, c)
		if err != nil {
			return err
		}
		words := d.words(c)
		for _, m := range list {
			best := d.labelledBox(c, i, words, m)
			if best == nil {
				best = bestBox(r.Best, words, m, d.boxes[i])
			}
			g.Add(i, best, d.boxes[i], m.boxes...)
		}
	}
	if g.Len() == 0 {
		return nil
	}
	accuracy := g.Accuracy()
	e.doc.Grounding = &accuracy
	e.doc.GroundingDetail = &grounded{Words: g.Len(), Chance: g.Chance()}
	if e.resamples > 0 {
		ci, err := eval.Bootstrap(ctx, g.Statistic(eval.Whole(len(d.images))), e.resampling())
		if err != nil {
			return err
		}
		e.doc.GroundingDetail.CI = &ci[0]
	}
	return nil
}

// bestBox is the region that the noun matches best: of its word pieces the one most like a region
// decides. nil when no piece of it takes part.
func bestBox(bests []vector.Best, words []word, m mention, boxes []region.Box) *region.Box {
	at := -1
	for w, b := range bests {
		if w >= len(words) || b.Region < 0 || b.Region >= len(boxes) {
			continue
		}
		if words[w].end <= m.start || m.end <= words[w].start {
			continue
		}
		if at < 0 || b.Similarity > bests[at].Similarity {
			at = w
		}
	}
	if at < 0 {
		return nil
	}
	return &boxes[bests[at].Region]
}

// labelledBox is the region whose label means the noun, which a search shows then; nil if there is none.
func (d *data) labelledBox(c, i int, words []word, m mention) *region.Box {
	if d.rankings == nil || d.labels == nil || len(d.labels[i]) != len(d.boxes[i]) {
		return nil
	}
	for w, x := range words {
		if x.end <= m.start || m.end <= x.start {
			continue
		}
		if at, gain := d.rankings[c].BestLabel(w, d.labels[i]); gain > 0 {
			return &d.boxes[i][at]
		}
	}
	return nil
}
