package evalcmd

import (
	"context"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/modelflags"
	"github.com/aladin-go/aladin/internal/training/calibrate"
)

// relevanceFigures say how well the relevance of the first hit tells what is right from what is not. Areas under the ROC
// curve: 0.5 is guessing.
type relevanceFigures struct {
	// FirstRight: captions whose image comes first against those whose does not.
	FirstRight *float64 `json:"first_right_auc"`
	// Nonsense: captions against queries that make no sense.
	Nonsense *float64 `json:"nonsense_auc"`
	// Below are the shares of both whose first hit is said not to fit.
	Below struct {
		Captions float64 `json:"captions"`
		Nonsense float64 `json:"nonsense"`
	} `json:"nothing_fits"`
	Queries struct {
		Captions int `json:"captions"`
		Nonsense int `json:"nonsense"`
	} `json:"queries"`
}

const (
	relevanceCaptions = 1000
	relevanceNonsense = 200
	nonsenseSeed      = 2 // not that of the calibration
)

// knowRelevance searches for captions, spread over all, and for nonsense.
func (e *evaluation) knowRelevance(ctx context.Context, c *collection) error {
	d := e.d
	if d.asker == nil || d.calibration == nil || d.calibration.Relevance == nil || d.texts == nil {
		return nil
	}
	n := min(relevanceCaptions, len(d.texts))
	p := e.tell("asking for what is there and what is not", n+relevanceNonsense)
	defer p.Done()
	searched := &aladin.Collection{Model: d.asker, Index: c.Searcher}
	ask := func(text string) (relevance float64, first int, below bool, err error) {
		defer p.Add(1)
		o := &index.SearchOptions{K: 1, NoExplain: true, MatchOnly: !e.searchAligns()}
		r, err := searched.Search(ctx, &aladin.Query{Terms: []aladin.Term{{Input: aladin.Text(text)}}}, o)
		if err != nil || len(r.Hits) == 0 {
			return -1, -1, false, err
		}
		first, ok := c.at[r.Hits[0].ID]
		if !ok {
			first = -1
		}
		return float64(r.Hits[0].Relevance), first, r.NothingFits, nil
	}
	out := &relevanceFigures{}
	var sense, all []float64
	var right, sensible []bool
	for k := range n {
		q := k * len(d.texts) / n
		v, first, below, err := ask(d.texts[q])
		if err != nil {
			return err
		}
		if v < 0 {
			return nil // the index is not searched as the model was calibrated
		}
		sense, right = append(sense, v), append(right, first == d.owner[q])
		all, sensible = append(all, v), append(sensible, true)
		if below {
			out.Below.Captions += 1 / float64(n)
		}
	}
	for _, text := range calibrate.Nonsense(relevanceNonsense, nonsenseSeed, calibrate.Vocabulary(d.counts, d.texts)) {
		v, _, below, err := ask(text)
		if err != nil {
			return err
		}
		all, sensible = append(all, v), append(sensible, false)
		if below {
			out.Below.Nonsense += 1. / relevanceNonsense
		}
	}
	out.Queries.Captions, out.Queries.Nonsense = n, relevanceNonsense
	out.FirstRight, out.Nonsense = finite(eval.AUC(sense, right)), finite(eval.AUC(all, sensible))
	e.doc.Relevance = out
	return nil
}

// calibrated is what a model's bundle knows of its scores and words.
func (d *data) calibrated(dir string) error {
	b, err := bundle.Open(modelflags.Find(dir))
	if err != nil {
		return err
	}
	d.calibration = b.Manifest.Calibration
	d.counts, err = b.Words()
	return err
}
