package source

import (
	"image"

	"github.com/aladin-go/aladin"
)

// Input is item i as a model takes it; it is read when it is encoded.
func (s *Source) Input(i int) aladin.Input {
	item := &s.Items[i]
	switch {
	case item.Path != "":
		return aladin.ImageFile(item.Path)
	case s.Precomputed():
		return aladin.Input{Name: item.ID, Regions: func() (*aladin.RegionSet, error) {
			set, err := s.Set(i)
			if err != nil {
				return nil, err
			}
			return &aladin.RegionSet{Features: set.Features, Dim: set.Dim, Labels: set.Labels, Tags: set.Tags, Boxes: set.Boxes}, nil
		}}
	}
	return aladin.Input{Name: item.ID, Image: func() (image.Image, error) { return s.origin.(*sceneOrigin).draw(item), nil }}
}
