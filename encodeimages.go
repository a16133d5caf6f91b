package aladin

import (
	"context"
	"image"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/vision"
)

// prepareImages makes the regions of images. On a CPU only as many pictures are in memory as there are
// cores: photos are large, and larger groups gain nothing there.
func (m *Model) prepareImages(ctx context.Context, all []*prepared) error {
	group := max(2, runtime.GOMAXPROCS(0))
	if m.opts.onGPU() {
		group = imageBatch
	}
	for part := range slices.Chunk(all, group) {
		if err := m.prepareGroup(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) prepareGroup(ctx context.Context, part []*prepared) error {
	imgs := make([]image.Image, len(part))
	g, gctx := errgroup.WithContext(ctx)
	for k, p := range part {
		g.Go(func() error {
			if err := gctx.Err(); err != nil {
				return err
			}
			if p.in.kind == regionInput {
				p.set, p.err = p.in.regions()
				return nil
			}
			imgs[k], p.err = p.in.picture(&vision.Limits{MaxPixels: m.opts.MaxPixels})
			if m.towers != nil && p.err == nil {
				p.sight, p.err = m.towers.see(imgs[k])
				imgs[k] = nil
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if m.towers != nil {
		for _, p := range part {
			if p.err == nil && p.sight == nil {
				p.err = errReadsPixels
			}
		}
		return nil
	}
	var good []image.Image
	var of []*prepared
	for k, p := range part {
		if imgs[k] != nil && p.err == nil {
			good, of = append(good, imgs[k]), append(of, p)
		}
	}
	if len(good) > 0 || slices.ContainsFunc(part, func(p *prepared) bool { return p.in.kind == pictureInput }) {
		if _, err := m.extractor.get(); err != nil { // also where no picture is good: a model without pixels is the first to know
			return err
		}
		if err := m.extract(ctx, of, good); err != nil {
			return err
		}
	}
	for _, p := range part {
		if p.err == nil {
			p.err = m.checkSet(p.set)
		}
	}
	return nil
}

// An extraction is a picture on its way to its regions.
type extraction struct {
	img image.Image
	set *region.Set
}

// extract makes the regions of one call's pictures, perhaps with those of others.
func (m *Model) extract(ctx context.Context, of []*prepared, imgs []image.Image) error {
	n, err := m.together(&m.images, imageBatch)
	if err != nil {
		return err
	}
	all := make([]*extraction, len(imgs))
	for i, img := range imgs {
		all[i] = &extraction{img: img}
	}
	if n == 1 {
		err = m.runExtract(ctx, all)
	} else {
		err = m.extractQueue.Do(ctx, n, all)
	}
	if err != nil {
		return err
	}
	for i, x := range all {
		of[i].set = x.set
	}
	return nil
}

func (m *Model) runExtract(ctx context.Context, all []*extraction) error {
	x, err := m.extractor.get()
	if err != nil {
		return err
	}
	imgs := make([]image.Image, len(all))
	for i, e := range all {
		imgs[i] = e.img
	}
	sets, err := x.Extract(ctx, imgs)
	if err != nil {
		return err
	}
	for i, e := range all {
		e.set = sets[i]
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

// encodeImages encodes a window's images, perhaps with those of other calls.
func (m *Model) encodeImages(ctx context.Context, part []*prepared) error {
	n, err := m.together(&m.images, imageBatch)
	if err != nil {
		return err
	}
	if n == 1 {
		return m.runImages(ctx, part)
	}
	return m.imageQueue.Do(ctx, n, part)
}

func (m *Model) runImages(ctx context.Context, part []*prepared) error {
	if m.towers != nil {
		return m.runTowerImages(ctx, part)
	}
	session, err := m.images.get()
	if err != nil {
		return err
	}
	tags, sets := make([][]string, len(part)), make([]*region.Set, len(part))
	for k, p := range part {
		tags[k], sets[k] = p.set.ObjectTags(), p.set
	}
	in, err := m.text.PadImages(ctx, tags, sets, m.MaxRegions(), m.RegionDim())
	if err != nil {
		return err
	}
	res, err := m.run(ctx, session, in.Tensors())
	if err != nil {
		return err
	}
	for k, p := range part {
		var places []int
		if p.enc, places, p.err = res.encoding(k, m.Fingerprint()); p.err != nil {
			continue
		}
		p.enc.Kind = index.Image
		for _, i := range places {
			var box Box
			var label string
			switch {
			case i >= min(p.set.Len(), in.R): // a null region, or the picture as a whole
				if r := res.row(k, i); slices.ContainsFunc(r, func(x float32) bool { return x != 0 }) {
					box = Box{0, 0, 1, 1}
				}
			default:
				box = Box(p.set.Boxes[i])
				if p.set.Labels != nil {
					label = p.set.Labels[i]
				}
			}
			p.enc.Boxes, p.enc.Labels = append(p.enc.Boxes, box), append(p.enc.Labels, label)
		}
		p.set = nil // large, and done with
	}
	return nil
}
