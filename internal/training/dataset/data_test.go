package dataset_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/toy"
)

func toyBatcher(t *testing.T, images, perImage, size int, change func(d *dataset.Data, c *config.Config)) *dataset.Batcher {
	d := toy.Data(images, perImage)
	cfg := config.Default()
	cfg.Training.BatchSize = size
	if change != nil {
		change(d, &cfg)
	}
	return dataset.NewBatcher(d, toy.Text(t), cfg.Encoder.MaxRegions, &cfg)
}

// repeats counts the images that come more than once in a batch of an epoch.
func repeats(b *dataset.Batcher, order []int) int {
	n, bs := 0, b.Config().Training.BatchSize
	for from := 0; from+bs <= len(order); from += bs {
		seen := map[int]bool{}
		for _, c := range order[from : from+bs] {
			image := b.Data().Captions[c].Image
			if seen[image] {
				n++
			}
			seen[image] = true
		}
	}
	return n
}

// No batch has an image twice where that can be had, down to the last batch of an epoch.
func TestOrder(t *testing.T) {
	for _, c := range []struct{ images, perImage, size int }{{40, 5, 8}, {40, 5, 25}, {30, 5, 16}, {12, 3, 6}, {9, 5, 6}, {100, 1, 7}, {8, 4, 7}} {
		b := toyBatcher(t, c.images, c.perImage, c.size, nil)
		for epoch := range 20 {
			order := b.Order(epoch)
			seen := make([]bool, len(order))
			for _, i := range order {
				require.False(t, seen[i])
				seen[i] = true
			}
			require.Len(t, order, c.images*c.perImage)
			require.Zero(t, repeats(b, order), "%+v epoch %d", c, epoch)
			require.Equal(t, order, b.Order(epoch), "an epoch's order is its own")
		}
		require.NotEqual(t, b.Order(0), b.Order(1))
	}
	// Where it cannot be had, batches are made all the same.
	b := toyBatcher(t, 3, 5, 4, nil)
	require.Len(t, b.Order(0), 15)
	require.Equal(t, 3, b.Steps())
}

// Buckets bring captions of like length together, and leave all else as it was: every caption once, no image
// twice in a batch, another order each epoch.
func TestBuckets(t *testing.T) {
	padding := func(b *dataset.Batcher, order []int) (n int) {
		bs := b.Config().Training.BatchSize
		for batch := range slices.Chunk(order[:len(order)/bs*bs], bs) {
			longest := 0
			for _, c := range batch {
				longest = max(longest, len(b.Tokens()[c]))
			}
			for _, c := range batch {
				n += longest - len(b.Tokens()[c])
			}
		}
		return n
	}
	plain := toyBatcher(t, 60, 5, 7, nil)
	b := toyBatcher(t, 60, 5, 7, func(_ *dataset.Data, c *config.Config) { c.Training.Bucket = 10 })
	for epoch := range 10 {
		order := b.Order(epoch)
		seen := slices.Sorted(slices.Values(order))
		for i, c := range seen {
			require.Equal(t, i, c)
		}
		require.Zero(t, repeats(b, order))
		require.Less(t, 3*padding(b, order), 2*padding(plain, plain.Order(epoch)))
		require.Equal(t, order, b.Order(epoch))
	}
	require.NotEqual(t, b.Order(0), b.Order(1))
	// Long and short batches follow each other at random, so that no stretch of steps sees only one kind.
	long := 0
	for batch := range slices.Chunk(b.Order(0)[:70], 7) {
		if len(b.Tokens()[batch[0]]) > 7 {
			long++
		}
	}
	require.Greater(t, long, 0)
	require.Less(t, long, 10)
}

// A batch is the same whenever it is made.
func TestBatchRepeats(t *testing.T) {
	change := func(d *dataset.Data, c *config.Config) {
		c.Encoder.WordDropout, c.Encoder.RegionDropout, c.Encoder.LabelDropout = 0.3, 0.3, 0.3
		d.Images.(*toy.Images).Looks = []dataset.View{{}, {Flip: true}, {}}
	}
	b, again := toyBatcher(t, 10, 3, 6, change), toyBatcher(t, 10, 3, 6, change)
	order := b.Order(2)
	last, err := again.Batch(t.Context(), again.Order(2), 2, 4)
	require.NoError(t, err)
	for step := range 5 {
		got, err := b.Batch(t.Context(), order, 2, step)
		require.NoError(t, err)
		require.Len(t, got.Pairs, 6)
		if step == 4 {
			require.Equal(t, last, got)
		}
	}
	other, err := b.Batch(t.Context(), order, 3, 4)
	require.NoError(t, err)
	require.NotEqual(t, last.Captions.IDs, other.Captions.IDs, "another epoch masks other words")
}

// Mirrored views never go with captions that speak of left and right.
func TestFlips(t *testing.T) {
	b := toyBatcher(t, 4, 2, 2, func(d *dataset.Data, _ *config.Config) {
		d.Images.(*toy.Images).Looks = []dataset.View{{}, {Flip: true}, {Flip: true}}
		for i, text := range []string{"a dog to the LEFT of a cat", "the right boat", "bright lights", "a dog", "left-handed", "a cat", "leftmost tree", "a kite"} {
			d.Captions[i].Text = text
		}
	})
	flipped := map[string]bool{}
	for epoch := range 30 {
		order := b.Order(epoch)
		for step := range b.Steps() {
			rng := b.Rand(epoch, step)
			for _, c := range order[step*2 : step*2+2] {
				if b.Views()[b.View(rng, c)].Flip {
					flipped[b.Data().Captions[c].Text] = true
				}
				rng.Uint64()
			}
		}
	}
	require.Equal(t, map[string]bool{"bright lights": true, "a dog": true, "a cat": true, "a kite": true}, flipped)
}

// Dropping words spares [CLS] and [SEP], dropping regions the first, and both about as many as asked.
func TestDataDropout(t *testing.T) {
	b := toyBatcher(t, 30, 5, 6, func(_ *dataset.Data, c *config.Config) {
		c.Encoder.WordDropout, c.Encoder.RegionDropout, c.Encoder.LabelDropout = 0.25, 0.5, 0.5
	})
	tok := b.Text().Tokenizer
	words, masked, regions, all, tags, allTags := 0, 0, 0, 0, 0, 0
	for epoch := range 8 {
		order := b.Order(epoch)
		for step := range b.Steps() {
			got, err := b.Batch(t.Context(), order, epoch, step)
			require.NoError(t, err)
			for i, c := range got.Pairs {
				plain := b.Tokens()[c]
				ids := got.Captions.IDs[i*got.Captions.T:]
				require.Equal(t, int64(tok.CLS()), ids[0])
				require.Equal(t, int64(tok.SEP()), ids[len(plain)-1])
				for k := 1; k+1 < len(plain); k++ {
					words++
					if ids[k] != plain[k] {
						require.Equal(t, int64(tok.MASK()), ids[k])
						masked++
					}
				}
				set, err := b.Data().Images.Load(t.Context(), b.Data().Captions[c].Image, 0)
				require.NoError(t, err)
				require.Equal(t, set.Row(0), got.Images.Regions[i*got.Images.R*10:][:10])
				all += set.Len() - 1
				for k := 1; k < got.Images.R; k++ {
					regions += int(got.Images.RegionMask[i*got.Images.R+k])
				}
				allTags += set.Len()
				for _, m := range got.Images.LabelMask[i*got.Images.L:][:got.Images.L] {
					tags += int(m)
				}
				tags -= 2
			}
		}
	}
	require.InDelta(t, 0.25, float64(masked)/float64(words), 0.03)
	require.InDelta(t, 0.5, float64(regions)/float64(all), 0.05)
	require.InDelta(t, 0.5, float64(tags)/float64(allTags), 0.05)
}
