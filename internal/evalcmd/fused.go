package evalcmd

import (
	"errors"
	"slices"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/eval"
)

// rank takes over how the model ranks each caption, and what the labels of images add to that.
func (d *data) rank(rankings []*index.Ranking, labels [][]string) {
	if len(rankings) == 0 || rankings[0] == nil {
		return
	}
	d.ranking = &index.Ranking{MatchScale: rankings[0].MatchScale}
	if slices.ContainsFunc(rankings, func(r *index.Ranking) bool { return r != nil && r.Labels != nil }) {
		d.rankings = rankings
		d.labelScores = &labelScores{d.captionTokens, rankings, labels}
	}
}

// labelScores are what the labels of images add to their scores for captions.
type labelScores struct {
	captions *tokens
	rankings []*index.Ranking // of captions
	labels   [][]string       // of the images' regions
}

// Dims implements eval.Scores.
func (l *labelScores) Dims() (images, captions int) { return len(l.labels), len(l.rankings) }

// Rows implements eval.Scores.
func (l *labelScores) Rows(images []int, dst []float32) error {
	m := len(l.rankings)
	for k, i := range images {
		for c, r := range l.rankings {
			dst[k*m+c] = r.Labelled(l.captions.weightsOf(c), l.labels[i])
		}
	}
	return nil
}

// fusedPairs score pairs by alignment, matching and labels, as a search ranks them.
type fusedPairs struct {
	ranking                 *index.Ranking
	align, matching, labels eval.PairScorer // no labels: nil
}

// Pairs implements eval.PairScorer.
func (f *fusedPairs) Pairs(image int, captions []int32, dst []float32) error {
	match, labelled := make([]float32, len(captions)), make([]float32, len(captions))
	err := errors.Join(f.align.Pairs(image, captions, dst), f.matching.Pairs(image, captions, match))
	if f.labels != nil {
		err = errors.Join(err, f.labels.Pairs(image, captions, labelled))
	}
	if err != nil {
		return err
	}
	for k := range dst {
		dst[k] = f.ranking.Score(dst[k], match[k], labelled[k])
	}
	return nil
}
