package toy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/training/dataset"
)

// Batch makes a batch of token sequences and random regions.
func Batch(caps, tags [][]int64, counts []int, dim int, rng *rand.Rand) (*dataset.Batch, error) {
	b := &dataset.Batch{Captions: input.PadCaptions(caps, 0)}
	var sets []*region.Set
	for i, n := range counts {
		sets = append(sets, Regions(rng, n, dim))
		b.Pairs = append(b.Pairs, i)
	}
	var err error
	b.Images, err = input.PadImages(tags, sets, 0, dim, 0)
	return b, err
}

// Regions are n regions of random features.
func Regions(rng *rand.Rand, n, dim int) *region.Set {
	s := &region.Set{Dim: dim, Boxes: make([][4]float32, n)}
	for range n * dim {
		s.Features = append(s.Features, float32(rng.NormFloat64()))
	}
	return s
}

// Images are images of a few kinds of things: each thing is a region whose features say which it is,
// with some noise.
type Images struct {
	Sets  []*region.Set
	Width int
	Looks []dataset.View
}

func (t *Images) Len() int              { return len(t.Sets) }
func (t *Images) Dim() int              { return t.Width }
func (t *Images) ID(i int) string       { return fmt.Sprint("toy-", i) }
func (t *Images) Views() []dataset.View { return t.Looks }
func (t *Images) Load(_ context.Context, i, view int) (*region.Set, error) {
	return t.Sets[i], nil
}

var Nouns = []string{"dog", "cat", "boat", "tree", "child", "kite", "horse", "river"}

// Data has n images with perImage captions each.
func Data(n, perImage int) *dataset.Data {
	const dim = 10
	rng := rand.New(rand.NewPCG(1, 1))
	images := &Images{Width: dim, Looks: []dataset.View{{}}}
	d := &dataset.Data{Images: images}
	for i := range n {
		things := rng.Perm(len(Nouns))[:1+rng.IntN(3)]
		s := &region.Set{Dim: dim}
		for _, k := range things {
			row := make([]float32, dim)
			row[k] = 1
			for j := range row {
				row[j] += float32(rng.NormFloat64()) * 0.1
			}
			s.Features = append(s.Features, row...)
			s.Boxes = append(s.Boxes, [4]float32{0, 0, 1, 1})
			s.Labels = append(s.Labels, Nouns[k])
		}
		images.Sets = append(images.Sets, s)
		for c := range perImage {
			text := "a"
			for j, k := range things {
				if j > 0 {
					text += " and a"
				}
				text += " " + Nouns[k]
			}
			if c%2 == 1 {
				text += " ."
			}
			d.Captions = append(d.Captions, dataset.Caption{Image: i, Text: text})
		}
	}
	return d
}

// Text prepares captions with a vocabulary that knows the toy data.
func Text(t *testing.T) input.Text {
	vocab := append([]string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "and", "."}, Nouns...)
	wp, err := tokenizer.NewWordPiece(vocab, nil)
	require.NoError(t, err)
	return input.Text{Tokenizer: wp, MaxCaption: 12, MaxLabels: 8, FirstLabel: wp.CLS()}
}

// Normals are n numbers of the standard normal distribution.
func Normals(rng *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(rng.NormFloat64())
	}
	return out
}

// NeedRuntime skips a test where ONNX Runtime is absent.
func NeedRuntime(t *testing.T) {
	t.Helper()
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
}
