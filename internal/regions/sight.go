package regions

import (
	"context"
	"fmt"
	"slices"

	"github.com/aladin-go/aladin/internal/region"
)

// A sight is what the models see in one view.
type sight struct {
	objects  []object
	maps     []featureMap // of every model, one model's behind the other's
	mirrored []featureMap // of the mirrored view, with Regions.Flip
	frames   []frame      // how the view lies in the input of each map's model
	crops    []sight      // of each object's part of the view, with boxes "crop"
}

// look runs models over views.
func (x *ONNX) look(ctx context.Context, models []*model, views []view) ([]sight, error) {
	out := make([]sight, len(views))
	for _, m := range models {
		replies, err := m.run(ctx, views)
		if err != nil {
			return nil, err
		}
		for i, r := range replies {
			if m == x.detector {
				if out[i].objects, err = m.objects(r); err != nil {
					return nil, err
				}
			}
			for range m.cfg.FeatureMaps {
				out[i].frames = append(out[i].frames, r.frame)
			}
			if out[i].maps, err = m.appendMaps(out[i].maps, r); err != nil {
				return nil, err
			}
		}
		if m.cfg.FeatureMaps != nil && x.cfg.Regions.Flip {
			mirrored, err := m.mirror(ctx, replies)
			if err != nil {
				return nil, err
			}
			for i, r := range mirrored {
				if out[i].mirrored, err = m.appendMaps(out[i].mirrored, r); err != nil {
					return nil, err
				}
			}
			m.release(mirrored)
		}
		m.release(replies)
	}
	return out, nil
}

func (m *model) appendMaps(maps []featureMap, r reply) ([]featureMap, error) {
	for i := range m.cfg.FeatureMaps {
		c := &m.cfg.FeatureMaps[i]
		fm, err := newFeatureMap(c, r.values[c.Output])
		if err != nil {
			return nil, fmt.Errorf("model %q: %w", m.cfg.Name, err)
		}
		maps = append(maps, fm)
	}
	return maps, nil
}

// set puts the regions of one view together.
func (x *ONNX) set(v view, s *sight) (*region.Set, error) {
	set := v.emptySet(x.Dim())
	set.Boxes = append(set.Boxes, region.Box{0, 0, 1, 1})
	seen := s.frames[0].visible()
	set.Boxes = append(set.Boxes, cells(x.cfg.Regions.Grid, float32(x.cfg.Regions.GridOverlap), seen)...)
	boxed := len(set.Boxes)
	if x.detector != nil {
		x.label(set, s.objects)
	}
	set.Features = make([]float32, len(set.Boxes)*set.Dim)
	for i, b := range set.Boxes {
		row := set.Row(i)
		from, where := s, &b
		switch {
		case i == 0:
			where = nil
		case i >= boxed && x.cfg.Regions.Boxes == boxesCrop:
			from, where = &s.crops[i-boxed], nil
		}
		if err := x.pool(row[:x.dim], from, where); err != nil {
			return nil, err
		}
		x.std.apply(row)
		if x.cfg.BoxNumbers {
			putBoxNumbers(row[x.dim:], b)
		}
	}
	return set, nil
}

// label adds the objects' boxes, if they are regions, and their names.
func (x *ONNX) label(set *region.Set, objects []object) {
	if x.cfg.Regions.Boxes != boxesNone {
		set.Labels = make([]string, len(set.Boxes), len(set.Boxes)+len(objects))
		for _, o := range objects {
			set.Boxes = append(set.Boxes, o.box)
			set.Labels = append(set.Labels, o.name)
		}
	}
	set.Tags = []string{} // not nil: "no tags" must not mean "take the labels"
	for _, o := range objects {
		switch {
		case x.cfg.Regions.Tags == tagsAll,
			x.cfg.Regions.Tags == tagsUnique && !slices.Contains(set.Tags, o.name):
			set.Tags = append(set.Tags, o.name)
		}
	}
}

// cells are the boxes of a grid over the part of a view that the models see, each widened by a share of its
// sides as far as that part goes.
func cells(grid []int, overlap float32, seen region.Box) []region.Box {
	if grid == nil {
		return nil
	}
	rows, cols := grid[0], grid[1]
	// at is the place of a border, moved by a share of a cell.
	at := func(lo, hi float32, i, n int, shift float32) float32 {
		return min(max(lo+(hi-lo)*(float32(i)+shift)/float32(n), lo), hi)
	}
	var out []region.Box
	for r := range rows {
		for c := range cols {
			out = append(out, region.Box{
				at(seen[0], seen[2], c, cols, -overlap), at(seen[1], seen[3], r, rows, -overlap),
				at(seen[0], seen[2], c+1, cols, overlap), at(seen[1], seen[3], r+1, rows, overlap),
			})
		}
	}
	return out
}

// pool writes the features of the region b of s: the models' averages, one behind the other. Without b it is
// all that each model sees, which differs where they crop differently.
func (x *ONNX) pool(row []float32, s *sight, b *region.Box) error {
	for i, m := range s.maps {
		if m.dim != x.dims[i] {
			return fmt.Errorf("%w: feature map %q has %d features, and had %d before", ErrModel, x.maps[i].Output, m.dim, x.dims[i])
		}
		var part []float32
		part, row = row[:m.dim], row[m.dim:]
		where := s.frames[i].visible()
		if b != nil {
			where = *b
		}
		m.average(part, s.frames[i].toInput(where))
		if s.mirrored != nil {
			other := make([]float32, m.dim)
			s.mirrored[i].average(other, s.frames[i].toInput(region.Box{1 - where[2], where[1], 1 - where[0], where[3]}))
			for j, v := range other {
				part[j] = (part[j] + v) / 2
			}
		}
		power(part, x.cfg.Regions.Power)
		if x.cfg.Regions.L2 {
			normalise(part)
		}
	}
	return nil
}
