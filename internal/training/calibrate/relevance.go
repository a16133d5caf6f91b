package calibrate

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/relevance"
)

const (
	mostReferences  = 256
	leastReferences = 20
	nonsenseSeed    = 1
)

// relate finds how relevance follows from scores. A quarter of the pictures become references; captions of the others
// look for theirs among those, and are right where they find it first; sentences that are of no picture always are. Queries
// that make no sense never are.
func (s *sample) relate(ctx context.Context, m *aladin.Model, counts bundle.WordCounts, found *bundle.Calibration) (*bundle.Relevance, error) {
	ranking := index.Ranking{MatchScale: found.MatchScale()}
	texts := make([]string, len(s.captions))
	for c, e := range s.captions {
		texts[c] = e.Text
	}
	nonsense := Nonsense(min(max(len(texts)/4, 100), 500), nonsenseSeed, Vocabulary(counts, texts))
	senseless, err := plain(ctx, m, nonsense)
	if err != nil {
		return nil, err
	}
	if found.LabelWeight > 0 {
		s.gain(senseless, ranking, found.LabelScale())
	}
	scores, err := s.scores(ctx, m, ranking, slices.Concat(s.captions, senseless))
	if err != nil {
		return nil, err
	}
	var features []relevance.Features
	var right []bool
	senses := 0 // queries that make sense come first
	for c, row := range scores {
		if c < len(texts) && s.owner[c] >= 0 && s.isReference(s.owner[c]) {
			continue
		}
		var references []float32
		first := -1
		for i, v := range row {
			if s.isReference(i) {
				references = append(references, v)
			} else if first < 0 || v > row[first] {
				first = i
			}
		}
		slices.Sort(references)
		reference := references[len(references)-1-relevance.Place(len(references))]
		text := senseless[max(0, c-len(texts))].Text
		if c < len(texts) {
			text, senses = texts[c], senses+1
		}
		features = append(features, relevance.Of(row[first], reference, relevance.Read(text, counts)))
		right = append(right, c < len(texts) && (first == s.owner[c] || s.owner[c] < 0))
	}
	r := relevance.Fit(features, right)
	if r == nil {
		return nil, nil
	}
	r.Aligned = s.aligned
	var sense, none []float64
	for k, f := range features {
		v := float64(relevance.Rate(r, f))
		if k < senses {
			sense = append(sense, v)
		} else {
			none = append(none, v)
		}
	}
	r.Line = line(sense, none)
	return r, nil
}

// line is where two lists of numbers are divided best.
func line(above, below []float64) (best float64) {
	slices.Sort(above)
	slices.Sort(below)
	top := 0.0
	for _, v := range above {
		a, _ := slices.BinarySearch(above, v)
		b, _ := slices.BinarySearch(below, v)
		if gain := float64(b)/float64(len(below)) - float64(a)/float64(len(above)); gain > top {
			best, top = v, gain
		}
	}
	return best
}

// every is how many pictures there are to a reference.
func (s *sample) every() int { return max(4, (len(s.images)+mostReferences-1)/mostReferences) }

func (s *sample) isReference(image int) bool { return image%s.every() == 0 }

// encodeSentences makes the built-in sentences the captions, of no picture.
func (s *sample) encodeSentences(ctx context.Context, m *aladin.Model) (err error) {
	s.captions, err = plain(ctx, m, sentences)
	for range s.captions {
		s.owner = append(s.owner, -1)
	}
	return err
}

// plain encodes texts as a model does that nobody calibrated.
func plain(ctx context.Context, m *aladin.Model, texts []string) ([]*index.Encoding, error) {
	var inputs []aladin.Input
	for _, text := range texts {
		inputs = append(inputs, aladin.Text(text))
	}
	out, err := m.EncodeBatch(ctx, inputs)
	for _, e := range out {
		if e != nil {
			e.Ranking = nil
		}
	}
	return out, err
}

// scores are what a search ranks by: for each query, of every picture.
func (s *sample) scores(ctx context.Context, m *aladin.Model, ranking index.Ranking, queries []*index.Encoding) ([][]float32, error) {
	n := len(s.images)
	var aligned []float32
	var err error
	if s.aligned {
		if aligned, err = m.AlignScores(ctx, queries, s.images); err != nil {
			return nil, err
		}
	}
	out := make([][]float32, len(queries))
	for c, q := range queries {
		out[c] = make([]float32, n)
		for i, x := range s.images {
			v := aladin.Match(q, x)
			if s.aligned {
				labelled := float32(0)
				if q.Ranking != nil && q.Ranking.Labels != nil {
					labelled = q.Ranking.Labelled(q.Weights, x.Labels)
				}
				v = ranking.Score(aligned[c*n+i], v, labelled)
			}
			out[c][i] = v
		}
	}
	return out, nil
}

// references is the index of the reference pictures.
func (s *sample) references(ctx context.Context) (func(io.Writer) error, error) {
	o := &index.BuildOptions{}
	if !s.aligned {
		o.Regions = index.None
	}
	var items []index.Item
	for i, e := range s.images {
		if !s.isReference(i) {
			continue
		}
		bare := &index.Encoding{Kind: e.Kind, Model: e.Model, Matching: e.Matching}
		if s.aligned {
			bare.Tokens, bare.Weights, bare.Labels = e.Tokens, e.Weights, e.Labels
		}
		items = append(items, index.Item{ID: fmt.Sprintf("%04d", i), Encoding: bare})
	}
	return indexFile(ctx, o, items)
}

// indexFile makes an index of items, for a bundle.
func indexFile(ctx context.Context, o *index.BuildOptions, items []index.Item) (_ func(io.Writer) error, err error) {
	dir, err := os.MkdirTemp("", "aladin-calibrate-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "index.aladin")
	b, err := index.NewBuilder(path, o)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	for _, it := range items {
		if err := b.Add(ctx, it); err != nil {
			return nil, err
		}
	}
	if err := b.Finish(ctx); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	return bundle.FromBytes(data), err
}
