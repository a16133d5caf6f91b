package aladin

import (
	"context"
	"image"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/vision"
)

// imageBatch is how many images run at once: more gains nothing on a CPU, and costs memory.
const imageBatch = 16

// A readImage is an image on its way to the encoder.
type readImage struct {
	at  int
	set *region.Set
	err error // of this image
}

// sets encodes the inputs with these indices, which are regions already.
func (b *batch) sets(ctx context.Context, at []int) error {
	var all []readImage
	for _, i := range at {
		set := b.ins[i].set
		if err := b.m.checkSet(set); err != nil {
			b.fail(i, err)
			continue
		}
		all = append(all, readImage{at: i, set: set})
	}
	slices.SortStableFunc(all, func(a, c readImage) int { return a.set.Len() - c.set.Len() })
	for part := range slices.Chunk(all, imageBatch) {
		if err := b.images(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) checkSet(s *region.Set) error {
	if s == nil || s.Len() == 0 {
		return errNoRegions
	}
	if s.Dim != m.RegionDim() {
		return &dimError{got: s.Dim, want: m.RegionDim()}
	}
	return s.Validate()
}

// pictures encodes the inputs with these indices. The next pictures are decoded and their regions
// extracted while the encoder works on the last ones.
func (b *batch) pictures(ctx context.Context, at []int) error {
	if len(at) == 0 {
		return nil
	}
	x, err := b.m.extractor.get()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	ready := make(chan []readImage)
	g.Go(func() error {
		defer close(ready)
		for part := range slices.Chunk(at, imageBatch) {
			read, err := b.read(ctx, x, part)
			if err != nil {
				return err
			}
			select {
			case ready <- read:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	g.Go(func() error {
		for read := range ready {
			good := read[:0]
			for _, r := range read {
				if r.err != nil {
					b.fail(r.at, r.err)
					continue
				}
				good = append(good, r)
			}
			if err := b.images(ctx, good); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// read decodes pictures and extracts their regions. On a CPU only as many pictures are in memory as there
// are cores: photos are large, and larger groups gain nothing there.
func (b *batch) read(ctx context.Context, x vision.Extractor, at []int) ([]readImage, error) {
	group := max(2, runtime.GOMAXPROCS(0))
	if d := b.m.opts.Device; d != "" && d != "cpu" {
		group = max(group, len(at))
	}
	out := make([]readImage, 0, len(at))
	for part := range slices.Chunk(at, group) {
		read, err := b.readGroup(ctx, x, part)
		if err != nil {
			return nil, err
		}
		out = append(out, read...)
	}
	return out, nil
}

func (b *batch) readGroup(ctx context.Context, x vision.Extractor, at []int) ([]readImage, error) {
	out := make([]readImage, len(at))
	imgs := make([]image.Image, len(at))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for k, i := range at {
		g.Go(func() error {
			out[k].at = i
			imgs[k], out[k].err = b.ins[i].picture(&vision.Limits{MaxPixels: b.m.opts.MaxPixels})
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var good []image.Image
	var place []int
	for k := range out {
		if out[k].err == nil {
			good, place = append(good, imgs[k]), append(place, k)
		}
	}
	if len(good) == 0 {
		return out, nil
	}
	sets, err := x.Extract(ctx, good)
	if err != nil {
		return nil, err
	}
	for j, k := range place {
		out[k].set, out[k].err = sets[j], b.m.checkSet(sets[j])
	}
	return out, nil
}

// images encodes a few images' regions.
func (b *batch) images(ctx context.Context, part []readImage) error {
	if len(part) == 0 {
		return nil
	}
	session, err := b.m.images.get()
	if err != nil {
		return err
	}
	labels, sets := make([][]int64, len(part)), make([]*region.Set, len(part))
	for k, r := range part {
		labels[k], sets[k] = b.m.text.Labels(r.set.ObjectTags()), r.set
	}
	in, err := input.PadImages(labels, sets, b.m.MaxRegions(), b.m.RegionDim(), int64(b.m.text.Tokenizer.PAD()))
	if err != nil {
		return err
	}
	tokens, rows := []int64{int64(in.B), int64(in.L)}, []int64{int64(in.B), int64(in.R)}
	res, err := b.m.run(ctx, session, map[string]*ort.Tensor{
		"label_ids": ort.Int64(tokens, in.LabelIDs), "label_types": ort.Int64(tokens, in.LabelTypes), "label_mask": ort.Int64(tokens, in.LabelMask),
		"regions": ort.Float32([]int64{int64(in.B), int64(in.R), int64(in.F)}, in.Regions), "region_mask": ort.Int64(rows, in.RegionMask),
	})
	if err != nil {
		return err
	}
	for k, r := range part {
		enc, err := res.encoding(k, b.m.Fingerprint())
		if err != nil {
			b.fail(r.at, err)
			continue
		}
		enc.Kind = index.Image
		for _, i := range res.keep(k, enc) {
			var box Box
			var label string
			if i < r.set.Len() && i < in.R { // else a null region
				box = Box(r.set.Boxes[i])
				if r.set.Labels != nil {
					label = r.set.Labels[i]
				}
			}
			enc.Boxes, enc.Labels = append(enc.Boxes, box), append(enc.Labels, label)
		}
		b.out[r.at] = enc
	}
	return nil
}
