package source

import (
	"image"
	"iter"

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

// Inputs are all items in their order.
func (s *Source) Inputs() iter.Seq[aladin.Input] {
	return func(yield func(aladin.Input) bool) {
		for i := range s.Items {
			if !yield(s.Input(i)) {
				return
			}
		}
	}
}

// CaptionInputs are all captions in their order.
func (s *Source) CaptionInputs() iter.Seq[aladin.Input] {
	return func(yield func(aladin.Input) bool) {
		for _, c := range s.Captions {
			if !yield(aladin.Text(c.Text)) {
				return
			}
		}
	}
}
