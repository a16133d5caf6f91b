// Package region holds what a detector, a backbone or a grid of patches says about one picture:
// a list of regions, each with a feature vector, a box and perhaps a class name.
//
// It is the common currency of the packages that make regions (vision, vinvl) and those that
// consume them (the encoder, the trainer), and depends on nothing.
package region

import (
	"errors"
	"fmt"
	"math"
)

// ErrInvalid is returned when the parts of a Set disagree in length or hold values that no
// network can use (NaN or infinities).
var ErrInvalid = errors.New("region: invalid set")

// A Box is x1, y1, x2, y2 as fractions (0…1) of the picture's width and height.
type Box [4]float32

// Width and Height are fractions of the picture's.
func (b Box) Width() float32  { return b[2] - b[0] }
func (b Box) Height() float32 { return b[3] - b[1] }

// Area is the share of the picture that the box covers; an inverted box has none.
func (b Box) Area() float32 {
	w, h := b.Width(), b.Height()
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h
}

// IoU is the intersection of two boxes over their union, 0…1.
func (b Box) IoU(o Box) float32 {
	in := Box{max(b[0], o[0]), max(b[1], o[1]), min(b[2], o[2]), min(b[3], o[3])}.Area()
	if in == 0 {
		return 0
	}
	return in / (b.Area() + o.Area() - in)
}

// A Set is the regions of one picture: N = len(Boxes) of them.
type Set struct {
	Features []float32 // N×Dim, row-major
	Dim      int       // features a region
	Boxes    []Box     // N
	Labels   []string  // N class names ("" where the source names none), or nil
	// Tags are object tags of the picture as a whole, in the order the encoder should read them.
	// Where nil, the Labels that are not empty serve, in region order.
	Tags          []string
	Width, Height int // of the picture, in pixels; 0 if unknown
}

// Len is the number of regions.
func (s *Set) Len() int { return len(s.Boxes) }

// Row is the feature vector of region i; it aliases Features.
func (s *Set) Row(i int) []float32 { return s.Features[i*s.Dim : (i+1)*s.Dim : (i+1)*s.Dim] }

// ObjectTags are the words an encoder reads beside the regions: Tags, or else the Labels that are
// not empty, in region order and with repeats.
func (s *Set) ObjectTags() []string {
	if s.Tags != nil {
		return s.Tags
	}
	var tags []string
	for _, l := range s.Labels {
		if l != "" {
			tags = append(tags, l)
		}
	}
	return tags
}

// Validate checks that the parts agree and every feature is finite.
func (s *Set) Validate() error {
	switch {
	case s.Dim <= 0:
		return fmt.Errorf("%w: %d features a region", ErrInvalid, s.Dim)
	case len(s.Features) != len(s.Boxes)*s.Dim:
		return fmt.Errorf("%w: %d values for %d regions of %d features", ErrInvalid, len(s.Features), len(s.Boxes), s.Dim)
	case s.Labels != nil && len(s.Labels) != len(s.Boxes):
		return fmt.Errorf("%w: %d labels for %d regions", ErrInvalid, len(s.Labels), len(s.Boxes))
	}
	for i, v := range s.Features {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("%w: feature %d of region %d is %v", ErrInvalid, i%s.Dim, i/s.Dim, v)
		}
	}
	return nil
}
