package dataset

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"regexp"
	"slices"

	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/parallel"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/training/config"
)

// ErrData is returned when the data cannot train a model.
var ErrData = errors.New("train: unusable data")

// Images are the regions of a data set's pictures. Views are ways to look at the same picture, for
// augmentation; view 0 is the picture as it is. Load must be safe for concurrent use.
type Images interface {
	Len() int
	Dim() int // features a region
	ID(i int) string
	Views() []View
	Load(ctx context.Context, i, view int) (*region.Set, error)
}

// A View tells what a view does to the picture.
type View struct {
	Flip bool // mirrored: captions that speak of left and right do not fit
}

// A Caption describes one image.
type Caption struct {
	Image int
	Text  string
}

// Data is what a model trains or is validated on.
type Data struct {
	Images   Images
	Captions []Caption
}

// Check makes sure that the data is usable: images, captions, and owners that exist.
func (d *Data) Check() error {
	if d.Images == nil || d.Images.Len() == 0 || len(d.Captions) == 0 {
		return fmt.Errorf("%w: no images or no captions", ErrData)
	}
	if views := d.Images.Views(); len(views) == 0 || views[0].Flip {
		return fmt.Errorf("%w: view 0 must be the picture as it is; there are %d views", ErrData, len(views))
	}
	for i, c := range d.Captions {
		if c.Image < 0 || c.Image >= d.Images.Len() {
			return fmt.Errorf("%w: caption %d (%.40q) belongs to image %d of %d", ErrData, i, c.Text, c.Image, d.Images.Len())
		}
	}
	return nil
}

// Texts yields the captions.
func (d *Data) Texts() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, c := range d.Captions {
			if !yield(c.Text) {
				return
			}
		}
	}
}

// sided finds captions that a mirrored picture would belie.
var sided = regexp.MustCompile(`(?i)\b(left|right)`)

// A Batcher makes the training batches of a run. What a batch holds depends on the seed and its number
// alone.
type Batcher struct {
	data       *Data
	text       input.Text
	maxRegions int
	cfg        *config.Config
	tokens     [][]int64 // of every caption
	flips      []bool    // captions that may go with a mirrored view
	views      []View
	// Teacher, if not nil, rates the pairs of a batch, images (in the given views) × captions.
	Teacher func(ctx context.Context, images, views, captions []int) ([]float32, error)
}

// NewBatcher tokenises the captions. Of an image with more than maxRegions regions the first count.
func NewBatcher(data *Data, text input.Text, maxRegions int, cfg *config.Config) *Batcher {
	b := &Batcher{data: data, text: text, maxRegions: maxRegions, cfg: cfg, views: data.Images.Views()}
	b.tokens = make([][]int64, len(data.Captions))
	b.flips = make([]bool, len(data.Captions))
	parallel.For(len(data.Captions), func(i int) {
		b.tokens[i] = text.Caption(data.Captions[i].Text).IDs
		b.flips[i] = !sided.MatchString(data.Captions[i].Text)
	})
	return b
}

// Steps is the number of batches an epoch has.
func (b *Batcher) Steps() int { return max(1, len(b.data.Captions)/b.cfg.Training.BatchSize) }

// Order is the epoch's permutation of the captions. As far as possible no batch contains an image twice, since another
// caption of the same image is not a negative: a caption whose image is repeated is swapped with one of another batch, or
// of the remainder that makes no batch, such that neither batch has a repetition. A partner exists whenever some batch
// lacks the image.
func (b *Batcher) Order(epoch int) []int {
	rng := rand.New(rand.NewPCG(b.cfg.Training.Seed, uint64(epoch)))
	perm := rng.Perm(len(b.data.Captions))
	bs := b.cfg.Training.BatchSize
	full := len(perm) / bs * bs
	buckets := b.cfg.Training.Bucket > 1
	if buckets {
		b.sortByLength(perm[:full])
	}
	images := make([]map[int]int, full/bs) // of each batch, how often it has an image
	image := func(i int) int { return b.data.Captions[perm[i]].Image }
	has := func(place, image int) int {
		if place >= full {
			return 0
		}
		return images[place/bs][image]
	}
	count := func(place, by int) {
		if place < full {
			images[place/bs][image(place)] += by
		}
	}
	for k := range images {
		images[k] = make(map[int]int, bs)
	}
	for i := range full {
		count(i, 1)
	}
	for i := range full {
		if has(i, image(i)) < 2 {
			continue
		}
		start := rng.IntN(len(perm))
		if buckets {
			start = i // where captions are of like length
		}
		for step := range min(len(perm), exchangeTries) {
			j := (start + step) % len(perm)
			if j < full && j/bs == i/bs || has(i, image(j)) > 0 || has(j, image(i)) > 0 {
				continue
			}
			count(i, -1)
			count(j, -1)
			perm[i], perm[j] = perm[j], perm[i]
			count(i, 1)
			count(j, 1)
			break
		}
	}
	if buckets {
		b.shuffleBatches(rng, perm[:full])
	}
	return perm
}

// sortByLength sorts captions by length within every few batches.
func (b *Batcher) sortByLength(perm []int) {
	for part := range slices.Chunk(perm, b.cfg.Training.Bucket*b.cfg.Training.BatchSize) {
		slices.SortStableFunc(part, func(i, j int) int { return len(b.tokens[i]) - len(b.tokens[j]) })
	}
}

// shuffleBatches draws the order of the batches again.
func (b *Batcher) shuffleBatches(rng *rand.Rand, perm []int) {
	bs := b.cfg.Training.BatchSize
	batches := slices.Collect(slices.Chunk(slices.Clone(perm), bs))
	rng.Shuffle(len(batches), func(i, j int) { batches[i], batches[j] = batches[j], batches[i] })
	for i, batch := range batches {
		copy(perm[i*bs:], batch)
	}
}

// exchangeTries bounds the search for a partner: there is none if an image has more captions than there are batches.
const exchangeTries = 1 << 13

// rng draws what is random about a batch.
func (b *Batcher) rng(epoch, step int) *rand.Rand {
	return rand.New(rand.NewPCG(b.cfg.Training.Seed+1, uint64(epoch)<<32|uint64(step)))
}

// Batch makes the step-th batch of an epoch whose order is given.
func (b *Batcher) Batch(ctx context.Context, order []int, epoch, step int) (*Batch, error) {
	bs := min(b.cfg.Training.BatchSize, len(order))
	rng := b.rng(epoch, step)
	out := &Batch{Pairs: slices.Clone(order[step*bs : (step+1)*bs])}
	caps, tags, sets := make([][]int64, bs), make([][]string, bs), make([]*region.Set, bs)
	views, seeds := make([]int, bs), make([]uint64, bs)
	for i, c := range out.Pairs {
		views[i] = b.view(rng, c)
		seeds[i] = rng.Uint64()
	}
	errs := make([]error, bs)
	parallel.For(bs, func(i int) {
		c := out.Pairs[i]
		r := rand.New(rand.NewPCG(seeds[i], 1))
		set, err := b.data.Images.Load(ctx, b.data.Captions[c].Image, views[i])
		if err != nil {
			errs[i] = err
			return
		}
		caps[i] = b.dropWords(r, b.tokens[c])
		tags[i] = b.dropTags(r, set.ObjectTags())
		sets[i] = b.dropRegions(r, set)
	})
	err := errors.Join(errs...)
	if err != nil {
		return nil, err
	}
	if b.Teacher != nil {
		images := make([]int, bs)
		for i, c := range out.Pairs {
			images[i] = b.data.Captions[c].Image
		}
		if out.Examples, err = b.Teacher(ctx, images, views, out.Pairs); err != nil {
			return nil, err
		}
	}
	if out.Captions, err = b.text.PadCaptions(ctx, caps); err != nil {
		return nil, err
	}
	out.Images, err = b.text.PadImages(ctx, tags, sets, b.maxRegions, b.data.Images.Dim())
	return out, err
}

// view draws a view of the caption's image: mirrored ones only where left and right do not matter.
func (b *Batcher) view(rng *rand.Rand, caption int) int {
	v := rng.IntN(len(b.views))
	for try := 0; b.views[v].Flip && !b.flips[caption] && try < 20; try++ {
		v = rng.IntN(len(b.views))
	}
	if b.views[v].Flip && !b.flips[caption] {
		return 0
	}
	return v
}

// dropWords replaces some pieces by [MASK]; [CLS] and [SEP] stay.
func (b *Batcher) dropWords(r *rand.Rand, ids []int64) []int64 {
	p := b.cfg.Encoder.WordDropout
	if p == 0 {
		return ids
	}
	out := slices.Clone(ids)
	for i := 1; i+1 < len(out); i++ {
		if r.Float32() < p {
			out[i] = int64(b.text.Tokenizer.MASK())
		}
	}
	return out
}

func (b *Batcher) dropTags(r *rand.Rand, tags []string) []string {
	p := b.cfg.Encoder.LabelDropout
	if p == 0 {
		return tags
	}
	var out []string
	for _, t := range tags {
		if r.Float32() >= p {
			out = append(out, t)
		}
	}
	return out
}

// dropRegions leaves some regions out; the first always stays.
func (b *Batcher) dropRegions(r *rand.Rand, s *region.Set) *region.Set {
	p := b.cfg.Encoder.RegionDropout
	if p == 0 {
		return s
	}
	out := &region.Set{Dim: s.Dim}
	for i := range s.Len() {
		if i == 0 || r.Float32() >= p {
			out.Features = append(out.Features, s.Row(i)...)
			out.Boxes = append(out.Boxes, s.Boxes[i])
		}
	}
	return out
}
