// Package region holds what a detector, a backbone or a grid of patches says about one picture:
// a list of regions, each with a feature vector, a box and perhaps a class name.
//
// It is the common currency of the packages that make regions (regions, vinvl) and those that
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

// A Box is x1, y1, x2, y2 as fractions (0…1) of the picture's width and height. It is the same type as
// index.Box and train.Box: nothing is converted between them.
type Box = [4]float32

// Width and Height are fractions of the picture's.
func Width(b Box) float32  { return b[2] - b[0] }
func Height(b Box) float32 { return b[3] - b[1] }

// Area is the share of the picture that the box covers; an inverted box has none.
func Area(b Box) float32 {
	w, h := Width(b), Height(b)
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h
}

// IoU is the intersection of two boxes over their union, 0…1.
func IoU(a, b Box) float32 {
	in := Area(Box{max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])})
	if in == 0 {
		return 0
	}
	return in / (Area(a) + Area(b) - in)
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
