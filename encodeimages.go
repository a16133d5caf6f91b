package aladin

import (
	"context"
	"slices"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/regions"
)

// prepareImages makes the regions of images.
func (m *Model) prepareImages(ctx context.Context, all []*prepared) error {
	if len(all) == 0 {
		return nil
	}
	if m.towers != nil {
		return m.see(ctx, all)
	}
	in := make([]regions.Input, len(all))
	var x regions.Extractor
	for k, p := range all {
		if p.in.is() == regionInput {
			in[k].Set = p.in.regions
			continue
		}
		in[k].Open = p.in.open
		if x != nil {
			continue
		}
		opened, err := m.extractor.get() // a model without pixels says so whatever the picture is
		if err != nil {
			return err
		}
		x = &sharedExtractor{opened, m}
	}
	made, err := regions.Make(ctx, x, in, nil, &picture.Options{MaxPixels: m.opts.MaxPixels})
	if err != nil {
		return err
	}
	for k, r := range made {
		m.damaged(all[k], r.Note)
		if all[k].err = r.Err; r.Err == nil {
			all[k].set = r.Sets[0]
			all[k].err = m.checkSet(all[k].set)
		}
	}
	return nil
}

// damaged tells of a photo that is good enough.
func (m *Model) damaged(p *prepared, note string) {
	if note != "" && m.opts.Damaged != nil {
		m.opts.Damaged(p.in.name(), note)
	}
}

// A sharedExtractor extracts one call's pictures with those of others.
type sharedExtractor struct {
	regions.Extractor
	m *Model
}

// An extraction is a picture on its way to its regions.
type extraction struct {
	pic *picture.Picture
	set *region.Set
}

// Extract implements regions.Extractor, of whole pictures.
func (x *sharedExtractor) Extract(ctx context.Context, pics []*picture.Picture, _ ...regions.View) ([]*region.Set, error) {
	n, err := x.m.together(&x.m.images, imageBatch)
	if err != nil {
		return nil, err
	}
	if n == 1 {
		return x.Extractor.Extract(ctx, pics)
	}
	all := make([]*extraction, len(pics))
	for i, p := range pics {
		all[i] = &extraction{pic: p}
	}
	if err := x.m.extractQueue.Do(ctx, n, all); err != nil {
		return nil, err
	}
	sets := make([]*region.Set, len(all))
	for i, e := range all {
		sets[i] = e.set
	}
	return sets, nil
}

func (m *Model) runExtract(ctx context.Context, all []*extraction) error {
	x, err := m.extractor.get()
	if err != nil {
		return err
	}
	pics := make([]*picture.Picture, len(all))
	for i, e := range all {
		pics[i] = e.pic
	}
	sets, err := x.Extract(ctx, pics)
	if err != nil {
		return err
	}
	for i, e := range all {
		e.set = sets[i]
	}
	return nil
}

func (m *Model) checkSet(s *region.Set) error {
	if s.Dim != m.regionDim() {
		return &dimError{got: s.Dim, want: m.regionDim()}
	}
	return nil
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
	rows := m.rows(len(part), imageBatch)
	tags, sets := make([][]string, rows), make([]*region.Set, rows)
	for k := range rows {
		p := part[min(k, len(part)-1)]
		tags[k], sets[k] = p.set.ObjectTags(), p.set
	}
	in, err := m.text.PadImages(ctx, tags, sets, m.bundle.Manifest.Lengths.Regions, m.regionDim())
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
			var box index.Box
			var label string
			switch {
			case i >= min(p.set.Len(), in.R): // a null region, or the picture as a whole
				if r := res.row(k, i); slices.ContainsFunc(r, func(x float32) bool { return x != 0 }) {
					box = index.Box{0, 0, 1, 1}
				}
			default:
				box = p.set.Boxes[i]
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
