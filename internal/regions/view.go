package regions

import (
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
)

// A View is a part of a picture, mirrored or not: what training sees in place of the picture. Boxes
// found in a view are fractions of the view.
type View struct {
	Crop region.Box // the zero box means the whole picture
	Flip bool       // left and right exchanged, after cropping
}

// A view is a View of a certain picture.
type view struct {
	src  *picture.Picture
	rect picture.Rect
	flip bool
}

// newView checks that v shows something of the picture.
func newView(src *picture.Picture, v View) (view, error) {
	if v.Crop == (region.Box{}) {
		v.Crop = region.Box{0, 0, 1, 1}
	}
	w, h := float64(src.W), float64(src.H)
	out := view{src: src, rect: picture.Rect{X0: float64(v.Crop[0]) * w, Y0: float64(v.Crop[1]) * h, X1: float64(v.Crop[2]) * w, Y1: float64(v.Crop[3]) * h}, flip: v.Flip}
	for i, x := range v.Crop {
		if !(x >= 0 && x <= 1) || i < 2 && !(x < v.Crop[i+2]) {
			return view{}, fmt.Errorf("%w: crop %v is not x1 < x2, y1 < y2 within 0…1", ErrConfig, v.Crop)
		}
	}
	return out, nil
}

// viewsOf are the views of each picture; without views the whole of each.
func viewsOf(pics []*picture.Picture, views []View) ([]view, error) {
	if len(views) == 0 {
		views = []View{{}}
	}
	out := make([]view, 0, len(pics)*len(views))
	for _, p := range pics {
		for i, v := range views {
			w, err := newView(p, v)
			if err != nil {
				return nil, fmt.Errorf("view %d: %w", i, err)
			}
			out = append(out, w)
		}
	}
	return out, nil
}

// w and h are the view's sides in pixels of the picture.
func (v view) w() float64 { return v.rect.W() }
func (v view) h() float64 { return v.rect.H() }

// part is the rectangle of the picture under b, which is in the view's fractions.
func (v view) part(b box64) picture.Rect {
	if v.flip {
		b.x0, b.x1 = 1-b.x1, 1-b.x0
	}
	return picture.Rect{
		X0: v.rect.X0 + b.x0*v.w(), Y0: v.rect.Y0 + b.y0*v.h(),
		X1: v.rect.X0 + b.x1*v.w(), Y1: v.rect.Y0 + b.y1*v.h(),
	}
}

// sample writes the part b of the view to dst as three planes of w×h.
func (v view) sample(dst []float32, w, h int, b box64, f picture.Filter) {
	v.src.Sample(dst, w, h, v.part(b), v.flip, f)
}

// crop is the view under b, widened by margin times its sides and at least a pixel wide.
func (v view) crop(b region.Box, margin float64) view {
	mx, my := margin*float64(region.Width(b)), margin*float64(region.Height(b))
	mx = max(mx, (1/v.w()-float64(region.Width(b)))/2)
	my = max(my, (1/v.h()-float64(region.Height(b)))/2)
	wide := box64{
		max(float64(b[0])-mx, 0), max(float64(b[1])-my, 0),
		min(float64(b[2])+mx, 1), min(float64(b[3])+my, 1),
	}
	return view{v.src, v.part(wide), v.flip}
}

// emptySet is a Set of the view's size without regions.
func (v view) emptySet(dim int) *region.Set {
	return &region.Set{Dim: dim, Width: int(math.Round(v.w())), Height: int(math.Round(v.h()))}
}
