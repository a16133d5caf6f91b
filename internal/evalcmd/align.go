package evalcmd

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/viterin/vek/vek32"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/align"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/vector"
)

// An aligner computes alignment scores, in the model's mode, of any pairs as they are asked for.
type aligner interface {
	eval.Scores
	eval.PairScorer
	// block scores all pairs of some images and captions, row-major by image.
	block(images []int, captions []int32, dst []float32) error
	// atOnce is how many images are best scored together.
	atOnce() int
	// fingerprint identifies the tokens, the mode and the precision.
	fingerprint() [32]byte
}

// newAligner scores in full precision ("f32") or as an index of a region codec ("f16", "int8") would, which knows
// but one kind of mode.
func newAligner(images, captions *tokens, mode align.Mode, precision string) (aligner, error) {
	if precision == "f32" {
		return &plainAligner{images, captions, mode}, nil
	}
	if !mode.MaxSim() {
		return nil, cli.Misuse("--align-codec %s: the model aligns by %s, which is computed in full precision only (f32)", precision, mode)
	}
	codec, err := index.ParseCodec(precision)
	if err != nil {
		return nil, err
	}
	layout, err := vector.NewTokens(codec, images.dim)
	if err != nil {
		return nil, err
	}
	return newCodedAligner(images, captions, layout)
}

// plainAligner multiplies float32 by float32; the reference for the others.
type plainAligner struct {
	images, captions *tokens
	mode             align.Mode
}

// Dims implements eval.Scores.
func (a *plainAligner) Dims() (images, captions int) { return a.images.items(), a.captions.items() }

// captionTile captions are scored with a few images while their words are in the cache.
const captionTile = 8

// block implements aligner.
func (a *plainAligner) block(images []int, captions []int32, dst []float32) error {
	m := len(captions)
	for from := 0; from < m; from += captionTile {
		for k, i := range images {
			for c := from; c < min(m, from+captionTile); c++ {
				dst[k*m+c] = a.score(i, int(captions[c]))
			}
		}
	}
	return nil
}

// Rows implements eval.Scores.
func (a *plainAligner) Rows(images []int, dst []float32) error {
	return a.block(images, numbered(a.captions.items()), dst)
}

// Pairs implements eval.PairScorer.
func (a *plainAligner) Pairs(image int, captions []int32, dst []float32) error {
	return a.block([]int{image}, captions, dst)
}

func numbered(n int) []int32 {
	out := make([]int32, n)
	for k := range out {
		out[k] = int32(k)
	}
	return out
}

func (a *plainAligner) score(image, caption int) float32 {
	if a.mode.MaxSim() {
		return a.pair(image, caption, nil)
	}
	return a.mode.Score(a.images.dim, a.captions.side(caption), a.images.side(image))
}

// best is the region that a word matches best; region −1: the word takes no part or there is no region.
type best struct {
	region     int
	similarity float32
	weight     float32
}

// pair is the sum of what the words find in the image; bests, if not nil, receives an entry for each word.
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

func (a *plainAligner) atOnce() int { return 8 }

func (a *plainAligner) fingerprint() [32]byte {
	return fingerprint("f32 "+a.mode.String()+fmt.Sprint(a.mode.Released()), a.images, a.captions)
}

// codedAligner scores with the kernels of an index. For whole rows the words of a caption are prepared
// once for a block of images; for chosen pairs the regions of an image are, for all its captions.
// Both ways give the same score: where they would not, only the first is used.
type codedAligner struct {
	images   *tokens
	captions *tokens
	layout   *vector.Tokens
	regions  [][]byte                    // blocks of every image
	words    func() (*codedWords, error) // made when first needed
	// prepared keeps every caption made ready to be scored, as far as memory allows; else it is nil.
	prepared []atomic.Pointer[vector.MaxSim]
}

// preparedBytes is what prepared captions may take.
const preparedBytes = 384 << 20

type codedWords struct {
	blocks  [][]byte    // of every caption
	weights [][]float32 // of their words
}

func newCodedAligner(images, captions *tokens, layout *vector.Tokens) (*codedAligner, error) {
	a := &codedAligner{images: images, captions: captions, layout: layout}
	a.words = sync.OnceValues(func() (*codedWords, error) {
		blocks, err := encodeBlocks("caption", layout, captions)
		if err != nil {
			return nil, err
		}
		w := &codedWords{blocks, make([][]float32, len(blocks))}
		for c := range w.weights {
			w.weights[c] = captions.weightsOf(c)
		}
		return w, nil
	})
	const lanes = 16 // words are prepared in groups of so many
	groups := 0
	for c := range captions.items() {
		groups += (captions.start[c+1] - captions.start[c] + lanes - 1) / lanes
	}
	if size := groups * lanes * vector.RowBytes(layout.Codec(), layout.Dim()); size <= preparedBytes {
		a.prepared = make([]atomic.Pointer[vector.MaxSim], captions.items())
	}
	var err error
	a.regions, err = encodeBlocks("image", layout, images)
	return a, err
}

// prepare makes caption c ready to be scored, or finds it so.
func (a *codedAligner) prepare(c int) (*vector.MaxSim, error) {
	if a.prepared != nil {
		if s := a.prepared[c].Load(); s != nil {
			return s, nil
		}
	}
	s, err := vector.NewMaxSim(a.layout, a.captions.rows(c), a.captions.weightsOf(c))
	if err == nil && a.prepared != nil {
		a.prepared[c].Store(s)
	}
	return s, err
}

func encodeBlocks(what string, layout *vector.Tokens, t *tokens) ([][]byte, error) {
	out := make([][]byte, t.items())
	for k := range out {
		var err error
		if out[k], err = layout.AppendBlock(nil, t.rows(k), t.weightsOf(k)); err != nil {
			return nil, fmt.Errorf("%s %d: %w", what, k, err)
		}
	}
	return out, nil
}

// Dims implements eval.Scores.
func (a *codedAligner) Dims() (images, captions int) { return len(a.regions), a.captions.items() }

// block implements aligner.
func (a *codedAligner) block(images []int, captions []int32, dst []float32) error {
	blocks, scores := make([][]byte, len(images)), make([]float32, len(images))
	for k, i := range images {
		blocks[k] = a.regions[i]
	}
	for j, c := range captions {
		s, err := a.prepare(int(c))
		if err != nil {
			return err
		}
		s.Score(blocks, scores)
		for k, v := range scores {
			dst[k*len(captions)+j] = v
		}
	}
	return nil
}

// Rows implements eval.Scores.
func (a *codedAligner) Rows(images []int, dst []float32) error {
	return a.block(images, numbered(a.captions.items()), dst)
}

// Pairs implements eval.PairScorer.
func (a *codedAligner) Pairs(image int, captions []int32, dst []float32) error {
	if a.layout.Codec() == vector.F16 { // codes one side only, so that the other way would give another score
		return a.block([]int{image}, captions, dst)
	}
	words, err := a.words()
	if err != nil {
		return err
	}
	s, err := vector.NewMaxSim(a.layout, a.images.rows(image), a.images.weightsOf(image))
	if err != nil {
		return err
	}
	blocks, weights := make([][]byte, len(captions)), make([][]float32, len(captions))
	for k, c := range captions {
		blocks[k], weights[k] = words.blocks[c], words.weights[c]
	}
	s.ScoreReverse(blocks, weights, dst)
	return nil
}

func (a *codedAligner) atOnce() int {
	if a.prepared == nil {
		return 256 // preparing a caption costs as much as scoring some thirty images
	}
	return 64
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
	for from := 0; from < len(images); {
		captions := w.captions[images[from]]
		to := from + 1 // images of the same gallery
		for to < len(images) && same(captions, w.captions[images[to]]) {
			to++
		}
		scores := make([]float32, (to-from)*len(captions))
		if err := w.block(images[from:to], captions, scores); err != nil {
			return err
		}
		for k := from; k < to; k++ {
			for j, c := range captions {
				dst[k*m+int(c)] = scores[(k-from)*len(captions)+j]
			}
		}
		from = to
	}
	return nil
}

// same tells whether two galleries' lists are one.
func same(a, b []int32) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func (w *withinAligner) fingerprint() [32]byte { return w.sum }
