package evalcmd

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/align"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/elem"
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
	if !mode.MaxSim() {
		if precision != "f32" {
			return nil, cli.Misuse("--align-codec %s: the model aligns by %s, which is computed in full precision only (f32)", precision, mode)
		}
		return &modeAligner{images, captions, mode}, nil
	}
	var codec index.Codec
	err := codec.UnmarshalText([]byte(precision))
	if err != nil {
		return nil, err
	}
	layout, err := vector.NewTokens(codec, images.dim)
	if err != nil {
		return nil, err
	}
	return newTokenAligner(images, captions, layout)
}

// modeAligner scores by a mode that is no sum over words of maxima over regions.
type modeAligner struct {
	images, captions *tokens
	mode             align.Mode
}

// Dims implements eval.Scores.
func (a *modeAligner) Dims() (images, captions int) { return a.images.items(), a.captions.items() }

// captionTile captions are scored with a few images while their words are in the cache.
const captionTile = 8

// block implements aligner.
func (a *modeAligner) block(images []int, captions []int32, dst []float32) error {
	m := len(captions)
	for from := 0; from < m; from += captionTile {
		for k, i := range images {
			for c := from; c < min(m, from+captionTile); c++ {
				dst[k*m+c] = a.mode.Score(a.images.dim, a.captions.side(int(captions[c])), a.images.side(i))
			}
		}
	}
	return nil
}

// Rows implements eval.Scores.
func (a *modeAligner) Rows(images []int, dst []float32) error {
	return a.block(images, numbered(a.captions.items()), dst)
}

// Pairs implements eval.PairScorer.
func (a *modeAligner) Pairs(image int, captions []int32, dst []float32) error {
	return a.block([]int{image}, captions, dst)
}

func (a *modeAligner) atOnce() int { return 8 }

func (a *modeAligner) fingerprint() [32]byte {
	return fingerprint("f32 "+a.mode.String()+fmt.Sprint(a.mode.Released()), a.images, a.captions)
}

func numbered(n int) []int32 {
	out := make([]int32, n)
	for k := range out {
		out[k] = int32(k)
	}
	return out
}

// exact aligns one pair in full precision and says which region each word found.
func (d *data) exact(image, caption int) (align.Result, error) {
	return align.Exact(d.imageTokens.dim, d.captionTokens.rows(caption), d.captionTokens.weightsOf(caption), d.imageTokens.rows(image), d.imageTokens.weightsOf(image))
}

// tokenAligner scores with the driver of an index, in the precision of a layout. For whole rows the words of a
// caption are prepared once for a block of images; for chosen pairs the regions of an image are, for all its
// captions, if both ways give the same score.
type tokenAligner struct {
	images   *tokens
	captions *tokens
	layout   *vector.Tokens
	regions  [][]byte                 // blocks of every image; nil in full precision, which would take as much memory again
	words    func() ([][]byte, error) // blocks of every caption, made when first needed
	// prepared keeps every caption made ready to be scored, as far as memory allows; else it is nil.
	prepared []atomic.Pointer[align.Query]
}

// preparedBytes is what prepared captions may take.
const preparedBytes = 384 << 20

func newTokenAligner(images, captions *tokens, layout *vector.Tokens) (*tokenAligner, error) {
	a := &tokenAligner{images: images, captions: captions, layout: layout}
	a.words = sync.OnceValues(func() ([][]byte, error) { return encodeBlocks("caption", layout, captions) })
	const lanes = 16 // words are prepared in groups of so many
	groups := 0
	for c := range captions.items() {
		groups += (captions.start[c+1] - captions.start[c] + lanes - 1) / lanes
	}
	if size := groups * lanes * vector.RowBytes(layout.Codec(), layout.Dim()); size <= preparedBytes {
		a.prepared = make([]atomic.Pointer[align.Query], captions.items())
	}
	var err error
	if layout.Codec() != vector.F32 {
		a.regions, err = encodeBlocks("image", layout, images)
	}
	return a, err
}

// prepare makes caption c ready to be scored, or finds it so.
func (a *tokenAligner) prepare(c int) (*align.Query, error) {
	if a.prepared != nil {
		if q := a.prepared[c].Load(); q != nil {
			return q, nil
		}
	}
	q, err := align.NewQuery(a.layout, a.captions.rows(c), a.captions.weightsOf(c))
	if err == nil && a.prepared != nil {
		a.prepared[c].Store(q)
	}
	return q, err
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
func (a *tokenAligner) Dims() (images, captions int) { return a.images.items(), a.captions.items() }

// block implements aligner.
func (a *tokenAligner) block(images []int, captions []int32, dst []float32) (err error) {
	blocks, scores := make([][]byte, len(images)), make([]float32, len(images))
	for k, i := range images {
		if a.regions != nil {
			blocks[k] = a.regions[i]
		} else if blocks[k], err = a.layout.AppendBlock(nil, a.images.rows(i), a.images.weightsOf(i)); err != nil {
			return fmt.Errorf("image %d: %w", i, err)
		}
	}
	for j, c := range captions {
		q, err := a.prepare(int(c))
		if err != nil {
			return err
		}
		q.Score(blocks, scores)
		for k, v := range scores {
			dst[k*len(captions)+j] = v
		}
	}
	return nil
}

// Rows implements eval.Scores.
func (a *tokenAligner) Rows(images []int, dst []float32) error {
	return a.block(images, numbered(a.captions.items()), dst)
}

// Pairs implements eval.PairScorer.
func (a *tokenAligner) Pairs(image int, captions []int32, dst []float32) error {
	if a.layout.Codec() != vector.Int8 { // only int8 codes both sides, and is small enough to keep both
		return a.block([]int{image}, captions, dst)
	}
	words, err := a.words()
	if err != nil {
		return err
	}
	q, err := align.NewQuery(a.layout, a.images.rows(image), a.images.weightsOf(image))
	if err != nil {
		return err
	}
	blocks, weights := make([][]byte, len(captions)), make([][]float32, len(captions))
	for k, c := range captions {
		blocks[k], weights[k] = words[c], a.captions.weightsOf(int(c))
	}
	q.ScoreReverse(blocks, weights, dst)
	return nil
}

func (a *tokenAligner) atOnce() int {
	if a.prepared == nil {
		return 256 // preparing a caption costs as much as scoring some thirty images
	}
	return 64
}

func (a *tokenAligner) fingerprint() [32]byte {
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
			h.Write(elem.Bytes(t.rows(k)))
			h.Write(elem.Bytes(t.weightsOf(k)))
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
