package train

import (
	"context"

	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/training/dataset"
)

// Data is what a model trains on or is validated on.
type Data struct {
	Images   Images
	Captions []Caption
}

// A Caption describes one image.
type Caption struct {
	Image int // its number among the Images
	Text  string
}

// Images are a data set's pictures as regions.
type Images interface {
	Len() int
	Dim() int // features a region
	ID(i int) string
	// Views are ways to look at the same picture, for augmentation; view 0 is the picture as it is.
	Views() []View
	// Load returns the regions of a picture in a view. It must be safe for concurrent use.
	Load(ctx context.Context, i, view int) (*RegionSet, error)
}

// A View tells what a view does to the picture.
type View struct {
	Flip bool // mirrored: captions that mention left or right are not trained on it
}

// A RegionSet is the regions of one picture, N = len(Boxes) of them.
type RegionSet struct {
	Features []float32    // N×Dim, row-major
	Dim      int          // features a region
	Boxes    [][4]float32 // x1, y1, x2, y2 as fractions (0…1) of the picture's width and height
	Labels   []string     // N class names ("" for none), or nil
	Tags     []string     // object tags of the whole picture, in the order they are read; nil = the Labels
}

// internal is the data as the trainer reads it; nil stays nil.
func (d *Data) internal() *dataset.Data {
	if d == nil {
		return nil
	}
	out := &dataset.Data{Captions: make([]dataset.Caption, len(d.Captions))}
	if d.Images != nil {
		out.Images = adapter{d.Images}
	}
	for i, c := range d.Captions {
		out.Captions[i] = dataset.Caption(c)
	}
	return out
}

// An adapter is Images in the trainer's own types.
type adapter struct{ Images }

func (a adapter) Views() []dataset.View {
	var out []dataset.View
	for _, v := range a.Images.Views() {
		out = append(out, dataset.View(v))
	}
	return out
}

func (a adapter) Load(ctx context.Context, i, view int) (*region.Set, error) {
	set, err := a.Images.Load(ctx, i, view)
	if err != nil {
		return nil, err
	}
	out := &region.Set{Features: set.Features, Dim: set.Dim, Labels: set.Labels, Tags: set.Tags, Boxes: set.Boxes}
	return out, out.Validate()
}
