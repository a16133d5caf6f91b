package calibrate

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/eval"
)

const mostLabels, longestLabel = 2000, 100

// labelWeights are those that are tried, as multiples of the spread of alignment scores.
var labelWeights = []float64{0, 0.5, 1, 2, 3, 4}

// readLabels gives the most frequent labels of the pictures their word vectors.
func (s *sample) readLabels(ctx context.Context, m *aladin.Model) error {
	counts := map[string]int{}
	for _, e := range s.images {
		for _, l := range e.Labels {
			if l != "" && len(l) <= longestLabel {
				counts[l]++
			}
		}
	}
	names := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(names, func(a, b string) int { return counts[b] - counts[a] })
	names = names[:min(len(names), mostLabels)]
	slices.Sort(names)
	encoded, err := plain(ctx, m, names)
	if err != nil {
		return err
	}
	for k, e := range encoded {
		if v := meanWord(e); v != nil {
			s.labels.Names, s.labels.Vectors = append(s.labels.Names, names[k]), append(s.labels.Vectors, v...)
		}
	}
	return nil
}

// gain lets queries gain by labels, as the model's encodings do.
func (s *sample) gain(queries []*index.Encoding, ranking index.Ranking, scale float64) {
	for _, q := range queries {
		r := ranking
		isWord := func(i int) bool { return i < len(q.Words) && q.Words[i].Text != "" }
		r.Labels = s.labels.Gains(q.Tokens, isWord, float32(scale))
		q.Ranking = &r
	}
}

// label finds what labels should count: as much as costs the captions no more than half of what they gain at best. Single
// names, which captions hardly are, gain by more.
func (s *sample) label(ctx context.Context, m *aladin.Model, c *bundle.Calibration, threads int) error {
	if err := s.readLabels(ctx, m); err != nil || len(s.labels.Names) == 0 || c.AlignSpread == 0 {
		return err
	}
	rel, err := eval.Owners(len(s.images), s.owner)
	if err != nil {
		return err
	}
	sums := make([]float64, len(labelWeights))
	ranking := index.Ranking{MatchScale: c.MatchScale()}
	scores, _, err := s.scores(ctx, m, ranking, s.captions)
	if err != nil {
		return err
	}
	s.gain(s.captions, ranking, c.AlignSpread)
	fused := &eval.Matrix{Images: len(s.images), Captions: len(s.captions), Data: make([]float32, len(s.images)*len(s.captions))}
	for at, w := range labelWeights {
		for k, q := range s.captions {
			for i, x := range s.images {
				fused.Data[i*fused.Captions+k] = scores[k][i] + float32(w)*q.Ranking.Labelled(q.Weights, x.Labels)
			}
		}
		ranks, err := eval.Rank(ctx, fused, rel, &eval.Options{Threads: threads})
		if err != nil {
			return fmt.Errorf("calibration: %w", err)
		}
		found := eval.RecallOf(ranks.T2I) // a photo that looks for captions has no words
		sums[at] = found.R1 + found.R5 + found.R10
	}
	c.LabelWeight = labelWeights[largest(sums)]
	s.gain(s.captions, ranking, c.LabelScale())
	return nil
}

// largest is the last place with at least half of the gain over the first that there is at best, each averaged with its
// neighbours.
func largest(v []float64) (last int) {
	s := smooth(v)
	top := slices.Max(s)
	for k, x := range s {
		if top > s[0] && x >= (s[0]+top)/2 {
			last = k
		}
	}
	return last
}

// labelsFile is the index of labels.
func (s *sample) labelsFile(ctx context.Context) (func(io.Writer) error, error) {
	dim := len(s.labels.Vectors) / len(s.labels.Names)
	var items []index.Item
	for k, name := range s.labels.Names {
		e := &index.Encoding{Kind: index.Caption, Model: s.captions[0].Model, Matching: s.labels.Vectors[k*dim : (k+1)*dim]}
		items = append(items, index.Item{ID: name, Encoding: e})
	}
	return indexFile(ctx, &index.BuildOptions{Match: index.F32, Regions: index.None}, items)
}

// meanWord is the mean of a text's word vectors, each by its weight, made to length 1; nil if it has none.
func meanWord(e *index.Encoding) []float32 {
	if e.N() == 0 {
		return nil
	}
	dim := len(e.Tokens) / e.N()
	sum := make([]float64, dim)
	for i := range e.N() {
		if i < len(e.Words) && e.Words[i].Text == "" {
			continue
		}
		w := 1.
		if e.Weights != nil {
			w = float64(e.Weights[i])
		}
		for k := range sum {
			sum[k] += w * float64(e.Tokens[i*dim+k])
		}
	}
	var square float64
	for _, v := range sum {
		square += v * v
	}
	if square < 1e-12 {
		return nil
	}
	out := make([]float32, dim)
	for k, v := range sum {
		out[k] = float32(v / math.Sqrt(square))
	}
	return out
}
