package calibrate

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/relevance"
	"github.com/aladin-go/aladin/internal/training/model"
)

const (
	mostReferences  = 256
	leastReferences = 20
	nonsenseSeed    = 1
)

// An asked query has an answer among the pictures, perhaps several, or makes no sense.
type asked struct {
	*index.Encoding
	right func(image int) bool // nil: it makes no sense
}

// relate finds how relevance follows from scores. A quarter of the pictures become references. Captions of the others look
// for theirs among those, and are right where they find it first; a few words of a caption are right where the first
// picture's captions have them all; sentences that are of no picture always are. Queries that make no sense never are.
func (s *sample) relate(ctx context.Context, m *aladin.Model, counts bundle.WordCounts, found *bundle.Calibration) (*bundle.Relevance, error) {
	ranking := index.Ranking{MatchScale: found.MatchScale()}
	var queries []asked
	texts := make([]string, len(s.captions))
	for c, e := range s.captions {
		owner := s.owner[c]
		if texts[c] = e.Text; owner < 0 || !s.isReference(owner) {
			queries = append(queries, asked{e, func(image int) bool { return owner < 0 || image == owner }})
		}
	}
	short, err := s.short(ctx, m)
	if err != nil {
		return nil, err
	}
	nonsense := Nonsense(min(max(len(queries)/4, 100), 500), nonsenseSeed, Vocabulary(counts, texts))
	senseless, err := plain(ctx, m, nonsense)
	if err != nil {
		return nil, err
	}
	queries = append(queries, short...)
	for _, e := range senseless {
		queries = append(queries, asked{e, nil})
	}
	all := make([]*index.Encoding, len(queries))
	for k, q := range queries {
		all[k] = q.Encoding
	}
	if found.LabelWeight > 0 {
		s.gain(all, ranking, found.LabelScale())
	}
	scores, labelled, err := s.scores(ctx, m, ranking, all)
	if err != nil {
		return nil, err
	}
	features, right := make([]relevance.Features, len(queries)), make([]bool, len(queries))
	for k, q := range queries {
		var references []float32
		first := -1
		for i, v := range scores[k] {
			if s.isReference(i) {
				references = append(references, v)
			} else if first < 0 || v+labelled[k][i] > scores[k][first]+labelled[k][first] {
				first = i
			}
		}
		slices.Sort(references)
		reference := references[len(references)-1-relevance.Place(len(references))]
		features[k] = relevance.Of(scores[k][first], labelled[k][first], reference, relevance.Read(q.Text, counts))
		right[k] = q.right != nil && q.right(first)
	}
	r := relevance.Fit(features, right)
	if r == nil {
		return nil, nil
	}
	r.Aligned = s.aligned
	var sense, none []float64
	for k, q := range queries {
		if v := float64(relevance.Rate(r, features[k])); q.right != nil {
			sense = append(sense, v)
		} else {
			none = append(none, v)
		}
	}
	r.Line = line(sense, none)
	return r, nil
}

// mostWords is how many words short queries have.
const mostWords = 3

// short makes queries of a few words of the captions, such as people type.
func (s *sample) short(ctx context.Context, m *aladin.Model) ([]asked, error) {
	said := make([][]string, len(s.images)) // by image
	for c, e := range s.captions {
		if s.owner[c] >= 0 {
			said[s.owner[c]] = append(said[s.owner[c]], relevance.Words(e.Text)...)
		}
	}
	var queries []string
	rng := rand.New(rand.NewPCG(nonsenseSeed, 5))
	for c, e := range s.captions {
		words := slices.DeleteFunc(relevance.Words(e.Text), func(w string) bool { return len(w) < 3 || model.IsStopWord(w) })
		if c%2 == 0 && s.owner[c] >= 0 && len(words) > 0 {
			from := rng.IntN(len(words))
			queries = append(queries, strings.Join(words[from:min(len(words), from+1+rng.IntN(mostWords))], " "))
		}
	}
	encoded, err := plain(ctx, m, queries)
	if err != nil {
		return nil, err
	}
	out := make([]asked, len(queries))
	for k, q := range queries {
		out[k] = asked{encoded[k], func(image int) bool {
			return !slices.ContainsFunc(strings.Fields(q), func(w string) bool { return !slices.Contains(said[image], w) })
		}}
	}
	return out, nil
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

// scores are what a search ranks by: for each query, of every picture, and what labels add to that.
func (s *sample) scores(ctx context.Context, m *aladin.Model, ranking index.Ranking, queries []*index.Encoding) (scores, labelled [][]float32, err error) {
	n := len(s.images)
	var aligned []float32
	if s.aligned {
		if aligned, err = m.AlignScores(ctx, queries, s.images); err != nil {
			return nil, nil, err
		}
	}
	scores, labelled = make([][]float32, len(queries)), make([][]float32, len(queries))
	for c, q := range queries {
		scores[c], labelled[c] = make([]float32, n), make([]float32, n)
		for i, x := range s.images {
			v := aladin.Match(q, x)
			if s.aligned {
				v = ranking.Score(aligned[c*n+i], v, 0)
				labelled[c][i] = q.Ranking.Labelled(q.Weights, x.Labels)
			}
			scores[c][i] = v
		}
	}
	return scores, labelled, nil
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
			bare.Tokens, bare.Weights = e.Tokens, e.Weights
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
