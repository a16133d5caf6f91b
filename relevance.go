package aladin

import (
	"context"
	"strings"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/relevance"
)

const nothingFits = "Nothing fits well; nearest:"

// notRated is the relevance of a hit of which it is not known.
const notRated = -1

// openReferences opens the pictures that hits are compared with.
func (m *Model) openReferences() (*index.Index, error) {
	path, err := m.bundle.Path(bundle.ReferencesFile)
	if err != nil {
		return nil, err
	}
	return index.Open(path, &index.Options{Model: m.Fingerprint(), Threads: m.opts.Threads})
}

// rate sets the relevance of a result's hits, as far as the model was calibrated for such searches: for pictures that a
// text finds, ranked as those that it was calibrated on.
func (m *Model) rate(ctx context.Context, r *Result) error {
	c := m.bundle.Manifest.Calibration
	if c == nil || c.Relevance == nil || len(c.Relevance.Weights) != bundle.RelevanceFeatures || c.Relevance.Aligned != r.Stats.Aligned || len(r.Hits) == 0 {
		return nil
	}
	var texts []string
	for _, t := range r.Terms {
		if t.Encoding.Kind != index.Caption {
			return nil
		}
		if t.Weight > 0 {
			texts = append(texts, t.Encoding.Text)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	references, err := m.references.get()
	if err != nil {
		return err
	}
	k := relevance.Place(references.Len()) + 1
	bare := *r.Query
	if bare.Ranking != nil {
		bare.Ranking = &index.Ranking{MatchScale: bare.Ranking.MatchScale} // labels are judged by themselves
	}
	of, err := references.Search(ctx, &bare, &index.SearchOptions{K: k, Candidates: references.Len(), NoExplain: true, MatchOnly: !r.Stats.Aligned})
	if err != nil {
		return err
	}
	unit := float32(1) // of a text on its own, beside that of a sum
	if r.Stats.Aligned && len(r.Terms) > 1 {
		unit = 1 / composedScale(r.Terms)
	}
	words := relevance.Read(strings.Join(texts, " "), m.seen())
	for i := range r.Hits {
		h := &r.Hits[i]
		score := h.Match
		if r.Stats.Aligned {
			score = r.Query.Ranking.Score(h.Align, h.Match, 0)
		}
		if h.Kind == index.Image {
			h.Relevance = relevance.Rate(c.Relevance, relevance.Of(unit*score, unit*h.Labelled, unit*of[len(of)-1].Score, words))
		}
	}
	first := r.Hits[0].Relevance
	if r.NothingFits = first >= 0 && first < float32(c.Relevance.Line); r.NothingFits {
		r.Warnings = append(r.Warnings, nothingFits)
	}
	return nil
}
