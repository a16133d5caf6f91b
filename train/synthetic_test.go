package train

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// padBatch makes a batch of token sequences and random regions.
func padBatch(caps, tags [][]int64, counts []int, dim int, rng *rand.Rand) (*Batch, error) {
	b := &Batch{Captions: input.PadCaptions(caps, 0)}
	var sets []*region.Set
	for i, n := range counts {
		sets = append(sets, randomSet(rng, n, dim))
		b.Pairs = append(b.Pairs, i)
	}
	var err error
	b.Images, err = input.PadImages(tags, sets, 0, dim, 0)
	return b, err
}

func randomSet(rng *rand.Rand, n, dim int) *region.Set {
	s := &region.Set{Dim: dim, Boxes: make([]region.Box, n)}
	for range n * dim {
		s.Features = append(s.Features, float32(rng.NormFloat64()))
	}
	return s
}

// toyImages are images of a few kinds of things: each thing is a region whose features say which it is,
// with some noise.
type toyImages struct {
	sets  []*region.Set
	dim   int
	views []View
}

func (t *toyImages) Len() int        { return len(t.sets) }
func (t *toyImages) Dim() int        { return t.dim }
func (t *toyImages) ID(i int) string { return fmt.Sprint("toy-", i) }
func (t *toyImages) Views() []View   { return t.views }
func (t *toyImages) Load(_ context.Context, i, view int) (*region.Set, error) {
	return t.sets[i], nil
}

var toyNouns = []string{"dog", "cat", "boat", "tree", "child", "kite", "horse", "river"}

// toyData has n images with perImage captions each.
func toyData(n, perImage int) *Data {
	const dim = 10
	rng := rand.New(rand.NewPCG(1, 1))
	images := &toyImages{dim: dim, views: []View{{}}}
	d := &Data{Images: images}
	for i := range n {
		things := rng.Perm(len(toyNouns))[:1+rng.IntN(3)]
		s := &region.Set{Dim: dim}
		for _, k := range things {
			row := make([]float32, dim)
			row[k] = 1
			for j := range row {
				row[j] += float32(rng.NormFloat64()) * 0.1
			}
			s.Features = append(s.Features, row...)
			s.Boxes = append(s.Boxes, region.Box{0, 0, 1, 1})
			s.Labels = append(s.Labels, toyNouns[k])
		}
		images.sets = append(images.sets, s)
		for c := range perImage {
			text := "a"
			for j, k := range things {
				if j > 0 {
					text += " and a"
				}
				text += " " + toyNouns[k]
			}
			if c%2 == 1 {
				text += " ."
			}
			d.Captions = append(d.Captions, Caption{Image: i, Text: text})
		}
	}
	return d
}

func toyText(t *testing.T) input.Text {
	vocab := append([]string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "and", "."}, toyNouns...)
	wp, err := tokenizer.NewWordPiece(vocab, nil)
	require.NoError(t, err)
	return input.Text{Tokenizer: wp, MaxCaption: 12, MaxLabels: 8, FirstLabel: wp.CLS()}
}
