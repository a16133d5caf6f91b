// Package calibrate measures, on captioned pictures that a model was not trained on, how its scores are to be read:
// what matching counts beside alignment in the ranking of a search, and how relevant what it finds is. Everything is computed by the bundle as it is on
// disk, in the precision of an index.
package calibrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/relevance"
	"github.com/aladin-go/aladin/internal/training/dataset"
)

// Images are about how many pictures are worth measuring, and Captions at most how many of each.
const Images, Captions = 1000, 5

// weights are those of matching that are tried.
var weights = []float64{0, 0.1, 0.2, 0.35, 0.5, 0.7, 1, 1.4, 2, 2.8, 4}

// Data is captioned pictures.
type Data struct {
	Images   []aladin.Input
	Captions []dataset.Caption
}

// Of is the first pictures and captions of a data set.
func Of(ctx context.Context, d *dataset.Data) *Data {
	out := &Data{Captions: d.Captions}
	for i := range min(Images, d.Images.Len()) {
		out.Images = append(out.Images, aladin.Input{Name: d.Images.ID(i), Regions: func() (*aladin.RegionSet, error) {
			s, err := d.Images.Load(ctx, i, 0)
			if err != nil {
				return nil, err
			}
			return &aladin.RegionSet{Features: s.Features, Dim: s.Dim, Boxes: s.Boxes, Labels: s.Labels, Tags: s.Tags}, nil
		}})
	}
	return out.First()
}

// First is as many pictures and captions as are worth measuring.
func (d *Data) First() *Data {
	out := &Data{Images: d.Images[:min(Images, len(d.Images))]}
	count := make([]int, len(out.Images))
	for _, c := range d.Captions {
		if c.Image < len(out.Images) && count[c.Image] < Captions {
			count[c.Image]++
			out.Captions = append(out.Captions, c)
		}
	}
	return out
}

// Options say how a model runs. Progress, if not nil, hears how many pictures and captions are encoded.
type Options struct {
	Device   string
	Threads  int
	Progress func(done, total int)
}

// Bundle measures a model and puts what it found into its bundle. Without captions it is relevance alone, by sentences that
// often fit photos. Where the data is too small to measure anything, the
// bundle is left as it is, and the calibration is nil.
func Bundle(ctx context.Context, dir string, d *Data, o Options) (*bundle.Calibration, error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return nil, err
	}
	c, files, err := measure(ctx, b, d, o)
	if err != nil || c == nil {
		return nil, err
	}
	_, err = b.Calibrate(c, files)
	return c, err
}

func measure(ctx context.Context, b *bundle.Bundle, d *Data, o Options) (_ *bundle.Calibration, files map[string]func(io.Writer) error, err error) {
	counts, err := b.Words()
	if err != nil {
		return nil, nil, err
	}
	m, err := aladin.OpenModel(b.Dir(), &aladin.Options{Device: o.Device, Threads: o.Threads, CacheTexts: -1})
	if err != nil {
		return nil, nil, err
	}
	defer m.Close()
	info := m.Info()
	s, err := encode(ctx, m, d, o)
	if err != nil || len(s.images) < 2 || len(s.captions) < 2 {
		return nil, nil, err
	}
	c := &bundle.Calibration{Images: len(s.images), Captions: len(s.captions)}
	s.aligned = info.Aligns && !info.Untrained
	if s.aligned && len(d.Captions) > 0 {
		if err := s.fuse(ctx, m, c, o.Threads); err != nil {
			return nil, nil, err
		}
		if err := s.label(ctx, m, c, o.Threads); err != nil {
			return nil, nil, err
		}
	}
	if len(d.Captions) == 0 {
		c.Captions = 0
		if old := b.Manifest.Calibration; old != nil {
			c.MatchWeight, c.AlignSpread, c.MatchSpread = old.MatchWeight, old.AlignSpread, old.MatchSpread
		}
	}
	if len(s.images)/s.every() >= leastReferences {
		if c.Relevance, err = s.relate(ctx, m, counts, c); err != nil {
			return nil, nil, err
		}
	}
	files = map[string]func(io.Writer) error{}
	if c.Relevance != nil {
		if files[bundle.ReferencesFile], err = s.references(ctx); err != nil {
			return nil, nil, err
		}
	}
	if c.LabelWeight > 0 {
		if files[bundle.LabelsFile], err = s.labelsFile(ctx); err != nil {
			return nil, nil, err
		}
	}
	if c.AlignSpread == 0 && c.Relevance == nil {
		return nil, nil, nil
	}
	return c, files, nil
}

// sample is encoded pictures and captions.
type sample struct {
	images, captions []*index.Encoding
	owner            []int
	labels           relevance.Labels
	aligned          bool // a search ranks by alignment
}

func encode(ctx context.Context, m *aladin.Model, d *Data, o Options) (*sample, error) {
	s := &sample{}
	done, total := 0, len(d.Images)+len(d.Captions)
	all := func(in iter.Seq[aladin.Input]) (out []*index.Encoding, err error) { // nil in the place of what cannot be encoded
		for e, err := range m.EncodeSeq(ctx, in) {
			if bad := (*aladin.InputError)(nil); err != nil && !errors.As(err, &bad) {
				return nil, err
			}
			if e != nil {
				e.Ranking = nil // of an earlier calibration
			}
			if out, done = append(out, e), done+1; o.Progress != nil {
				o.Progress(done, total)
			}
		}
		return out, nil
	}
	images, err := all(slices.Values(d.Images))
	if err != nil {
		return nil, err
	}
	captions, err := all(func(yield func(aladin.Input) bool) {
		for _, c := range d.Captions {
			if !yield(aladin.Text(c.Text)) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	at := make([]int, len(images))
	for i, e := range images {
		if at[i] = len(s.images); e != nil {
			s.images = append(s.images, e)
		}
	}
	if len(d.Captions) == 0 {
		return s, s.encodeSentences(ctx, m)
	}
	for c, e := range captions {
		if i := d.Captions[c].Image; e != nil && images[i] != nil {
			s.captions, s.owner = append(s.captions, e), append(s.owner, at[i])
		}
	}
	return s, nil
}

// fuse finds what matching should count beside alignment.
func (s *sample) fuse(ctx context.Context, m *aladin.Model, out *bundle.Calibration, threads int) error {
	n, k := len(s.images), len(s.captions)
	matrix := func() *eval.Matrix { return &eval.Matrix{Images: n, Captions: k, Data: make([]float32, n*k)} }
	align, match := matrix(), matrix()
	scores, err := m.AlignScores(ctx, s.captions, s.images)
	if err != nil {
		return err
	}
	for c, q := range s.captions {
		for i, x := range s.images {
			align.Data[i*k+c], match.Data[i*k+c] = scores[c*n+i], aladin.Match(q, x)
		}
	}
	return weigh(ctx, align, match, s.owner, out, threads)
}

// weigh finds the weight of matching with the highest rsum.
func weigh(ctx context.Context, align, match *eval.Matrix, owner []int, out *bundle.Calibration, threads int) error {
	a, b := spread(align), spread(match)
	if !(a > 1e-6 && b > 1e-6) {
		return nil // all scores are the same
	}
	out.AlignSpread, out.MatchSpread = a, b
	rel, err := eval.Owners(align.Images, owner)
	if err != nil {
		return err
	}
	sums := make([]float64, len(weights))
	fused := &eval.Matrix{Images: align.Images, Captions: align.Captions, Data: make([]float32, len(align.Data))}
	for k, w := range weights {
		out.MatchWeight = w
		ranking := &index.Ranking{MatchScale: out.MatchScale()}
		for i, v := range align.Data {
			fused.Data[i] = ranking.Score(v, match.Data[i], 0)
		}
		ranks, err := eval.Rank(ctx, fused, rel, &eval.Options{Threads: threads})
		if err != nil {
			return fmt.Errorf("calibration: %w", err)
		}
		sums[k] = rsum(ranks)
	}
	out.MatchWeight = weights[smoothest(sums)]
	return nil
}

func rsum(ranks *eval.Ranks) (sum float64) {
	for _, v := range []eval.Recall{eval.RecallOf(ranks.I2T), eval.RecallOf(ranks.T2I)} {
		sum += v.R1 + v.R5 + v.R10
	}
	return sum
}

// smooth averages each value with its neighbours.
func smooth(v []float64) []float64 {
	out := make([]float64, len(v))
	for k, x := range v {
		out[k] = (v[max(0, k-1)] + 2*x + v[min(len(v)-1, k+1)]) / 4
	}
	return out
}

// smoothest is the top of a noisy hill.
func smoothest(v []float64) int {
	s := smooth(v)
	return slices.Index(s, slices.Max(s))
}

// spread is the mean over captions of the standard deviation of a caption's scores.
func spread(m *eval.Matrix) float64 {
	var total float64
	for c := range m.Captions {
		var sum, square float64
		for i := range m.Images {
			v := float64(m.Data[i*m.Captions+c])
			sum, square = sum+v, square+v*v
		}
		n := float64(m.Images)
		total += math.Sqrt(max(0, square/n-sum/n*sum/n))
	}
	return total / float64(m.Captions)
}
