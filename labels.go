package aladin

import (
	"context"
	"fmt"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/relevance"
)

// openLabels reads the names that the model was calibrated with; nil where labels add nothing.
func (m *Model) openLabels() (_ *relevance.Labels, err error) {
	c := m.bundle.Manifest.Calibration
	if c == nil || c.LabelWeight == 0 {
		return nil, nil
	}
	path, err := m.bundle.Path(bundle.LabelsFile)
	if err != nil {
		return nil, err
	}
	ix, err := index.Open(path, nil)
	if err != nil {
		return nil, err
	}
	defer ix.Close()
	l := &relevance.Labels{}
	for id, err := range ix.IDs(context.Background()) {
		if err != nil {
			return nil, err
		}
		it, err := ix.Item(context.Background(), id)
		if err != nil {
			return nil, err
		}
		if len(it.Encoding.Matching) != m.dim() {
			return nil, fmt.Errorf("%w: %s: vectors of %d values, the model has %d", ErrCorrupt, path, len(it.Encoding.Matching), m.dim())
		}
		l.Names, l.Vectors = append(l.Names, id), append(l.Vectors, it.Encoding.Matching...)
	}
	return l, nil
}

// rankingOf is the ranking of a text: each token that is a word, and means something like a label, gains by it.
func (m *Model) rankingOf(e *Encoding) (*index.Ranking, error) {
	l, err := m.labels()
	if err != nil || l == nil {
		return m.ranking, err
	}
	out := *m.ranking
	isWord := func(i int) bool { return i < len(e.Words) && e.Words[i].Text != "" }
	out.Labels = l.Gains(e.Tokens, isWord, float32(m.bundle.Manifest.Calibration.LabelScale()))
	return &out, nil
}
