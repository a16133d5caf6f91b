package evalcmd

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/viterin/vek/vek32"

	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/scorer"
)

// An aligner computes alignment scores, Σ_w weight_w · max_r ⟨word_w, region_r⟩ over the regions that
// take part, of any pairs as they are asked for.
type aligner interface {
	eval.Scores
	eval.PairScorer
	// fingerprint identifies the tokens and the precision.
	fingerprint() [32]byte
}

// newAligner scores in full precision ("f32") or as an index of a region codec ("f16", "int8") would.
func newAligner(images, captions *tokens, precision string) (aligner, error) {
	if precision == "f32" {
		return &plainAligner{images, captions}, nil
	}
	codec, err := scorer.ParseCodec(precision)
	if err != nil {
		return nil, err
	}
	layout, err := scorer.NewTokens(codec, images.dim)
	if err != nil {
		return nil, err
	}
	return newCodedAligner(images, captions, layout)
}

// plainAligner multiplies float32 by float32; the reference for the others.
type plainAligner struct{ images, captions *tokens }

// Dims implements eval.Scores.
func (a *plainAligner) Dims() (images, captions int) { return a.images.items(), a.captions.items() }

// captionTile captions are scored with a block of images while their words are in the cache.
const captionTile = 8

// Rows implements eval.Scores.
func (a *plainAligner) Rows(images []int, dst []float32) error {
	m := a.captions.items()
	for from := 0; from < m; from += captionTile {
		for k, i := range images {
			for c := from; c < min(m, from+captionTile); c++ {
				dst[k*m+c] = a.pair(i, c, nil)
			}
		}
	}
	return nil
}

// Pairs implements eval.PairScorer.
func (a *plainAligner) Pairs(image int, captions []int32, dst []float32) error {
	for k, c := range captions {
		dst[k] = a.pair(image, int(c), nil)
	}
	return nil
}

// best is the region that a word matches best; region −1: the word takes no part or there is no region.
type best struct {
	region     int
	similarity float32
	weight     float32
}

// pair is the score of one pair; best, if not nil, receives an entry for each word.
func (a *plainAligner) pair(image, caption int, bests *[]best) float32 {
	dim := a.images.dim
	words, regions := a.captions.rows(caption), a.images.rows(image)
	wordWeights, regionWeights := a.captions.weightsOf(caption), a.images.weightsOf(image)
	var score float32
	for w := 0; w*dim < len(words); w++ {
		weight := float32(1)
		if wordWeights != nil {
			weight = wordWeights[w]
		}
		b := best{region: -1, weight: weight}
		if weight > 0 {
			word := words[w*dim : (w+1)*dim]
			for r := 0; r*dim < len(regions); r++ {
				if regionWeights != nil && regionWeights[r] == 0 {
					continue
				}
				if v := vek32.Dot(word, regions[r*dim:(r+1)*dim]); b.region < 0 || v > b.similarity {
					b.region, b.similarity = r, v
				}
			}
			score += weight * b.similarity
		}
		if bests != nil {
			*bests = append(*bests, b)
		}
	}
	return score
}

func (a *plainAligner) fingerprint() [32]byte { return fingerprint("f32", a.images, a.captions) }

// codedAligner scores with the kernels of an index.
type codedAligner struct {
	images   *tokens
	captions *tokens
	layout   *scorer.Tokens
	blocks   [][]byte    // words of every caption
	weights  [][]float32 // of every caption's words
}

func newCodedAligner(images, captions *tokens, layout *scorer.Tokens) (*codedAligner, error) {
	a := &codedAligner{images: images, captions: captions, layout: layout}
	a.blocks = make([][]byte, captions.items())
	a.weights = make([][]float32, captions.items())
	for c := range a.blocks {
		var err error
		a.weights[c] = captions.weightsOf(c)
		if a.blocks[c], err = layout.AppendBlock(nil, captions.rows(c), a.weights[c]); err != nil {
			return nil, fmt.Errorf("caption %d: %w", c, err)
		}
	}
	return a, nil
}

// Dims implements eval.Scores.
func (a *codedAligner) Dims() (images, captions int) { return a.images.items(), a.captions.items() }

// Rows implements eval.Scores.
func (a *codedAligner) Rows(images []int, dst []float32) error {
	m := len(a.blocks)
	for k, i := range images {
		s, err := scorer.NewMaxSim(a.layout, a.images.rows(i), a.images.weightsOf(i))
		if err != nil {
			return err
		}
		s.ScoreReverse(a.blocks, a.weights, dst[k*m:(k+1)*m])
	}
	return nil
}

// Pairs implements eval.PairScorer.
func (a *codedAligner) Pairs(image int, captions []int32, dst []float32) error {
	s, err := scorer.NewMaxSim(a.layout, a.images.rows(image), a.images.weightsOf(image))
	if err != nil {
		return err
	}
	blocks, weights := make([][]byte, len(captions)), make([][]float32, len(captions))
	for k, c := range captions {
		blocks[k], weights[k] = a.blocks[c], a.weights[c]
	}
	s.ScoreReverse(blocks, weights, dst)
	return nil
}

func (a *codedAligner) fingerprint() [32]byte {
	return fingerprint(a.layout.Codec().String(), a.images, a.captions)
}

func fingerprint(precision string, sides ...*tokens) [32]byte {
	h := sha256.New()
	h.Write([]byte(precision))
	number := func(v int) { h.Write(binary.LittleEndian.AppendUint64(nil, uint64(v))) }
	for _, t := range sides {
		number(t.dim)
		number(t.items())
		for _, s := range t.start {
			number(s)
		}
		for k := range t.items() {
			h.Write(floatBytes(t.rows(k)))
			h.Write(floatBytes(t.weightsOf(k)))
		}
	}
	return [32]byte(h.Sum(nil))
}

// within scores only the pairs inside a gallery; the others are 0 and never looked at.
func within(a aligner, galleries []eval.Gallery) aligner {
	n, m := a.Dims()
	if len(galleries) == 1 && len(galleries[0].Images) == n && len(galleries[0].Captions) == m {
		return a
	}
	w := &withinAligner{aligner: a, captions: make([][]int32, n)}
	h := sha256.New()
	sum := a.fingerprint()
	h.Write(sum[:])
	for f, g := range galleries {
		list := make([]int32, len(g.Captions))
		for k, c := range g.Captions {
			list[k] = int32(c)
		}
		for _, i := range g.Images {
			w.captions[i] = list
			h.Write(binary.LittleEndian.AppendUint64(nil, uint64(f)<<32|uint64(i)))
		}
	}
	w.sum = [32]byte(h.Sum(nil))
	return w
}

type withinAligner struct {
	aligner
	captions [][]int32 // of the gallery of every image
	sum      [32]byte
}

// Rows implements eval.Scores.
func (w *withinAligner) Rows(images []int, dst []float32) error {
	_, m := w.Dims()
	clear(dst[:len(images)*m])
	for k, i := range images {
		scores := make([]float32, len(w.captions[i]))
		if err := w.Pairs(i, w.captions[i], scores); err != nil {
			return err
		}
		for j, c := range w.captions[i] {
			dst[k*m+int(c)] = scores[j]
		}
	}
	return nil
}

func (w *withinAligner) fingerprint() [32]byte { return w.sum }
