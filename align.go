package aladin

import (
	"context"
	"fmt"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/align"
	"github.com/aladin-go/aladin/internal/vector"
)

// An Alignment says how well the words of a caption are found among the regions of an image.
//
// Score is by the mode that the model was trained with. Indexes, and with them every search, know but the modes
// MrSw, MrAVGw and MrCOSw, sums over words of the best region's similarity, whose divisors are in the words'
// weights. A search with a model of another mode (MwSr, symm, sum, mean, scan-sentences) ranks by matching alone;
// its words say which region is most like them, as here.
type Alignment struct {
	// Score is, in the mode MrSw, the sum over words of weight times similarity. It grows with the number of
	// words, so it ranks images for one caption, or captions of like length for one image.
	Score float32
	// Coverage is the mean similarity of words, 0…1, negative ones counted as 0, each by its weight: it can be
	// compared between captions.
	Coverage float32
	// Words says for each word which region fits best. A word that was cut into several pieces has the sum
	// of their weights, the weighted mean of their similarities, and the region of the piece that adds most.
	// Some models compare the caption as a whole with the picture as a whole, too: that is part of Score, but
	// no word.
	Words []index.WordMatch
}

// Align compares the words of one encoding with the regions of another, in full precision. The words are
// those of the caption; of two captions or two images, those of q.
func (m *Model) Align(ctx context.Context, q, x *Encoding) (Alignment, error) {
	if err := ctx.Err(); err != nil {
		return Alignment{}, err
	}
	for _, e := range []*Encoding{q, x} {
		if err := m.accepts(e); err != nil {
			return Alignment{}, err
		}
	}
	words, regions := q, x
	if q.Kind == index.Image && x.Kind == index.Caption {
		words, regions = x, q
	}
	r, err := align.Exact(m.dim(), words.Tokens, words.Weights, regions.Tokens, regions.Weights)
	if err != nil {
		return Alignment{}, err
	}
	matches, err := r.Words(align.NewNames(words.Words, words.Labels, regions.Boxes, regions.Labels))
	a := Alignment{Score: r.Score, Coverage: r.Coverage()}
	if !m.mode.MaxSim() {
		a.Score = m.score(words, regions)
	}
	for _, m := range matches {
		a.Words = append(a.Words, index.WordMatch{Word: m.Word, Start: m.Start, End: m.End, Token: m.Token, Region: m.Region, Box: m.Box, Label: m.Label,
			Similarity: m.Similarity, Weight: m.Weight})
	}
	return a, err
}

// accepts refuses an encoding of another model, or one that cannot be aligned.
func (m *Model) accepts(e *Encoding) error {
	if e == nil {
		return fmt.Errorf("aladin: %w: no encoding", index.ErrInvalid)
	}
	if e.Model != m.Fingerprint() {
		return mismatch(e.Model, m.Fingerprint())
	}
	n := e.N()
	if n == 0 || len(e.Tokens) == 0 {
		return fmt.Errorf("aladin: %v %.40q: %w", e.Kind, e.Text, ErrNoTokens)
	}
	if len(e.Tokens) != n*m.dim() || e.Weights != nil && len(e.Weights) != n || e.Words != nil && len(e.Words) != n ||
		e.Boxes != nil && len(e.Boxes) != n || e.Labels != nil && len(e.Labels) != n {
		return fmt.Errorf("aladin: %w encoding: the parts of %d tokens do not fit each other", index.ErrInvalid, n)
	}
	return nil
}

// score is the alignment score of one pair in a mode that kernels do not know.
func (m *Model) score(words, regions *Encoding) float32 {
	return m.mode.Score(m.dim(), align.Side{Tokens: words.Tokens, Weights: words.Weights}, align.Side{Tokens: regions.Tokens, Weights: regions.Weights})
}

func weight(e *Encoding, i int) float32 {
	if e.Weights == nil {
		return 1
	}
	return e.Weights[i]
}

// AlignScores are the alignment scores of every caption with every image: that of captions[i] and images[j]
// at i·len(images)+j. It computes with int8 codes, as an index does: on the model's GPU, or by the CPU's
// kernels, which give the same scores but for their last digits. Scores agree with those of Align to about a hundredth of a word's weight. In modes that kernels do not
// know (see Alignment) they are those of Align.
func (m *Model) AlignScores(ctx context.Context, captions, images []*Encoding) ([]float32, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.calls.Done()
	for _, side := range [][]*Encoding{captions, images} {
		for i, e := range side {
			if err := m.accepts(e); err != nil {
				return nil, fmt.Errorf("encoding %d: %w", i, err)
			}
		}
	}
	out := make([]float32, len(captions)*len(images))
	if len(out) == 0 {
		return out, nil
	}
	if !m.mode.MaxSim() {
		for i, c := range captions {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			for j, x := range images {
				out[i*len(images)+j] = m.score(c, x)
			}
		}
		return out, nil
	}
	r, err := m.ranker()
	if err != nil {
		return nil, err
	}
	if r != nil {
		return out, m.alignQueue.Do(ctx, deviceCaptions, []*alignRun{{captions, images, out}})
	}
	return out, m.alignKernels(ctx, captions, images, out)
}

func (m *Model) alignKernels(ctx context.Context, captions, images []*Encoding, out []float32) error {
	layout, err := vector.NewTokens(vector.Int8, m.dim())
	if err != nil {
		return err
	}
	blocks := make([][]byte, len(images))
	for j, x := range images {
		if blocks[j], err = layout.AppendBlock(nil, x.Tokens, x.Weights); err != nil {
			return err
		}
	}
	for i, c := range captions {
		q, err := align.NewQuery(layout, c.Tokens, c.Weights)
		if err != nil {
			return err
		}
		if err := q.ScoreAll(ctx, blocks, out[i*len(images):(i+1)*len(images)], m.opts.Threads); err != nil {
			return err
		}
	}
	return nil
}
